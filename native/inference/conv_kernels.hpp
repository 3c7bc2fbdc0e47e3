// Convolution as the kernels read it: plain structures, shared by every instruction set.
//
// The potentials of a row of neurons are bit planes: from left to right, and at each place one bit a map, cut
// into tiles of one vector. An event adds a run of bits there, the weights at its distance from each place,
// which lie side by side: they are loaded from as many bytes before or after as the run has to be shifted,
// and what is loaded beside the run is masked out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "inference/plan.hpp"

namespace bstdg {

constexpr std::size_t kFewestConvPlanes = 7;  // of potentials: they are added to by six bits and a sign
constexpr std::size_t kMostHeard = 2048;      // events that are spread over tiles at a time

// Where the rows of bits of an event are, in bytes: its weights to the neurons of row 0 and its mask, for the
// first tile.
struct Passage {
  std::int32_t weights, mask;
};

// The tiles that an event touches.
struct Tiles {
  std::uint16_t first, count;
};

// The rows of events that a row of neurons hears: first to end - 1.
struct Window {
  std::uint16_t first, end;
};

// Every neuron's negated threshold in two's complement, [tiles][planes][vector].
struct ConvStart {
  const std::uint64_t* planes;
  std::uint32_t count;  // of planes
};

// Neurons are named row by row, place by place, then by map.
struct ConvHidden {
  std::uint32_t rows_in, rows, tiles, row_neurons;
  std::uint32_t next_row;       // bytes of weights from those to one row of neurons back to those to the next
  const std::uint8_t* weights;  // [channels][kernel rows][slots][maps in whole bytes], 1 where a weight is +1
  const std::uint8_t* masks;    // two vectors of zeros, then runs of ones with a vector of zeros behind each
  const Passage* passages;      // [events]
  const std::uint16_t* row_of;  // [events]
  const Tiles* tiles_of;        // [events]
  const Window* windows;        // [rows]
  const std::uint16_t* names;   // of a row's bits; null where that is their number
  std::int64_t patch;           // synapses of a neuron
  std::int64_t greatest;        // of the thresholds, either way
  bool fires_unheard;           // a threshold is 0 or less
  ConvStart start;              // thresholds that no potential in reach of one event a channel
                                // can pass are drawn in to the first such,
  ConvStart exact_start;        // and as they are
};

// One thread's working memory of it.
struct ConvState {
  std::uint64_t* potential;  // [rows][tiles][planes][vector], less the threshold, in two's complement
  std::uint64_t* fired;      // [rows][tiles][vector]
  std::uint32_t planes;      // of potentials, in this sample
  bool begins;               // no step of this sample was heard yet
  std::uint16_t* in_order;   // [kMostHeard] events, by rows
  Passage* heard;            // [tiles][kMostHeard] events that touch a tile, by rows
  std::uint16_t* until;      // [tiles][rows_in + 1] how many of these are in earlier rows
  std::uint16_t* count;      // [tiles] of them
};

struct ConvKernels {
  SpikingKernels hidden;
  std::uint32_t vector_words;  // of 64 bits
};

}  // namespace bstdg
