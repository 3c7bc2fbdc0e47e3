// How convolution in training lays out weights and events; see convolution_kernels.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "base/sliding_tables.hpp"
#include "training/convolution.hpp"
#include "training/convolution_kernels.hpp"

namespace bstdg {

// The tables of one convolution.
class Layout {
 public:
  explicit Layout(const Convolution& convolution);

  const Convolution& convolution() const { return convolution_; }
  std::size_t padded() const { return padded_; }                         // maps
  std::size_t lanes() const { return convolution_.places() * padded_; }  // neurons, padded
  std::size_t row_weights() const { return convolution_.channels * convolution_.taps() * padded_; }
  Geometry geometry() const;
  const Pixel& pixel(std::size_t input) const { return pixels_[input]; }

 private:
  Convolution convolution_;
  std::size_t padded_;
  std::vector<Run> down_, along_;  // [rows.side], [columns.side]
  std::vector<Pixel> pixels_;      // [inputs]
};

// Memory for the events of a sample, sorted into cells.
class EventMemory {
 public:
  // By row and step, for the forward pass.
  RowEvents by_row(const Layout& layout, const SampleEvents& events, std::size_t num_steps);
  // By channel and row, for the backward pass.
  ChannelEvents by_channel(const Layout& layout, const SampleEvents& events);

 private:
  template <typename Cell>
  void sort(const Layout& layout, const SampleEvents& events, std::size_t cells, const Cell& cell);

  std::vector<std::uint32_t> begin_;
  std::vector<std::uint16_t> channels_, columns_;
  std::vector<std::uint8_t> steps_;
};

// Throws std::invalid_argument unless the events are those of the convolution's inputs.
void check_inputs(const SpikeRows& spikes, const Convolution& convolution);

}  // namespace bstdg
