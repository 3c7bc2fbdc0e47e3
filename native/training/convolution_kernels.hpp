// What the kernels of convolution in training are given, and their table; plain structures, shared by every
// instruction set. Within, neurons lie with the maps of a place side by side, [places][padded maps], so that
// an event reaches runs of neighbours: all maps of all places of one row that it touches.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/sliding.hpp"
#include "training/training_kernels.hpp"

namespace bstdg {

// Places have a frame in what follows that is as wide as a window may reach beyond them, so that all events
// of a kind, of which there are as many as strides, touch as many places.

// Cells of events begin at every kChains-th: filled in turn, they are filled faster.
constexpr std::size_t kChains = 4;

// One sample's events, by step and input row. Each has its first sign, counted from where those would begin
// that input row 0 is multiplied by in the first row of places, and the first lane that it touches in a row
// of places.
struct RowEvents {
  const std::uint32_t* begin;  // [num_steps * rows * kChains + 1]
  const std::uint32_t* signs;
  const std::uint32_t* lanes;
};

struct ConvolutionCrossingJob {
  std::size_t rows, places_high, kernel_rows, stride_rows, padding_rows;
  RowEvents events;
  std::uint32_t num_steps;
  // [channels][kernel rows][kinds][run]: of each kind the signs [places][padded] of all places that an event
  // touches, and 0 from there on to a run, which is as long for every kind and whole kRowTile.
  const std::int8_t* signs;
  std::size_t kernel_row, run;  // lanes from one kernel row to the next, and of a run
  std::size_t lanes;            // of a row of places
  std::size_t frame;            // lanes before them
  const std::int16_t* bars;     // [places wide][padded], and on to a whole number of kRowTile
  // Scratch: what the events of a step sum to, every other one apart, for adding to what was just written
  // takes long. With the frame, and a run beyond; 0 without it, before and after.
  std::uint8_t* bytes[2];
  std::int16_t* sums;  // scratch as long as bars, and the two that follow: one row of places
  std::int16_t* row_best;
  std::int16_t* row_at;
  std::int16_t* best;  // [places][padded]
  std::int16_t* at;
};
constexpr std::size_t kRowTile = 64;

// Steps, judged steps and margins of neurons, from their greatest potentials and when these were.
struct JudgeJob {
  const std::int16_t* best;
  const std::int16_t* at;
  const std::int16_t* bars;
  const float* thresholds;
  std::size_t count;
  std::uint8_t never;
  std::uint8_t* steps;
  std::uint8_t* reach;
  float* margin;
};

// What an event touches that lies in the window alike, its first weight counted from those of its channel: in
// each of so many rows of places the same number of lanes. Of two such events the weights are the same.
struct Touched {
  std::uint32_t weight, lanes, rows;
};

struct ConvolutionGradientJob {
  const Touched* kinds;  // [num_kinds]
  std::size_t num_kinds, channels;
  std::size_t channel_weights;  // from one channel to the next
  std::size_t weight_back;      // from one row of places to the next, weights go back so far
  std::size_t neuron_ahead;     // and neurons ahead
  // Events by channel and kind, in two cells, those of step 0 and the later ones, each with the first neuron
  // that it touches, and its step.
  const std::uint32_t* begin;  // [channels * num_kinds * 2 * kChains + 1]
  const std::uint32_t* neurons;
  const std::uint8_t* steps;
  const float* errors;        // [framed places][padded], 0 in the frame
  const std::uint8_t* reach;  // the same, of 0 where padding
  const float* decays;        // as in GradientJob
  float* out;                 // [channels][kernel rows][slots][padded], added to
};

// Where a place's window lies within what it reads: the first kernel row that is there, how many are, and the
// first pixel, whose row has a frame of columns.
struct Seen {
  std::uint16_t row, rows;
  std::uint32_t pixel;
};

// What neurons that are judged at one step tell the channels of one sample. The channels of a pixel lie side
// by side, each group's padded to kMapTile; so do the maps of a place. Four neurons of one place that tell at
// the same step are heard at once: a channel takes what the four come to with its signs from a table.
struct ConvolutionCreditJob {
  const float* errors;        // [places][groups][padded own maps]
  const std::uint8_t* reach;  // the same
  std::uint8_t step;
  const Seen* seen;  // [places]
  std::size_t places, groups, own_maps, padded_own_maps;
  // Which weights are -1: [maps][kernel rows][kSignTiles tiles a block][kMapTile], of every channel the four
  // bits of each tile of a block, which are all alike.
  const std::uint32_t* minus;
  std::size_t map, kernel_row;  // words of a map, and of a kernel row
  const std::uint32_t*
      tiles;  // [tiles of a kernel row] where its channels are heard, from the first pixel on
  std::size_t num_tiles;
  std::size_t row, lanes, own;  // lanes of a row of pixels and of a pixel, padded channels of a group
  float* heard;                 // [pixels, framed][lanes], added to
};
constexpr std::size_t kSignTiles = 8;

struct ConvolutionKernels {
  void (*crossing)(const ConvolutionCrossingJob&);
  void (*judge)(const JudgeJob&);
};

struct ConvolutionBackwardKernels {
  void (*gradient)(const ConvolutionGradientJob&);
  void (*credit)(const ConvolutionCreditJob&);
  // credit[i] = heard[i] where below[i] is `step`; `count` is a multiple of kMapTile.
  void (*take_at)(const float* heard, const std::uint8_t* below, std::uint8_t step, std::size_t count,
                  float* credit);
};

}  // namespace bstdg
