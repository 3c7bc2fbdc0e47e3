// One layer in training: potentials forward, and the two sums of the spike-timing-dependent gradient
// backward, from events instead of dense products. Results are the same bits whatever the number of threads:
// each number is summed by one thread, in the order of samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "inference.hpp"

namespace bstdg {

// The presynaptic events of a batch.
class SpikeRows {
 public:
  // Steps [batch x channels], num_steps for never. Throws std::invalid_argument if a step is beyond
  // num_steps.
  SpikeRows(const std::uint8_t* steps, std::size_t batch, std::int64_t channels, std::int64_t num_steps,
            int threads);
  // Events sorted by step within each sample. Throws std::invalid_argument if they are not, or out of range.
  SpikeRows(const EventRows& events, std::int64_t channels, std::int64_t num_steps);

  std::size_t batch() const { return offsets_.size() - 1; }
  std::size_t channels() const { return channels_; }
  std::size_t num_steps() const { return num_steps_; }

  // By sample, in the order of steps.
  const std::vector<std::size_t>& offsets() const { return offsets_; }
  const std::uint16_t* event_channels() const { return event_channels_.data(); }
  const std::uint8_t* event_steps() const { return event_steps_.data(); }

  // The same by channel within groups of samples: group g's events of channel i are those from
  // offsets[g * (channels + 1) + i] to the next offset, in the order of samples.
  struct ByChannel {
    std::vector<std::size_t> offsets;
    std::vector<std::uint32_t> samples;
    std::vector<std::uint8_t> steps;
  };
  // So many that their errors, of one tile of neurons, stay in the nearest cache while all channels pass by.
  static constexpr std::size_t kGroup = 64;
  std::size_t groups() const { return (batch() + kGroup - 1) / kGroup; }
  const ByChannel& by_channel(int threads) const;

 private:
  void check_sizes(std::size_t batch, std::int64_t channels, std::int64_t num_steps) const;

  std::size_t channels_, num_steps_;
  std::vector<std::size_t> offsets_;
  std::vector<std::uint16_t> event_channels_;
  std::vector<std::uint8_t> event_steps_;
  mutable std::once_flag sorted_;
  mutable ByChannel by_channel_;
};

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
