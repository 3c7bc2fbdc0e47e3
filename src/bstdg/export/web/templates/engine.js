"use strict";
/* The network: integrate-and-fire neurons with one-bit weights, each of which fires at most once. Layers: layers.js.
 *
 * Time runs in steps 0 … T-1; T itself means "never fired". An event adds +1 or -1 to the potentials that it reaches
 * in the next layer. A neuron fires at the first step at which its potential has reached its threshold, and is heard by
 * the next layer in that same step. The first output at its threshold decides. All numbers are integers.
 *
 * Nothing in here knows of the page: the same text runs under Node, where it is held to the reference in Python.
 */
globalThis.bstdg = (() => {
  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  /** What a page says of its model becomes a network. */
  function network(model) {
    const layers = model.layers.map((told) => {
      const kind = bstdg.layers[told.kind];
      if (!kind) throw new RangeError(`layers of kind ${told.kind} are not known to this page`);
      return { kind, written: told.written, ...kind.of(told) };
    });
    const { numSteps, shape, white, silentBelow, relative, levels, classes } = model;
    return { numSteps, shape, white, silentBelow, relative, levels, classes, layers };
  }

  /** How often b goes into a, whole: exact, since both are integers far below 2^53. */
  const times = (a, b) => (a - a % b) / b;

  /**
   * Latency code: the brighter a pixel (integer, 0 … white), the sooner its one spike; T where it never comes.
   * How bright it is tells its share of white, or of the brightest pixel (`relative`), or the first of the `levels`,
   * one a step, that it reaches.
   */
  function latency(pixels, { numSteps, white, silentBelow, relative, levels }) {
    const list = Array.from(pixels), wrong = list.find((pixel) => !Number.isInteger(pixel) || pixel < 0 || pixel > white);
    if (wrong !== undefined) throw new RangeError(`pixel ${wrong} is outside 0 … ${white}`);
    const top = relative ? list.reduce((most, pixel) => Math.max(most, pixel), 0) : white;
    const reached = (value) => {
      const step = levels.findIndex((level) => value >= level);
      return step < 0 ? numSteps : step;
    };
    return Uint8Array.from(list, (pixel) => {
      if (pixel === 0) return numSteps;
      if (levels.length > 0) return reached(relative ? times(pixel * white, top) : pixel);
      return pixel / top <= silentBelow ? numSteps : times((top - pixel) * numSteps, top);
    });
  }

  /** Channels sorted by their step: those of step t lie at offsets[t] … offsets[t + 1] - 1. */
  function byStep(steps, numSteps) {
    const offsets = new Uint32Array(numSteps + 2);
    for (const step of steps) offsets[step + 1]++;
    for (let t = 0; t <= numSteps; t++) offsets[t + 1] += offsets[t];
    const channels = new Uint16Array(steps.length), next = offsets.slice();
    steps.forEach((step, channel) => { channels[next[step]++] = channel; });
    return { channels, offsets };
  }

  /** A layer before its first event. */
  function rest(layer, numSteps) {
    const steps = new Uint8Array(layer.neurons).fill(numSteps);
    return { ...layer.kind.rest(layer), steps, fired: new Uint16Array(layer.neurons) };
  }

  /** One step of a hidden layer: hears `channels`, and returns the neurons that fire now. */
  function advance(state, channels, step, numSteps) {
    const { hear, potential } = state.kind;
    for (const channel of channels) hear(state, channel);
    if (channels.length === 0 && step > 0) return channels;
    let count = 0;
    for (let j = 0; j < state.neurons; j++) {
      if (state.steps[j] === numSteps && potential(state, j) >= state.thresholds[j]) {
        state.steps[j] = step;
        state.fired[count++] = j;
      }
    }
    return state.fired.subarray(0, count);
  }

  /** One addition for each synapse that an event passed up to a step; at the borders of maps there are fewer. */
  function additions(layers, sent, step) {
    let count = 0;
    sent.forEach((steps, i) => {
      const { fanOut } = layers[i];
      for (let channel = 0; channel < steps.length; channel++) if (steps[channel] <= step) count += fanOut[channel];
    });
    return count;
  }

  /** The greatest V - threshold, and between equals the lowest index. */
  function leader(lead) {
    let best = 0;
    for (let k = 1; k < lead.length; k++) if (lead[k] > lead[best]) best = k;
    return best;
  }

  /**
   * Runs input steps through a network, to the end or (`early`) to the decision.
   *
   * Returns `hidden` (per hidden layer the step of every neuron), `leads` (per step V - threshold of every output),
   * `label`, `step`, `silent` (no output reached its threshold), and up to the decision the `inputSpikes`,
   * `hiddenSpikes` (per layer) and `operations` (one addition a synapse that an event passed).
   */
  function run({ layers, numSteps }, steps, early = false) {
    if (steps.length !== layers[0].channels) throw new RangeError(`${steps.length} steps for ${layers[0].channels} channels`);
    const { channels, offsets } = byStep(steps, numSteps);
    const states = layers.map((layer) => rest(layer, numSteps));
    const output = states.pop(), leads = [];
    let label = -1, step = numSteps - 1;
    for (let t = 0; t < numSteps; t++) {
      let events = channels.subarray(offsets[t], offsets[t + 1]);
      for (const state of states) events = advance(state, events, t, numSteps);
      for (const channel of events) output.kind.hear(output, channel);
      const lead = Float64Array.from(output.thresholds, (threshold, k) => output.kind.potential(output, k) - threshold);
      leads.push(lead);
      if (label < 0 && lead[leader(lead)] >= 0) {
        label = leader(lead);
        step = t;
        if (early) break;
      }
    }
    const silent = label < 0;
    if (silent) label = leader(leads[step]);
    const hidden = states.map((state) => state.steps);
    const sent = [steps, ...hidden].map((layer) => layer.reduce((count, s) => count + (s <= step ? 1 : 0), 0));
    const operations = additions(layers, [steps, ...hidden], step);
    return { hidden, leads, label, step, silent, inputSpikes: sent[0], hiddenSpikes: sent.slice(1), operations };
  }

  /** FNV-1a over bytes, 32 bits: by it the page knows the spikes it should compute for its samples. */
  function hash(arrays) {
    let value = 0x811c9dc5;
    for (const array of arrays) for (const byte of array) value = Math.imul(value ^ byte, 0x01000193);
    return value >>> 0;
  }

  return { bytesOf, network, latency, run, additions, hash };
})();
