#include "inference/conv_layout.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/sliding_tables.hpp"

namespace bstdg {
namespace {

std::size_t bytes_of(std::size_t bits) { return (bits + 7) / 8; }

void set(std::uint8_t* bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | 1U << bit % 8);
}

}  // namespace

ConvLayout::ConvLayout(const Convolution& shape, std::size_t vector_words, const std::int8_t* signs,
                       const std::int64_t* thresholds, const Names& heard)
    : shape_(shape),
      columns_(runs_of(shape.columns)),
      maps_(bytes_of(shape.maps)),
      vector_(8 * vector_words),
      kernel_row_(shape.columns.kernel * maps_) {
  view_.rows_in = static_cast<std::uint32_t>(shape.rows.side);
  view_.rows = static_cast<std::uint32_t>(shape.rows.places);
  view_.tiles = static_cast<std::uint32_t>(rounded_up(shape.columns.places * maps_, vector_) / vector_);
  view_.row_neurons = static_cast<std::uint32_t>(shape.columns.places * shape.maps);
  view_.patch = static_cast<std::int64_t>(shape.own_channels() * shape.taps());
  lay_weights(signs);
  lay_masks();
  lay_passages(heard);
  lay_windows();
  if (shape.maps % 8 != 0) lay_names();
  lay_thresholds(thresholds);
}

bool ConvLayout::fits(const Convolution& shape) {
  const std::size_t rows = shape.channels * shape.rows.kernel + shape.rows.side + shape.rows.padding;
  return rows * shape.columns.kernel * bytes_of(shape.maps) <= std::numeric_limits<std::int32_t>::max();
}

void ConvLayout::lay_weights(const std::int8_t* signs) {
  const std::size_t bytes = shape_.channels * shape_.rows.kernel * kernel_row_;
  weights_ = Buffer<std::uint8_t>(bytes + 2 * vector_);  // a run is loaded with what lies beside it
  std::uint8_t* const to = weights_.get() + vector_;
  for_weights(shape_, maps_ * 8, [&](std::size_t bit, std::size_t from) {
    if (signs[from] > 0) set(to, bit);
  });
  view_.weights = to;
  view_.next_row = static_cast<std::uint32_t>(shape_.rows.stride * kernel_row_);
}

// Where the mask of a run of places is, of the maps that read a channel of the group.
std::size_t ConvLayout::mask_at(std::size_t places, std::size_t group) const {
  return mask_starts_[places] + group * (vector_ + places * maps_);
}

void ConvLayout::lay_masks() {
  std::size_t longest = 0;
  for (const Run& run : columns_) longest = std::max<std::size_t>(longest, run.count);
  // Two vectors of zeros, then each run with a vector of zeros behind it.
  std::size_t end = 2 * vector_;
  mask_starts_.push_back(0);
  for (std::size_t places = 1; places <= longest; ++places) {
    mask_starts_.push_back(end);
    end += shape_.groups * (vector_ + places * maps_);
  }
  masks_ = Buffer<std::uint8_t>(end);
  for (std::size_t places = 1; places <= longest; ++places) {
    for (std::size_t k = 0; k < shape_.maps; ++k) {
      std::uint8_t* const run = masks_.get() + mask_at(places, k / shape_.own_maps());
      for (std::size_t x = 0; x < places; ++x) set(run, x * maps_ * 8 + k);
    }
  }
  view_.masks = masks_.get();
}

void ConvLayout::lay_passages(const Names& heard) {
  const std::vector<Pixel> pixels = pixels_of(shape_);
  for (std::size_t e = 0; e < pixels.size(); ++e) {
    const Pixel pixel = pixels[meant_by(heard, e)];
    const Run run = columns_[pixel.column];
    const std::size_t begin = run.first * maps_, end = begin + run.count * maps_;
    const std::size_t kernel_row =
        pixel.channel * shape_.rows.kernel + pixel.row + shape_.rows.padding;  // of row 0, if it had so many
    const std::size_t weights = kernel_row * kernel_row_ + run.slot * maps_;
    const std::size_t mask = run.count > 0 ? mask_at(run.count, pixel.channel / shape_.own_channels()) : 0;
    const auto before = [begin](std::size_t there) {
      return static_cast<std::int32_t>(static_cast<std::int64_t>(there) - static_cast<std::int64_t>(begin));
    };
    passages_.push_back({before(weights), before(mask)});
    rows_.push_back(pixel.row);
    const std::size_t tile = begin / vector_, tiles = run.count > 0 ? (end - 1) / vector_ - tile + 1 : 0;
    tiles_.push_back({static_cast<std::uint16_t>(tile), static_cast<std::uint16_t>(tiles)});
  }
  view_.passages = passages_.data();
  view_.row_of = rows_.data();
  view_.tiles_of = tiles_.data();
}

void ConvLayout::lay_windows() {
  const Side& rows = shape_.rows;
  const auto row = [&rows](std::size_t down) {
    return static_cast<std::uint16_t>(std::min(std::max(down, rows.padding) - rows.padding, rows.side));
  };
  for (std::size_t y = 0; y < rows.places; ++y)
    windows_.push_back({row(y * rows.stride), row(y * rows.stride + rows.kernel)});
  view_.windows = windows_.data();
}

void ConvLayout::lay_names() {
  names_ = Buffer<std::uint16_t>(view_.tiles * vector_ * 8);
  for (std::size_t x = 0; x < shape_.columns.places; ++x) {
    for (std::size_t k = 0; k < shape_.maps; ++k)
      names_[x * maps_ * 8 + k] = static_cast<std::uint16_t>(x * shape_.maps + k);
  }
  view_.names = names_.get();
}

void ConvLayout::lay_thresholds(const std::int64_t* thresholds) {
  for (std::size_t k = 0; k < shape_.maps; ++k) {
    view_.greatest = std::max(view_.greatest, std::abs(thresholds[k]));
    view_.fires_unheard |= thresholds[k] <= 0;
  }
  view_.start = start(thresholds, std::min(view_.greatest, view_.patch + 1), start_);
  view_.exact_start = start(thresholds, view_.greatest, exact_start_);
}

// Potentials at the start, with thresholds beyond `most` drawn in to it.
ConvStart ConvLayout::start(const std::int64_t* thresholds, std::int64_t most,
                            Buffer<std::uint64_t>& planes) const {
  std::uint32_t count = 1;
  while (most >> (count - 1) != 0) ++count;
  const std::size_t bits = vector_ * 8, words = vector_ / 8;
  planes = Buffer<std::uint64_t>(view_.tiles * count * words);
  for (std::size_t j = 0; j < view_.tiles * bits; ++j) {
    const std::size_t place = j / (maps_ * 8), map = j % (maps_ * 8);
    const bool there = place < shape_.columns.places && map < shape_.maps;
    const std::int64_t potential = there ? -std::clamp(thresholds[map], -most, most) : -1;
    std::uint64_t* const word = planes.get() + j / bits * count * words + j % bits / 64;
    for (std::uint32_t i = 0; i < count; ++i)
      word[i * words] |= static_cast<std::uint64_t>(potential >> i & 1) << j % 64;
  }
  return {planes.get(), count};
}

ConvMemory::ConvMemory(const ConvHidden& layer, std::size_t vector_words)
    : potential_(layer.rows * layer.tiles * vector_words * kMaxPlanes),
      fired_(layer.rows * layer.tiles * vector_words),
      in_order_(kMostHeard),
      until_(layer.tiles * (layer.rows_in + 1)),
      count_(layer.tiles),
      heard_(layer.tiles * kMostHeard),
      view_{potential_.get(), fired_.get(), 0,           true, in_order_.get(),
            heard_.get(),     until_.get(), count_.get()} {}

}  // namespace bstdg
