// What the kernels of the loss are given, one sample at a time; plain structures, shared by every instruction
// set.
#pragma once

#include <cstddef>

namespace bstdg {

// Working memory of one thread.
struct HazardSpace {
  float* potentials;       // [num_steps][classes], and the padding of one more
  bool* same;              // [num_steps], whether potentials are those of the step before
  float *hazards, *rises;  // [num_steps][padded]
  float *totals, *slopes, *log_w, *w, *at_step, *log_after, *to_after;  // [num_steps, up to whole vectors]
  float *told, *row, *log_first, *to_first, *to_last;                   // [padded]
};

struct HazardJob {
  std::size_t num_steps, classes;
  std::size_t padded;       // classes, up to whole vectors
  const float* potentials;  // [num_steps][classes], and the padding of one more
  const float* thresholds;  // [padded]
  const float* there;       // [padded], 1 for a class, 0 in the padding
  float inverse_scale;
  const float* target;    // [padded], how much each class is wanted first
  float weight;           // of the sample, over the size of the batch
  float latency_weight;   // of the expected decision step
  bool silent_remainder;  // softmax(z) decides after the last step
  HazardSpace space;
};

constexpr std::size_t kWidestFloats = 16;  // floats of the widest vector

struct LossKernels {
  // A sample's weighted loss, and its gradients by potentials [num_steps][classes], thresholds [classes],
  // scale.
  float (*first_to_fire)(const HazardJob&, float* to_potentials, float* to_thresholds, float* to_scale);
};

}  // namespace bstdg
