// A layer in training whose neurons share a window of weights: convolution, and pooling by the n-th spike.
// Nothing is unfolded: events are added where they belong. Results are the same bits whatever the number of
// threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/sliding.hpp"
#include "training/spike_rows.hpp"
#include "training/training.hpp"

namespace bstdg {

// The same five as for layers without shared weights (see training.hpp). Latent weights are [maps][channels
// of a group][kernel rows][kernel columns]; there is one threshold a map, or one for all; whatever is per
// neuron or channel is in the order of their numbers.
void crossing(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
              const float* thresholds, bool one_threshold, const Crossings& out, int threads);
void potentials(const SpikeRows& spikes, const Convolution& convolution, const float* latent, float* out,
                int threads);
void impulse_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                      const std::uint8_t* reach, const float* local, double decay, float* out, int threads);
void impulse_credit(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                    const std::uint8_t* reach, const float* local, std::size_t batch, std::size_t num_steps,
                    float* out, int threads);
void potential_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                        const float* gradient, double decay, float* out, int threads);
void potential_credit(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                      const float* gradient, std::size_t batch, std::size_t num_steps, float* out,
                      int threads);

// Pooling: the step of the n-th spike in each window, num_steps where fewer fired, and the channel that this
// neuron stands for: whose spike it was, or of those that are silent the one of the greatest margin; of
// equals the lowest number. `margin` may be null, and counts as equal. The window has no padding, every
// channel is a group of its own.
void pool(const std::uint8_t* steps, const float* margin, const Convolution& window, std::size_t count,
          std::size_t batch, std::size_t num_steps, std::uint8_t* out, std::int32_t* winner, int threads);

// values[n][winner[n][j]] for each j of `neurons`.
template <typename T>
void take(const T* values, std::size_t inputs, const std::int32_t* winner, std::size_t neurons,
          std::size_t batch, T* out, int threads);
// Its way back: `out` [batch x inputs], 0 where nobody stands for a channel.
void give(const float* values, const std::int32_t* winner, std::size_t neurons, std::size_t inputs,
          std::size_t batch, float* out, int threads);

}  // namespace bstdg
