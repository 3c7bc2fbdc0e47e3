// S4NN's and BS4NN's learning, image by image, and their inference: what bstdg.lab.predecessors.s4nn, bs4nn
// and network do in NumPy, in one loop.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

constexpr std::int32_t kUnfired = 256;  // the stamp of a neuron that did not fire

struct PredecessorRule {
  bool binary;               // BS4NN: potentials from signs of the weights
  std::int32_t gamma;        // steps by which other outputs should trail the first
  std::int32_t silent_lead;  // how long before 256 the label should fire if no output does
  double threshold;
  double rates[2];  // of the hidden and the output layer
  double keeps[2];  // what remains of their weights after each image
  double scale_rate;
};

// Weights [inputs][hidden] and [hidden][classes], and what else learning changes.
struct PredecessorState {
  std::size_t inputs, hidden, classes;
  float* below;
  float* above;
  double scales[2];     // binary: what divides the thresholds
  double shrunk;        // what `below` is to be multiplied by
  std::int64_t* fired;  // [hidden], images for which a neuron fired
};

struct PredecessorImages {
  const std::int16_t* steps;  // [images][inputs], 0 … 256
  const std::int64_t* labels;
  std::size_t images;
  const std::int64_t* order;  // which images, one after another
  std::size_t count;
};

// Learns; returns how many images were right by the predecessors' metric before they were learnt.
// Throws std::invalid_argument if a step, a label or a place in the order is out of range, or a scale is no
// longer positive.
std::int64_t learn_predecessor(const PredecessorRule& rule, PredecessorState& state,
                               const PredecessorImages& images);

// Weights [inputs][hidden] and [hidden][classes], in the units of the thresholds.
struct PredecessorNetwork {
  bool binary;
  std::size_t inputs, hidden, classes;
  const float* below;
  const float* above;
  double thresholds[2];
};

// Of every image, [images][...]: stamps of both layers, and the output's potentials when it decides, which is
// the step before its first stamp, or `silent_step` where no output fires.
struct PredecessorAnswers {
  std::int16_t* hidden;
  std::int16_t* output;
  float* potential;
};

// Throws std::invalid_argument if a step is out of range.
void run_predecessor(const PredecessorNetwork& network, const std::int16_t* steps, std::size_t images,
                     std::int32_t silent_step, const PredecessorAnswers& answers);

}  // namespace bstdg
