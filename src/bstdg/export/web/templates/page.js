"use strict";
/* The page: an input comes in, the network runs, and the race is shown, told and counted. */
bstdg.page = (() => {
  const part = (id) => document.getElementById(id), model = JSON.parse(part("model").textContent);
  const network = bstdg.network(model), samples = bstdg.proof.unpack(network, model.samples), T = network.numSteps;
  const pen = [bstdg.ink, bstdg.curve].find(({ drawable }) => drawable(network)), plain = new Intl.NumberFormat("en");
  const state = { steps: null, run: null, told: true, base: null };
  let pad = null, gallery = null, transport = null;

  const theme = bstdg.theme(part("theme"), () => [pad, gallery, stage, timeline].forEach((view) => view?.draw()));
  const stage = bstdg.stage(part("stage"), network, theme.colors);
  const timeline = bstdg.timeline(part("timeline"), part("slider"), T, theme.colors);
  const say = (text) => { part("announce").textContent = text; };
  const nameOf = (run) => network.classes[run.label];
  const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
  const until = (steps, step) => steps.reduce((count, s) => count + (s <= step ? 1 : 0), 0);
  const counted = (n, one) => `${plain.format(n)} ${one}${n === 1 ? "" : "s"}`;

  function verdict({ run }) {
    const hidden = run.hidden.length ? ` and ${counted(sum(run.hiddenSpikes), "hidden spike")}` : "";
    const silent = run.silent ? " No output reached its threshold; this one came closest." : "";
    return `Decision: ${nameOf(run)}, at step ${run.step} of ${T}, after ${counted(run.inputSpikes, "input spike")}${hidden}.${silent}`;
  }

  /** The time of one inference, from steps to the decision: the mean over some milliseconds, after as many to warm up. */
  function timed(steps) {
    const repeat = (milliseconds) => {
      const from = performance.now();
      let count = 0, spent = 0;
      for (; spent < milliseconds; spent = performance.now() - from, count++) bstdg.run(network, steps, true);
      return spent / count;
    };
    repeat(8);
    const micros = 1000 * repeat(8);
    return micros < 1000 ? `${Math.round(micros)} \u00b5s` : `${(micros / 1000).toFixed(1)} ms`;
  }

  function showMoment(moment) {
    const { run, steps, told } = state, arrived = stage.arrived(moment), decision = part("decision");
    stage.draw(moment);
    timeline.draw(moment.step);
    decision.textContent = run && arrived ? nameOf(run) : run ? "\u2026" : "\u2013";
    decision.classList.toggle("reached", arrived);
    decision.classList.toggle("racing", Boolean(run) && !arrived);
    decision.classList.toggle("long", decision.textContent.length > 3);
    part("decided-label").textContent = run && arrived && run.silent ? "Silent decision" : "Decision";
    const step = run ? Math.min(moment.step, run.step) : 0;
    part("m-step").textContent = run ? `${moment.step} of ${T}` : "\u2013";
    part("m-input").textContent = run ? plain.format(until(steps, step)) : "\u2013";
    part("m-hidden").textContent = run ? plain.format(sum(run.hidden.map((layer) => until(layer, step)))) : "\u2013";
    part("m-operations").textContent = run ? plain.format(bstdg.additions(network.layers, [steps, ...run.hidden], step)) : "\u2013";
    part("stage").setAttribute("aria-label", described(moment, arrived));
    if (arrived && !told) {
      state.told = true;
      say(verdict(state));
    }
  }

  function described({ step }, arrived) {
    const { run, steps } = state;
    if (!run) return "The network at rest: no input yet";
    const hidden = run.hidden.map((layer, i) => `${until(layer, step)} of ${layer.length} neurons of hidden layer ${i + 1}`);
    const fired = [`${until(steps, step)} of ${steps.length} inputs`, ...hidden].join(", ");
    return `Step ${step} of ${T}. Fired so far: ${fired}. ${arrived ? `Decided: ${nameOf(run)}, at step ${run.step}.` : "Not decided."}`;
  }

  /** A new input, or none. `live`: it is still being drawn, so it is shown at once and not told. */
  function take(steps, live = false) {
    const run = steps ? bstdg.run(network, steps) : null;
    Object.assign(state, { steps, run, told: live || !run });
    stage.start(steps, run);
    timeline.start(steps, run);
    if (!live) {
      say("");
      bstdg.table(part("table-head"), part("table-body"), network, steps, run);
      part("m-time").textContent = run ? timed(steps) : "\u2013";
    }
    for (const id of ["play", "slider"]) part(id).disabled = !run;
    transport.race(run ? run.step : 0, Boolean(run) && !live);
  }

  /** A drawing, over the signal that was picked if it is one; `cleared`: there is nothing more. */
  let settled = 0;
  function drawn(strokes, done, cleared = false) {
    gallery.none();
    clearTimeout(settled);
    if (cleared) state.base = null;
    pad.draw();
    if (strokes.length === 0 && !state.base) return take(null);
    const steps = bstdg.latency(pen.pixels(strokes, network, state.base), network);
    take(steps, true);
    // A digit may have several strokes: the race starts when the pen has been up for a moment.
    if (done) settled = setTimeout(() => take(steps), 600);
  }

  const grey = ([first, ...rest]) => (first === 1 && rest.length > 0 ? rest : [first, ...rest]);
  const sides = (shape) => grey(shape).map((side) => plain.format(side)).join(" \u00d7 ");

  function facts() {
    const thresholds = network.layers.map((layer) => {
      const [low, high] = layer.thresholds.reduce(([a, b], t) => [Math.min(a, t), Math.max(b, t)], [Infinity, -Infinity]);
      return (low === high ? `${low}` : `${low} \u2026 ${high}`).replace(/-/g, "\u2212");
    });
    const rows = [
      ["Layers", [network.shape, ...network.layers.map((layer) => layer.gives)].map(sides).join(" \u2013 ")],
      ["Weights", `${plain.format(model.weightBits)} of one bit`],
      ["Thresholds", thresholds.join("; ")],
      ["Steps", `T = ${T}`],
    ];
    if (model.trainedOn) rows.push(["Trained on", model.trainedOn]);
    if (model.accuracy !== null) rows.push(["Test accuracy", `${(100 * model.accuracy).toFixed(2)} %`]);
    for (const [name, value] of rows) {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      part("facts").append(dt, dd);
    }
    part("model-shape").textContent = `${model.structure}, T = ${T}`;
  }

  /** The sample to begin with: one whose race is neither over at once nor silent. */
  function opening() {
    const long = samples.map((sample) => (sample.silent ? Infinity : Math.abs(sample.step - 0.4 * T)));
    return long.indexOf(Math.min(...long));
  }

  part("prove").addEventListener("click", () => {
    const { right, count } = bstdg.proof.samples(network, model.samples);
    const verb = right === count ? "All the same" : "Not the same";
    part("proof").textContent = `${verb}: ${right} of ${count} samples give every hidden spike, step and decision of the reference.`;
  });

  theme.apply();
  facts();
  const controls = Object.fromEntries(["play", "back", "next", "slider", "speed"].map((id) => [id, part(id)]));
  transport = bstdg.transport(T, controls, showMoment);
  gallery = bstdg.gallery(part("samples"), network, samples, theme.colors, (sample) => {
    clearTimeout(settled);
    state.base = pen === bstdg.curve ? bstdg.curve.ofSteps(sample.steps, network) : null;
    pad?.reset();
    take(sample.steps);
  });
  if (pen) {
    const show = (context, strokes, size, color) => pen.show(context, strokes, network, size, color, state.base);
    pad = bstdg.pad(part("pad"), { show, aspect: pen.aspect(network), colors: theme.colors, changed: drawn, say });
    part("clear").addEventListener("click", pad.clear);
    part("undo").addEventListener("click", pad.undo);
  } else {
    part("drawing").hidden = true;
    part("samples-title").textContent = "Pick a sample";
  }
  if (network.layers.length === 1) part("m-hidden").parentElement.hidden = true;
  samples.length ? gallery.pick(opening()) : take(null);
  return { network, state, take };
})();
