// One layer in training: potentials forward, and the two sums of the spike-timing-dependent gradient
// backward, from events instead of dense products. Results are the same bits whatever the number of threads:
// each number is summed by one thread, in the order of samples.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/spike_rows.hpp"

namespace bstdg {

// Latent weights [neurons x channels]; a synapse counts +1 where its weight is at least 0, else -1.
struct Latent {
  const float* weights;
  std::size_t neurons;
};

// Spike steps, judged steps and margins, each [batch x neurons]; `thresholds` has one for each neuron or one
// for all.
struct Crossings {
  std::uint8_t* steps;
  std::uint8_t* reach;
  float* margin;
};
void crossing(const SpikeRows& spikes, const Latent& latent, const float* thresholds, bool one_threshold,
              const Crossings& out, int threads);

// V_k(t), [batch x num_steps x neurons].
void potentials(const SpikeRows& spikes, const Latent& latent, float* out, int threads);

// dL/dw [neurons x channels] where each neuron is judged by one impulse `local` [batch x neurons] at step
// `reach`: the sum over samples and events of local * decay^(reach - s) where s <= reach; 0 where |w| > 1.
void impulse_gradient(const SpikeRows& spikes, const Latent& latent, const std::uint8_t* reach,
                      const float* local, double decay, float* out, int threads);

// What each presynaptic neuron, judged at `below` [batch x channels], is told: the sum over j of b_ij local_j
// where below_i <= reach_j. [batch x channels]
void impulse_credit(const std::uint8_t* below, std::size_t channels, const Latent& latent,
                    const std::uint8_t* reach, const float* local, std::size_t batch, std::size_t num_steps,
                    float* out, int threads);

// The same two for an output layer, judged by dL/dV_k(t) `gradient` [batch x num_steps x neurons].
void potential_gradient(const SpikeRows& spikes, const Latent& latent, const float* gradient, double decay,
                        float* out, int threads);
void potential_credit(const std::uint8_t* below, std::size_t channels, const Latent& latent,
                      const float* gradient, std::size_t batch, std::size_t num_steps, float* out,
                      int threads);

}  // namespace bstdg
