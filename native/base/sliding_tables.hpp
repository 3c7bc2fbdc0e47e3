// The tables of a window that slides, for what lays layers out; kernels get them ready made.
#pragma once

#include <algorithm>
#include <vector>

#include "base/sliding.hpp"

namespace bstdg {

// Where each kernel column lies among the weights of its row: by what it leaves over of the stride, each kind
// from the last to the first. Places from left to right then have their weights side by side.
inline std::vector<std::size_t> slots_of(const Side& side) {
  std::vector<std::size_t> slots(side.kernel);
  std::size_t next = 0;
  for (std::size_t left = 0; left < side.stride; ++left) {
    for (std::size_t j = side.kernel; j-- > 0;) {
      if (j % side.stride == left) slots[j] = next++;
    }
  }
  return slots;
}

// What an event of each row or column touches.
inline std::vector<Run> runs_of(const Side& side) {
  const std::vector<std::size_t> slots = slots_of(side);
  std::vector<Run> runs;
  for (std::size_t u = 0; u < side.side; ++u) {
    const std::size_t at = u + side.padding;
    std::size_t first = 0, count = 0, slot = 0;
    for (std::size_t j = std::min(at + 1, side.kernel); j-- > 0;) {
      if ((at - j) % side.stride != 0 || (at - j) / side.stride >= side.places) continue;
      if (count++ == 0) {
        first = (at - j) / side.stride;
        slot = slots[j];
      }
    }
    runs.push_back({static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(count),
                    static_cast<std::uint16_t>(slot)});
  }
  return runs;
}

inline std::vector<Pixel> pixels_of(const Convolution& shape) {
  std::vector<Pixel> pixels;
  pixels.reserve(shape.inputs());
  for (std::size_t c = 0; c < shape.channels; ++c) {
    for (std::size_t v = 0; v < shape.rows.side; ++v) {
      for (std::size_t u = 0; u < shape.columns.side; ++u) {
        pixels.push_back(
            {static_cast<std::uint16_t>(c), static_cast<std::uint16_t>(v), static_cast<std::uint16_t>(u)});
      }
    }
  }
  return pixels;
}

// The neurons from place to place, at each by maps: what lies side by side is side by side in the picture.
inline std::vector<std::uint16_t> place_by_place(const Convolution& shape) {
  std::vector<std::uint16_t> neurons(shape.neurons());
  for (std::size_t j = 0; j < neurons.size(); ++j)
    neurons[j] = static_cast<std::uint16_t>(j % shape.maps * shape.places() + j / shape.maps);
  return neurons;
}

// Calls visit(place in rows of weights [channels][kernel rows][slots][padded maps], place among weights as a
// file holds them, [maps][channels of a group][kernel rows][kernel columns]) for every weight.
template <typename Visit>
void for_weights(const Convolution& convolution, std::size_t padded, const Visit& visit) {
  const Convolution shape = convolution;  // which nothing that is visited can be, as compilers see it
  const std::vector<std::size_t> slots = slots_of(shape.columns);
  for (std::size_t k = 0; k < shape.maps; ++k) {
    for (std::size_t own = 0; own < shape.own_channels(); ++own) {
      const std::size_t channel = k / shape.own_maps() * shape.own_channels() + own;
      for (std::size_t i = 0; i < shape.rows.kernel; ++i) {
        for (std::size_t j = 0; j < shape.columns.kernel; ++j) {
          visit(((channel * shape.rows.kernel + i) * shape.columns.kernel + slots[j]) * padded + k,
                ((k * shape.own_channels() + own) * shape.rows.kernel + i) * shape.columns.kernel + j);
        }
      }
    }
  }
}

// Calls visit(neuron, weight as a file holds them) for every synapse that an event of a pixel passes.
template <typename Visit>
void for_synapses(const Convolution& shape, const Pixel& pixel, const Visit& visit) {
  const Side &rows = shape.rows, &columns = shape.columns;
  const std::size_t own = pixel.channel % shape.own_channels();
  const std::size_t first_map = pixel.channel / shape.own_channels() * shape.own_maps();
  for (std::size_t i = 0; i < rows.kernel; ++i) {
    const std::size_t down = pixel.row + rows.padding;
    if (down < i || (down - i) % rows.stride != 0 || (down - i) / rows.stride >= rows.places) continue;
    for (std::size_t j = 0; j < columns.kernel; ++j) {
      const std::size_t along = pixel.column + columns.padding;
      if (along < j || (along - j) % columns.stride != 0 || (along - j) / columns.stride >= columns.places) {
        continue;
      }
      const std::size_t place = (down - i) / rows.stride * columns.places + (along - j) / columns.stride;
      for (std::size_t k = first_map; k < first_map + shape.own_maps(); ++k) {
        visit(k * shape.places() + place,
              ((k * shape.own_channels() + own) * rows.kernel + i) * columns.kernel + j);
      }
    }
  }
}

}  // namespace bstdg
