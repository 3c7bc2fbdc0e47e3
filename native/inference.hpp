// Deployed networks at work: bytes or events in, decisions out, bit for bit what the NumPy oracle computes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "events.hpp"

namespace bstdg {

// One layer as it is deployed: signs -1/+1 [neurons x channels], row by row, and integer thresholds.
struct LayerBits {
  std::int64_t channels;
  std::int64_t neurons;
  const std::int8_t* signs;
  const std::int64_t* thresholds;
};

// A batch of one byte a channel. `step_of[byte]` is the byte's step, num_steps where it never spikes, and
// kNotAllowed where no such byte may come.
struct ByteRows {
  const std::uint8_t* bytes;
  std::size_t batch;
  const std::uint8_t* step_of;  // 256 entries
};

constexpr std::uint8_t kNotAllowed = 255;

// A batch of event streams, sorted by step within each sample.
struct EventRows {
  Span<std::int64_t> offsets;
  Span<std::uint16_t> channels;
  Span<std::uint8_t> steps;
};

// What is known of each sample; null where the caller does not want it.
struct Results {
  std::int64_t* label = nullptr;          // [batch]
  std::uint8_t* step = nullptr;           // [batch], of the decision
  bool* silent = nullptr;                 // [batch], no output reached its threshold
  bool* tie = nullptr;                    // [batch], several outputs had the greatest V - theta
  bool* candidates = nullptr;             // [batch x classes], at or above threshold (silent: the greatest)
  std::int64_t* input_spikes = nullptr;   // [batch], up to the decision
  std::int64_t* hidden_spikes = nullptr;  // [batch x hidden layers], up to the decision
  std::vector<std::uint8_t*>
      hidden_steps;  // a hidden layer each, [batch x neurons], num_steps for never; or empty
  std::int32_t* potentials = nullptr;  // [batch x num_steps x classes], of the output layer
};

class Network {
 public:
  // Throws std::invalid_argument if the layers do not fit each other.
  Network(const std::vector<LayerBits>& layers, std::int64_t num_steps);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  std::int64_t num_steps() const;
  std::int64_t channels() const;
  std::int64_t classes() const;
  std::vector<std::int64_t> hidden() const;  // neurons of each hidden layer

  // `early_exit` stops a sample at its decision; hidden_steps and potentials then cannot be asked for.
  // Throws std::invalid_argument if the input does not fit.
  void run(const ByteRows& input, const Results& results, bool early_exit, int threads) const;
  void run(const EventRows& input, const Results& results, bool early_exit, int threads) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace bstdg
