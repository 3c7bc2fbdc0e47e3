#include "inference/conv.hpp"

#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "base/sliding_tables.hpp"
#include "dispatch.hpp"
#include "inference/conv_kernels.hpp"

namespace bstdg {
namespace {

// Owns what a ConvHidden points to.
struct HiddenMemory {
  std::vector<Pixel> pixels;
  std::vector<Run> rows, columns;
  Buffer<std::int16_t> signs, bars;
  Buffer<std::int64_t> thresholds;
  ConvHidden view{};

  HiddenMemory(const Convolution& shape, const std::int8_t* given, const std::int64_t* of_maps)
      : pixels(pixels_of(shape)), rows(runs_of(shape.rows)), columns(runs_of(shape.columns)) {
    const std::size_t padded = rounded_up(shape.maps, kMapTile);
    signs = Buffer<std::int16_t>(shape.channels * shape.taps() * padded);
    for_weights(shape, padded, [&](std::size_t to, std::size_t from) { signs[to] = given[from]; });
    bars = Buffer<std::int16_t>(padded);
    thresholds = Buffer<std::int64_t>(padded);
    for (std::size_t k = 0; k < padded; ++k) {
      thresholds[k] = k < shape.maps ? of_maps[k] : INT64_MAX;
      // Beyond what a potential reaches a threshold is as good as the last, or as none.
      bars[k] = static_cast<std::int16_t>(std::clamp<std::int64_t>(thresholds[k], -32'767, 32'767));
    }
    view = {static_cast<std::uint32_t>(shape.rows.places),
            static_cast<std::uint32_t>(shape.columns.places),
            static_cast<std::uint32_t>(padded),
            static_cast<std::uint32_t>(shape.columns.kernel),
            static_cast<std::uint32_t>(shape.rows.kernel),
            static_cast<std::uint32_t>(shape.rows.stride),
            static_cast<std::uint32_t>(shape.rows.padding),
            static_cast<std::int64_t>(shape.own_channels() * shape.taps()),
            pixels.data(),
            rows.data(),
            columns.data(),
            signs.get(),
            bars.get(),
            thresholds.get()};
  }
};

// Owns what a ConvState points to.
struct StateMemory {
  Buffer<std::int16_t> sums, bars;
  Buffer<std::int64_t> long_sums;
  Buffer<std::uint16_t> from, until;
  ConvState view;

  StateMemory(std::size_t lanes, std::size_t high)
      : sums(lanes), bars(lanes), long_sums(lanes), from(high), until(high), view{sums.get(),      bars.get(),
                                                                                  long_sums.get(), from.get(),
                                                                                  until.get(),     true} {}
};

// The last layer: added to one synapse after the other, for it is rarely a large one.
struct OutputMemory {
  Convolution shape;
  std::vector<Pixel> pixels;
  std::vector<std::int8_t> signs;
  Buffer<std::int32_t> thresholds;  // [neurons]
};

bool step_output(const void* of, std::int32_t* potential, const std::uint16_t* events, std::size_t n) {
  const auto& layer = *static_cast<const OutputMemory*>(of);
  for (std::size_t e = 0; e < n; ++e) {
    for_synapses(layer.shape, layer.pixels[events[e]],
                 [&](std::size_t j, std::size_t w) { potential[j] += layer.signs[w]; });
  }
  for (std::size_t j = 0; j < layer.shape.neurons(); ++j) {
    if (potential[j] >= layer.thresholds[j]) return true;
  }
  return false;
}

constexpr OutputKernels kOutput{&step_output};

}  // namespace

std::string ConvLayer::refusal() const {
  for (std::size_t i = 0; i < shape_.weights(); ++i) {
    if (signs_[i] != 1 && signs_[i] != -1) return "has a weight that is neither -1 nor +1";
  }
  for (std::size_t k = 0; k < shape_.maps; ++k) {
    if (thresholds_[k] >= std::int64_t{1} << 31 || thresholds_[k] < -(std::int64_t{1} << 31)) {
      return "has a threshold that does not fit 32 bits";
    }
  }
  return {};
}

SpikingLayout ConvLayer::spiking(const Kernels& kernels) const {
  const auto memory = std::make_shared<HiddenMemory>(shape_, signs_, thresholds_);
  const std::size_t lanes = shape_.places() * memory->view.padded, high = shape_.rows.places;
  const auto new_state = [lanes, high]() -> std::shared_ptr<void> {
    const auto state = std::make_shared<StateMemory>(lanes, high);
    // Nothing is touched before the first step.
    std::fill_n(state->until.get(), high, std::uint16_t{0});
    return {state, &state->view};
  };
  return {
      {&kernels.conv.hidden, &memory->view, static_cast<std::uint32_t>(shape_.neurons())}, memory, new_state};
}

OutputLayout ConvLayer::output(const Kernels&) const {
  const auto memory = std::make_shared<OutputMemory>();
  memory->shape = shape_;
  memory->pixels = pixels_of(shape_);
  memory->signs.assign(signs_, signs_ + shape_.weights());
  memory->thresholds = Buffer<std::int32_t>(shape_.neurons());
  for (std::size_t j = 0; j < shape_.neurons(); ++j)
    memory->thresholds[j] = static_cast<std::int32_t>(thresholds_[j / shape_.places()]);
  const auto neurons = static_cast<std::uint32_t>(shape_.neurons());
  return {{&kOutput, memory.get(), neurons, neurons, memory->thresholds.get()}, memory};
}

}  // namespace bstdg
