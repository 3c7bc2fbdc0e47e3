// What the kernels of convolution in training are given, and their table; plain structures, shared by every
// instruction set. Within, neurons lie with the maps of a place side by side, [places][padded maps], so that
// an event reaches runs of neighbours: all maps of all places of one row that it touches.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/sliding.hpp"

namespace bstdg {

// One sample's events, by input row and step: those of row v at step t are from begin[v * num_steps + t] to
// the next, each its channel (without place) and its column.
struct RowEvents {
  const std::uint32_t* begin;
  const std::uint16_t* channels;
  const std::uint16_t* columns;
};

// Which rows go together, and where weights lie: [channels][kernel rows][slots][padded].
struct Geometry {
  std::size_t rows, places_high, places_wide, kernel_rows, kernel_columns, stride_rows, padding_rows;
  std::size_t padded;
  const Run* runs;  // [columns]
};

struct ConvolutionCrossingJob {
  Geometry geometry;
  RowEvents events;
  std::uint32_t num_steps;
  const std::int16_t* signs;
  const std::int16_t* bars;  // [padded]
  std::int16_t* sums;        // scratch, [places_wide][padded]
  std::int16_t* best;        // [places][padded]
  std::int16_t* at;
};

struct ConvolutionGradientJob {
  Geometry geometry;
  RowEvents events;
  std::uint32_t num_steps;
  const float* errors;        // [places][padded]
  const std::uint8_t* reach;  // the same, of 0 where padding
  const float* decays;        // as in GradientJob
  float* out;                 // [channels][kernel rows][slots][padded], added to
};

struct ConvolutionKernels {
  void (*crossing)(const ConvolutionCrossingJob&);
  void (*gradient)(const ConvolutionGradientJob&);
  // heard[i] += signs[i] * error.
  void (*add_signed)(const float* signs, float error, std::size_t count, float* heard);
  // credit[i] = heard[i] where below[i] is `step`.
  void (*take_at)(const float* heard, const std::uint8_t* below, std::uint8_t step, std::size_t count,
                  float* credit);
  // Turns [rows][columns] around into [columns][stride]; what lies beyond `rows` there is left alone.
  void (*turn_shorts)(const std::int16_t* from, std::size_t rows, std::size_t columns,
                      std::size_t from_stride, std::int16_t* to, std::size_t stride);
  void (*turn_floats)(const float* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                      float* to, std::size_t stride);
  void (*turn_bytes)(const std::uint8_t* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                     std::uint8_t* to, std::size_t stride);
  // Steps, judged steps and margins of the neurons of one map, from its greatest potentials and when these
  // were.
  void (*judge)(const std::int16_t* best, const std::int16_t* at, std::size_t count, std::int16_t bar,
                float threshold, std::uint8_t never, std::uint8_t* steps, std::uint8_t* reach, float* margin);
};

}  // namespace bstdg
