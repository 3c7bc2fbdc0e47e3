// Deployed networks at work: bytes or events in, decisions out, bit for bit what the NumPy oracle computes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "events/events.hpp"
#include "events/timeline.hpp"
#include "inference/layer.hpp"

namespace bstdg {

// A batch of one byte a channel; see `ByteRow` for `step_of`.
struct ByteRows {
  const std::uint8_t* bytes;
  std::size_t batch;
  const std::uint8_t* step_of;  // 256 entries
  bool by_greatest = false;     // or as many for each greatest byte that a sample may have, 65,536 in all
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
  // Layers of any kind, input side first; they are not needed afterwards. Throws std::invalid_argument if
  // they do not fit each other, or cannot be.
  Network(const std::vector<const Layer*>& layers, std::int64_t num_steps);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  std::int64_t num_steps() const;
  std::int64_t channels() const;
  std::int64_t classes() const;
  std::size_t num_hidden() const;
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
