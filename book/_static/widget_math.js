// The widget manager typesets labels the MathJax 2 way; the book loads MathJax 3. This joins the two.
window.addEventListener("load", () => {
  const mathjax = window.MathJax;
  if (mathjax && !mathjax.Hub) {
    mathjax.Hub = { Queue: ([, , element]) => mathjax.typesetPromise([element]) };
  }
});
