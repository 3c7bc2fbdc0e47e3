// What the kernels of training are given, and their tables; plain structures, shared by every instruction
// set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "events/events.hpp"

namespace bstdg {

constexpr std::size_t kSignTile = 128;    // neurons a forward pass keeps in registers; signs are padded to it
constexpr std::size_t kErrorTile = 64;    // neurons whose errors a backward pass keeps in registers
constexpr std::size_t kCreditTile = 128;  // channels whose credit it keeps there
constexpr std::size_t kNarrowTile = 16;   // the same for the few neurons of an output layer
constexpr std::size_t kMostShortEvents = 32'000;  // of a sample, for potentials of 16 bits

// One sample's crossing of thresholds for all neurons.
struct CrossingJob {
  SampleEvents events;
  const std::int8_t* signs;  // [channels][padded]
  std::size_t padded;
  std::size_t neurons;
  std::uint32_t num_steps;
  const std::int16_t* bars;  // [padded] thresholds rounded up, for potentials of 16 bits
  const float* thresholds;   // [padded]
  std::uint8_t* steps;       // [neurons]
  std::uint8_t* reach;
  float* margin;
};

// The gradient of a tile of neurons for some channels, from one group of samples.
struct GradientJob {
  std::size_t channels;
  const std::size_t* offsets;  // [channels + 1], where each one's events begin and the last one's end
  const std::uint32_t* samples;
  const std::uint8_t* steps;
  std::size_t first;          // the sample whose errors come first
  std::size_t tile;           // neurons of the tile, kErrorTile or kNarrowTile
  const float* errors;        // impulses: [batch][tile]; potentials: [batch][num_steps][tile]
  const std::uint8_t* reach;  // [batch][tile]; null for potentials
  const float* decays;        // [num_steps], decay to the power of the distance; null where decay is 1
  std::size_t num_steps;
  float* out;  // [channels][tile], added to
};

// What a neuron tells those that it reads.
struct Told {
  std::uint32_t neuron;
  float error;
};

// What neurons that are judged by one impulse tell the channels of one sample.
struct CreditJob {
  const Told* told;            // those that are judged at step t are from begin[t] to the next
  const std::uint32_t* begin;  // [num_steps + 1]
  std::size_t num_steps;
  // [tiles of kCreditTile channels][neurons][16]: the k-th four bits of word i are 1 where b of channel
  // 16 * k + i is -1, else 0.
  const std::uint32_t* minus;
  std::size_t neurons, channels;
  const std::uint8_t* below;  // [channels]
  float* out;
  // Scratch for kMostFours(neurons, num_steps) fours of neurons that tell at one step: what they come to with
  // any signs, [fours][16], and who they are, [fours][4].
  float* sums;
  std::uint32_t* tellers;
};
constexpr std::size_t kMostFours(std::size_t neurons, std::size_t num_steps) {
  return (neurons + 3) / 4 + num_steps + 4;
}

struct ForwardKernels {
  void (*crossing)(const CrossingJob&);
  // Potentials of one sample, [num_steps][neurons].
  void (*potentials)(const SampleEvents&, const std::int8_t* signs, std::size_t padded, std::size_t neurons,
                     std::uint32_t num_steps, std::int32_t* sums, float* out);
};

struct BackwardKernels {
  void (*gradient)(const GradientJob&);
  // Which weights count -1, laid out as in CreditJob.
  void (*minus)(const float* latent, std::size_t neurons, std::size_t channels, std::uint32_t* out);
  void (*impulse_credit)(const CreditJob&);
  // Sums over time from the last step, of one sample: to[t] = from[t] + decay * to[t + 1]. Rows of `from` are
  // from_stride apart, of which `there` floats may be read; those of `to` are whole vectors, stride apart,
  // with anything at all beyond `width`.
  void (*sum_later)(const float* from, std::size_t from_stride, std::size_t there, std::size_t num_steps,
                    std::size_t width, float decay, float* to, std::size_t stride);
  // What the channels of one sample, judged at `below`, are told: the sum over k of b_ik later_k(below_i),
  // from `later` [num_steps][padded].
  void (*potential_credit)(const float* latent, const float* later, std::size_t neurons, std::size_t padded,
                           const std::uint8_t* below, std::size_t channels, std::size_t num_steps,
                           float* out);
};

struct TransposeKernels {
  // Signs of some channels: [channels][padded] from latent weights [neurons][all channels].
  void (*sign_rows)(const float* latent, std::size_t neurons, std::size_t all_channels, std::size_t first,
                    std::size_t channels, std::size_t padded, std::int8_t* out);
  // Turns sums [channels][tile] around into out [neurons][stride], 0 where a latent weight, placed likewise,
  // is beyond -1 to +1: such a weight is left alone.
  void (*turn_around)(const float* sums, std::size_t tile, std::size_t channels, std::size_t neurons,
                      const float* latent, std::size_t stride, float* out);
  // Turns [rows][columns] around into [columns][stride]; what lies beyond `rows` there is left alone.
  void (*turn_shorts)(const std::int16_t* from, std::size_t rows, std::size_t columns,
                      std::size_t from_stride, std::int16_t* to, std::size_t stride);
  void (*turn_floats)(const float* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                      float* to, std::size_t stride);
  void (*turn_bytes)(const std::uint8_t* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                     std::uint8_t* to, std::size_t stride);
};

}  // namespace bstdg
