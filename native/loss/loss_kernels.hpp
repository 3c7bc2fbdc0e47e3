// What the kernels of the loss are given, one sample at a time; plain structures, shared by every instruction
// set.
#pragma once

#include <cstddef>

namespace bstdg {

// Working memory of one thread.
struct HazardSpace {
  float *hazards, *rises;                        // [num_steps][padded]
  float *totals, *slopes, *log_w, *w, *at_step;  // [num_steps, up to whole vectors]
  float *thresholds, *told, *row;                // [padded]
};

struct HazardJob {
  std::size_t num_steps, classes;
  std::size_t padded;       // classes, up to whole vectors
  const float* potentials;  // [num_steps][classes], and a vector more
  const float* thresholds;  // [padded]
  const float* there;       // [padded], 1 for a class, 0 in the padding
  float inverse_scale;
  HazardSpace space;
};

// The gradients that come in, by the logarithm of P(k first), by that of P(undecided after t), and by the
// last z; and the first of those logarithms again.
struct HazardGradients {
  const float *log_first, *to_first, *to_last;  // [padded], 0 in the padding
  const float* to_after;                        // [num_steps]
};

constexpr std::size_t kWidestFloats = 16;  // floats of the widest vector

struct LossKernels {
  // log P(k first) and z(T-1) [classes], and log P(undecided after t) [num_steps], of z = (V - theta) /
  // scale.
  void (*first_to_fire)(const HazardJob&, float* log_first, float* log_after, float* last);
  // By each potential [num_steps][classes], each threshold [classes], and the scale.
  void (*first_to_fire_back)(const HazardJob&, const HazardGradients&, float* to_potentials,
                             float* to_thresholds, float* to_scale);
};

}  // namespace bstdg
