// A picture with alternative text that tells where it was clicked, as fractions of its sides.
function render({ model, el }) {
  const image = document.createElement("img");
  image.className = "bench-picture";
  let address = "";
  const show = () => {
    const data = model.get("data");
    const old = address;
    address = data && data.byteLength ? URL.createObjectURL(new Blob([data], { type: model.get("mime") })) : "";
    image.onload = image.onerror = () => old && URL.revokeObjectURL(old);
    image.hidden = !address;
    if (address) image.src = address;
    else image.removeAttribute("src");
  };
  const describe = () => {
    image.alt = model.get("alt");
    image.style.cursor = model.get("clickable") ? "crosshair" : "default";
  };
  image.addEventListener("click", (event) => {
    if (!model.get("clickable")) return;
    const box = image.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    model.send({ x, y });
  });
  model.on("change:data", show);
  model.on("change:alt change:clickable", describe);
  describe();
  show();
  el.append(image);
  return () => address && URL.revokeObjectURL(address);
}
export default { render };
