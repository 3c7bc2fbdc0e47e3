// What the kernels of every instruction set share: plain structures, and the table that dispatch.cpp chooses
// from.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

constexpr std::uint32_t kBlockWords = 8;  // the widest vector: 512 neurons

// A hidden layer as the kernels read it. Bit j of a row is 1 where the weight to neuron j is +1.
//
// With p_j the events so far whose weight to j is +1, of n in all, V_j = 2 p_j - n. So V_j >= theta_j is
// 2 p_j + (top - theta_j) >= n + top: counters that start from their own top - theta_j, and one number to
// compare them all with. They are kept as planes, one bit of every neuron's counter in each; the lowest never
// changes.
struct HiddenLayer {
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

struct OutputLayer {
  std::uint32_t channels;
  std::uint32_t classes;
  std::uint32_t padded;            // classes, rounded up to whole vectors
  const std::int8_t* rows;         // [channels + 1][padded], weights -1/+1, 0 in the padding and the last
  const std::int32_t* thresholds;  // [padded], out of reach in the padding
};

struct Plan {
  std::uint32_t num_steps;
  std::uint32_t channels;
  std::uint32_t num_hidden;
  const HiddenLayer* hidden;
  OutputLayer output;
};

constexpr std::uint32_t kMaxPlanes = 34;  // holds 2 p + range for p < 2^31 events and 32-bit thresholds
constexpr std::int64_t kMaxEvents = 0x7FFFFFFE;  // of a sample: potentials are 32-bit

// Working memory of one thread; dispatch.cpp sizes it. Nothing is allocated while samples run.
struct LayerState {
  std::uint64_t* planes;  // [vectors][planes], as many vectors as hold row_words
  std::uint64_t* fired;   // [row_words]
  std::uint16_t* events;  // [neurons + kSlack], newly fired
  std::int64_t heard;     // events of this sample so far
  std::int64_t sent;      // spikes of this sample so far
  std::uint32_t planes_in_use;
};

struct State {
  LayerState* hidden;         // [num_hidden]
  std::int32_t* potential;    // [padded]
  std::uint16_t* events;      // [channels + kSlack], input events in the order of their steps
  std::uint16_t* found;       // [channels + kSlack], the same in the order of channels
  std::uint8_t* found_steps;  // [channels + kSlack]
};

constexpr std::size_t kSlack = 64;  // entries that vectors may write beyond the last event

// One sample's events, sorted by step.
struct SampleEvents {
  const std::uint16_t* channels;
  const std::uint8_t* steps;
  std::size_t count;
};

// Where one sample's results go; null where they are not wanted.
struct SampleResults {
  std::int64_t* label;
  std::uint8_t* step;
  bool* silent;
  bool* tie;
  bool* candidates;
  std::int64_t* input_spikes;
  std::int64_t* hidden_spikes;        // [num_hidden]
  std::uint8_t* const* hidden_steps;  // [num_hidden], each [neurons], filled with num_steps by the caller
  std::int32_t* potentials;           // [num_steps][classes]
};

// --- training

constexpr std::size_t kSignTile = 128;   // neurons a forward pass keeps in registers; signs are padded to it
constexpr std::size_t kErrorTile = 64;   // neurons whose errors a backward pass keeps in registers
constexpr std::size_t kNarrowTile = 16;  // the same for the few neurons of an output layer
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
  std::size_t tile;           // neurons of the tile, kErrorTile or kNarrowTile
  const float* errors;        // impulses: [batch][tile]; potentials: [batch][num_steps][tile]
  const std::uint8_t* reach;  // [batch][tile]; null for potentials
  const float* decays;        // [num_steps], decay to the power of the distance; null where decay is 1
  std::size_t num_steps;
  float* out;  // [channels][tile], added to
};

// --- the loss: who fires first, of one sample

// Working memory of one thread.
struct HazardSpace {
  float *hazards, *rises;                        // [num_steps][padded]
  float *totals, *slopes, *log_w, *w, *at_step;  // [num_steps, up to whole vectors]
  float *thresholds, *told, *row;                // [padded]
};

struct HazardJob {
  std::size_t num_steps, classes;
  std::size_t padded;       // classes, up to whole vectors
  const float* potentials;  // [num_steps][classes], and a vector more
  const float* thresholds;  // [padded]
  const float* there;       // [padded], 1 for a class, 0 in the padding
  float inverse_scale;
  HazardSpace space;
};

// The gradients that come in, by the logarithm of P(k first), by that of P(undecided after t), and by the
// last z; and the first of those logarithms again.
struct HazardGradients {
  const float *log_first, *to_first, *to_last;  // [padded], 0 in the padding
  const float* to_after;                        // [num_steps]
};

constexpr std::size_t kWidestFloats = 16;  // floats of the widest vector

// The kernels of one instruction set.
struct Kernels {
  const char* name;
  // False if the sample holds a byte that is not allowed.
  bool (*run_bytes)(const Plan&, State&, const std::uint8_t* bytes, const std::uint8_t* step_of,
                    bool early_exit, const SampleResults&);
  void (*run_events)(const Plan&, State&, const SampleEvents&, bool early_exit, const SampleResults&);
  // The events of one row of steps, by step: their channels in state.events, their steps in `steps`. Returns
  // how many, or -1 if a step is not allowed.
  std::int64_t (*sort_steps)(const Plan&, State&, const std::uint8_t* row, const std::uint8_t* identity,
                             std::uint8_t* steps);
  // Signs of some channels: [channels][padded] from latent weights [neurons][all channels].
  void (*sign_rows)(const float* latent, std::size_t neurons, std::size_t all_channels, std::size_t first,
                    std::size_t channels, std::size_t padded, std::int8_t* out);
  void (*crossing)(const CrossingJob&);
  // Potentials of one sample, [num_steps][neurons].
  void (*potentials)(const SampleEvents&, const std::int8_t* signs, std::size_t padded, std::size_t neurons,
                     std::uint32_t num_steps, std::int32_t* sums, float* out);
  void (*gradient)(const GradientJob&);
  // Turns sums [channels][tile] around into out [neurons][stride], 0 where a latent weight, placed likewise,
  // is beyond -1 to +1: such a weight is left alone.
  void (*turn_around)(const float* sums, std::size_t tile, std::size_t channels, std::size_t neurons,
                      const float* latent, std::size_t stride, float* out);
  // heard_i += b_ij error for one neuron's latent weights.
  void (*add_signed)(const float* latent, float error, std::size_t channels, float* heard);
  // What the channels of one sample, judged at `below`, are told: the sum over k of b_ik later_k(below_i),
  // from `later` [num_steps][padded].
  void (*credit)(const float* latent, const float* later, std::size_t neurons, std::size_t padded,
                 const std::uint8_t* below, std::size_t channels, std::size_t num_steps, float* out);
  // log P(k first) and z(T-1) [classes], and log P(undecided after t) [num_steps], of z = (V - theta) /
  // scale.
  void (*first_to_fire)(const HazardJob&, float* log_first, float* log_after, float* last);
  // By each potential [num_steps][classes], each threshold [classes], and the scale.
  void (*first_to_fire_back)(const HazardJob&, const HazardGradients&, float* to_potentials,
                             float* to_thresholds, float* to_scale);
};

// Those that this build has and this CPU can run, the fastest first.
const Kernels* const* available_kernels(std::size_t& count);

// The one named by BSTDG_ISA, else the fastest. Throws std::invalid_argument if the name is not available.
const Kernels& chosen_kernels();

}  // namespace bstdg
