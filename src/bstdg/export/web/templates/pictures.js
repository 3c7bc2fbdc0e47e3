"use strict";
/* Where the neurons of a layer lie in a box: as maps side by side, as a curve, or as dots in rows.
 *
 * A shape is [channels, rows, columns], or [neurons] where there are no rows. One channel of one row is a signal, which
 * is drawn as a curve; three channels are the colours of a picture.
 */
bstdg.pictures = (() => {
  const CELL = 26; // pixels of the screen: no cell is larger

  const isCurve = (shape) => shape.length === 3 && shape[0] === 1 && shape[1] === 1;
  const isColour = (shape) => shape.length === 3 && shape[0] === 3 && shape[1] > 1;
  const isMaps = (shape) => shape.length === 3 && !isCurve(shape) && shape[0] > 1;
  const written = (shape) => shape.join(" \u00d7 ");

  /** Rows and columns of dots: a picture's own, or about as many of both as the box has room for. */
  function dots(shape, { width, height }) {
    const count = shape.reduce((product, side) => product * side, 1);
    if (shape.length === 3 && shape[1] > 1) return shape.slice(1);
    const columns = Math.max(1, Math.min(count, Math.ceil(Math.sqrt((count * width) / height))));
    return [Math.ceil(count / columns), columns];
  }

  function asDots(shape, box) {
    const [rows, columns] = dots(shape, box), cell = Math.min(CELL, box.width / columns, box.height / rows);
    const left = box.x + (box.width - columns * cell) / 2, top = box.y + (box.height - rows * cell) / 2;
    const centre = (i) => [left + ((i % columns) + 0.5) * cell, top + (Math.floor(i / columns) + 0.5) * cell];
    return { style: "dots", cell: [cell, cell], centre };
  }

  /** How many maps stand side by side, so that their cells are as large as they can be; and the cell. Of one row each,
   * cells may be higher than wide. */
  function arranged(count, rows, columns, { width, height }, gap) {
    let best = null;
    for (let across = 1; across <= count; across++) {
      const down = Math.ceil(count / across);
      const wide = (width - (across - 1) * gap) / (across * columns), high = (height - (down - 1) * gap) / (down * rows);
      const cell = rows === 1 ? [Math.min(CELL, wide), Math.min(CELL, high, Math.max(12, 8 * wide))] : [1, 1].map(() => Math.min(CELL, wide, high));
      if (!best || Math.min(...cell) > Math.min(...best.cell)) best = { across, down, cell };
    }
    return best;
  }

  /** Maps as tiles; of a colour picture, a fourth is for the picture itself. Edges lie on pixels of the screen. */
  function asMaps(shape, box, ratio, colour) {
    const [maps, rows, columns] = shape, count = colour ? 4 : maps;
    const least = rows === 1 ? box.height / (4 * count) : Math.max(2, box.width / (6 * Math.sqrt(count)));
    const gap = colour ? 20 : Math.min(8, least);
    const { across, down, cell } = arranged(count, rows, columns, box, gap);
    const [wide, high] = cell.map((side) => (side * ratio >= 2 ? Math.floor(side * ratio) / ratio : side));
    const snap = (place) => Math.round(place * ratio) / ratio;
    const size = [columns * wide, rows * high], step = size.map((side) => side + gap);
    const left = box.x + (box.width - across * step[0] + gap) / 2, top = box.y + (box.height - down * step[1] + gap) / 2;
    const tiles = Array.from({ length: count }, (_, n) => ({
      x: snap(left + (n % across) * step[0]), y: snap(top + Math.floor(n / across) * step[1]), width: size[0], height: size[1],
    }));
    const centre = (i) => {
      const map = Math.floor(i / (rows * columns)), { x, y } = tiles[map];
      return [x + ((i % columns) + 0.5) * wide, y + ((Math.floor(i / columns) % rows) + 0.5) * high];
    };
    return { style: "maps", cell: [wide, high], centre, tiles, colour };
  }

  /** A signal: its values from left to right, the highest on top, which are also the first to fire. */
  function asCurve([, , columns], box, numSteps) {
    const height = Math.min(box.height, 0.7 * box.width), top = box.y + (box.height - height) / 2;
    const wide = box.width / columns, level = height / (numSteps + 0.5);
    const centre = (i, step) => [box.x + (i + 0.5) * wide, top + (step + 0.5) * level];
    return { style: "curve", cell: [wide, level], centre, top, bottom: top + height, level };
  }

  /** The layout of a shape in a box {x, y, width, height}: its style, a cell's width and height, and the centre of
   * each neuron; of a signal, at the step at which it fires. */
  function layout(shape, box, { hidden, numSteps, ratio }) {
    if (isCurve(shape) && !hidden) return asCurve(shape, box, numSteps);
    return isMaps(shape) || (hidden && shape.length === 3) ? asMaps(shape, box, ratio, isColour(shape) && !hidden) : asDots(shape, box);
  }

  /** The colour that has come of a pixel by a step, 0 … 255 each of red, green and blue: the sooner, the brighter. */
  function colourAt(steps, pixel, pixels, until, numSteps) {
    const share = (step) => (step <= until && step < numSteps ? Math.round((255 * (numSteps - step)) / numSteps) : 0);
    return `rgb(${[0, 1, 2].map((channel) => share(steps[channel * pixels + pixel])).join(" ")})`;
  }

  return { isCurve, isColour, isMaps, written, dots, layout, colourAt };
})();
