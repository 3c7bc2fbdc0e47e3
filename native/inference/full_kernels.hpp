// Fully connected layers as the kernels read them: plain structures, shared by every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "inference/plan.hpp"

namespace bstdg {

constexpr std::uint32_t kBlockWords = 8;  // the widest vector: 512 neurons

// A layer of neurons that fire. Bit j of a row is 1 where the weight to neuron j is +1.
//
// With p_j the events so far whose weight to j is +1, of n in all, V_j = 2 p_j - n. So V_j >= theta_j is
// 2 p_j + (top - theta_j) >= n + top: counters that start from their own top - theta_j, and one number to
// compare them all with. They are kept as planes, one bit of every neuron's counter in each; the lowest never
// changes.
struct FullHidden {
  std::uint32_t channels;
  std::uint32_t neurons;
  std::uint32_t row_words;       // words from one row to the next
  const std::uint64_t* rows;     // [channels + 1], the last one zeros
  const std::uint64_t* start;    // [start_planes][row_words], the bits of top - theta_j, lowest first
  std::uint32_t start_planes;    // at least 1
  const std::uint64_t* padding;  // [row_words], 1 where there is no neuron
  std::int64_t top;              // the greatest threshold
  std::int64_t range;            // the greatest less the least
};

// One thread's working memory of it.
struct FullState {
  std::uint64_t* planes;  // [vectors][planes], as many vectors as hold row_words
  std::uint64_t* fired;   // [row_words]
  std::int64_t heard;     // events of this sample so far
  std::uint32_t planes_in_use;
};

// The last layer.
struct FullOutput {
  std::uint32_t channels;
  std::uint32_t padded;            // classes, rounded up to whole vectors
  const std::int8_t* rows;         // [channels + 1][padded], weights -1/+1, 0 in the padding and the last
  const std::int32_t* thresholds;  // [padded], out of reach in the padding
};

struct FullKernels {
  SpikingKernels hidden;
  OutputKernels output;
};

}  // namespace bstdg
