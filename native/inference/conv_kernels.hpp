// Convolution as the kernels read it: plain structures, shared by every instruction set. The maps of a place
// lie side by side, [places][padded maps], so that an event adds rows of weights to rows of potentials.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/sliding.hpp"
#include "inference/plan.hpp"

namespace bstdg {

constexpr std::int64_t kMostShort = 32'000;  // of a potential, either way, for counters of 16 bits

struct ConvHidden {
  std::uint32_t places_high, places_wide, padded, kernel_columns, kernel_rows, stride_rows, padding_rows;
  std::int64_t patch;         // synapses of a neuron
  const Pixel* pixels;        // [channels * rows * columns]
  const Run* rows;            // [rows]
  const Run* columns;         // [columns]
  const std::int16_t* signs;  // [channels][kernel rows][slots][padded], 0 in the padding and other groups
  const std::int16_t* bars;   // [padded] thresholds as far as 16 bits tell them, out of reach in the padding
  const std::int64_t* thresholds;  // [padded]
};

// One thread's working memory of it.
struct ConvState {
  std::int16_t* sums;       // [places][padded]
  std::int16_t* bars;       // the same; out of reach where a neuron has fired
  std::int64_t* long_sums;  // for samples beyond 16 bits; null until there is one
  std::uint16_t* from;      // [places_high] columns touched in this step, from (wide where none) …
  std::uint16_t* until;     // … until, the last of them not among them
  bool begins;              // no step of this sample was heard yet
};

struct ConvKernels {
  SpikingKernels hidden;
};

}  // namespace bstdg
