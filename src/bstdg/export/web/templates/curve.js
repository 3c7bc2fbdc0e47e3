"use strict";
/* Curves: strokes over a signal become its values. What was not drawn over stays as it was; where there was nothing,
 * values in between are on a line, and the first and the last go on to the ends.
 */
bstdg.curve = (() => {
  const drawable = ({ shape }) => bstdg.pictures.isCurve(shape) && shape[2] >= 6;

  /** Puts a stroke into `values` 0 … 1, one a column; points are [across, down] in 0 … 1. */
  function put(values, stroke) {
    const columns = values.length, column = (x) => Math.min(columns - 1, Math.floor(x * columns));
    stroke.forEach(([x, y], i) => {
      const [fromX, fromY] = stroke[Math.max(0, i - 1)], from = column(fromX), to = column(x), way = to < from ? -1 : 1;
      for (let at = from; at !== to; at += way) values[at] = 1 - (fromY + ((y - fromY) * (at - from)) / (to - from));
      values[to] = 1 - y;
    });
  }

  /** Fills what is missing (NaN): before the first known value, between two, and after the last. */
  function fill(values) {
    const known = Array.from(values.keys()).filter((i) => !Number.isNaN(values[i])), end = known[known.length - 1];
    values.fill(values[known[0]], 0, known[0]).fill(values[end], end);
    known.slice(1).forEach((to, n) => {
      const from = known[n], slope = (values[to] - values[from]) / (to - from);
      for (let i = from + 1; i < to; i++) values[i] = values[from] + slope * (i - from);
    });
  }

  /** A signal as integers 0 … white: `base`, such integers or null, with the strokes drawn over it. */
  function pixels(strokes, { shape, white }, base = null) {
    const values = Float64Array.from({ length: shape[2] }, (_, i) => (base ? base[i] / white : NaN));
    for (const stroke of strokes) put(values, stroke);
    if (!base && strokes.length > 0) fill(values);
    return Uint16Array.from(values, (value) => Math.round((value || 0) * white));
  }

  /** A signal that has these steps: of the values of a step the one in the middle. */
  function ofSteps(steps, network) {
    const every = Array.from({ length: network.white + 1 }, (_, value) => value), of = new Map();
    bstdg.latency(every, network).forEach((step, value) => of.set(step, [...(of.get(step) ?? []), value]));
    const middle = (step) => {
      const values = of.get(step);
      return values ? values[values.length >> 1] : Math.round((network.white * (network.numSteps - step)) / network.numSteps);
    };
    return Uint16Array.from(steps, middle);
  }

  /** Draws the signal on a pad of this size in pixels of the screen. */
  function show(context, strokes, network, [width, height], color, base) {
    if (!base && strokes.length === 0) return;
    const values = pixels(strokes, network, base), edge = 2;
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 2.5;
    context.strokeStyle = color.ink;
    context.beginPath();
    values.forEach((value, i) => context.lineTo(((i + 0.5) / values.length) * width, edge + (1 - value / network.white) * (height - 2 * edge)));
    context.stroke();
  }

  const aspect = () => 1.5;

  return { drawable, pixels, ofSteps, show, aspect };
})();
