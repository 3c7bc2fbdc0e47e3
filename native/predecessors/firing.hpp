// What S4NN's and BS4NN's learning and inference share: sorted spikes, signs, and when the neurons of a layer
// fire.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "predecessors/predecessors.hpp"

namespace bstdg {

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

// Working memory of a run of images. BS4NN's signs are kept beside its weights, as bytes: most images change
// none.
struct Scratch {
  std::vector<Spike> spikes, sent;
  std::vector<std::int8_t> signs_below, signs_above;
  std::vector<float> potential, change, error;
  std::vector<std::int32_t> count, hidden, output, heard_signs;
};

BSTDG_INLINE std::int8_t sign_of(float weight) {
  return static_cast<std::int8_t>((weight > 0.0F) - (weight < 0.0F));
}

inline std::vector<std::int8_t> signs_of(const float* weights, std::size_t count) {
  std::vector<std::int8_t> signs(count);
  std::transform(weights, weights + count, signs.begin(), sign_of);
  return signs;
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

template <typename Weight, typename Potential>
BSTDG_INLINE void add_row(Potential* __restrict potential, const Weight* __restrict row,
                          std::size_t neurons) {
  for (std::size_t j = 0; j < neurons; ++j) potential[j] += row[j];
}

// The stamps of a layer: a step after its potential first was above threshold, at most 256.
template <typename Weight, typename Potential>
BSTDG_INLINE void fire(const std::vector<Spike>& spikes, const Weight* weights, std::size_t neurons,
                       Potential threshold, Potential* potential, std::int32_t* stamps) {
  std::fill(potential, potential + neurons, Potential{});
  std::fill(stamps, stamps + neurons, kNever);
  for (std::size_t s = 0; s < spikes.size(); ++s) {
    add_row(potential, weights + spikes[s].channel * neurons, neurons);
    const std::int32_t step = spikes[s].step;
    if (s + 1 < spikes.size() && spikes[s + 1].step == step) continue;
    for (std::size_t j = 0; j < neurons; ++j) {
      const std::int32_t stamp = potential[j] > threshold ? step + 1 : kNever;
      stamps[j] = std::min(stamps[j], stamp);
    }
  }
}

// The greatest count of signs that is not above a threshold.
BSTDG_INLINE std::int32_t whole_threshold(double threshold) {
  constexpr double kMost = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(kMost, std::floor(threshold)));
}

// A layer's stamps: by counts of signs, where the network is binary, else by sums of weights.
BSTDG_INLINE void fire_layer(bool binary, const std::vector<Spike>& spikes,
                             const std::vector<std::int8_t>& signs, const float* weights, std::size_t neurons,
                             float threshold, Scratch& scratch, std::vector<std::int32_t>& stamps) {
  if (binary)
    fire(spikes, signs.data(), neurons, whole_threshold(threshold), scratch.count.data(), stamps.data());
  else
    fire(spikes, weights, neurons, threshold, scratch.potential.data(), stamps.data());
}

// Both layers' stamps of an image whose spikes are sorted, into the scratch.
BSTDG_INLINE void fire_both(const PredecessorNetwork& network, Scratch& scratch) {
  const auto first = static_cast<float>(network.thresholds[0]),
             second = static_cast<float>(network.thresholds[1]);
  fire_layer(network.binary, scratch.spikes, scratch.signs_below, network.below, network.hidden, first,
             scratch, scratch.hidden);
  sort_spikes(scratch.hidden.data(), network.hidden, kNever, scratch.sent);
  fire_layer(network.binary, scratch.sent, scratch.signs_above, network.above, network.classes, second,
             scratch, scratch.output);
}

// Throws std::invalid_argument if a step is out of range.
inline void check_steps(const std::int16_t* steps, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (steps[i] < 0 || steps[i] > kNever) throw std::invalid_argument("steps are 0 to 256");
}

inline Scratch scratch_of(const PredecessorNetwork& network) {
  Scratch scratch;
  const std::size_t widest = std::max(network.hidden, network.classes);
  scratch.potential.resize(widest);
  scratch.count.resize(widest);
  scratch.change.resize(network.hidden);
  scratch.error.resize(network.hidden);
  scratch.hidden.assign(network.hidden, kNever);
  scratch.output.resize(network.classes);
  scratch.heard_signs.resize(network.hidden);
  if (network.binary) {
    scratch.signs_below = signs_of(network.below, network.inputs * network.hidden);
    scratch.signs_above = signs_of(network.above, network.hidden * network.classes);
  }
  return scratch;
}

}  // namespace bstdg
