"use strict";
/* Ink: a drawing becomes an image of the kind that the network was trained on.
 *
 * A drawing is a list of strokes, each a list of points [x, y] in 0 … 1 across and down the pad. It is kept as lines
 * until the end, so the pen is as thick in the image whether one drew large or small. As MNIST was made: scaled to fit
 * a box of 20 x 20 pixels, then moved until its centre of mass is the centre of the 28 x 28 field.
 */
bstdg.ink = (() => {
  // Pixels. Strokes 2.6 wide at half their brightness, with edges of 1.2, have the ink and the greys of MNIST's.
  const PEN = 1.3, FADE = 1.17, FIELD = 28, BOX = 20;
  const LEAST = 0.12; // of the pad: a drawing smaller than this is a dot, and is not blown up

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  /** Can a drawing be the input? One channel of rows and columns, of which none is only a few pixels wide. */
  const drawable = ({ shape }) => shape.length === 3 && shape[0] === 1 && Math.min(...shape.slice(1)) >= 6;

  function distance(x, y, [ax, ay], [bx, by]) {
    const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
    const along = length > 0 ? clamp(((x - ax) * dx + (y - ay) * dy) / length, 0, 1) : 0;
    return Math.hypot(x - ax - along * dx, y - ay - along * dy);
  }

  /** The lines on a field of pixels, 0 … 1 each, where `place` brings a point of the pad to the field. */
  function paint(strokes, [rows, columns], pen, fade, place) {
    const field = new Float64Array(rows * columns), reach = pen + fade / 2;
    const span = (a, b, end) => [clamp(Math.floor(Math.min(a, b) - reach), 0, end), clamp(Math.ceil(Math.max(a, b) + reach), 0, end)];
    for (const stroke of strokes) {
      stroke.forEach((point, i) => {
        const from = place(stroke[Math.max(0, i - 1)]), to = place(point);
        const [left, right] = span(from[0], to[0], columns), [top, bottom] = span(from[1], to[1], rows);
        for (let y = top; y < bottom; y++) {
          for (let x = left; x < right; x++) {
            const shade = clamp((reach - distance(x + 0.5, y + 0.5, from, to)) / fade, 0, 1);
            field[y * columns + x] = Math.max(field[y * columns + x], shade);
          }
        }
      });
    }
    return field;
  }

  /** How far the centre of mass lies from the middle of the field. MNIST's middle is the centre of pixel 14. */
  function offCentre(field, [rows, columns]) {
    let mass = 0, across = 0, down = 0;
    field.forEach((shade, i) => {
      mass += shade;
      across += shade * (i % columns + 0.5);
      down += shade * (Math.floor(i / columns) + 0.5);
    });
    return mass > 0 ? [across / mass - (columns + 1) / 2, down / mass - (rows + 1) / 2] : [0, 0];
  }

  const isMnist = ([rows, columns]) => rows === FIELD && columns === FIELD;

  /** Fields other than MNIST's are filled but for a margin, and small ones without. */
  const margin = (shape) => (isMnist(shape) ? (FIELD - BOX) / 2 : Math.floor(Math.min(...shape) / 14));

  /** How much larger than MNIST's box of 20 x 20 the box is that a drawing is fitted to; so much larger is the pen. */
  const scale = (shape) => (Math.min(...shape) - 2 * margin(shape)) / BOX;

  /** A drawing as integer pixels 0 … white, row by row; black where nothing was drawn. */
  function pixels(strokes, { shape: [, ...field], white }) {
    const [rows, columns] = field, lines = strokes.filter((stroke) => stroke.length > 0), points = lines.flat();
    if (points.length === 0) return new Uint16Array(rows * columns);
    const size = scale(field), pen = PEN * size, fade = Math.max(1, FADE * size), edge = 2 * (margin(field) + pen);
    const xs = points.map(([x]) => x * columns), ys = points.map(([, y]) => y * rows);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const least = LEAST * Math.min(rows, columns);
    const zoom = Math.min(
      (columns - edge) / Math.max(right - left, least),
      (rows - edge) / Math.max(bottom - top, least),
    );
    const place = (shiftX, shiftY) => ([x, y]) => [
      (x * columns - (left + right) / 2) * zoom + columns / 2 - shiftX,
      (y * rows - (top + bottom) / 2) * zoom + rows / 2 - shiftY,
    ];
    let shades = paint(lines, field, pen, fade, place(0, 0));
    if (isMnist(field)) shades = paint(lines, field, pen, fade, place(...offCentre(shades, field)));
    return Uint16Array.from(shades, (shade) => Math.round(shade * white));
  }

  /** Draws the strokes on a pad of this size in pixels of the screen. */
  function show(context, strokes, { shape: [, ...field] }, [width, height], color) {
    const [rows, columns] = field;
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 2 * PEN * scale(field) * Math.min(width / columns, height / rows);
    context.strokeStyle = color.ink;
    for (const stroke of strokes) {
      context.beginPath();
      stroke.forEach(([x, y], i) => (i ? context.lineTo(x * width, y * height) : context.moveTo(x * width, y * height)));
      if (stroke.length === 1) context.lineTo(stroke[0][0] * width, stroke[0][1] * height);
      context.stroke();
    }
  }

  /** Width to height of the pad. */
  const aspect = ({ shape }) => shape[2] / shape[1];

  return { drawable, pixels, show, aspect };
})();
