// How convolution in training lays out weights and events; see convolution_kernels.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "training/convolution.hpp"
#include "training/convolution_kernels.hpp"

namespace bstdg {

// Where a channel's pixel lies.
struct Pixel {
  std::uint16_t channel, row, column;
};

// The tables of one convolution.
class Layout {
 public:
  explicit Layout(const Convolution& convolution);

  const Convolution& convolution() const { return convolution_; }
  std::size_t padded() const { return padded_; }                            // maps
  std::size_t lanes() const { return convolution_.places() * padded_; }     // neurons, padded
  std::size_t row_weights() const { return convolution_.channels * convolution_.taps() * padded_; }
  Geometry geometry() const;
  const Pixel& pixel(std::size_t input) const { return pixels_[input]; }

  // Calls visit(place among `row_weights`, place among the latent weights) for every weight.
  template <typename Visit>
  void for_weights(const Visit& visit) const {
    const Convolution& shape = convolution_;
    for (std::size_t k = 0; k < shape.maps; ++k) {
      for (std::size_t own = 0; own < shape.own_channels(); ++own) {
        const std::size_t channel = k / shape.own_maps() * shape.own_channels() + own;
        for (std::size_t i = 0; i < shape.rows.kernel; ++i) {
          for (std::size_t j = 0; j < shape.columns.kernel; ++j) {
            const std::size_t slot = slot_[j];
            visit(((channel * shape.rows.kernel + i) * shape.columns.kernel + slot) * padded_ + k,
                  ((k * shape.own_channels() + own) * shape.rows.kernel + i) * shape.columns.kernel + j);
          }
        }
      }
    }
  }

 private:
  Convolution convolution_;
  std::size_t padded_;
  std::vector<Run> runs_;           // [columns.side]
  std::vector<std::size_t> slot_;   // of each kernel column
  std::vector<Pixel> pixels_;       // [inputs]
};

// Memory for one sample's events by row and step.
class RowMemory {
 public:
  RowMemory(const Layout& layout, std::size_t num_steps);
  RowEvents fill(const SampleEvents& events);

 private:
  const Layout& layout_;
  std::size_t num_steps_;
  std::vector<std::uint32_t> begin_, place_;
  std::vector<std::uint16_t> channels_, columns_;
};

// Throws std::invalid_argument unless the events are those of the convolution's inputs.
void check_inputs(const SpikeRows& spikes, const Convolution& convolution);

}  // namespace bstdg
