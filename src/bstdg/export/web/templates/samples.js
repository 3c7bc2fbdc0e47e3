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

  function size() {
    const count = network.layers[0].channels, columns = Math.ceil(Math.sqrt(count));
    return bstdg.ink.drawable(network) ? network.shape : [Math.ceil(count / columns), columns];
  }

  /** Pictures in the colours of the theme: the sooner a pixel spikes, the darker. */
  function draw() {
    const [rows, columns] = size(), { numSteps } = network, color = colors();
    buttons.forEach((button, n) => {
      const canvas = button.firstChild, context = canvas.getContext("2d");
      [canvas.width, canvas.height] = [columns, rows];
      context.fillStyle = color.ink;
      samples[n].steps.forEach((step, i) => {
        context.globalAlpha = (numSteps - step) / numSteps;
        context.fillRect(i % columns, Math.floor(i / columns), 1, 1);
      });
    });
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
