// What the rule makes of a layer's margins and spikes, number by number. Results are the same bits whatever
// the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/spike_rows.hpp"

namespace bstdg {

// 1 where a neuron fired, 0 where its step is `never`.
void fired(const std::uint8_t* steps, std::uint8_t never, std::size_t count, float* out, int threads);

// What neurons answer for: told * max(0, 1 - |margin| / width).
void sensitive(const float* margin, const float* told, float width, std::size_t count, float* out,
               int threads);

// Standard deviation of the margins [batch x neurons], with n - 1 below; summed in double precision.
double spread(const float* margin, std::size_t batch, std::size_t neurons, int threads);

// How many events each channel has in the batch, [channels].
void count_events(const SpikeRows& spikes, float* out);

}  // namespace bstdg
