// Files to and from the kernel: sent in parts that fit into a message, offered as downloads.
const PART = 1 << 20;

function render({ model, el }) {
  const accept = model.get("accept");
  if (accept) {
    const label = document.createElement("label");
    label.className = "bench-upload";
    const input = document.createElement("input");
    input.type = "file";
    input.accept = accept;
    input.addEventListener("change", async () => {
      const file = input.files[0];
      if (!file) return;
      model.send({ kind: "begin", name: file.name, size: file.size });
      if (file.size <= model.get("max_bytes")) {
        for (let at = 0; at < file.size; at += PART) {
          const part = await file.slice(at, at + PART).arrayBuffer();
          model.send({ kind: "part" }, undefined, [part]);
        }
        model.send({ kind: "end" });
      }
      input.value = "";
    });
    label.append(model.get("label") + " ", input);
    el.append(label);
  }
  model.on("msg:custom", (message, buffers) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(buffers, { type: message.mime }));
    link.download = message.name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}
export default { render };
