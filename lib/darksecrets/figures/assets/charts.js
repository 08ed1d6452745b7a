// Turns the static picture of each figure into its interactive chart. Without this script the picture and the data table remain.
(() => {
  "use strict";
  const here = document.currentScript.src;
  let bundle;

  // One script of 0.9 MB, fetched only by pages that have a chart, and once; a page of its own has it inside.
  function vegaEmbed() {
    if (window.vegaEmbed) return Promise.resolve(window.vegaEmbed);
    bundle ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL("vega.js", here).href;
      script.onload = () => resolve(window.vegaEmbed);
      script.onerror = () => reject(new Error("vega.js could not be loaded"));
      document.head.append(script);
    });
    return bundle;
  }

  function picture(figure) {
    return figure.querySelector(":scope > img, :scope > a > img");
  }

  // Panels that stand one below the other on a phone stand side by side where there is room.
  function arranged(chart, width) {
    if (chart.concat) return { ...chart, columns: Math.max(1, Math.floor(width / 340)) };
    const { vconcat, ...rest } = chart;
    const isLine = (panel) => panel.height < 50; // a line of text, which belongs above its plot
    if (!vconcat || vconcat.some(isLine) || width < 340 * vconcat.length) return chart;
    return { ...rest, hconcat: vconcat };
  }

  async function draw(specification) {
    const figure = specification.closest("figure");
    const image = picture(figure);
    const card = document.createElement("div");
    card.className = "vega-chart";
    card.tabIndex = 0; // so that the keyboard can scroll a chart wider than the page
    card.setAttribute("role", "group");
    card.setAttribute("aria-label", image.alt);
    const chart = card.appendChild(document.createElement("div"));
    image.before(card);
    const embed = await vegaEmbed();
    const content = JSON.parse(specification.textContent);
    const { view } = await embed(chart, arranged(content, card.clientWidth), {
      actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
      config: { font: getComputedStyle(document.body).fontFamily },
      downloadFileName: figure.id,
      renderer: "svg",
      tooltip: { theme: "light" },
    });
    card.querySelector("summary")?.setAttribute("aria-label", "Save this chart");
    image.hidden = true;
    card.dispatchEvent(new CustomEvent("chart-drawn", { bubbles: true, detail: { view, content } }));
  }

  function start() {
    for (const specification of document.querySelectorAll("script.vega-spec")) {
      draw(specification).catch((error) => console.error(`${specification.closest("figure").id}: ${error.message}`));
    }
    for (const frame of document.querySelectorAll("iframe.html-view")) {
      const figure = frame.closest("figure");
      const image = picture(figure);
      image.before(frame);
      frame.hidden = false;
      image.hidden = true;
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
