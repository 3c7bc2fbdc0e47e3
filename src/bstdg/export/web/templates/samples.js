"use strict";
/* Samples to pick: small pictures of input steps, as one group of radio buttons that arrow keys walk through. */
bstdg.gallery = (group, network, samples, colors, picked) => {
  const buttons = samples.map((sample, n) => {
    const button = document.createElement("button"), picture = document.createElement("canvas");
    button.type = "button";
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", `Sample ${n + 1}`);
    button.append(picture);
    button.addEventListener("click", () => pick(n));
    group.append(button);
    return button;
  });

  /** Maps stand side by side, signals of several channels under each other; what has no rows is a square of dots. */
  function grey(context, steps, { ink }) {
    const { numSteps, shape } = network, square = { width: 1, height: 1 };
    const [maps, rows, columns] = shape.length === 3 ? shape : [1, ...bstdg.pictures.dots(shape, square)];
    const across = rows > 1 ? Math.ceil(Math.sqrt(maps)) : 1;
    [context.canvas.width, context.canvas.height] = [across * columns, Math.ceil(maps / across) * rows];
    context.fillStyle = ink;
    steps.forEach((step, i) => {
      const map = Math.floor(i / (rows * columns)), x = (map % across) * columns, y = Math.floor(map / across) * rows;
      context.globalAlpha = (numSteps - step) / numSteps;
      context.fillRect(x + (i % columns), y + (Math.floor(i / columns) % rows), 1, 1);
    });
  }

  function colour(context, steps) {
    const { numSteps, shape: [, rows, columns] } = network, pixels = rows * columns;
    [context.canvas.width, context.canvas.height] = [columns, rows];
    for (let i = 0; i < pixels; i++) {
      context.fillStyle = bstdg.pictures.colourAt(steps, i, pixels, numSteps, numSteps);
      context.fillRect(i % columns, Math.floor(i / columns), 1, 1);
    }
  }

  function curve(context, steps, { ink }) {
    const WIDE = 160, HIGH = 100, { numSteps } = network;
    [context.canvas.width, context.canvas.height] = [WIDE, HIGH];
    context.strokeStyle = ink;
    [context.lineWidth, context.lineJoin] = [4, "round"];
    context.beginPath();
    steps.forEach((step, i) => context.lineTo(((i + 0.5) / steps.length) * WIDE, 4 + (step / numSteps) * (HIGH - 8)));
    context.stroke();
  }

  const { isCurve, isColour } = bstdg.pictures;
  const paint = isCurve(network.shape) ? curve : isColour(network.shape) ? colour : grey;
  group.classList.toggle("curves", paint === curve);

  /** Pictures in the colours of the theme: the sooner a pixel spikes, the darker; colours as they are. */
  function draw() {
    buttons.forEach((button, n) => paint(button.firstChild.getContext("2d"), samples[n].steps, colors()));
  }

  function mark(chosen) {
    buttons.forEach((button, n) => {
      button.setAttribute("aria-checked", String(n === chosen));
      button.tabIndex = n === Math.max(0, chosen) ? 0 : -1;
    });
  }

  function pick(n) {
    mark(n);
    picked(samples[n], n);
  }

  group.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], here = buttons.indexOf(event.target);
    if (!move || here < 0) return;
    event.preventDefault();
    const next = (here + move + buttons.length) % buttons.length;
    buttons[next].focus();
    pick(next);
  });
  mark(-1);
  draw();
  return { pick, draw, none: () => mark(-1) };
};
