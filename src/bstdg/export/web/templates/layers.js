"use strict";
/* Layers: how an event changes the potentials of the neurons that it reaches. Each kind offers the same four functions.
 *
 *   of(told)                  what a page says of a layer, made ready to run
 *   rest(layer)               the layer before its first event
 *   hear(state, channel)      one event
 *   potential(state, neuron)  V
 *
 * Channels and neurons have flat numbers: map c, row y, column x is (c * rows + y) * columns + x.
 */
bstdg.layers = (() => {
  const integers = (text) => {
    const bytes = bstdg.bytesOf(text), view = new DataView(bytes.buffer);
    return Int32Array.from({ length: bytes.length / 4 }, (_, j) => view.getInt32(4 * j, true));
  };

  /** Fully connected: per channel a row of sign bits, one a neuron, in 32-bit words; 32 neurons count at a time. */
  const full = {
    of({ channels, neurons, signs, thresholds }) {
      const words = Math.ceil(neurons / 32), width = Math.ceil(neurons / 8), bytes = bstdg.bytesOf(signs);
      const rows = new Uint32Array(channels * words);
      for (let channel = 0; channel < channels; channel++) {
        for (let b = 0; b < width; b++) {
          rows[channel * words + (b >> 2)] |= bytes[channel * width + b] << (8 * (b & 3));
        }
      }
      const fanOut = new Uint16Array(channels).fill(neurons);
      return { channels, neurons, gives: [neurons], words, rows, thresholds: integers(thresholds), fanOut };
    },

    /** Bit p of neuron j's count of +1 events is bit j of plane p. */
    rest(layer) {
      const depth = 32 - Math.clz32(layer.channels);
      return { ...layer, planes: new Uint32Array(depth * layer.words), events: 0 };
    },

    /** An addition whose carries climb from plane to plane. */
    hear(state, channel) {
      const { rows, planes, words } = state;
      for (let word = 0, at = channel * words; word < words; word++, at++) {
        for (let plane = word, carry = rows[at]; carry !== 0; plane += words) {
          const held = planes[plane];
          planes[plane] = held ^ carry;
          carry &= held;
        }
      }
      state.events++;
    },

    /** The events that added 1, less those that took 1 away. */
    potential({ planes, words, events }, neuron) {
      const word = neuron >> 5, bit = neuron & 31, used = 32 - Math.clz32(events);
      let plus = 0;
      for (let p = 0; p < used; p++) plus |= ((planes[p * words + word] >>> bit) & 1) << p;
      return 2 * plus - events;
    },
  };

  /** The places along one side whose window holds pixel `at`: the first, and the one after the last. */
  function windows(at, kernel, stride, padding, places) {
    const first = Math.max(0, Math.ceil((at + padding - kernel + 1) / stride));
    return [first, Math.max(first, Math.min(places, Math.floor((at + padding) / stride) + 1))];
  }

  /** A window that slides: what convolution and pooling have in common. `weights` -1 or 1 lie by channel, by place in
   * the window and then by map of the group, so an event finds those of a place next to each other. */
  function sliding({ reads, gives, kernel, stride, padding, groups }, weights, mapThresholds) {
    const [channels, rows, columns] = reads, [maps, high, wide] = gives, places = high * wide;
    const part = { reads, gives, kernel, stride, padding, wide, places, weights };
    const sizes = { share: maps / groups, own: channels / groups, channels: channels * rows * columns, neurons: maps * places };
    const along = (side, axis, count) =>
      Array.from({ length: side }, (_, at) => windows(at, kernel[axis], stride[axis], padding[axis], count));
    const down = along(rows, 0, high), across = along(columns, 1, wide);
    const covers = ([first, end]) => end - first;
    const fanOut = Uint32Array.from({ length: sizes.channels }, (_, channel) => {
      const y = Math.floor(channel / columns) % rows, x = channel % columns;
      return covers(down[y]) * covers(across[x]) * sizes.share;
    });
    const thresholds = Int32Array.from({ length: sizes.neurons }, (_, j) => mapThresholds[Math.floor(j / places)]);
    return { ...part, ...sizes, down, across, fanOut, thresholds };
  }

  const slides = {
    rest: (layer) => ({ ...layer, potentials: new Int32Array(layer.neurons) }),

    /** Padding is silent: only windows that lie on the maps are reached. */
    hear({ reads, wide, kernel, stride, padding, places, share, own, down, across, weights, potentials }, channel) {
      const rows = reads[1], columns = reads[2], line = Math.floor(channel / columns), u = channel % columns;
      const c = Math.floor(line / rows), v = line % rows, group = Math.floor(c / own) * share * places;
      const [top, bottom] = down[v], [left, right] = across[u];
      for (let y = top; y < bottom; y++) {
        const i = v + padding[0] - y * stride[0];
        for (let x = left; x < right; x++) {
          const j = u + padding[1] - x * stride[1], from = ((c * kernel[0] + i) * kernel[1] + j) * share;
          for (let m = 0, at = group + y * wide + x; m < share; m++, at += places) potentials[at] += weights[from + m];
        }
      }
    },

    potential: ({ potentials }, neuron) => potentials[neuron],
  };

  /** A map's neurons share a window of one-bit weights and a threshold. */
  const conv2d = {
    ...slides,
    of(told) {
      const { reads, gives, kernel, groups, signs, thresholds } = told, bytes = bstdg.bytesOf(signs);
      const maps = gives[0], own = reads[0] / groups, share = maps / groups, size = own * kernel[0] * kernel[1];
      const weights = new Int8Array(maps * size), width = Math.ceil(size / 8);
      for (let map = 0; map < maps; map++) {
        const group = Math.floor(map / share);
        for (let n = 0; n < size; n++) {
          weights[(group * size + n) * share + (map % share)] = (bytes[map * width + (n >> 3)] >> (n & 7)) & 1 ? 1 : -1;
        }
      }
      return sliding(told, weights, integers(thresholds));
    },
  };

  /** Fires at the n-th spike of its window: weights of +1, and the threshold n. */
  const pool2d = {
    ...slides,
    of(told) {
      const maps = told.gives[0], weights = new Int8Array(maps * told.kernel[0] * told.kernel[1]).fill(1);
      return sliding({ ...told, padding: [0, 0], groups: maps }, weights, new Int32Array(maps).fill(told.count));
    },
  };

  return { full, conv2d, pool2d };
})();
