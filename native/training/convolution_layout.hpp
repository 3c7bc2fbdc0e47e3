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
  const Link* links() const { return links_.data(); }  // [inputs]
  // From one row of places to the next.
  std::size_t weight_back() const { return convolution_.rows.stride * convolution_.columns.kernel * padded_; }
  std::size_t neuron_ahead() const { return convolution_.columns.places * padded_; }
  // Where an input comes in the order of weights: channel by channel, within one those together that touch
  // the same slots and kernel rows, and of these row by row.
  std::size_t turn(std::size_t input) const { return turns_[input]; }
  std::size_t turns() const { return num_turns_; }

 private:
  Convolution convolution_;
  std::size_t padded_;
  std::vector<Run> along_;     // [columns.side]
  std::vector<Pixel> pixels_;  // [inputs]
  std::vector<Link> links_;
  std::vector<std::uint32_t> turns_;
  std::size_t num_turns_;
};

// Memory for the events of a sample in another order.
class EventMemory {
 public:
  // For the forward pass.
  RowEvents by_row(const Layout& layout, const SampleEvents& events, std::size_t num_steps);
  // For the backward pass, by `Layout::turn`; the events of one turn keep their order.
  SampleEvents by_weight(const Layout& layout, const SampleEvents& events);

 private:
  std::vector<std::uint32_t> begin_;
  std::vector<std::uint16_t> channels_, columns_;
  std::vector<std::uint8_t> steps_;
};

// Throws std::invalid_argument unless the events are those of the convolution's inputs.
void check_inputs(const SpikeRows& spikes, const Convolution& convolution);

}  // namespace bstdg
