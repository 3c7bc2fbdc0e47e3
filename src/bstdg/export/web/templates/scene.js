"use strict";
/* Where everything lies: one panel a layer. Side by side where there is room; else in rows of equally many, or, where
 * there is room for two only, with the output below. */
bstdg.scene = (network, width) => {
  const CAPTION = 46, SIDE = 300, LEAST = 170, ROW = 27, BELOW = CAPTION + 10;
  const shapes = [network.shape, ...network.layers.map((layer) => layer.gives)], count = shapes.length;
  const classes = shapes[count - 1].reduce((product, side) => product * side, 1), ratio = devicePixelRatio || 1;
  const gap = Math.min(64, Math.max(26, width / 14)), room = Math.floor((width + gap) / (LEAST + gap));
  const wide = room >= count, rows = Math.ceil(count / room), together = wide || room > 2;
  const perRow = wide ? count : together ? Math.ceil(count / rows) : Math.min(count - 1, Math.max(2, room));
  const side = Math.min(SIDE, (width - gap * (perRow - 1)) / perRow);
  const spread = (width - side * perRow) / Math.max(1, perRow - 1);

  /** The box of a panel; the last of a row that is not full has what is left of it. */
  function box(n, last) {
    const column = n % perRow, x = column * (side + spread), y = CAPTION + Math.floor(n / perRow) * (side + BELOW);
    return { x, y, width: n === last && !wide && n >= perRow ? width - x : side, height: side };
  }

  const last = together ? count - 1 : count - 2;
  const panels = shapes.slice(0, -1).map((shape, layer) => {
    const place = box(layer, last), neurons = shape.reduce((product, one) => product * one, 1);
    const hidden = layer > 0, { numSteps } = network;
    return { ...place, shape, count: neurons, ...bstdg.pictures.layout(shape, place, { hidden, numSteps, ratio }) };
  });
  const before = panels[count - 2];
  const under = { x: 0, y: before.y + before.height + BELOW, width, height: Math.min(20, classes) * ROW };
  const output = together ? box(count - 1, last) : under;
  panels.push(output);

  /** Where spikes from a point of panel `layer` go: to the nearest edge of the next panel, drawn together; or down, where
   * that begins the next row. */
  function port(layer, [x, y]) {
    const here = panels[layer], next = panels[layer + 1];
    if (next.x > here.x + here.width / 2 && next.y === here.y) {
      return { to: [next.x - 5, next.y + next.height * (0.3 + (0.4 * (y - here.y)) / here.height)], across: true };
    }
    if (next.x + next.width < here.x + here.width / 2) {
      return { to: [here.x + here.width * (0.3 + (0.4 * (x - here.x)) / here.width), here.y + here.height + 10], across: false };
    }
    return { to: [next.x + next.width * (0.3 + (0.4 * (x - here.x)) / here.width), next.y - CAPTION + 2], across: false };
  }

  return { panels, port, caption: CAPTION, height: output.y + output.height + 4 };
};
