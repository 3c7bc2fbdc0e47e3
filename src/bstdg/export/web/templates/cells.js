"use strict";
/* The neurons of one panel, drawn as far as they have fired: dots, maps as small pictures, or a signal as a curve. */
bstdg.cells = (context, numSteps) => {
  const TURN = 2 * Math.PI, kept = new Map(); // by layer: the picture of what fired before this step, in pixels of maps

  function dot(x, y, radius, square) {
    if (radius < 1.2 || square) return context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    context.beginPath();
    context.arc(x, y, radius, 0, TURN);
    context.fill();
  }

  const shadeOf = (step, color) => color.shade(numSteps > 1 ? step / (numSteps - 1) : 0);

  /** Those that fire at a step, if it has been reached. */
  function firing(steps, step, until) {
    const now = [];
    for (let i = 0; step <= until && i < steps.length; i++) if (steps[i] === step) now.push(i);
    return now;
  }

  function dots({ cell: [cell], count, centre }, steps, { step, until, flash, color, square }) {
    context.fillStyle = color.cell;
    for (let i = 0; i < count; i++) if (!steps || steps[i] > until) dot(...centre(i), Math.max(0.5, cell * 0.14), square);
    if (!steps) return [];
    for (let i = 0; i < count; i++) {
      if (steps[i] > until || steps[i] >= step) continue;
      context.fillStyle = shadeOf(steps[i], color);
      dot(...centre(i), cell * (square ? 0.46 : 0.36), square);
    }
    const now = firing(steps, step, until);
    context.fillStyle = color.glow;
    for (const i of now) dot(...centre(i), Math.min(cell * 0.78, cell * 0.42 + 5) * flash, false);
    context.fillStyle = color.lit;
    for (const i of now) dot(...centre(i), cell * 0.42 * flash, square);
    return now;
  }

  /** Maps under each other, a pixel a neuron that fired before `step`; of colours, the picture itself below them. */
  function before(layer, { shape, colour }, steps, step, color) {
    const key = `${step} ${color.ink}`, known = kept.get(layer);
    if (known && known.key === key && known.steps === steps) return known.canvas;
    const [maps, rows, columns] = shape, canvas = known?.canvas ?? document.createElement("canvas"), pixels = rows * columns;
    [canvas.width, canvas.height] = [columns, (maps + (colour ? 1 : 0)) * rows];
    const pen = canvas.getContext("2d");
    const fill = (i, style) => {
      pen.fillStyle = style;
      pen.fillRect(i % columns, Math.floor(i / columns), 1, 1);
    };
    steps.forEach((s, i) => s < step && fill(i, shadeOf(s, color)));
    for (let i = 0; colour && i < pixels; i++) fill(maps * pixels + i, bstdg.pictures.colourAt(steps, i, pixels, step, numSteps));
    kept.set(layer, { key, steps, canvas });
    return canvas;
  }

  function maps(layer, panel, steps, { step, until, flash, color }) {
    const { shape, tiles, centre, cell: [wide, high] } = panel, [, rows, columns] = shape;
    context.fillStyle = color.track;
    for (const { x, y, width, height } of tiles) context.fillRect(x, y, width, height);
    if (!steps) return [];
    const picture = before(layer, panel, steps, step, color);
    context.imageSmoothingEnabled = false;
    tiles.forEach(({ x, y, width, height }, n) => context.drawImage(picture, 0, n * rows, columns, rows, x, y, width, height));
    const now = firing(steps, step, until), large = 1 + 0.5 * (flash - 1);
    context.fillStyle = color.lit;
    for (const i of now) {
      const [x, y] = centre(i);
      context.fillRect(x - (wide * large) / 2, y - (high * large) / 2, wide * large, high * large);
    }
    return now;
  }

  /** The whole signal pale, for it is known; its values light up from the highest to the lowest. */
  function curve({ x, width, bottom, cell: [wide], count, centre }, steps, { step, until, flash, color }) {
    context.fillStyle = color.track;
    context.fillRect(x, bottom, width, 1);
    if (!steps) return [];
    const place = (i) => centre(i, Math.min(steps[i], numSteps));
    if (step <= until) context.fillRect(x, centre(0, step)[1] - 1, width, 2);
    context.globalAlpha = 0.55;
    context.strokeStyle = color.shade(1);
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    context.beginPath();
    for (let i = 0; i < count; i++) context.lineTo(...place(i));
    context.stroke();
    context.globalAlpha = 1;
    const radius = Math.min(5, Math.max(1.8, wide * 0.55));
    for (let i = 0; i < count; i++) {
      if (steps[i] > until || steps[i] >= step) continue;
      context.fillStyle = shadeOf(steps[i], color);
      dot(...place(i), radius, false);
    }
    const now = firing(steps, step, until);
    context.fillStyle = color.lit;
    for (const i of now) dot(...place(i), radius * (1 + 0.5 * flash), false);
    return now;
  }

  /** Draws a panel whose layer has reached step `until` while the race is at `step`; no steps: it is at rest. `flash` is
   * how much larger what fires now is. Returns which neurons these are. */
  function draw(layer, panel, steps, how) {
    if (panel.style === "maps") return maps(layer, panel, steps, how);
    return panel.style === "curve" ? curve(panel, steps, how) : dots(panel, steps, how);
  }

  return { draw, dot };
};
