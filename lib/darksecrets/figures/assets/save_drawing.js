// What the buttons of a BertViz page do: save the drawing as it stands, as vectors or as a picture.
(() => {
  "use strict";
  const MARGIN = 8;
  const SCALE = 2; // pixels of the picture for one of the drawing
  const SVG = "http://www.w3.org/2000/svg";

  // The drawing as a document of its own: its extent and its letters are said, which here come from the page around it.
  function drawing() {
    const shown = document.querySelector("#vis svg");
    const box = shown.getBBox();
    const size = { width: Math.ceil(box.width) + 2 * MARGIN, height: Math.ceil(box.height) + 2 * MARGIN };
    const place = { x: Math.floor(box.x) - MARGIN, y: Math.floor(box.y) - MARGIN };
    const copy = shown.cloneNode(true);
    const background = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ ...place, ...size, fill: "#fff" })) background.setAttribute(name, value);
    copy.prepend(background);
    copy.setAttribute("xmlns", SVG);
    copy.setAttribute("viewBox", `${place.x} ${place.y} ${size.width} ${size.height}`);
    for (const [name, value] of Object.entries(size)) copy.setAttribute(name, value);
    copy.style.fontFamily = getComputedStyle(shown).fontFamily;
    return { text: new XMLSerializer().serializeToString(copy), ...size };
  }

  async function picture({ text, width, height }) {
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: SCALE * width, height: SCALE * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  async function save(kind) {
    const drawn = drawing();
    const file = kind === "svg" ? new Blob([drawn.text], { type: "image/svg+xml" }) : await picture(drawn);
    const name = document.title.toLowerCase().replace(/[^a-z]+/g, "-");
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `${name}.${kind}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000); // a browser may still be reading it
  }

  for (const button of document.querySelectorAll("button[data-save]")) {
    button.onclick = () => save(button.dataset.save).catch((error) => console.error(`not saved: ${error.message}`));
  }
})();
