#include "training/convolution_layout.hpp"

#include <algorithm>

#include "base/refuse.hpp"

namespace bstdg {

Layout::Layout(const Convolution& convolution)
    : convolution_(convolution),
      padded_(rounded_up(convolution.maps, kMapTile)),
      runs_(runs_of(convolution.columns)),
      pixels_(pixels_of(convolution)) {}

Geometry Layout::geometry() const {
  const Side &rows = convolution_.rows, &columns = convolution_.columns;
  return {rows.side,   rows.places,  columns.places, rows.kernel, columns.kernel,
          rows.stride, rows.padding, padded_,        runs_.data()};
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
