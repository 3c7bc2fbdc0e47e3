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

// One side of the places with a frame.
class Framed {
 public:
  explicit Framed(const Side& side);

  // A pixel's kind is what it and the padding leave over of the stride. Those of a kind touch as many places,
  // frame included, by the same weights: of `last` and every stride-th before it, one for each place from
  // `first` on.
  struct Kind {
    std::size_t last = 0, count = 0;
  };
  std::size_t kind_of(std::size_t pixel) const { return (pixel + side_.padding) % side_.stride; }
  const Kind& kind(std::size_t which) const { return kinds_[which]; }
  std::size_t first(std::size_t pixel) const;  // counted from the frame's first
  std::size_t places() const { return before + side_.places + after; }

  std::size_t before = 0, after = 0;  // places of the frame

 private:
  Side side_;
  std::vector<Kind> kinds_;  // [stride]
};

// The tables of one convolution.
class Layout {
 public:
  explicit Layout(const Convolution& convolution);

  const Convolution& convolution() const { return convolution_; }
  std::size_t padded() const { return padded_; }                         // maps
  std::size_t lanes() const { return convolution_.places() * padded_; }  // neurons, padded
  std::size_t row_weights() const { return convolution_.channels * convolution_.taps() * padded_; }
  const Pixel& pixel(std::size_t input) const { return pixels_[input]; }

  // Places have a frame (see convolution_kernels.hpp).
  const Framed& wide() const { return wide_; }
  std::size_t run() const { return run_; }  // of signs, see ConvolutionCrossingJob
  std::size_t kernel_row() const { return convolution_.columns.stride * run_; }
  // Signs laid out for it, of latent weights.
  Buffer<std::int8_t> signs(const float* latent) const;
  std::size_t framed_lanes() const { return high_.places() * wide_.places() * padded_; }
  std::size_t first_framed(std::size_t row) const {  // lane of a row of places
    return ((row + high_.before) * wide_.places() + wide_.before) * padded_;
  }
  const std::vector<Touched>& kinds() const { return kinds_; }
  std::size_t channel_weights() const { return convolution_.taps() * padded_; }
  std::size_t weight_back() const { return convolution_.rows.stride * convolution_.columns.kernel * padded_; }
  std::size_t neuron_ahead() const { return wide_.places() * padded_; }
  // Of an event of an input: its cell, by channel and kind, and the first neuron that it touches; and for the
  // forward pass its row, and what RowEvents have.
  struct Touch {
    std::uint32_t cell, neuron, row, signs, lane;
  };
  const Touch& touch(std::size_t input) const { return touches_[input]; }
  std::size_t cells() const { return convolution_.channels * kinds_.size(); }

 private:
  Convolution convolution_;
  std::size_t padded_;
  std::vector<Pixel> pixels_;  // [inputs]
  Framed high_, wide_;
  std::size_t run_;
  std::vector<Touched> kinds_;
  std::vector<Touch> touches_;  // [inputs]
};

// Memory for the events of a sample in another order.
class EventMemory {
 public:
  // For the forward pass.
  RowEvents by_row(const Layout& layout, const SampleEvents& events, std::size_t num_steps);
  // For the backward pass: fills in the events of the job.
  void by_weight(const Layout& layout, const SampleEvents& events, ConvolutionGradientJob& job);

 private:
  std::vector<std::uint32_t> begin_, signs_, neurons_;
  std::vector<std::uint8_t> steps_;
};

// Throws std::invalid_argument unless the events are those of the convolution's inputs.
void check_inputs(const SpikeRows& spikes, const Convolution& convolution);

}  // namespace bstdg
