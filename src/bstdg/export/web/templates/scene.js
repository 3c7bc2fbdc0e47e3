"use strict";
/* Where everything lies: one panel a layer, side by side where there is room, else in rows with the output below. */
bstdg.scene = (network, width) => {
  const CAPTION = 46, SIDE = 300, LEAST = 170, CELL = 26, ROW = 27;
  const widths = [network.layers[0].channels, ...network.layers.map((layer) => layer.neurons)];
  const inputs = widths.slice(0, -1), gap = Math.min(64, Math.max(26, width / 14));
  const room = Math.floor((width + gap) / (LEAST + gap)), wide = room >= widths.length;
  const perRow = wide ? widths.length : Math.min(inputs.length, Math.max(2, room));
  const side = Math.min(SIDE, (width - gap * (perRow - 1)) / perRow);
  const spread = (width - side * perRow) / Math.max(1, perRow - 1);

  /** Rows and columns of a panel's cells: the image's own, or about a square of neurons. */
  function grid(layer) {
    const columns = Math.ceil(Math.sqrt(widths[layer]));
    if (layer > 0 || !bstdg.ink.drawable(network)) return [Math.ceil(widths[layer] / columns), columns];
    return network.shape;
  }

  const panels = inputs.map((count, layer) => {
    const [rows, columns] = grid(layer), cell = Math.min(CELL, side / Math.max(rows, columns));
    const x = (layer % perRow) * (side + spread), y = CAPTION + Math.floor(layer / perRow) * (side + CAPTION + 10);
    const left = x + (side - columns * cell) / 2, top = y + (side - rows * cell) / 2;
    const centre = (i) => [left + ((i % columns) + 0.5) * cell, top + (Math.floor(i / columns) + 0.5) * cell];
    return { x, y, width: side, height: side, cell, count, centre };
  });
  const last = panels[panels.length - 1];
  const output = wide
    ? { x: last.x + side + spread, y: CAPTION, width: side, height: side }
    : { x: 0, y: last.y + side + CAPTION + 10, width, height: Math.min(20, widths[widths.length - 1]) * ROW };
  panels.push(output);

  /** Where spikes from `from`, a point of panel `layer`, enter the next panel: at its nearest edge, drawn together. */
  function port(layer, [x, y]) {
    const here = panels[layer], next = panels[layer + 1];
    if (next.x > here.x + here.width / 2 && next.y === here.y) {
      return { to: [next.x - 5, next.y + next.height * (0.3 + (0.4 * (y - here.y)) / here.height)], across: true };
    }
    return { to: [next.x + next.width * (0.3 + (0.4 * (x - here.x)) / here.width), next.y - CAPTION + 2], across: false };
  }

  return { panels, port, caption: CAPTION, height: output.y + output.height + 4 };
};
