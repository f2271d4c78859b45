"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const cards = new Map();
  let curves = null;

  function made(tag, text, kind) {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  }

  function card(name) {
    const root = made("article"), number = made("p", "", "number"), said = made("p", "", "small"), bar = made("progress");
    const pair = made("div", "", "pair"), images = new Map();
    bar.max = 1;
    bar.setAttribute("aria-label", `How far ${name} is`);
    root.append(made("h2", name), number, bar, pair, said);
    by("runs").append(root);
    const found = { root, number, said, bar, pair, images, step: -1 };
    cards.set(name, found);
    return found;
  }

  function pictures(found, run, layers) {
    if (run.picture_step < 0 || run.picture_step === found.step) return;
    found.step = run.picture_step;
    for (const layer of layers) {
      if (!found.images.has(layer)) {
        const figure = made("figure"), image = made("img");
        figure.hidden = true;
        image.addEventListener("load", () => { figure.hidden = false; found.pair.classList.toggle("wide", image.naturalWidth > 2.5 * image.naturalHeight); });
        figure.append(made("figcaption", layer), image);
        found.pair.append(figure);
        found.images.set(layer, image);
      }
      const image = found.images.get(layer);
      image.alt = `${layer} of ${run.name} at step ${run.picture_step}`;
      image.src = `picture?${new URLSearchParams({ run: run.name, layer, step: run.picture_step })}`;
    }
  }

  function last(run) {
    if (!curves) return "";
    const line = curves.series.find((entry) => entry.name === run.name), metric = by("metric").value;
    if (!line || !(metric in line.columns)) return "";
    const value = line.columns[metric].filter((entry) => entry !== null).at(-1);
    return value === undefined ? "" : `${value.toPrecision(4)} ${curves.metrics[metric]}`;
  }

  function show(run, layers) {
    const found = cards.get(run.name) || card(run.name);
    const step = run.step === null ? "starting" : `step ${run.step.toLocaleString("en")}`;
    const seconds = run.training_seconds === null ? "" : `${run.training_seconds.toFixed(1)} s of training`;
    found.number.textContent = last(run);
    found.said.textContent = [run.ended ? `ended: ${run.ended}` : "running", step, seconds, run.input, run.sampler, run.field].filter(Boolean).join(", ");
    if (run.done_part === null) found.bar.removeAttribute("value");
    else found.bar.value = run.done_part;
    pictures(found, run, layers);
  }

  function choices(select, entries) {
    const kept = select.value;
    if ([...select.options].map((option) => option.value).join() === Object.keys(entries).join()) return;
    select.replaceChildren(...Object.entries(entries).map(([name, label]) => new Option(label, name)));
    if (kept in entries) select.value = kept;
  }

  function draw() {
    by("curves").hidden = !curves;
    if (!curves) return;
    choices(by("metric"), curves.metrics);
    choices(by("axis"), curves.axes);
    const metric = by("metric").value, axis = by("axis").value, ink = colour("--ink"), grid = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
    const traces = curves.series.filter((run) => metric in run.columns).map((run) => ({
      x: run.columns[axis], y: run.columns[metric], name: escaped(run.name), mode: run.columns[axis].length < 3 ? "lines+markers" : "lines",
      connectgaps: true, line: { color: dark.matches ? run.dark : run.light, dash: run.dash, width: 2 },
    }));
    Plotly.react(by("plot"), traces, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 13 }, margin: { l: 10, r: 10, t: 10, b: 10 },
      xaxis: { title: { text: curves.axes[axis] }, rangemode: "tozero", ...grid }, yaxis: { title: { text: curves.metrics[metric] }, ...grid },
      showlegend: traces.length > 1, legend: { orientation: "h", yanchor: "bottom", y: 1.02, x: 0 },
    }, { responsive: true, displayModeBar: false });
  }

  async function ask() {
    const state = by("state");
    try {
      const answer = await (await fetch("runs", { cache: "no-store" })).json();
      curves = answer.curves;
      draw();
      answer.runs.forEach((run) => show(run, answer.layers));
      const names = new Set(answer.runs.map((run) => run.name));
      for (const [name, found] of cards) if (!names.has(name)) { found.root.remove(); cards.delete(name); }
      const going = answer.runs.filter((run) => !run.ended).length;
      state.className = "";
      state.textContent = answer.runs.length ? `${answer.runs.length} run${answer.runs.length > 1 ? "s" : ""} in ${answer.folder}, ${going} going on.` : `No run in ${answer.folder} yet.`;
    } catch (error) {
      state.className = "lost";
      state.textContent = "The page's server has ended; what is shown is the last that it said. No run is stopped by that.";
    }
    setTimeout(ask, 1000);
  }

  [by("metric"), by("axis")].forEach((select) => select.addEventListener("change", draw));
  dark.addEventListener("change", draw);
  ask();
})();
