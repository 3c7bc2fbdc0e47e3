// Tests of the inference kernels without Python: random networks against a slow twin, on every instruction
// set that this CPU has, from several threads; run under the sanitizers.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "inference/full.hpp"
#include "inference/network.hpp"
#include "instruction_set.hpp"

namespace {

using Steps = std::vector<std::uint8_t>;

struct Layer {
  std::int64_t channels, neurons;
  std::vector<std::int8_t> signs;
  std::vector<std::int64_t> thresholds;
  bstdg::FullLayer deployed() const { return {channels, neurons, signs.data(), thresholds.data()}; }
};

struct Case {
  std::vector<Layer> layers;
  std::int64_t num_steps;
  std::size_t batch;
  Steps steps;  // [batch][channels]
};

std::int64_t between(std::mt19937_64& random, std::int64_t least, std::int64_t greatest) {
  return std::uniform_int_distribution<std::int64_t>(least, greatest)(random);
}

Case draw(std::mt19937_64& random) {
  const std::int64_t widths[] = {1, 5, 63, 64, 65, 130, 300, 513};
  const std::int64_t step_numbers[] = {1, 2, 8, 40, 254};
  Case drawn{{}, step_numbers[between(random, 0, 4)], static_cast<std::size_t>(between(random, 0, 70)), {}};
  std::int64_t channels = widths[between(random, 0, 7)];
  const std::int64_t input = channels;
  for (std::int64_t l = between(random, 1, 3); l > 0; --l) {
    Layer layer{channels, widths[between(random, 0, 7)], {}, {}};
    for (std::int64_t i = 0; i < layer.channels * layer.neurons; ++i) {
      layer.signs.push_back(between(random, 0, 1) != 0 ? 1 : -1);
    }
    for (std::int64_t j = 0; j < layer.neurons; ++j) {
      const bool extreme = between(random, 0, 30) == 0;
      layer.thresholds.push_back(extreme ? between(random, -(1LL << 31), (1LL << 31) - 1)
                                         : between(random, -3, 12));
    }
    channels = layer.neurons;
    drawn.layers.push_back(std::move(layer));
  }
  for (std::size_t i = 0; i < drawn.batch * static_cast<std::size_t>(input); ++i) {
    drawn.steps.push_back(static_cast<std::uint8_t>(between(random, 0, drawn.num_steps)));
  }
  return drawn;
}

// The slow twin: every potential at every step, from all events so far.
std::vector<std::int64_t> potentials(const Layer& layer, const Steps& steps, std::int64_t step) {
  std::vector<std::int64_t> sums(static_cast<std::size_t>(layer.neurons), 0);
  for (std::size_t j = 0; j < sums.size(); ++j) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i] <= step) sums[j] += layer.signs[j * steps.size() + i];
    }
  }
  return sums;
}

Steps crossing(const Layer& layer, const Steps& below, std::int64_t num_steps) {
  Steps steps(static_cast<std::size_t>(layer.neurons), static_cast<std::uint8_t>(num_steps));
  for (std::int64_t t = num_steps - 1; t >= 0; --t) {
    const auto sums = potentials(layer, below, t);
    for (std::size_t j = 0; j < steps.size(); ++j) {
      if (sums[j] >= layer.thresholds[j]) steps[j] = static_cast<std::uint8_t>(t);
    }
  }
  return steps;
}

std::unique_ptr<bstdg::Network> network_of(const Case& drawn) {
  std::vector<bstdg::FullLayer> layers;
  for (const Layer& layer : drawn.layers) layers.push_back(layer.deployed());
  std::vector<const bstdg::Layer*> pointers;
  for (const bstdg::FullLayer& layer : layers) pointers.push_back(&layer);
  return std::make_unique<bstdg::Network>(pointers, drawn.num_steps);
}

void run_case(const Case& drawn, int threads) {
  const std::unique_ptr<bstdg::Network> owner = network_of(drawn);
  const bstdg::Network& network = *owner;
  const auto channels = static_cast<std::size_t>(network.channels()),
             classes = static_cast<std::size_t>(network.classes());
  const auto num_steps = static_cast<std::size_t>(drawn.num_steps);
  std::vector<std::uint8_t> identity(256, bstdg::kNotAllowed);
  for (std::size_t t = 0; t <= num_steps; ++t) identity[t] = static_cast<std::uint8_t>(t);

  std::vector<Steps> hidden;
  bstdg::Results results;
  for (const std::int64_t neurons : network.hidden())
    hidden.emplace_back(drawn.batch * static_cast<std::size_t>(neurons) + 1);
  for (Steps& steps : hidden) results.hidden_steps.push_back(steps.data());
  std::vector<std::int32_t> output(drawn.batch * num_steps * classes + 1);
  std::vector<std::int64_t> label(drawn.batch + 1), quick(drawn.batch + 1), from_events(drawn.batch + 1);
  Steps step(drawn.batch + 1), quick_step(drawn.batch + 1);
  results.potentials = output.data();
  results.label = label.data();
  results.step = step.data();
  const bstdg::ByteRows input{drawn.steps.data(), drawn.batch, identity.data()};
  network.run(input, results, false, threads);

  bstdg::Results brief;
  brief.label = quick.data();
  brief.step = quick_step.data();
  network.run(input, brief, true, threads);

  // The same as events, sorted by step.
  std::vector<std::int64_t> offsets{0};
  std::vector<std::uint16_t> event_channels;
  Steps event_steps;
  for (std::size_t n = 0; n < drawn.batch; ++n) {
    for (std::size_t t = 0; t < num_steps; ++t) {
      for (std::size_t i = 0; i < channels; ++i) {
        if (drawn.steps[n * channels + i] != t) continue;
        event_channels.push_back(static_cast<std::uint16_t>(i));
        event_steps.push_back(static_cast<std::uint8_t>(t));
      }
    }
    offsets.push_back(static_cast<std::int64_t>(event_channels.size()));
  }
  bstdg::Results third;
  third.label = from_events.data();
  network.run(bstdg::EventRows{{offsets.data(), offsets.size()},
                               {event_channels.data(), event_channels.size()},
                               {event_steps.data(), event_steps.size()}},
              third, true, threads);

  for (std::size_t n = 0; n < drawn.batch; n += 7) {
    Steps below(drawn.steps.begin() + static_cast<std::ptrdiff_t>(n * channels),
                drawn.steps.begin() + static_cast<std::ptrdiff_t>((n + 1) * channels));
    for (std::size_t l = 0; l + 1 < drawn.layers.size(); ++l) {
      const Steps wanted = crossing(drawn.layers[l], below, drawn.num_steps);
      check(std::equal(wanted.begin(), wanted.end(),
                       hidden[l].begin() + static_cast<std::ptrdiff_t>(n * wanted.size())),
            "hidden steps");
      below = wanted;
    }
    std::size_t decided = num_steps - 1;
    for (std::size_t t = num_steps; t-- > 0;) {
      const auto sums = potentials(drawn.layers.back(), below, static_cast<std::int64_t>(t));
      bool reached = false;
      for (std::size_t k = 0; k < classes; ++k) {
        check(output[(n * num_steps + t) * classes + k] == sums[k], "output potential");
        reached |= sums[k] >= drawn.layers.back().thresholds[k];
      }
      if (reached) decided = t;
    }
    const auto sums = potentials(drawn.layers.back(), below, static_cast<std::int64_t>(decided));
    std::size_t best = 0;
    for (std::size_t k = 1; k < classes; ++k) {
      const auto& thresholds = drawn.layers.back().thresholds;
      if (sums[k] - thresholds[k] > sums[best] - thresholds[best]) best = k;
    }
    check(label[n] == static_cast<std::int64_t>(best) && step[n] == decided, "decision");
    check(quick[n] == label[n] && quick_step[n] == step[n], "decision with early exit");
    check(from_events[n] == label[n], "decision from events");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int cases = argc > 1 ? std::atoi(argv[1]) : 30;
  if (!instruction_set_is_there()) return kSkipped;
  std::mt19937_64 random(1);
  for (int i = 0; i < cases; ++i) run_case(draw(random), 1 + i % 4);
  // One network used from several threads at once.
  std::mt19937_64 other(2);
  const Case shared = draw(other);
  const std::unique_ptr<bstdg::Network> owner = network_of(shared);
  const bstdg::Network& network = *owner;
  std::vector<std::uint8_t> identity(256, 0);
  const std::size_t batch = 100;
  const Steps steps(batch * static_cast<std::size_t>(network.channels()), 0);
  std::vector<std::vector<std::int64_t>> labels(4, std::vector<std::int64_t>(batch));
  std::vector<std::thread> callers;
  for (auto& mine : labels) {
    callers.emplace_back([&network, &steps, &identity, &mine] {
      bstdg::Results results;
      results.label = mine.data();
      for (int i = 0; i < 10; ++i)
        network.run(bstdg::ByteRows{steps.data(), batch, identity.data()}, results, true, 2);
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const auto& mine : labels) check(mine == labels[0], "the same from every caller");
  // A table for each greatest byte of a sample gives what the steps give that it names.
  {
    const auto channels = static_cast<std::size_t>(network.channels());
    const auto num_steps = static_cast<unsigned>(network.num_steps());
    Steps bytes(batch * channels), named(batch * channels), tables(std::size_t{256} * 256), same(256, 0);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(other() % (1 + i / channels));
    for (std::size_t i = 0; i < tables.size(); ++i)
      tables[i] = static_cast<std::uint8_t>(other() % (num_steps + 1));
    for (unsigned t = 0; t <= num_steps; ++t) same[t] = static_cast<std::uint8_t>(t);
    for (std::size_t n = 0; n < batch; ++n) {
      const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(n * channels);
      const std::size_t most = *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(channels));
      for (std::size_t i = n * channels; i < (n + 1) * channels; ++i)
        named[i] = tables[256 * most + bytes[i]];
    }
    std::vector<std::int64_t> told(batch), expected(batch);
    bstdg::Results results;
    results.label = told.data();
    network.run(bstdg::ByteRows{bytes.data(), batch, tables.data(), true}, results, true, 2);
    results.label = expected.data();
    network.run(bstdg::ByteRows{named.data(), batch, same.data()}, results, true, 2);
    check(told == expected, "a table for each greatest byte");
  }
  // What is refused from a helper thread reaches the caller as an exception.
  std::vector<std::uint8_t> nothing_allowed(256, bstdg::kNotAllowed);
  bool refused = false;
  try {
    network.run(bstdg::ByteRows{steps.data(), batch, nothing_allowed.data()}, bstdg::Results{}, true, 4);
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  check(refused, "a byte that is not allowed");
  std::printf("inference: %d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
