// A sample through the layers of a plan, compiled once for each instruction set; see simd.hpp for what that
// forbids.
#include "inference/run_kernels.hpp"

#include <cstring>

namespace bstdg {
namespace BSTDG_ISA {
namespace {

void decide(const OutputLayer& layer, const std::int32_t* potential, bool silent,
            const SampleResults& results) {
  std::uint32_t label = 0, equals = 0;
  std::int64_t best = 0;
  for (std::uint32_t k = 0; k < layer.classes; ++k) {
    const std::int64_t lead = std::int64_t{potential[k]} - layer.thresholds[k];
    if (k == 0 || lead > best) {
      best = lead;
      label = k;
      equals = 0;
    }
    equals += lead == best;
  }
  if (results.label != nullptr) *results.label = label;
  if (results.silent != nullptr) *results.silent = silent;
  if (results.tie != nullptr) *results.tie = equals > 1;
  if (results.candidates != nullptr) {
    const std::int64_t bar = silent ? best : 0;
    for (std::uint32_t k = 0; k < layer.classes; ++k) {
      results.candidates[k] = std::int64_t{potential[k]} - layer.thresholds[k] >= bar;
    }
  }
}

void run_sample(const Plan& plan, const State& state, const Timeline& time, bool early_exit,
                const SampleResults& results) {
  auto most_events = static_cast<std::int64_t>(time.begin[time.count] - time.begin[0]);
  std::int64_t most_of_one = most_events;  // of the input a channel may have all
  for (std::uint32_t l = 0; l < plan.num_hidden; ++l) {
    const SpikingLayer& layer = plan.hidden[l];
    LayerState& own = state.hidden[l];
    own.step = layer.kernels->start(layer.layer, own.own, most_events, most_of_one);
    own.sent = 0;
    most_events = layer.neurons;
    most_of_one = 1;
  }
  std::memset(state.potential, 0, sizeof(std::int32_t) * plan.output.padded);
  bool decided = false;
  const auto decide_at = [&](std::uint32_t t, std::size_t heard, bool silent) {
    decided = true;
    decide(plan.output, state.potential, silent, results);
    if (results.step != nullptr) *results.step = static_cast<std::uint8_t>(t);
    if (results.input_spikes != nullptr) *results.input_spikes = static_cast<std::int64_t>(heard);
    if (results.hidden_spikes != nullptr) {
      for (std::uint32_t l = 0; l < plan.num_hidden; ++l) results.hidden_spikes[l] = state.hidden[l].sent;
    }
  };
  for (std::uint32_t s = 0; s < time.count; ++s) {
    const std::uint32_t t = time.step[s];
    const std::uint16_t* events = time.channels + time.begin[s];
    std::size_t n = time.begin[s + 1] - time.begin[s];
    for (std::uint32_t l = 0; l < plan.num_hidden && (n > 0 || t == 0); ++l) {
      LayerState& own = state.hidden[l];
      n = own.step(plan.hidden[l].layer, own.own, events, n, own.fired);
      own.sent += static_cast<std::int64_t>(n);
      events = own.fired;
      if (results.hidden_steps != nullptr) {
        const std::uint16_t* names = plan.hidden[l].names;
        for (std::size_t e = 0; e < n; ++e) {
          const std::size_t neuron = names == nullptr ? events[e] : names[events[e]];
          results.hidden_steps[l][neuron] = static_cast<std::uint8_t>(t);
        }
      }
    }
    if (n > 0 || t == 0) {
      const bool reached = plan.output.kernels->step(plan.output.layer, state.potential, events, n);
      if (reached && !decided) decide_at(t, time.begin[s + 1] - time.begin[0], false);
      if (decided && early_exit) return;
    }
    if (results.potentials != nullptr) {  // they stay until the next step with events
      const std::uint32_t until = s + 1 < time.count ? time.step[s + 1] : plan.num_steps;
      for (std::uint32_t u = t; u < until; ++u) {
        std::memcpy(results.potentials + std::size_t{u} * plan.output.classes, state.potential,
                    sizeof(std::int32_t) * plan.output.classes);
      }
    }
  }
  if (!decided) decide_at(plan.num_steps - 1, time.begin[time.count] - time.begin[0], true);
}

}  // namespace

extern const RunKernels run_kernels;
const RunKernels run_kernels{&run_sample};

}  // namespace BSTDG_ISA
}  // namespace bstdg
