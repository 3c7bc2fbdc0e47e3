#include "training/convolution_layout.hpp"

#include <algorithm>

#include "base/refuse.hpp"

namespace bstdg {

Layout::Layout(const Convolution& convolution)
    : convolution_(convolution),
      padded_(rounded_up(convolution.maps, kMapTile)),
      down_(runs_of(convolution.rows)),
      along_(runs_of(convolution.columns)),
      pixels_(pixels_of(convolution)) {}

Geometry Layout::geometry() const {
  const Side &rows = convolution_.rows, &columns = convolution_.columns;
  return {convolution_.channels, rows.side,    rows.places, columns.places, rows.kernel,  columns.kernel,
          rows.stride,           rows.padding, padded_,     down_.data(),   along_.data()};
}

// A counting sort: stable, so events keep their order within a cell.
template <typename Cell>
void EventMemory::sort(const Layout& layout, const SampleEvents& events, std::size_t cells,
                       const Cell& cell) {
  channels_.resize(std::max(channels_.size(), events.count));
  columns_.resize(channels_.size());
  steps_.resize(channels_.size());
  // Counted two places ahead and placed one ahead, cells begin where they should once all are placed.
  begin_.assign(cells + 2, 0);
  for (std::size_t e = 0; e < events.count; ++e) ++begin_[cell(layout.pixel(events.channels[e]), e) + 2];
  for (std::size_t i = 2; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
  for (std::size_t e = 0; e < events.count; ++e) {
    const Pixel& pixel = layout.pixel(events.channels[e]);
    const std::uint32_t to = begin_[cell(pixel, e) + 1]++;
    channels_[to] = pixel.channel;
    columns_[to] = pixel.column;
    steps_[to] = events.steps[e];
  }
}

RowEvents EventMemory::by_row(const Layout& layout, const SampleEvents& events, std::size_t num_steps) {
  sort(layout, events, layout.convolution().rows.side * num_steps,
       [&](const Pixel& pixel, std::size_t e) { return pixel.row * num_steps + events.steps[e]; });
  return {begin_.data(), channels_.data(), columns_.data()};
}

ChannelEvents EventMemory::by_channel(const Layout& layout, const SampleEvents& events) {
  const std::size_t rows = layout.convolution().rows.side;
  sort(layout, events, layout.convolution().channels * rows,
       [&](const Pixel& pixel, std::size_t) { return pixel.channel * rows + pixel.row; });
  return {begin_.data(), columns_.data(), steps_.data()};
}

void check_inputs(const SpikeRows& spikes, const Convolution& convolution) {
  if (spikes.channels() != convolution.inputs()) {
    refuse("the convolution reads " + std::to_string(convolution.inputs()) + " channels, there are " +
           std::to_string(spikes.channels()));
  }
}

}  // namespace bstdg
