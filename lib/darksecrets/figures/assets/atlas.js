// Keeps the charts of a page that show one head on the same head: chosen by mouse, finger, keyboard, menu or address.
// A chart says by its `usermeta` which of its parameters are shared (darksecrets.apps.atlas_charts).
(() => {
  "use strict";
  const LAYER = "chosen_layer";
  const HEAD = "chosen_head";
  const ADDRESS = /^#layer-(\d+)-head-(\d+)$/;
  const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const charts = []; // of this page, as they are drawn
  const chosen = {}; // what a reader has chosen, by parameter
  let grid; // the chart in which heads are chosen

  function has(chart, name) {
    return chart.names.includes(name);
  }

  // Set parameters on every chart that has them and shows something else.
  function choose(values) {
    Object.assign(chosen, values);
    for (const chart of charts) {
      const news = Object.keys(values).filter((name) => has(chart, name) && chart.view.signal(name) !== values[name]);
      for (const name of news) chart.view.signal(name, values[name]);
      if (news.length) chart.view.runAsync();
    }
    describe();
  }

  function open(layer, head) {
    choose({ [LAYER]: layer, [HEAD]: head });
  }

  function heads() {
    return grid.described.filter((row) => row.run === grid.view.signal("chosen_run"));
  }

  // The sentence on the chosen head, which a screen reader reads out, and the address that leads to it.
  function describe() {
    if (!grid) return;
    const [layer, head] = [grid.view.signal(LAYER), grid.view.signal(HEAD)];
    const row = heads().find((one) => one.layer === layer && one.head === head);
    const words = row ? row.in_words : `Layer ${layer} head ${head}: this run's model has no such head.`;
    if (grid.status.textContent !== words) grid.status.textContent = words;
    if (chosen[LAYER]) history.replaceState(history.state, "", `#layer-${layer}-head-${head}`);
  }

  function addressed() {
    const [, layer, head] = (ADDRESS.exec(location.hash) ?? []).map(Number);
    return grid.described.some((row) => row.layer === layer && row.head === head) ? [layer, head] : undefined;
  }

  function press(event) {
    if (event.target !== grid.card || event.altKey || event.ctrlKey || event.metaKey) return;
    const there = heads();
    const [nLayers, nHeads] = ["layer", "head"].map((name) => Math.max(...there.map((row) => row[name])));
    const [layer, head] = [grid.view.signal(LAYER), grid.view.signal(HEAD)];
    const ends = { Home: [layer, 1], End: [layer, nHeads] };
    const move = MOVES[event.key];
    if (!there.length || !(move || ends[event.key])) return;
    event.preventDefault();
    const [down, across] = move ? [layer + move[0], head + move[1]] : ends[event.key];
    open(Math.min(Math.max(down, 1), nLayers), Math.min(Math.max(across, 1), nHeads));
  }

  function begin(chart) {
    const status = document.createElement("p");
    status.className = "chosen-head";
    status.setAttribute("role", "status");
    chart.card.after(status);
    chart.card.setAttribute("role", "application");
    chart.card.setAttribute("aria-roledescription", "grid of heads");
    chart.card.setAttribute("aria-label", `${chart.card.getAttribute("aria-label")} Arrow keys choose a head.`);
    const described = Object.values(chart.content.datasets).find((rows) => rows[0]?.in_words);
    grid = { ...chart, status, described: described ?? [] };
    chart.card.addEventListener("keydown", press);
    chart.view.addEventListener("click", (_, item) => {
      if (item?.datum?.layer && item.datum.head) open(item.datum.layer, item.datum.head);
    });
    const head = addressed();
    if (head) {
      open(...head);
      chart.card.closest("figure").scrollIntoView();
    }
    describe();
  }

  document.addEventListener("chart-drawn", (event) => {
    const { view, content } = event.detail;
    const names = content.usermeta?.linked;
    if (!names) return;
    const chart = { view, content, names, card: event.target };
    charts.push(chart);
    chart.card.classList.add("linked");
    choose(chosen); // a chart that is drawn late shows what was chosen meanwhile
    for (const name of names) view.addSignalListener(name, (_, value) => chosen[name] === value || choose({ [name]: value }));
    if (content.usermeta.grid) begin(chart);
  });
  addEventListener("hashchange", () => grid && addressed() && open(...addressed()));
})();
