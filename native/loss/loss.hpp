// The loss: how likely it is that what is wanted fires first, and its gradients.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

// The output layer's potentials [batch x num_steps x classes] as the loss sees them: z = (V - theta) / scale.
struct Leads {
  std::size_t batch, num_steps, classes;
  const float* potentials;
  const float* thresholds;  // [classes], or one for all
  bool one_threshold;
  float scale;
};

// What is wanted to fire first: with q_k = (1 - share) ((1 - smoothing) [k is the label] + smoothing /
// classes)
// + share taught_k, a sample's loss is - sum over k of q_k log P(k first) + latency_weight E[decision step].
struct Wanted {
  const std::int64_t* labels;  // [batch]
  float smoothing;
  const float* taught;  // [batch x classes], or null
  float share;
  const float* weights;  // [batch], how much each sample counts; or null
  float latency_weight;
  bool silent_remainder;  // softmax(z) decides after the last step
};

// Gradients by potentials, thresholds [classes], of which the first is that of all where there is one, and
// scale.
struct LeadGradients {
  float *potentials, *thresholds, *scale;
};

// The mean over samples of the loss times the sample's weight, and its gradients. Throws
// std::invalid_argument if a label is no class.
float first_to_fire_loss(const Leads& leads, const Wanted& wanted, const LeadGradients& out, int threads);

}  // namespace bstdg
