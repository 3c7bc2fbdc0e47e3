#include "inference/full.hpp"

#include <algorithm>
#include <limits>

#include "base/buffer.hpp"
#include "dispatch.hpp"
#include "inference/full_kernels.hpp"

namespace bstdg {
namespace {

// Words of one bit a neuron: whole blocks, and the narrowest vector that holds the rest.
std::size_t row_words(std::size_t neurons) {
  const std::size_t whole = neurons / 64 / kBlockWords * kBlockWords;
  std::size_t rest = neurons > whole * 64 ? 2 : 0;
  while ((whole + rest) * 64 < neurons) rest *= 2;
  return whole + rest;
}

// Owns what a FullHidden points to.
struct HiddenMemory {
  Buffer<std::uint64_t> rows, start, padding;
  FullHidden view{};

  HiddenMemory(std::size_t channels, std::size_t neurons, const std::int8_t* signs,
               const std::int64_t* thresholds, const Names& heard) {
    const std::size_t words = row_words(neurons);
    rows = Buffer<std::uint64_t>((channels + 1) * words);
    for (std::size_t j = 0; j < neurons; ++j) {
      const std::size_t block = j / 64 / kBlockWords * kBlockWords;  // its first word
      const std::size_t width = std::min<std::size_t>(kBlockWords, words - block);
      std::uint64_t* column = rows.get() + block * (channels + 1) + (j / 64 - block);
      for (std::size_t i = 0; i < channels; ++i) {
        if (signs[j * channels + meant_by(heard, i)] > 0) column[i * width] |= std::uint64_t{1} << j % 64;
      }
    }
    const auto [least, greatest] = std::minmax_element(thresholds, thresholds + neurons);
    const std::int64_t range = *greatest - *least;
    std::uint32_t planes = 1;
    while (range >> planes != 0) ++planes;
    start = Buffer<std::uint64_t>(planes * words);
    padding = Buffer<std::uint64_t>(words);
    for (std::size_t j = 0; j < words * 64; ++j) {
      const std::uint64_t bit = std::uint64_t{1} << j % 64;
      if (j >= neurons) {
        padding[j / 64] |= bit;
        continue;
      }
      const std::int64_t offset = *greatest - thresholds[j];
      for (std::uint32_t p = 0; p < planes; ++p) {
        if (offset >> p & 1) start[p * words + j / 64] |= bit;
      }
    }
    view = {static_cast<std::uint32_t>(channels),
            static_cast<std::uint32_t>(neurons),
            static_cast<std::uint32_t>(words),
            rows.get(),
            start.get(),
            planes,
            padding.get(),
            *greatest,
            range};
  }
};

// Owns what a FullState points to.
struct StateMemory {
  Buffer<std::uint64_t> planes, fired;
  FullState view;

  explicit StateMemory(std::size_t words)
      : planes(kMaxPlanes * words), fired(words), view{planes.get(), fired.get(), 0, 0} {}
};

// Owns what a FullOutput points to.
struct OutputMemory {
  Buffer<std::int8_t> rows;
  Buffer<std::int32_t> thresholds;
  FullOutput view{};

  OutputMemory(std::size_t channels, std::size_t classes, const std::int8_t* signs, const std::int64_t* given,
               const Names& heard) {
    const std::size_t padded = rounded_up(classes, 16);
    rows = Buffer<std::int8_t>((channels + 1) * padded);
    thresholds = Buffer<std::int32_t>(padded);
    for (std::size_t k = 0; k < padded; ++k) {
      thresholds[k] =
          k < classes ? static_cast<std::int32_t>(given[k]) : std::numeric_limits<std::int32_t>::max();
      for (std::size_t i = 0; k < classes && i < channels; ++i)
        rows[i * padded + k] = signs[k * channels + meant_by(heard, i)];
    }
    view = {static_cast<std::uint32_t>(channels), static_cast<std::uint32_t>(padded), rows.get(),
            thresholds.get()};
  }
};

}  // namespace

std::string FullLayer::refusal() const {
  for (std::int64_t i = 0; i < neurons_ * channels_; ++i) {
    if (signs_[i] != 1 && signs_[i] != -1) return "has a weight that is neither -1 nor +1";
  }
  for (std::int64_t j = 0; j < neurons_; ++j) {
    if (thresholds_[j] >= std::int64_t{1} << 31 || thresholds_[j] < -(std::int64_t{1} << 31)) {
      return "has a threshold that does not fit 32 bits";
    }
  }
  return {};
}

SpikingLayout FullLayer::spiking(const Kernels& kernels, const Names& heard) const {
  const auto memory = std::make_shared<HiddenMemory>(
      static_cast<std::size_t>(channels_), static_cast<std::size_t>(neurons_), signs_, thresholds_, heard);
  const std::size_t words = memory->view.row_words;
  const auto new_state = [words]() -> std::shared_ptr<void> {
    const auto state = std::make_shared<StateMemory>(words);
    return {state, &state->view};
  };
  return {{&kernels.full.hidden, &memory->view, memory->view.neurons, nullptr}, memory, new_state, {}};
}

OutputLayout FullLayer::output(const Kernels& kernels, const Names& heard) const {
  const auto memory = std::make_shared<OutputMemory>(
      static_cast<std::size_t>(channels_), static_cast<std::size_t>(neurons_), signs_, thresholds_, heard);
  return {{&kernels.full.output, &memory->view, static_cast<std::uint32_t>(neurons_), memory->view.padded,
           memory->thresholds.get()},
          memory};
}

}  // namespace bstdg
