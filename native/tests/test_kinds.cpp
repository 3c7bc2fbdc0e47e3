// A network takes layers of any kind: here one of the test's own, between and before layers that it has.
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "inference/full.hpp"
#include "inference/network.hpp"
#include "instruction_set.hpp"

namespace {

// Neuron i fires with the second event of channel i, if the sample may bring so many.
struct SecondEvents final : bstdg::Layer {
  std::int64_t width;
  explicit SecondEvents(std::int64_t channels) : width(channels) {}

  std::int64_t channels() const override { return width; }
  std::int64_t neurons() const override { return width; }
  std::string refusal() const override { return width == 13 ? "has an unlucky number of neurons" : ""; }

  static std::size_t step(const void*, void* state, const std::uint16_t* events, std::size_t n,
                          std::uint16_t* fired) {
    auto* const heard = static_cast<std::uint32_t*>(state);
    std::size_t count = 0;
    for (std::size_t e = 0; e < n; ++e) {
      if (++heard[events[e]] == 2) fired[count++] = events[e];
    }
    return count;
  }
  static bstdg::Step start(const void* layer, void* state, std::int64_t most_events, std::int64_t) {
    check(most_events == 6, "the number of events of the sample");
    const auto width = static_cast<const SecondEvents*>(layer)->width;
    for (std::int64_t i = 0; i < width; ++i) static_cast<std::uint32_t*>(state)[i] = 0;
    return &step;
  }

  bstdg::SpikingLayout spiking(const bstdg::Kernels&, const bstdg::Names&) const override {
    static const bstdg::SpikingKernels kernels{&start};
    const auto copy = std::make_shared<SecondEvents>(width);
    const auto size = static_cast<std::size_t>(width);
    return {{&kernels, copy.get(), static_cast<std::uint32_t>(width), nullptr},
            copy,
            [size]() -> std::shared_ptr<void> {
              const auto heard = std::make_shared<std::vector<std::uint32_t>>(size);
              return {heard, heard->data()};
            },
            {}};
  }
  bstdg::OutputLayout output(const bstdg::Kernels&, const bstdg::Names&) const override {
    throw std::invalid_argument("second events cannot be the last layer");
  }
};

template <typename Make>
bool refuses(const Make& make) {
  try {
    make();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

}  // namespace

int main() {
  if (!instruction_set_is_there()) return kSkipped;
  // Channel 0 twice, channel 1 once, channel 2 three times.
  const std::vector<std::int64_t> offsets{0, 6};
  const std::vector<std::uint16_t> channels{0, 2, 2, 1, 0, 2};
  const std::vector<std::uint8_t> steps{0, 1, 2, 2, 4, 5};
  const bstdg::EventRows events{{offsets.data(), 2}, {channels.data(), 6}, {steps.data(), 6}};
  const std::int8_t signs[] = {1, -1, 1, -1, 1, -1};
  const std::int64_t thresholds[] = {2, 1};
  const SecondEvents first(3);
  const bstdg::FullLayer last(3, 2, signs, thresholds);
  const bstdg::Network network({&first, &last}, 8);
  for (int round = 0; round < 2; ++round) {  // a sample leaves nothing behind
    std::uint8_t hidden[3], step = 0;
    std::int64_t label = -1, spikes = -1;
    bstdg::Results results;
    results.hidden_steps = {hidden};
    results.label = &label;
    results.step = &step;
    results.hidden_spikes = &spikes;
    network.run(events, results, false, 1);
    check(hidden[0] == 4 && hidden[1] == 8 && hidden[2] == 2, "hidden steps");
    check(label == 0 && step == 4 && spikes == 2, "the decision");
  }
  const SecondEvents unlucky(13);
  check(refuses([&] { bstdg::Network({&first}, 8); }), "a kind that cannot be the last layer");
  check(refuses([&] { bstdg::Network({&unlucky, &last}, 8); }), "a layer that cannot be");
  check(refuses([&] { bstdg::Network({&last, &first}, 8); }), "layers that do not fit");
  std::printf("kinds: %d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
