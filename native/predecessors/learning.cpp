#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "predecessors/firing.hpp"

namespace bstdg {

namespace {

// Returns whether there is any error.
BSTDG_INLINE bool to_unit_length(float* error, std::size_t count) {
  double square = 0.0;
  for (std::size_t j = 0; j < count; ++j)
    square += static_cast<double>(error[j]) * static_cast<double>(error[j]);
  if (square == 0.0) return false;
  const double length = std::sqrt(square);
  for (std::size_t j = 0; j < count; ++j)
    error[j] = static_cast<float>(static_cast<double>(error[j]) / length);
  return true;
}

// Targets less stamps of the output, as parts of 256 and brought to unit length; returns whether any is off.
BSTDG_INLINE bool output_error(const PredecessorRule& rule, const std::vector<std::int32_t>& output,
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
  return to_unit_length(error, output.size());
}

void rescale(const PredecessorRule& rule, double& scale, double slope) {
  scale -= rule.scale_rate * slope;
  if (!(scale > 0.0)) throw std::invalid_argument("a scale is no longer positive; lower scale_rate");
}

// Changes the output layer and leaves the hidden neurons' error, of unit length, in scratch.error; returns
// whether there is any.
BSTDG_INLINE bool learn_above(const PredecessorRule& rule, PredecessorState& state, Scratch& scratch,
                              const float* error) {
  const auto rate = static_cast<float>(rule.rates[1]), keep = static_cast<float>(rule.keeps[1]);
  double slope = 0.0;
  for (std::size_t j = 0; j < state.hidden; ++j) {
    float* row = state.above + j * state.classes;
    float told = 0.0F;
    for (std::size_t k = 0; k < state.classes; ++k) {
      const bool heard = scratch.hidden[j] < scratch.output[k];
      if (heard) row[k] -= rate * error[k];
      if (heard) slope += static_cast<double>(error[k] * static_cast<float>(sign_of(row[k])));
      row[k] *= keep;
      if (heard) told += error[k] * row[k];
      if (rule.binary) scratch.signs_above[j * state.classes + k] = sign_of(row[k]);
    }
    scratch.error[j] = told;
  }
  if (rule.binary) rescale(rule, state.scales[1], slope / static_cast<double>(state.hidden * state.classes));
  return to_unit_length(scratch.error.data(), state.hidden);
}

// What an error changes by, for the neurons that fired after the input at `step` or not at all: else 0.
BSTDG_INLINE float masked(float change, bool heard) {
  // Bits masked instead of a choice, which compilers turn into a jump: a loop with jumps has no vectors.
  std::int32_t bits;
  std::memcpy(&bits, &change, sizeof bits);
  bits &= -static_cast<std::int32_t>(heard);
  std::memcpy(&change, &bits, sizeof change);
  return change;
}

// One input's weights: changed for the neurons that heard it.
BSTDG_INLINE void change_row(float* __restrict row, const float* __restrict change,
                             const std::int32_t* __restrict stamps, std::int32_t step, std::size_t neurons) {
  for (std::size_t j = 0; j < neurons; ++j) row[j] -= masked(change[j], step < stamps[j]);
}

// The same, and their signs; counts, for each neuron, the signs of the weights by which it heard this input.
BSTDG_INLINE void change_signs(float* __restrict row, std::int8_t* __restrict signs,
                               std::int32_t* __restrict counted, const float* __restrict change,
                               const std::int32_t* __restrict stamps, std::int32_t step,
                               std::size_t neurons) {
  for (std::size_t j = 0; j < neurons; ++j) {
    const bool heard = step < stamps[j];
    row[j] -= masked(change[j], heard);
    const std::int32_t sign = (row[j] > 0.0F) - (row[j] < 0.0F);
    signs[j] = static_cast<std::int8_t>(sign);
    counted[j] += sign & -static_cast<std::int32_t>(heard);
  }
}

BSTDG_INLINE void learn_below(const PredecessorRule& rule, PredecessorState& state, Scratch& scratch) {
  const auto rate = static_cast<float>(rule.rates[0] / state.shrunk);
  const std::size_t hidden = state.hidden;
  for (std::size_t j = 0; j < hidden; ++j) scratch.change[j] = rate * scratch.error[j];
  std::fill(scratch.heard_signs.begin(), scratch.heard_signs.end(), 0);
  const std::int32_t* stamps = scratch.hidden.data();
  for (const Spike& spike : scratch.spikes) {
    float* row = state.below + spike.channel * hidden;
    if (rule.binary)
      change_signs(row, scratch.signs_below.data() + spike.channel * hidden, scratch.heard_signs.data(),
                   scratch.change.data(), stamps, spike.step, hidden);
    else
      change_row(row, scratch.change.data(), stamps, spike.step, hidden);
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
  fire_both(
      {rule.binary, state.inputs, state.hidden, state.classes, state.below, state.above, {first, second}},
      scratch);
  for (std::size_t j = 0; j < state.hidden; ++j) state.fired[j] += scratch.hidden[j] < kNever;
  const std::int32_t earliest = *std::min_element(scratch.output.begin(), scratch.output.end());
  const bool wrong = output_error(rule, scratch.output, label, earliest, error);
  // What is right changes no weight but by the penalty; later on, that is nearly every image.
  if ((wrong || rule.keeps[1] != 1.0) && learn_above(rule, state, scratch, error))
    learn_below(rule, state, scratch);
  state.shrunk *= rule.keeps[0];
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
  check_steps(images.steps, images.images * state.inputs);
}

}  // namespace

std::int64_t learn_predecessor(const PredecessorRule& rule, PredecessorState& state,
                               const PredecessorImages& images) {
  check(state, images);
  Scratch scratch =
      scratch_of({rule.binary, state.inputs, state.hidden, state.classes, state.below, state.above, {}});
#ifdef BSTDG_HAS_AVX2
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) return learn_all_avx2(rule, state, images, scratch);
#endif
  return learn_all_generic(rule, state, images, scratch);
}

}  // namespace bstdg
