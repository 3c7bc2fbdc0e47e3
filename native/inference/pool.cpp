#include "inference/pool.hpp"

#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "base/sliding_tables.hpp"

namespace bstdg {
namespace {

// The neurons in whose window an event lies: of so many rows and columns, from this one on.
struct Windows {
  std::uint16_t first, rows, columns;
};

// A pooling, and how it is laid out; there is little that wider vectors could do for it. Neurons are named
// place by place, which keeps rows in order for a convolution above, unless windows overlap.
struct Memory {
  std::size_t neurons, next_row, next_column;
  std::uint16_t count;
  std::vector<Windows> windows;  // [events]
  std::vector<std::uint16_t> names;
  Buffer<std::int32_t> thresholds;

  Memory(const Convolution& shape, std::int64_t waits_for, const Names& heard)
      : neurons(shape.neurons()),
        next_row(shape.columns.places * shape.channels),
        next_column(shape.channels),
        count(static_cast<std::uint16_t>(waits_for)),
        names(place_by_place(shape)) {
    const std::vector<Pixel> pixels = pixels_of(shape);
    const std::vector<Run> rows = runs_of(shape.rows), columns = runs_of(shape.columns);
    for (std::size_t e = 0; e < pixels.size(); ++e) {
      const Pixel pixel = pixels[meant_by(heard, e)];
      const Run down = rows[pixel.row], along = columns[pixel.column];
      const std::size_t first = down.first * next_row + along.first * next_column + pixel.channel;
      windows.push_back({static_cast<std::uint16_t>(first), down.count, along.count});
    }
  }

  // Calls visit(name of a neuron) for each whose window an event lies in.
  template <typename Visit>
  void for_windows(std::uint16_t event, const Visit& visit) const {
    const Windows in = windows[event];
    std::size_t row = in.first;
    for (std::uint32_t y = 0; y < in.rows; ++y, row += next_row) {
      std::size_t name = row;
      for (std::uint32_t x = 0; x < in.columns; ++x, name += next_column) visit(name);
    }
  }
};

using Missing = std::vector<std::uint16_t>;  // events, of each neuron's

std::size_t step(const void* of, void* with, const std::uint16_t* events, std::size_t n,
                 std::uint16_t* fired) {
  const auto& layer = *static_cast<const Memory*>(of);
  std::uint16_t* const missing = static_cast<Missing*>(with)->data();
  std::uint16_t* names = fired;
  for (std::size_t e = 0; e < n; ++e) {
    layer.for_windows(events[e], [&](std::size_t j) {
      // Written whether it fires or not: a branch would be guessed wrong too often.
      const std::uint16_t before = missing[j];
      *names = static_cast<std::uint16_t>(j);
      names += before == 1;
      missing[j] = static_cast<std::uint16_t>(before - (before != 0));
    });
  }
  return static_cast<std::size_t>(names - fired);
}

Step start(const void* of, void* with, std::int64_t, std::int64_t) {
  auto& missing = *static_cast<Missing*>(with);
  std::fill(missing.begin(), missing.end(), static_cast<const Memory*>(of)->count);
  return &step;
}

bool step_output(const void* of, std::int32_t* potential, const std::uint16_t* events, std::size_t n) {
  const auto& layer = *static_cast<const Memory*>(of);
  for (std::size_t e = 0; e < n; ++e)
    layer.for_windows(events[e], [&](std::size_t j) { ++potential[layer.names[j]]; });
  for (std::size_t j = 0; j < layer.neurons; ++j) {
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

SpikingLayout PoolLayer::spiking(const Kernels&, const Names& heard) const {
  const auto memory = std::make_shared<Memory>(window_, count_, heard);
  const std::size_t neurons = window_.neurons();
  const auto new_state = [neurons]() -> std::shared_ptr<void> { return std::make_shared<Missing>(neurons); };
  return {{&kHidden, memory.get(), static_cast<std::uint32_t>(neurons), nullptr},
          memory,
          new_state,
          memory->names};
}

OutputLayout PoolLayer::output(const Kernels&, const Names& heard) const {
  const auto memory = std::make_shared<Memory>(window_, count_, heard);
  memory->thresholds = Buffer<std::int32_t>(window_.neurons());
  std::fill_n(memory->thresholds.get(), window_.neurons(), static_cast<std::int32_t>(count_));
  const auto neurons = static_cast<std::uint32_t>(window_.neurons());
  return {{&kOutput, memory.get(), neurons, neurons, memory->thresholds.get()}, memory};
}

}  // namespace bstdg
