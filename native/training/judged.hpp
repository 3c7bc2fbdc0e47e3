// What all backward passes ask of the steps at which neurons are judged.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/refuse.hpp"

namespace bstdg {

// Throws std::invalid_argument if one of `count` steps is beyond the last.
inline void check_judged(const std::uint8_t* steps, std::size_t count, std::size_t num_steps) {
  std::uint8_t latest = 0;  // all are looked at: that is faster than stopping at the first
  for (std::size_t i = 0; i < count; ++i) latest = std::max(latest, steps[i]);
  if (count > 0 && latest >= num_steps) refuse("a neuron is judged at a step beyond the last");
}

// decay^0 to decay^(num_steps - 1); none where decay is 1, of which kernels take a null pointer.
inline std::vector<float> powers_of(double decay, std::size_t num_steps) {
  std::vector<float> decays;
  double power = 1.0;
  for (std::size_t t = 0; decay != 1.0 && t < num_steps; ++t, power *= decay)
    decays.push_back(static_cast<float>(power));
  return decays;
}

}  // namespace bstdg
