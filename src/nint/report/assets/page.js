"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const one = (root, selector) => root.querySelector(selector);
  const all = (root, selector) => [...root.querySelectorAll(selector)];
  const data = (root) => JSON.parse(one(root, "script.data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const narrow = (root) => root.clientWidth < 600;
  const redraw = [];

  function axis(title, extra) {
    return { title: { text: title }, gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true, fixedrange: touch, ...extra };
  }

  function layout(extra) {
    const ink = colour("--ink");
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 13, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: ink } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--quiet"), activecolor: colour("--accent") },
      margin: { l: 10, r: 10, t: 10, b: 10 }, dragmode: touch ? false : "zoom", ...extra,
    };
  }

  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

  const widgets = {
    frames(root) {
      const { labels, panels } = data(root);
      const range = one(root, "input[type=range]"), output = one(root, "output"), layer = one(root, "select"), play = one(root, ".play");
      const figures = all(root, ".panels figure");
      const show = () => {
        const frame = Number(range.value), label = labels[frame];
        output.textContent = label;
        range.setAttribute("aria-valuetext", label);
        figures.forEach((figure, number) => {
          const { title, layers, captions } = panels[number];
          const name = layer && layer.value in layers ? layer.value : Object.keys(layers)[0];
          const image = one(figure, "img"), caption = one(figure, "p");
          image.src = layers[name][Math.min(frame, layers[name].length - 1)];
          image.alt = [title, name === title ? "" : name, label].filter(Boolean).join(", ");
          if (caption) caption.textContent = captions[Math.min(frame, captions.length - 1)];
        });
      };
      let timer = 0;
      const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; play.setAttribute("aria-pressed", "false"); };
      play.addEventListener("click", () => {
        if (timer) return stop();
        if (range.value === range.max) range.value = range.min;
        show();
        play.textContent = "Stop";
        play.setAttribute("aria-pressed", "true");
        timer = setInterval(() => { range.stepUp(); show(); if (range.value === range.max) stop(); }, still.matches ? 1600 : 700);
      });
      range.addEventListener("input", () => { if (timer) stop(); show(); });
      if (layer) layer.addEventListener("change", show);
      if (labels.length < 2) { range.disabled = true; play.disabled = true; }
      show();
    },

    split(root) {
      const range = one(root, "input"), stack = one(root, ".stack"), name = one(root, "label").textContent;
      const show = () => {
        stack.style.setProperty("--at", `${range.value}%`);
        range.setAttribute("aria-valuetext", `${name} on the left ${range.value} percent`);
      };
      const drag = (event) => {
        const box = stack.getBoundingClientRect();
        range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
        show();
      };
      range.addEventListener("input", show);
      stack.addEventListener("pointerdown", (event) => { stack.setPointerCapture(event.pointerId); drag(event); });
      stack.addEventListener("pointermove", (event) => { if (stack.hasPointerCapture(event.pointerId)) drag(event); });
      stack.addEventListener("dragstart", (event) => event.preventDefault());
      show();
    },

    curves(root) {
      const { groups } = data(root), plot = one(root, ".plot"), metric = one(root, ".metric"), log = one(root, ".log"), pick = one(root, ".group");
      const draw = () => {
        const group = groups[pick ? Number(pick.value) : 0];
        if (!(metric.value in group.metrics)) metric.value = Object.keys(group.metrics)[0];
        all(root, "input[type=radio]").forEach((radio) => { radio.disabled = !(radio.value in group.axes); });
        let radio = one(root, "input[type=radio]:checked");
        if (radio.disabled) { radio = one(root, "input[type=radio]:enabled"); radio.checked = true; }
        const x = radio.value, y = metric.value;
        const traces = group.series.filter((run) => y in run.columns).map((run) => ({
          x: run.columns[x], y: run.columns[y], name: escaped(run.name), legendgroup: run.name, showlegend: run.first,
          mode: run.columns[x].length < 3 ? "lines+markers" : "lines", opacity: run.first ? 1 : 0.55, connectgaps: true,
          line: { color: dark.matches ? run.dark : run.light, dash: run.dash, width: run.first ? 2.2 : 1.2 },
          hovertemplate: `%{y:.5g} at %{x:,.5~g}<extra>${escaped(run.name)}, seed ${escaped(run.seed)}</extra>`,
        }));
        const names = group.series.filter((run) => run.first).length;
        plot.style.height = names > 4 ? `calc(24rem + ${Math.ceil(narrow(plot) ? names : names / 3)} * 1.4rem)` : "";
        const kind = log.checked ? "log" : "linear";
        Plotly.react(plot, traces, layout({
          xaxis: axis(group.axes[x], { type: kind, rangemode: "tozero", exponentformat: "power" }),
          yaxis: axis(narrow(plot) ? "" : group.metrics[y], {}), hovermode: "closest", showlegend: group.series.length > 1 || !group.name,
          legend: { orientation: "h", yanchor: "bottom", y: 1.02, x: 0 },
        }), config);
      };
      const choose = () => {
        const group = groups[Number(pick.value)], kept = metric.value;
        metric.replaceChildren(...Object.entries(group.metrics).map(([name, label]) => new Option(label, name)));
        metric.value = kept in group.metrics ? kept : Object.keys(group.metrics)[0];
        draw();
      };
      if (pick) pick.addEventListener("change", choose);
      [metric, log, ...all(root, "input[type=radio]")].forEach((control) => control.addEventListener("change", draw));
      redraw.push(draw);
      draw();
    },

    sound(root) {
      const levels = data(root), plot = one(root, ".plot"), said = one(root, ".level");
      const bytes = Uint8Array.from(atob(levels.z.bdata), (letter) => letter.charCodeAt(0)), cells = new Int8Array(bytes.buffer);
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [levels.columns, levels.rows];
      const paint = canvas.getContext("2d"), picture = paint.createImageData(levels.columns, levels.rows), last = levels.colours.length - 1;
      cells.forEach((level, cell) => {
        const row = levels.rows - 1 - Math.floor(cell / levels.columns), at = 4 * (row * levels.columns + (cell % levels.columns));
        const colour = levels.colours[Math.round(last * Math.min(Math.max(1 - level / levels.floor, 0), 1))];
        picture.data.set([...colour, 255], at);
      });
      paint.putImageData(picture, 0, 0);
      const source = canvas.toDataURL(), [left, right] = levels.seconds, [low, high] = levels.khz;
      const draw = () => Plotly.react(plot, [{ x: [], y: [], mode: "markers", hoverinfo: "skip" }], layout({
        images: [{ source, x: left, y: high, sizex: right - left || 1, sizey: high - low || 1, xref: "x", yref: "y", sizing: "stretch", layer: "below" }],
        xaxis: axis("seconds", { showgrid: false, range: [left, right] }), yaxis: axis("kHz", { showgrid: false, range: [low, high] }),
      }), config);
      plot.addEventListener("pointermove", (event) => {
        const { xaxis, yaxis, _size } = plot._fullLayout, box = plot.getBoundingClientRect();
        const x = xaxis.p2d(event.clientX - box.left - _size.l), y = yaxis.p2d(event.clientY - box.top - _size.t);
        const column = Math.round(((x - left) / (right - left || 1)) * (levels.columns - 1)), row = Math.round(((y - low) / (high - low || 1)) * (levels.rows - 1));
        if (column < 0 || row < 0 || column >= levels.columns || row >= levels.rows) return;
        said.textContent = `${cells[row * levels.columns + column]} dB at ${x.toFixed(3)} s, ${y.toFixed(2)} kHz`;
      });
      redraw.push(draw);
      draw();
    },

    turnable(root) {
      const mesh = data(root), plot = one(root, ".plot"), turn = one(root, ".turn"), tilt = one(root, ".tilt");
      const camera = () => {
        const around = (Number(turn.value) * Math.PI) / 180, above = (Number(tilt.value) * Math.PI) / 180, far = 1.7;
        const eye = { x: far * Math.cos(above) * Math.sin(around), y: far * Math.sin(above), z: far * Math.cos(above) * Math.cos(around) };
        return { eye, up: { x: 0, y: 1, z: 0 }, center: { x: 0, y: 0, z: 0 } };
      };
      const hidden = { visible: false, showspikes: false };
      const draw = () => Plotly.react(plot, [{
        type: "mesh3d", ...mesh, color: dark.matches ? "#9fb4d8" : "#8fa6cc", hoverinfo: "skip", flatshading: false,
        lighting: { ambient: 0.4, diffuse: 0.75, specular: 0.2, roughness: 0.6 }, lightposition: { x: 2000, y: 4000, z: 6000 },
      }], layout({
        margin: { l: 0, r: 0, t: 0, b: 0 }, dragmode: "orbit",
        scene: { xaxis: hidden, yaxis: hidden, zaxis: hidden, aspectmode: "data", camera: camera(), bgcolor: "rgba(0,0,0,0)" },
      }), config);
      const look = () => Plotly.relayout(plot, { "scene.camera": camera() });
      [turn, tilt].forEach((range) => range.addEventListener("input", look));
      redraw.push(draw);
      draw();
    },
  };

  function sortable(table) {
    const heads = all(table, "thead th"), body = table.tBodies[0];
    if (!body || body.rows.length < 2) return;
    const number = (text) => { const found = /^[+-]?\d[\d,]*\.?\d*(e[+-]?\d+)?/i.exec(text.trim()); return found ? parseFloat(found[0].replace(/,/g, "")) : NaN; };
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        const rows = [...body.rows].map((row) => ({ row, text: row.cells[column] ? row.cells[column].textContent : "" }));
        rows.forEach((entry) => { entry.value = number(entry.text); });
        const numeric = rows.some((entry) => !Number.isNaN(entry.value));
        rows.sort((a, b) => {
          if (!numeric) return sign * a.text.localeCompare(b.text, "en", { numeric: true });
          if (Number.isNaN(a.value) || Number.isNaN(b.value)) return Number.isNaN(a.value) - Number.isNaN(b.value); // what is no number stays last
          return sign * (a.value - b.value);
        });
        heads.forEach((other) => other.setAttribute("aria-sort", other === head ? (sign > 0 ? "ascending" : "descending") : "none"));
        body.append(...rows.map((entry) => entry.row));
      });
    });
  }

  // Long texts wrap; texts before the first number of a row are narrow on a phone, so that a number is in sight.
  function fitted(table) {
    const rows = [...table.rows].filter((row) => !row.closest("thead")), heads = all(table, "thead th");
    const isNumber = (cell) => /^[<>~+-]?\d/.test(cell.textContent.trim());
    const firsts = rows.map((row) => [...row.cells].findIndex(isNumber)).filter((column) => column > 0);
    const first = firsts.length ? Math.min(...firsts) : 0;
    for (let column = 0; column < heads.length; column += 1) {
      const cells = rows.map((row) => row.cells[column]).filter(Boolean), long = cells.some((cell) => cell.textContent.length > 44);
      for (const cell of [heads[column], ...cells]) {
        if (long) cell.classList.add("words");
        if (column > 0 && column < first) cell.classList.add("first");
      }
    }
  }

  all(document, "table.sorts").forEach(fitted);
  all(document, "table.sorts").forEach(sortable);
  all(document, "[data-widget]").forEach((root) => widgets[root.dataset.widget](root));
  dark.addEventListener("change", () => redraw.forEach((draw) => draw()));
})();
