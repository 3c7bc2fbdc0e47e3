#include "training/convolution_layout.hpp"

#include <algorithm>

#include "base/refuse.hpp"

namespace bstdg {
namespace {

// A counting sort, stable: calls put(event, place) for each, and leaves where each cell begins.
template <typename Cell, typename Put>
void sort(std::size_t count, std::size_t cells, std::vector<std::uint32_t>& begin, const Cell& cell,
          const Put& put) {
  // Counted two places ahead and placed one ahead, cells begin where they should once all are placed.
  begin.assign(cells + 2, 0);
  for (std::size_t e = 0; e < count; ++e) ++begin[cell(e) + 2];
  for (std::size_t i = 2; i < begin.size(); ++i) begin[i] += begin[i - 1];
  for (std::size_t e = 0; e < count; ++e) put(e, begin[cell(e) + 1]++);
}

}  // namespace

Layout::Layout(const Convolution& convolution)
    : convolution_(convolution),
      padded_(rounded_up(convolution.maps, kMapTile)),
      along_(runs_of(convolution.columns)),
      pixels_(pixels_of(convolution)) {
  const Side &rows = convolution_.rows, &columns = convolution_.columns;
  const std::vector<Run> down = runs_of(rows);
  const std::size_t high =
      (rows.side + rows.stride - 1) / rows.stride;  // rows that touch the same kernel rows
  num_turns_ = convolution_.channels * rows.stride * columns.stride * high;
  links_.reserve(pixels_.size());
  turns_.reserve(pixels_.size());
  for (const Pixel& pixel : pixels_) {
    const Run vertical = down[pixel.row], horizontal = along_[pixel.column];
    const std::size_t i = pixel.row + rows.padding - vertical.first * rows.stride;
    const bool touches = vertical.count > 0 && horizontal.count > 0;
    links_.push_back(
        {touches ? ((pixel.channel * rows.kernel + i) * columns.kernel + horizontal.slot) * padded_ : 0,
         touches ? (vertical.first * columns.places + horizontal.first) * padded_ : 0,
         static_cast<std::uint32_t>(horizontal.count * padded_),
         touches ? vertical.count : std::uint32_t{0}});
    const std::size_t kind = pixel.row % rows.stride * columns.stride + pixel.column % columns.stride;
    turns_.push_back(static_cast<std::uint32_t>((pixel.channel * rows.stride * columns.stride + kind) * high +
                                                pixel.row / rows.stride));
  }
}

Geometry Layout::geometry() const {
  const Side &rows = convolution_.rows, &columns = convolution_.columns;
  return {rows.side,   rows.places,  columns.places, rows.kernel,  columns.kernel,
          rows.stride, rows.padding, padded_,        along_.data()};
}

RowEvents EventMemory::by_row(const Layout& layout, const SampleEvents& events, std::size_t num_steps) {
  const std::size_t kinds = layout.convolution().columns.stride;
  channels_.resize(std::max(channels_.size(), events.count));
  columns_.resize(channels_.size());
  const auto cell = [&](std::size_t e) {
    const Pixel& pixel = layout.pixel(events.channels[e]);
    return (pixel.row * num_steps + events.steps[e]) * kinds + pixel.column % kinds;
  };
  sort(events.count, layout.convolution().rows.side * num_steps * kinds, begin_, cell,
       [&](std::size_t e, std::uint32_t to) {
         channels_[to] = layout.pixel(events.channels[e]).channel;
         columns_[to] = layout.pixel(events.channels[e]).column;
       });
  return {begin_.data(), kinds, channels_.data(), columns_.data()};
}

SampleEvents EventMemory::by_weight(const Layout& layout, const SampleEvents& events) {
  channels_.resize(std::max(channels_.size(), events.count));
  steps_.resize(channels_.size());
  sort(
      events.count, layout.turns(), begin_, [&](std::size_t e) { return layout.turn(events.channels[e]); },
      [&](std::size_t e, std::uint32_t to) {
        channels_[to] = events.channels[e];
        steps_[to] = events.steps[e];
      });
  return {channels_.data(), steps_.data(), events.count};
}

void check_inputs(const SpikeRows& spikes, const Convolution& convolution) {
  if (spikes.channels() != convolution.inputs()) {
    refuse("the convolution reads " + std::to_string(convolution.inputs()) + " channels, there are " +
           std::to_string(spikes.channels()));
  }
}

}  // namespace bstdg
