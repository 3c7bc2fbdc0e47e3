#include "training/convolution_layout.hpp"

#include <algorithm>

#include "base/refuse.hpp"

namespace bstdg {

Layout::Layout(const Convolution& convolution)
    : convolution_(convolution), padded_(rounded_up(convolution.maps, kMapTile)) {
  const Side& side = convolution.columns;
  // Kernel columns by what they leave over of the stride, each kind from the last to the first: places from left
  // to right then have their weights side by side.
  slot_.resize(side.kernel);
  std::size_t slots = 0;
  for (std::size_t left = 0; left < side.stride; ++left) {
    for (std::size_t j = side.kernel; j-- > 0;) {
      if (j % side.stride == left) slot_[j] = slots++;
    }
  }
  for (std::size_t u = 0; u < side.side; ++u) {
    const std::size_t at = u + side.padding;
    std::size_t first = 0, count = 0, slot = 0;
    for (std::size_t j = std::min(at + 1, side.kernel); j-- > 0;) {
      if ((at - j) % side.stride != 0 || (at - j) / side.stride >= side.places) continue;
      if (count++ == 0) {
        first = (at - j) / side.stride;
        slot = slot_[j];
      }
    }
    runs_.push_back({static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(count),
                     static_cast<std::uint16_t>(slot)});
  }
  pixels_.reserve(convolution.inputs());
  for (std::size_t c = 0; c < convolution.channels; ++c) {
    for (std::size_t v = 0; v < convolution.rows.side; ++v) {
      for (std::size_t u = 0; u < side.side; ++u) {
        pixels_.push_back({static_cast<std::uint16_t>(c), static_cast<std::uint16_t>(v),
                           static_cast<std::uint16_t>(u)});
      }
    }
  }
}

Geometry Layout::geometry() const {
  const Side &rows = convolution_.rows, &columns = convolution_.columns;
  return {rows.side,      rows.places, columns.places, rows.kernel, columns.kernel,
          rows.stride,    rows.padding, padded_,       runs_.data()};
}

RowMemory::RowMemory(const Layout& layout, std::size_t num_steps)
    : layout_(layout),
      num_steps_(num_steps),
      begin_(layout.convolution().rows.side * num_steps + 1),
      place_(begin_.size()) {}

RowEvents RowMemory::fill(const SampleEvents& events) {
  channels_.resize(std::max(channels_.size(), events.count));
  columns_.resize(channels_.size());
  std::fill(begin_.begin(), begin_.end(), 0);
  const auto cell = [&](std::size_t e) {
    return layout_.pixel(events.channels[e]).row * num_steps_ + events.steps[e];
  };
  for (std::size_t e = 0; e < events.count; ++e) ++begin_[cell(e) + 1];
  for (std::size_t i = 1; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
  std::copy(begin_.begin(), begin_.end(), place_.begin());
  for (std::size_t e = 0; e < events.count; ++e) {
    const Pixel& pixel = layout_.pixel(events.channels[e]);
    const std::uint32_t to = place_[cell(e)]++;
    channels_[to] = pixel.channel;
    columns_[to] = pixel.column;
  }
  return {begin_.data(), channels_.data(), columns_.data()};
}

void check_inputs(const SpikeRows& spikes, const Convolution& convolution) {
  if (spikes.channels() != convolution.inputs()) {
    refuse("the convolution reads " + std::to_string(convolution.inputs()) + " channels, there are " +
           std::to_string(spikes.channels()));
  }
}

}  // namespace bstdg
