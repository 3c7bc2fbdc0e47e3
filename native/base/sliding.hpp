// A window of weights that slides over maps: what is connected to what. Plain structures, which kernels
// share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

constexpr std::size_t kMapTile = 16;  // kernels pad maps to it

// One side of a window that slides: neuron y reads y * stride - padding and the next `kernel` of `side`.
struct Side {
  std::size_t side, places, kernel, stride, padding;
};

// Neuron (k, y, x) is number (k * rows.places + y) * columns.places + x; channels are numbered likewise.
struct Convolution {
  std::size_t channels, maps, groups;
  Side rows, columns;

  std::size_t inputs() const { return channels * rows.side * columns.side; }
  std::size_t places() const { return rows.places * columns.places; }
  std::size_t neurons() const { return maps * places(); }
  std::size_t taps() const { return rows.kernel * columns.kernel; }
  std::size_t own_channels() const { return channels / groups; }  // that a map reads
  std::size_t own_maps() const { return maps / groups; }          // that read a channel
  std::size_t weights() const { return maps * own_channels() * taps(); }
};

// Where a channel's pixel lies.
struct Pixel {
  std::uint16_t channel, row, column;
};

// What an event touches along one side: places first .. first + count - 1. The weights of a kernel row lie so
// that those of these places follow each other, from slot `slot` on.
struct Run {
  std::uint16_t first, count, slot;
};

}  // namespace bstdg
