// What the kernels of the loss are given, one sample at a time; plain structures, shared by every instruction
// set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

// Working memory of one thread. A run is steps in a row with the same potentials, which between events do not
// change: what depends on potentials alone is found once a run.
struct HazardSpace {
  float* tail;  // [num_steps][classes], and the padding of one more: for rows that end beyond the sample
  std::size_t *run_of, *begins;  // [num_steps + 1], the run of each step; where each run begins, and the end
  float *leads, *hazards, *rises;  // [runs][classes], and the padding of one more
  float *totals, *befores, *lengths, *shapes, *slopes, *whole;  // [runs, up to whole vectors]
  float *log_w, *w, *at_step, *log_after, *to_after;   // [num_steps, up to whole vectors and one more]
  float *told, *row, *log_first, *to_first, *to_last;  // [padded]
};

struct HazardJob {
  std::size_t num_steps, classes;
  std::size_t padded;         // classes, up to whole vectors
  const float* potentials;    // [num_steps][classes], and the padding of one more
  const float* thresholds;    // [padded]
  const std::int32_t* there;  // [padded], all ones for a class, 0 in the padding
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
