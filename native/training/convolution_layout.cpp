#include "training/convolution_layout.hpp"

#include <algorithm>

#include "base/refuse.hpp"

namespace bstdg {
namespace {

// A counting sort: calls put(event, place) for each, and leaves where each cell begins, at every kChains-th.
// Events of a cell that follow each other are counted and placed apart, so that none waits for the one
// before.
template <typename Cell, typename Put>
void sort(std::size_t count, std::size_t cells, std::vector<std::uint32_t>& begin, const Cell& cell,
          const Put& put) {
  // Counted two places ahead and placed one ahead, cells begin where they should once all are placed.
  begin.assign(cells * kChains + 2, 0);
  const auto chain = [&](std::size_t e) { return cell(e) * kChains + e % kChains; };
  for (std::size_t e = 0; e < count; ++e) ++begin[chain(e) + 2];
  for (std::size_t i = 2; i < begin.size(); ++i) begin[i] += begin[i - 1];
  for (std::size_t e = 0; e < count; ++e) put(e, begin[chain(e) + 1]++);
}

}  // namespace

Framed::Framed(const Side& side) : side_(side), kinds_(side.stride) {
  for (std::size_t k = 0; k < side.stride && k < side.kernel; ++k) {
    const std::size_t after_first = (side.kernel - 1 - k) / side.stride;
    kinds_[k] = {k + after_first * side.stride, after_first + 1};
  }
  for (std::size_t pixel = 0; pixel < side.side; ++pixel) {
    const Kind& kind = kinds_[kind_of(pixel)];
    if (kind.count == 0) continue;
    const std::size_t at = pixel + side.padding;
    if (at < kind.last) before = std::max(before, (kind.last - at) / side.stride);
  }
  for (std::size_t pixel = 0; pixel < side.side; ++pixel) {
    const Kind& kind = kinds_[kind_of(pixel)];
    if (kind.count == 0) continue;
    after = std::max(after, std::max(before + side.places, first(pixel) + kind.count) - before - side.places);
  }
}

std::size_t Framed::first(std::size_t pixel) const {
  const Kind& kind = kinds_[kind_of(pixel)];
  if (kind.count == 0) return 0;
  return (before * side_.stride + pixel + side_.padding - kind.last) / side_.stride;
}

Layout::Layout(const Convolution& convolution)
    : convolution_(convolution),
      padded_(rounded_up(convolution.maps, kMapTile)),
      pixels_(pixels_of(convolution)),
      high_(convolution.rows),
      wide_(convolution.columns),
      run_(0) {
  const Side &rows = convolution_.rows, &columns = convolution_.columns;
  const std::vector<std::size_t> slots = slots_of(columns);
  for (std::size_t kind = 0; kind < columns.stride; ++kind)
    run_ = std::max(run_, rounded_up(wide_.kind(kind).count * padded_, kRowTile));
  if (std::max(row_weights(), (convolution.channels * rows.kernel + rows.side) * kernel_row()) > 0xFFFFFFFF)
    refuse("the convolution has too many weights to be trained");
  for (std::size_t down = 0; down < rows.stride; ++down) {
    for (std::size_t along = 0; along < columns.stride; ++along) {
      const Framed::Kind &row = high_.kind(down), &column = wide_.kind(along);
      const bool touches = row.count > 0 && column.count > 0;
      const std::size_t weight = touches ? (row.last * columns.kernel + slots[column.last]) * padded_ : 0;
      kinds_.push_back({static_cast<std::uint32_t>(weight),
                        static_cast<std::uint32_t>(touches ? column.count * padded_ : 0),
                        static_cast<std::uint32_t>(row.count)});
    }
  }
  touches_.reserve(pixels_.size());
  for (const Pixel& pixel : pixels_) {
    const std::size_t kind = high_.kind_of(pixel.row) * columns.stride + wide_.kind_of(pixel.column);
    const std::size_t along = wide_.kind_of(pixel.column), lane = wide_.first(pixel.column) * padded_;
    const std::size_t signs = (pixel.channel * rows.kernel + pixel.row) * kernel_row() + along * run_;
    touches_.push_back({static_cast<std::uint32_t>(pixel.channel * kinds_.size() + kind),
                        static_cast<std::uint32_t>(high_.first(pixel.row) * neuron_ahead() + lane), pixel.row,
                        static_cast<std::uint32_t>(signs), static_cast<std::uint32_t>(lane)});
  }
}

Buffer<std::int8_t> Layout::signs(const float* latent) const {
  const Side &rows = convolution_.rows, &columns = convolution_.columns;
  const std::size_t own = convolution_.own_channels();
  Buffer<std::int8_t> signs(convolution_.channels * rows.kernel * kernel_row());
  for (std::size_t k = 0; k < convolution_.maps; ++k) {
    for (std::size_t c = 0; c < own; ++c) {
      const std::size_t channel = k / convolution_.own_maps() * own + c;
      for (std::size_t i = 0; i < rows.kernel; ++i) {
        std::int8_t* row = signs.get() + (channel * rows.kernel + i) * kernel_row() + k;
        for (std::size_t j = 0; j < columns.kernel; ++j) {
          const std::size_t kind = j % columns.stride, place = (wide_.kind(kind).last - j) / columns.stride;
          // No branch: half would be taken.
          row[kind * run_ + place * padded_] = static_cast<std::int8_t>(2 * int{*latent++ >= 0.0F} - 1);
        }
      }
    }
  }
  return signs;
}

RowEvents EventMemory::by_row(const Layout& layout, const SampleEvents& events, std::size_t num_steps) {
  const std::size_t rows = layout.convolution().rows.side;
  signs_.resize(std::max(signs_.size(), events.count));
  neurons_.resize(std::max(neurons_.size(), events.count));
  sort(
      events.count, num_steps * rows, begin_,
      [&](std::size_t e) { return events.steps[e] * rows + layout.touch(events.channels[e]).row; },
      [&](std::size_t e, std::uint32_t to) {
        const Layout::Touch& touch = layout.touch(events.channels[e]);
        signs_[to] = touch.signs;
        neurons_[to] = touch.lane;
      });
  return {begin_.data(), signs_.data(), neurons_.data()};
}

void EventMemory::by_weight(const Layout& layout, const SampleEvents& events, ConvolutionGradientJob& job) {
  neurons_.resize(std::max(neurons_.size(), events.count));
  steps_.resize(std::max(steps_.size(), events.count));
  sort(
      events.count, 2 * layout.cells(), begin_,
      [&](std::size_t e) { return 2 * layout.touch(events.channels[e]).cell + (events.steps[e] > 0); },
      [&](std::size_t e, std::uint32_t to) {
        neurons_[to] = layout.touch(events.channels[e]).neuron;
        steps_[to] = events.steps[e];
      });
  job.begin = begin_.data();
  job.neurons = neurons_.data();
  job.steps = steps_.data();
}

void check_inputs(const SpikeRows& spikes, const Convolution& convolution) {
  if (spikes.channels() != convolution.inputs()) {
    refuse("the convolution reads " + std::to_string(convolution.inputs()) + " channels, there are " +
           std::to_string(spikes.channels()));
  }
}

}  // namespace bstdg
