#include "inference/conv.hpp"

#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "base/sliding_tables.hpp"
#include "dispatch.hpp"
#include "inference/conv_layout.hpp"

namespace bstdg {
namespace {

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
  if (!ConvLayout::fits(shape_)) return "has more weights than 2 GiB hold";
  return {};
}

SpikingLayout ConvLayer::spiking(const Kernels& kernels, const Names& heard) const {
  const std::size_t words = kernels.conv.vector_words;
  const auto memory = std::make_shared<ConvLayout>(shape_, words, signs_, thresholds_, heard);
  const ConvHidden& view = memory->view();
  const auto new_state = [&view, words]() -> std::shared_ptr<void> {
    const auto state = std::make_shared<ConvMemory>(view, words);
    return {state, &state->view()};
  };
  const auto neurons = static_cast<std::uint32_t>(shape_.neurons());
  return {{&kernels.conv.hidden, &view, neurons, nullptr}, memory, new_state, place_by_place(shape_)};
}

OutputLayout ConvLayer::output(const Kernels&, const Names& heard) const {
  const auto memory = std::make_shared<OutputMemory>();
  memory->shape = shape_;
  const std::vector<Pixel> pixels = pixels_of(shape_);
  for (std::size_t e = 0; e < pixels.size(); ++e) memory->pixels.push_back(pixels[meant_by(heard, e)]);
  memory->signs.assign(signs_, signs_ + shape_.weights());
  memory->thresholds = Buffer<std::int32_t>(shape_.neurons());
  for (std::size_t j = 0; j < shape_.neurons(); ++j)
    memory->thresholds[j] = static_cast<std::int32_t>(thresholds_[j / shape_.places()]);
  const auto neurons = static_cast<std::uint32_t>(shape_.neurons());
  return {{&kOutput, memory.get(), neurons, neurons, memory->thresholds.get()}, memory};
}

}  // namespace bstdg
