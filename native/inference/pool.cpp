#include "inference/pool.hpp"

#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "base/sliding_tables.hpp"

namespace bstdg {
namespace {

// A pooling, and how it is laid out; there is little that wider vectors could do for it.
struct Memory {
  Convolution window;
  std::int64_t count;
  std::vector<Pixel> pixels;
  std::vector<Run> rows, columns;
  Buffer<std::int32_t> thresholds;

  Memory(const Convolution& shape, std::int64_t waits_for)
      : window(shape),
        count(waits_for),
        pixels(pixels_of(shape)),
        rows(runs_of(shape.rows)),
        columns(runs_of(shape.columns)) {}

  // Calls visit(neuron) for each whose window an event lies in.
  template <typename Visit>
  void for_windows(std::uint16_t event, const Visit& visit) const {
    const Pixel pixel = pixels[event];
    const Run down = rows[pixel.row], along = columns[pixel.column];
    for (std::size_t y = down.first; y < std::size_t{down.first} + down.count; ++y) {
      const std::size_t row = (pixel.channel * window.rows.places + y) * window.columns.places;
      for (std::size_t x = along.first; x < std::size_t{along.first} + along.count; ++x) visit(row + x);
    }
  }
};

using Counts = std::vector<std::uint16_t>;

std::size_t step(const void* of, void* with, const std::uint16_t* events, std::size_t n,
                 std::uint16_t* fired) {
  const auto& layer = *static_cast<const Memory*>(of);
  std::uint16_t* const counts = static_cast<Counts*>(with)->data();
  std::uint16_t* names = fired;
  for (std::size_t e = 0; e < n; ++e) {
    layer.for_windows(events[e], [&](std::size_t j) {
      if (counts[j] < layer.count && ++counts[j] == layer.count) *names++ = static_cast<std::uint16_t>(j);
    });
  }
  return static_cast<std::size_t>(names - fired);
}

Step start(const void*, void* with, std::int64_t, std::int64_t) {
  auto& counts = *static_cast<Counts*>(with);
  std::fill(counts.begin(), counts.end(), std::uint16_t{0});
  return &step;
}

bool step_output(const void* of, std::int32_t* potential, const std::uint16_t* events, std::size_t n) {
  const auto& layer = *static_cast<const Memory*>(of);
  for (std::size_t e = 0; e < n; ++e) layer.for_windows(events[e], [&](std::size_t j) { ++potential[j]; });
  for (std::size_t j = 0; j < layer.window.neurons(); ++j) {
    if (potential[j] >= layer.count) return true;
  }
  return false;
}

constexpr SpikingKernels kHidden{&start};
constexpr OutputKernels kOutput{&step_output};

}  // namespace

std::string PoolLayer::refusal() const {
  const bool plain = window_.rows.padding == 0 && window_.columns.padding == 0 &&
                     window_.maps == window_.channels && window_.groups == window_.channels;
  if (!plain) return "is no pooling: that has no padding, and a map for every channel";
  if (count_ < 1 || static_cast<std::size_t>(count_) > window_.taps() || count_ > 0xFFFF) {
    return "waits for spike " + std::to_string(count_) + " of a window of " + std::to_string(window_.taps());
  }
  return {};
}

SpikingLayout PoolLayer::spiking(const Kernels&) const {
  const auto memory = std::make_shared<Memory>(window_, count_);
  const std::size_t neurons = window_.neurons();
  const auto new_state = [neurons]() -> std::shared_ptr<void> { return std::make_shared<Counts>(neurons); };
  return {{&kHidden, memory.get(), static_cast<std::uint32_t>(neurons)}, memory, new_state};
}

OutputLayout PoolLayer::output(const Kernels&) const {
  const auto memory = std::make_shared<Memory>(window_, count_);
  memory->thresholds = Buffer<std::int32_t>(window_.neurons());
  std::fill_n(memory->thresholds.get(), window_.neurons(), static_cast<std::int32_t>(count_));
  const auto neurons = static_cast<std::uint32_t>(window_.neurons());
  return {{&kOutput, memory.get(), neurons, neurons, memory->thresholds.get()}, memory};
}

}  // namespace bstdg
