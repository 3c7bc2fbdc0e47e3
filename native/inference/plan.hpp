// A network at work: a row of layers, each known by a table of functions. Plain structures, which the kernels
// of every instruction set share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "events/timeline.hpp"

namespace bstdg {

constexpr std::uint32_t kMaxPlanes = 34;  // holds 2 p + range for p < 2^31 events and 32-bit thresholds

// Hears the events of one step and names the neurons that fire, each once a sample, in `fired`
// [neurons + kSlack]. Returns how many. `layer` and `state` are of the layer's kind's own making.
using Step = std::size_t (*)(const void* layer, void* state, const std::uint16_t* events, std::size_t n,
                             std::uint16_t* fired);

// What layers of one kind do while a sample runs. The state is one thread's, and nothing is allocated. Events
// name channels that come in, each any number of times.
struct SpikingKernels {
  // Begins a sample that brings at most `most_events` events, and at most `most_of_one` of any channel, and
  // says what is to hear its steps.
  Step (*start)(const void* layer, void* state, std::int64_t most_events, std::int64_t most_of_one);
};

// The same as the last layer, whose neurons have potentials and do not fire.
struct OutputKernels {
  // Adds the weights of one step's events to `potential` [padded], 0 when a sample begins. True if any is
  // then at or above its threshold.
  bool (*step)(const void* layer, std::int32_t* potential, const std::uint16_t* events, std::size_t n);
};

struct SpikingLayer {
  const SpikingKernels* kernels;
  const void* layer;
  std::uint32_t neurons;
  const std::uint16_t* names;  // [neurons] which of them an event of that name is; null where that number
};

struct OutputLayer {
  const OutputKernels* kernels;
  const void* layer;
  std::uint32_t classes;
  std::uint32_t padded;            // classes, rounded up to what the kernels write
  const std::int32_t* thresholds;  // [classes]
};

struct Plan {
  std::uint32_t num_steps;
  std::uint32_t channels;
  std::uint32_t num_hidden;
  const SpikingLayer* hidden;
  OutputLayer output;
};

// Working memory of one thread.
struct LayerState {
  void* own;             // of the layer's kind
  Step step;             // for the sample at hand
  std::uint16_t* fired;  // [neurons + kSlack], newly
  std::int64_t sent;     // spikes of this sample so far
};

struct State {
  LayerState* hidden;       // [num_hidden]
  std::int32_t* potential;  // [padded]
};

}  // namespace bstdg
