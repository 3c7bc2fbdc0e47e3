// One sample through a plan, and its decision.
#pragma once

#include <cstdint>

#include "inference/plan.hpp"

namespace bstdg {

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

struct RunKernels {
  // With `early_exit` no further than to the decision.
  void (*run_sample)(const Plan&, const State&, const Timeline&, bool early_exit, const SampleResults&);
};

}  // namespace bstdg
