"use strict";
/* The drawing pad: strokes by mouse, pen, finger or keyboard. How they look is told by `show`. */
bstdg.pad = (canvas, { show, aspect, colors, changed, say }) => {
  const STRIDE = 1 / 24; // of the pad, a press of an arrow key
  const context = canvas.getContext("2d");
  let strokes = [], drawing = false, live = false, cursor = null;
  const clamp = (value) => Math.min(1, Math.max(0, value));
  canvas.style.aspectRatio = String(aspect);

  function draw() {
    const { clientWidth: width, clientHeight: height } = canvas, ratio = devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const color = colors();
    show(context, strokes, [width, height], color);
    if (cursor && document.activeElement === canvas) drawCursor(color, cursor[0] * width, cursor[1] * height);
  }

  /** A cross where the keyboard's pen is; a disc around it while the pen is down. */
  function drawCursor(color, x, y) {
    context.lineWidth = 2;
    context.strokeStyle = color.lit;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 4 * dx, y + 4 * dy);
      context.lineTo(x + 13 * dx, y + 13 * dy);
    }
    if (live) {
      context.moveTo(x + 9, y);
      context.arc(x, y, 9, 0, 2 * Math.PI);
    }
    context.stroke();
  }

  function report(done) {
    draw();
    changed(strokes, done);
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    cursor = null;
    drawing = true;
    live = false;
    strokes.push([at(event)]);
    report(false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    strokes[strokes.length - 1].push(...(moves.length ? moves : [event]).map(at));
    report(false);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (drawing) report(true);
      drawing = false;
    });
  }

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const percent = () => `${Math.round(100 * cursor[0])} % across, ${Math.round(100 * cursor[1])} % down`;

  function press(key) {
    cursor ??= [0.5, 0.5];
    if (key === " ") {
      live = !live;
      if (live) strokes.push([[...cursor]]);
      say(`Pen ${live ? "down" : "up"}, ${percent()}`);
      report(!live);
    } else if (key === "Escape" && live) {
      press(" ");
    } else if (key === "Delete" || key === "Backspace") {
      clear();
    } else if (arrows[key]) {
      cursor = cursor.map((place, axis) => clamp(place + STRIDE * arrows[key][axis]));
      if (live) strokes[strokes.length - 1].push([...cursor]);
      live ? report(false) : draw();
    } else {
      return false;
    }
    return true;
  }

  canvas.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && press(event.key)) event.preventDefault();
  });
  canvas.addEventListener("blur", () => {
    if (live) press(" ");
    draw();
  });
  canvas.addEventListener("focus", () => {
    if (canvas.matches(":focus-visible")) cursor ??= [0.5, 0.5];
    draw();
  });

  function clear() {
    strokes = [];
    live = false;
    draw();
    changed(strokes, true, true);
    say("Cleared");
  }
  function undo() {
    strokes = strokes.slice(0, -1);
    live = false;
    report(true);
    if (strokes.length === 0) say("Cleared");
  }
  /** Empties the pad without telling anyone. */
  function reset() {
    strokes = [];
    draw();
  }
  new ResizeObserver(draw).observe(canvas);
  return { clear, undo, reset, draw };
};
