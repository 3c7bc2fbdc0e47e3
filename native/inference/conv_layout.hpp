// A convolution laid out for its kernels, and the memory that they work in.
#pragma once

#include <vector>

#include "base/buffer.hpp"
#include "base/sliding.hpp"
#include "inference/conv_kernels.hpp"
#include "inference/layer.hpp"

namespace bstdg {

// Owns what a ConvHidden points to, for kernels whose vectors have so many words of 64 bits.
class ConvLayout {
 public:
  // Signs and thresholds as a `ConvLayer` has them; `heard` are the names that events come with.
  ConvLayout(const Convolution& shape, std::size_t vector_words, const std::int8_t* signs,
             const std::int64_t* thresholds, const Names& heard);
  ConvLayout(const ConvLayout&) = delete;
  ConvLayout& operator=(const ConvLayout&) = delete;
  const ConvHidden& view() const { return view_; }

  // Whether passages can say where everything is.
  static bool fits(const Convolution& shape);

 private:
  std::size_t mask_at(std::size_t places, std::size_t group) const;
  void lay_weights(const std::int8_t* signs);
  void lay_masks();
  void lay_passages(const Names& heard);
  void lay_windows();
  void lay_names();
  void lay_thresholds(const std::int64_t* thresholds);
  ConvStart start(const std::int64_t* thresholds, std::int64_t most, Buffer<std::uint64_t>& planes) const;

  const Convolution shape_;
  const std::vector<Run> columns_;
  const std::size_t maps_, vector_;  // bytes of a place's maps, and of a vector
  const std::size_t kernel_row_;     // bytes of the weights of a channel's kernel row
  std::vector<std::size_t> mask_starts_;
  Buffer<std::uint8_t> weights_, masks_;
  std::vector<Passage> passages_;
  std::vector<std::uint16_t> rows_;
  std::vector<Tiles> tiles_;
  std::vector<Window> windows_;
  Buffer<std::uint16_t> names_;
  Buffer<std::uint64_t> start_, exact_start_;
  ConvHidden view_{};
};

// Owns what a ConvState points to.
class ConvMemory {
 public:
  ConvMemory(const ConvHidden& layer, std::size_t vector_words);
  ConvMemory(const ConvMemory&) = delete;
  ConvMemory& operator=(const ConvMemory&) = delete;
  ConvState& view() { return view_; }

 private:
  Buffer<std::uint64_t> potential_, fired_;
  Buffer<std::uint16_t> in_order_, until_, count_;
  Buffer<Passage> heard_;
  ConvState view_;
};

}  // namespace bstdg
