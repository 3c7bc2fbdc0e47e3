"use strict";
/* How many spikes each step has, input above and hidden below, with the step of the decision marked. */
bstdg.timeline = (canvas, slider, numSteps, colors) => {
  const THUMB = 16, LABEL = 46, context = canvas.getContext("2d");
  let counts = null, decided = -1, current = 0;

  function start(steps, run) {
    const histogram = (layers) => {
      const bins = new Array(numSteps).fill(0);
      for (const layer of layers) for (const step of layer) if (step < numSteps) bins[step]++;
      return bins;
    };
    counts = run ? [histogram([steps]), histogram(run.hidden)] : null;
    decided = run ? run.step : -1;
  }

  function write(text, x, y, color, align, weight = 400) {
    context.font = `${weight} 11px ${getComputedStyle(document.body).fontFamily}`;
    [context.fillStyle, context.textAlign, context.textBaseline] = [color, align, "middle"];
    context.fillText(text, x, y);
  }

  function draw(step = current) {
    current = step;
    const { clientWidth: width, clientHeight: height } = canvas, ratio = devicePixelRatio || 1, color = colors();
    if (width === 0) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const column = (width - LABEL) / numSteps, middle = (t) => LABEL + (t + 0.5) * column;
    slider.style.marginLeft = `${LABEL + Math.max(0, column / 2 - THUMB / 2)}px`;
    slider.style.width = `${width - LABEL - Math.max(0, column - THUMB)}px`;
    const base = height - 14, band = (base - 14) / 2;
    context.fillStyle = color.track;
    context.fillRect(LABEL + current * column, 14, column, base - 14);
    ["input", "hidden"].forEach((name, row) => {
      const bottom = 14 + (row + 1) * band;
      write(name, 0, bottom - band / 2 + 2, color.quiet, "left");
      context.fillStyle = color.rule;
      context.fillRect(LABEL, bottom - 1, width - LABEL, 1);
      const most = counts ? Math.max(1, ...counts[row]) : 1, bar = Math.max(1, Math.min(26, column * 0.6));
      for (let t = 0; counts && t < numSteps; t++) {
        const tall = counts[row][t] ? Math.max(1.5, ((band - 5) * counts[row][t]) / most) : 0;
        context.fillStyle = t === current ? color.lit : t <= decided ? color.shade(0.25) : color.shade(1);
        context.globalAlpha = t > decided ? 0.55 : 1;
        context.fillRect(middle(t) - bar / 2, bottom - tall - 1, bar, tall);
        context.globalAlpha = 1;
      }
    });
    const every = [1, 2, 5, 10, 20, 25, 50, 100].find((n) => n * column >= 26) ?? numSteps;
    for (let t = 0; t < numSteps; t += every) write(String(t), middle(t), height - 6, t === current ? color.lit : color.quiet, "center", t === current ? 700 : 400);
    if (decided >= 0) {
      const x = middle(decided), side = x > width * 0.7 ? "right" : "left";
      context.fillStyle = color.ink;
      context.beginPath();
      context.moveTo(x - 5, 3);
      context.lineTo(x + 5, 3);
      context.lineTo(x, 10);
      context.fill();
      write("decision", x + (side === "left" ? 9 : -9), 6, color.ink, side);
    }
  }
  new ResizeObserver(() => draw()).observe(canvas);
  return { start, draw };
};

/** The same in a table: spikes of every layer at each step, and the output that leads. */
bstdg.table = (head, body, network, steps, run) => {
  const row = (cells, tag, first) => {
    const tr = document.createElement("tr");
    cells.forEach((text, i) => {
      const cell = document.createElement(i === 0 ? "th" : tag);
      cell.textContent = text;
      if (i === 0 || tag === "th") cell.scope = i === 0 && !first ? "row" : "col";
      tr.append(cell);
    });
    return tr;
  };
  const hidden = network.layers.slice(0, -1).map((_, i, all) => (all.length > 1 ? `Hidden ${i + 1}` : "Hidden"));
  head.replaceChildren(...row(["Step", "Input", ...hidden, "Leads", "V \u2212 \u03b8"], "th", true).children);
  const at = (layer, step) => layer.reduce((count, s) => count + (s === step ? 1 : 0), 0);
  const rows = (run ? run.leads : []).map((lead, t) => {
    const best = lead.indexOf(Math.max(...lead)), spikes = [steps, ...run.hidden].map((layer) => at(layer, t));
    const tr = row([`${t}${t === run.step ? " decides" : ""}`, ...spikes, network.classes[best], String(lead[best]).replace("-", "\u2212")], "td", false);
    tr.classList.toggle("decides", t === run.step);
    return tr;
  });
  body.replaceChildren(...rows);
};
