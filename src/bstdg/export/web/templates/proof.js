"use strict";
/* The proof: what the engine computes for vectors whose outcome is known. */
bstdg.proof = (() => {
  const textOf = (bytes) => {
    let text = "";
    for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
    return btoa(text);
  };

  /** The samples that a page carries, unpacked: their input steps, and what the reference made of them. */
  function unpack(network, { bits, count, steps, label, step, silent, hash }) {
    const channels = network.layers[0].channels, bytes = bstdg.bytesOf(steps);
    const value = bits === 8 ? (i) => bytes[i] : (i) => (bytes[i >> 1] >> (4 * (i & 1))) & 15;
    return Array.from({ length: count }, (_, n) => ({
      steps: Uint8Array.from({ length: channels }, (_, i) => value(n * channels + i)),
      label: label[n], step: step[n], silent: silent[n], hash: hash[n],
    }));
  }

  const same = (found, wanted) =>
    found.label === wanted.label && found.step === wanted.step && found.silent === wanted.silent;

  /** How many of the page's own samples come out as the reference computed them, every hidden spike included. */
  function samples(network, packed) {
    const right = unpack(network, packed).filter((sample) => {
      const whole = bstdg.run(network, sample.steps), early = bstdg.run(network, sample.steps, true);
      return same(whole, sample) && same(early, sample) && bstdg.hash(whole.hidden) === sample.hash;
    });
    return { right: right.length, count: packed.count };
  }

  /** All that an outcome is compared by, for many vectors (bytes, one after another). */
  function vectors(network, bytes) {
    const { channels } = network.layers[0], count = bytes.length / channels;
    const hidden = network.layers.slice(0, -1).map(({ neurons }) => new Uint8Array(neurons * count));
    const told = { label: [], step: [], silent: [], early: 0 };
    for (let n = 0; n < count; n++) {
      const steps = bytes.subarray(n * channels, (n + 1) * channels);
      const whole = bstdg.run(network, steps);
      for (const name of ["label", "step", "silent"]) told[name].push(whole[name]);
      whole.hidden.forEach((layer, i) => hidden[i].set(layer, n * layer.length));
      told.early += same(bstdg.run(network, steps, true), whole) ? 1 : 0;
    }
    return { ...told, hidden: hidden.map(textOf) };
  }

  /** The steps that the page makes of images, two bytes a pixel, the lower first, one image after another. */
  function encoded(network, bytes) {
    const { channels } = network.layers[0], count = bytes.length / 2 / channels, steps = new Uint8Array(channels * count);
    for (let n = 0; n < count; n++) {
      const pixel = (_, i) => bytes[2 * (n * channels + i)] + 256 * bytes[2 * (n * channels + i) + 1];
      steps.set(bstdg.latency(Array.from({ length: channels }, pixel), network), n * channels);
    }
    return textOf(steps);
  }

  return { unpack, samples, vectors, encoded };
})();
