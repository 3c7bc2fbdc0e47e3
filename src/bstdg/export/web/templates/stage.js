"use strict";
/* The race, drawn: cells that flash at their step, the ways of their spikes, and the outputs running to the threshold.
 *
 * A moment is a step and a phase 0 … 1 within it. The layers take their turn one after another within a step, so that
 * the eye can follow; for the network it is one and the same step.
 */
bstdg.stage = (canvas, network, colors) => {
  const NOTHING = { steps: new Uint8Array(0), run: null }, WAYS = 260, FEWER = 70, OUTPUTS = 20;
  const context = canvas.getContext("2d"), last = network.layers.length, plain = new Intl.NumberFormat("en");
  const { draw: drawNeurons, dot } = bstdg.cells(context, network.numSteps);
  let race = NOTHING, scene = null, shown = { step: 0, phase: 1 };

  const ease = (x) => x * x * (3 - 2 * x);
  const within = (phase, layer) => Math.min(1, Math.max(0, phase * (last + 1) - layer));
  const font = (size, weight = 400) => `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;

  function write(text, x, y, { size = 13, weight = 400, color, align = "left", room }) {
    context.font = font(size, weight);
    context.fillStyle = color;
    context.textAlign = align;
    context.textBaseline = "middle";
    room ? context.fillText(text, x, y, room) : context.fillText(text, x, y);
  }

  const stepsOf = (layer) => (layer === 0 ? race.steps : race.run.hidden[layer - 1]);

  /** What has fired up to the moment; -1 while the network is at rest. */
  const reached = (layer, { step, phase }) => (within(phase, layer) > 0 || phase === 1 ? step : step - 1);

  function drawCells(layer, moment, color) {
    const until = race.run ? reached(layer, moment) : -1, flash = 1 + 0.8 * (1 - within(moment.phase, layer));
    const how = { step: moment.step, until, flash, color, square: layer === 0 };
    return drawNeurons(layer, scene.panels[layer], race.run ? stepsOf(layer) : null, how);
  }

  /** The way of each spike to the next layer, and the spike on it. */
  function drawWays(layer, fired, phase, color) {
    const most = scene.panels[layer].style === "maps" ? FEWER : WAYS; // whose pictures would not be seen for them
    const every = Math.ceil(fired.length / most), head = within(phase, layer + 0.1);
    const at = (a, b, c, d, t) => a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t * t * (1 - t) + d * t ** 3;
    for (let n = 0; n < fired.length; n += every) {
      const [x, y] = scene.panels[layer].centre(fired[n], stepsOf(layer)[fired[n]]), { to, across } = scene.port(layer, [x, y]);
      const [bx, by] = across ? [x + (to[0] - x) * 0.55, y] : [x, y + (to[1] - y) * 0.55];
      const [cx, cy] = across ? [to[0] - (to[0] - x) * 0.3, to[1]] : [to[0], to[1] - (to[1] - y) * 0.3];
      context.globalAlpha = Math.min(0.35, Math.max(0.1, 14 / fired.length));
      context.strokeStyle = color.lit;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x, y);
      context.bezierCurveTo(bx, by, cx, cy, ...to);
      context.stroke();
      context.globalAlpha = 1;
      if (head <= 0 || head >= 1) continue;
      context.fillStyle = color.lit;
      dot(at(x, bx, cx, to[0], ease(head)), at(y, by, cy, to[1], ease(head)), 2.2, false);
    }
  }

  /** Which outputs are shown, and how far left and right of their thresholds: all, or those that came closest. */
  function field() {
    const { leads, step, label } = race.run, count = network.classes.length;
    const all = Array.from({ length: count }, (_, k) => k);
    const shownOnes = count <= OUTPUTS ? all : all.sort((a, b) => leads[step][b] - leads[step][a]).slice(0, OUTPUTS).sort((a, b) => a - b);
    const sizes = leads.slice(0, step + 1).flatMap((lead) => shownOnes.map((k) => Math.abs(lead[k]))).sort((a, b) => a - b);
    const low = Math.max(8, 1.4 * sizes[sizes.length >> 1]);
    return { shownOnes, low, high: Math.max(low / 6, Math.min(leads[step][label], low / 2)) };
  }

  function leadAt(k, { step, phase }) {
    const { leads } = race.run, after = leads[step][k];
    const before = step > 0 ? leads[step - 1][k] : -network.layers[last - 1].thresholds[k];
    return phase === 1 ? after : before + (after - before) * ease(within(phase, last));
  }

  function drawOutputs(moment, color) {
    const { x, y, width, height } = scene.panels[last];
    if (!race.run) return drawRestingOutputs(color);
    const { shownOnes, low, high } = field(), row = Math.min(27, height / shownOnes.length), names = shownOnes.map((k) => network.classes[k]);
    context.font = font(13);
    const label = Math.min(width * 0.32, Math.max(...names.map((name) => context.measureText(name).width)) + 12);
    const left = x + label, right = x + width - 44, along = (lead) => left + ((Math.min(high, Math.max(-low, lead)) + low) / (low + high)) * (right - left);
    const line = along(0), top = y, bottom = y + row * shownOnes.length, decided = arrived(moment);
    shownOnes.forEach((k, i) => {
      const lead = leadAt(k, moment), middle = top + (i + 0.5) * row, wins = decided && k === race.run.label;
      context.fillStyle = color.track;
      context.fillRect(left, middle - row * 0.3, right - left, row * 0.6);
      context.fillStyle = wins ? color.lit : color.shade(decided ? 1 : 0.45);
      context.fillRect(left, middle - row * 0.3, Math.max(2, along(lead) - left), row * 0.6);
      write(names[i], left - 8, middle, { align: "right", color: wins ? color.lit : color.ink, weight: wins ? 700 : 400, room: label - 8 });
      const told = `${lead > 0 ? "+" : lead < 0 ? "\u2212" : ""}${Math.abs(Math.round(lead))}`;
      write(told, x + width, middle, { align: "right", size: 12, color: wins ? color.lit : color.quiet, weight: wins ? 700 : 400, room: 40 });
    });
    context.strokeStyle = color.ink;
    context.setLineDash([4, 3]);
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(line, top - 6);
    context.lineTo(line, bottom);
    context.stroke();
    context.setLineDash([]);
    write("threshold \u03b8", line, top - 14, { size: 12, color: color.quiet, align: "center" });
  }

  function drawRestingOutputs(color) {
    const { x, y, width, height } = scene.panels[last], rows = Math.min(OUTPUTS, network.classes.length), row = Math.min(27, height / rows);
    context.fillStyle = color.track;
    for (let i = 0; i < rows; i++) context.fillRect(x + 40, y + (i + 0.2) * row, width - 84, row * 0.6);
  }

  /** The race has been decided by this moment. */
  function arrived({ step, phase }) {
    return race.run !== null && (step > race.run.step || (step === race.run.step && (phase === 1 || within(phase, last) > 0.7)));
  }

  /** Below a caption: of maps, how they are written and what shape they have; of colours, what each tile is. */
  function drawShape(layer, x, y, width, color) {
    const { shape, style, tiles, colour } = scene.panels[layer];
    if (layer > 0 && style === "maps") {
      const told = `${network.layers[layer - 1].written}: ${bstdg.pictures.written(shape)}`;
      write(told, x, y - 13, { size: 12, color: color.quiet, room: width });
    } else if (colour) {
      ["red", "green", "blue", "so far"].forEach((name, n) => write(name, tiles[n].x, tiles[n].y - 9, { size: 11, color: color.quiet }));
    }
  }

  function drawCaptions(moment, color) {
    scene.panels.forEach(({ x, y, width }, layer) => {
      const name = layer === 0 ? "Input" : layer === last ? "Output" : last > 2 ? `Hidden ${layer}` : "Hidden";
      write(name, x, y - 32, { weight: 600, size: 14, color: color.ink });
      const left = width - context.measureText(name).width - 10;
      const fired = race.run && layer < last ? stepsOf(layer).reduce((n, s) => n + (s <= reached(layer, moment) ? 1 : 0), 0) : 0;
      const told = layer === last ? "V \u2212 \u03b8" : `${plain.format(fired)} of ${plain.format(scene.panels[layer].count)}`;
      write(told, x + width, y - 32, { size: 13, color: color.quiet, align: "right", room: left });
      if (layer < last) drawShape(layer, x, y, width, color);
    });
  }

  function draw(moment = shown) {
    shown = moment;
    const width = canvas.clientWidth, ratio = devicePixelRatio || 1, color = colors();
    if (width === 0) return;
    scene = bstdg.scene(network, width);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(scene.height * ratio);
    canvas.style.height = `${scene.height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawCaptions(moment, color);
    for (let layer = 0; layer < last; layer++) {
      const fired = drawCells(layer, moment, color);
      drawWays(layer, fired, moment.phase, color);
    }
    drawOutputs(moment, color);
  }

  /** Another race: input steps and what `bstdg.run` made of them; none puts the network at rest. */
  function start(steps, run) {
    race = run ? { steps, run } : NOTHING;
  }
  let drawnWidth = 0; // a drawing sets the height itself, which is no reason to draw again
  new ResizeObserver(() => {
    if (canvas.clientWidth !== drawnWidth) draw();
    drawnWidth = canvas.clientWidth;
  }).observe(canvas.parentElement);
  return { start, draw, arrived };
};
