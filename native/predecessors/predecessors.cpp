#include "predecessors/predecessors.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace bstdg {

namespace {

// GCC and Clang inline these into a caller of a richer instruction set and then use its vectors; sums keep
// their order, so that every set gives the same bits.
#if defined(__x86_64__) && defined(__GNUC__)
#define BSTDG_INLINE inline __attribute__((always_inline))
#define BSTDG_HAS_AVX2 1
#else
#define BSTDG_INLINE inline
#endif

constexpr std::int32_t kNever = kUnfired;

struct Spike {
  std::size_t channel;
  std::int32_t step;
};

// Working memory of a run of images.
struct Scratch {
  std::vector<Spike> spikes;
  std::vector<float> potential, change, error;
  std::vector<std::int32_t> hidden, output, heard_signs;
};

BSTDG_INLINE float sign_of(float weight) {
  return (weight > 0.0F ? 1.0F : 0.0F) - (weight < 0.0F ? 1.0F : 0.0F);
}

// The channels that spike before `horizon`, first come first and by number within a step.
template <typename Step>
BSTDG_INLINE void sort_spikes(const Step* steps, std::size_t channels, std::int32_t horizon,
                              std::vector<Spike>& out) {
  std::size_t begin[kNever + 1] = {};
  for (std::size_t i = 0; i < channels; ++i)
    if (steps[i] < horizon) ++begin[steps[i] + 1];
  for (std::int32_t t = 0; t < kNever; ++t) begin[t + 1] += begin[t];
  out.resize(begin[kNever]);
  for (std::size_t i = 0; i < channels; ++i)
    if (steps[i] < horizon) out[begin[steps[i]]++] = {i, static_cast<std::int32_t>(steps[i])};
}

BSTDG_INLINE void add_row(float* __restrict potential, const float* __restrict row, std::size_t neurons,
                          bool binary) {
  if (binary) {
    for (std::size_t j = 0; j < neurons; ++j) potential[j] += sign_of(row[j]);
  } else {
    for (std::size_t j = 0; j < neurons; ++j) potential[j] += row[j];
  }
}

// The stamps of a layer: a step after its potential first was above threshold, at most 256.
BSTDG_INLINE void fire(const std::vector<Spike>& spikes, const float* weights, std::size_t neurons,
                       bool binary, float threshold, float* potential, std::int32_t* stamps) {
  std::fill(potential, potential + neurons, 0.0F);
  std::fill(stamps, stamps + neurons, kNever);
  for (std::size_t s = 0; s < spikes.size(); ++s) {
    const float* row = weights + spikes[s].channel * neurons;
    add_row(potential, row, neurons, binary);
    const std::int32_t step = spikes[s].step;
    if (s + 1 < spikes.size() && spikes[s + 1].step == step) continue;
    for (std::size_t j = 0; j < neurons; ++j) {
      const std::int32_t stamp = potential[j] > threshold ? step + 1 : kNever;
      stamps[j] = std::min(stamps[j], stamp);
    }
  }
}

BSTDG_INLINE void to_unit_length(float* error, std::size_t count) {
  double square = 0.0;
  for (std::size_t j = 0; j < count; ++j)
    square += static_cast<double>(error[j]) * static_cast<double>(error[j]);
  if (square == 0.0) return;
  const double length = std::sqrt(square);
  for (std::size_t j = 0; j < count; ++j)
    error[j] = static_cast<float>(static_cast<double>(error[j]) / length);
}

// Targets less stamps of the output, as parts of 256 and brought to unit length.
BSTDG_INLINE void output_error(const PredecessorRule& rule, const std::vector<std::int32_t>& output,
                               std::size_t label, std::int32_t earliest, float* error) {
  for (std::size_t k = 0; k < output.size(); ++k) {
    std::int32_t target = output[k];
    if (earliest == kNever) {
      if (k == label) target = kNever - rule.silent_lead;
    } else if (k == label) {
      target = earliest;
    } else if (output[k] - earliest < rule.gamma) {
      target = std::min(earliest + rule.gamma, kNever);
    }
    error[k] = static_cast<float>(target - output[k]) / static_cast<float>(kNever);
  }
  to_unit_length(error, output.size());
}

void rescale(const PredecessorRule& rule, double& scale, double slope) {
  scale -= rule.scale_rate * slope;
  if (!(scale > 0.0)) throw std::invalid_argument("a scale is no longer positive; lower scale_rate");
}

// Changes the output layer and leaves the hidden neurons' error, of unit length, in scratch.error.
BSTDG_INLINE void learn_above(const PredecessorRule& rule, PredecessorState& state, Scratch& scratch,
                              const float* error) {
  const auto rate = static_cast<float>(rule.rate), keep = static_cast<float>(rule.keep);
  double slope = 0.0;
  for (std::size_t j = 0; j < state.hidden; ++j) {
    float* row = state.above + j * state.classes;
    float told = 0.0F;
    for (std::size_t k = 0; k < state.classes; ++k) {
      const bool heard = scratch.hidden[j] < scratch.output[k];
      if (heard) row[k] -= rate * error[k];
      if (heard) slope += static_cast<double>(error[k] * sign_of(row[k]));
      row[k] *= keep;
      if (heard) told += error[k] * row[k];
    }
    scratch.error[j] = told;
  }
  if (rule.binary) rescale(rule, state.scales[1], slope / static_cast<double>(state.hidden * state.classes));
  to_unit_length(scratch.error.data(), state.hidden);
}

// One input's weights: changed for the neurons that fired after it or not at all.
BSTDG_INLINE void change_row(float* __restrict row, const float* __restrict change,
                             const std::int32_t* __restrict stamps, std::int32_t step, std::size_t neurons) {
  for (std::size_t j = 0; j < neurons; ++j) {
    // Bits masked instead of a choice, which compilers turn into a jump: a loop with jumps has no vectors.
    std::int32_t bits;
    std::memcpy(&bits, change + j, sizeof bits);
    bits &= -static_cast<std::int32_t>(step < stamps[j]);
    float by;
    std::memcpy(&by, &bits, sizeof by);
    row[j] -= by;
  }
}

// Counts, for each neuron, the signs of the weights by which it heard this input.
BSTDG_INLINE void count_signs(std::int32_t* __restrict signs, const float* __restrict row,
                              const std::int32_t* __restrict stamps, std::int32_t step, std::size_t neurons) {
  for (std::size_t j = 0; j < neurons; ++j) {
    const std::int32_t sign = (row[j] > 0.0F) - (row[j] < 0.0F);
    signs[j] += sign & -static_cast<std::int32_t>(step < stamps[j]);
  }
}

BSTDG_INLINE void learn_below(const PredecessorRule& rule, PredecessorState& state, Scratch& scratch) {
  const auto rate = static_cast<float>(rule.rate / state.shrunk);
  const std::size_t hidden = state.hidden;
  for (std::size_t j = 0; j < hidden; ++j) scratch.change[j] = rate * scratch.error[j];
  std::fill(scratch.heard_signs.begin(), scratch.heard_signs.end(), 0);
  const std::int32_t* stamps = scratch.hidden.data();
  for (const Spike& spike : scratch.spikes) {
    float* row = state.below + spike.channel * hidden;
    change_row(row, scratch.change.data(), stamps, spike.step, hidden);
    if (rule.binary) count_signs(scratch.heard_signs.data(), row, stamps, spike.step, hidden);
  }
  if (!rule.binary) return;
  double slope = 0.0;
  for (std::size_t j = 0; j < hidden; ++j)
    slope += static_cast<double>(scratch.error[j]) * static_cast<double>(scratch.heard_signs[j]);
  rescale(rule, state.scales[0], slope / static_cast<double>(state.inputs * hidden));
}

// One image; returns whether the label was among the first to fire.
BSTDG_INLINE bool learn_image(const PredecessorRule& rule, PredecessorState& state, Scratch& scratch,
                              const std::int16_t* steps, std::size_t label) {
  const double first = rule.threshold / (rule.binary ? state.scales[0] : state.shrunk);
  const double second = rule.binary ? rule.threshold / state.scales[1] : rule.threshold;
  float error[256];
  sort_spikes(steps, state.inputs, kNever - 1, scratch.spikes);
  fire(scratch.spikes, state.below, state.hidden, rule.binary, static_cast<float>(first),
       scratch.potential.data(), scratch.hidden.data());
  for (std::size_t j = 0; j < state.hidden; ++j) state.fired[j] += scratch.hidden[j] < kNever;
  std::vector<Spike> sent;
  sort_spikes(scratch.hidden.data(), state.hidden, kNever, sent);
  fire(sent, state.above, state.classes, rule.binary, static_cast<float>(second), scratch.potential.data(),
       scratch.output.data());
  const std::int32_t earliest = *std::min_element(scratch.output.begin(), scratch.output.end());
  output_error(rule, scratch.output, label, earliest, error);
  learn_above(rule, state, scratch, error);
  learn_below(rule, state, scratch);
  state.shrunk *= rule.keep;
  return earliest < kNever && scratch.output[label] == earliest;
}

BSTDG_INLINE std::int64_t learn_all(const PredecessorRule& rule, PredecessorState& state,
                                    const PredecessorImages& images, Scratch& scratch) {
  std::int64_t right = 0;
  for (std::size_t n = 0; n < images.count; ++n) {
    const auto image = static_cast<std::size_t>(images.order[n]);
    right += learn_image(rule, state, scratch, images.steps + image * state.inputs,
                         static_cast<std::size_t>(images.labels[image]));
  }
  return right;
}

#ifdef BSTDG_HAS_AVX2
__attribute__((target("avx2"))) std::int64_t learn_all_avx2(const PredecessorRule& rule,
                                                            PredecessorState& state,
                                                            const PredecessorImages& images,
                                                            Scratch& scratch) {
  return learn_all(rule, state, images, scratch);
}
#endif

std::int64_t learn_all_generic(const PredecessorRule& rule, PredecessorState& state,
                               const PredecessorImages& images, Scratch& scratch) {
  return learn_all(rule, state, images, scratch);
}

void check(const PredecessorState& state, const PredecessorImages& images) {
  if (state.classes < 1 || state.classes > kNever) throw std::invalid_argument("1 to 256 classes are learnt");
  for (std::size_t n = 0; n < images.count; ++n)
    if (images.order[n] < 0 || static_cast<std::size_t>(images.order[n]) >= images.images)
      throw std::invalid_argument("the order names an image that is not there");
  for (std::size_t n = 0; n < images.images; ++n)
    if (images.labels[n] < 0 || static_cast<std::size_t>(images.labels[n]) >= state.classes)
      throw std::invalid_argument("a label is out of range");
  for (std::size_t i = 0; i < images.images * state.inputs; ++i)
    if (images.steps[i] < 0 || images.steps[i] > kNever) throw std::invalid_argument("steps are 0 to 256");
}

}  // namespace

std::int64_t learn_predecessor(const PredecessorRule& rule, PredecessorState& state,
                               const PredecessorImages& images) {
  check(state, images);
  Scratch scratch;
  const std::size_t widest = std::max(state.hidden, state.classes);
  scratch.potential.resize(widest);
  scratch.change.resize(state.hidden);
  scratch.error.resize(state.hidden);
  scratch.hidden.assign(state.hidden, kNever);
  scratch.output.resize(state.classes);
  scratch.heard_signs.resize(state.hidden);
#ifdef BSTDG_HAS_AVX2
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) return learn_all_avx2(rule, state, images, scratch);
#endif
  return learn_all_generic(rule, state, images, scratch);
}

}  // namespace bstdg
