// The loss: how likely each class is to fire first, and the gradients of that.
#pragma once

#include <cstddef>

namespace bstdg {

// The output layer's potentials [batch x num_steps x classes] as the loss sees them: z = (V - theta) / scale.
struct Leads {
  std::size_t batch, num_steps, classes;
  const float* potentials;
  const float* thresholds;  // [classes], or one for all
  bool one_threshold;
  float scale;
};

// log P(k fires first) and z(T-1), [batch x classes]; log P(undecided after t), [batch x num_steps].
struct Likelihood {
  float *log_first, *log_after, *last;
};
void first_to_fire(const Leads& leads, const Likelihood& out, int threads);

// Gradients by each of those, and what follows from them by potentials, by each sample's thresholds
// [batch x classes] and by its scale [batch].
struct LikelihoodGradients {
  const float *log_first, *to_first, *to_after, *to_last;
};
struct LeadGradients {
  float *potentials, *thresholds, *scale;
};
void first_to_fire_back(const Leads& leads, const LikelihoodGradients& given, const LeadGradients& out,
                        int threads);

}  // namespace bstdg
