// Tests of the training kernels without Python: random layers against loops written out, on every instruction
// set that this CPU has, with one thread and with three, whose results have to be the same bits; run under
// the sanitizers.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "instruction_set.hpp"
#include "training/training.hpp"

namespace {

using Steps = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

struct Layer {
  std::size_t batch, channels, neurons, num_steps;
  Steps steps, below;
  Floats latent, thresholds, local, gradient;
};

Floats numbers(std::mt19937_64& random, std::size_t count, float width) {
  std::uniform_real_distribution<float> draw(-width, width);
  Floats values(count);
  for (float& value : values) value = draw(random);
  return values;
}

Layer draw(std::mt19937_64& random) {
  Layer layer{pick(random, {1, 5, 70}),
              pick(random, {1, 30, 130}),
              pick(random, {1, 10, 16, 65, 140}),
              pick(random, {1, 8, 17, 254}),
              {},
              {},
              {},
              {},
              {},
              {}};
  const auto step = [&](std::size_t most) {
    return static_cast<std::uint8_t>(std::uniform_int_distribution<std::size_t>(0, most)(random));
  };
  for (std::size_t i = 0; i < layer.batch * layer.channels; ++i) {
    layer.steps.push_back(step(layer.num_steps));
    layer.below.push_back(step(layer.num_steps - 1));
  }
  layer.latent = numbers(random, layer.neurons * layer.channels, 1.1F);
  layer.thresholds = numbers(random, layer.neurons, 4.0F);
  layer.local = numbers(random, layer.batch * layer.neurons, 1.0F);
  layer.gradient = numbers(random, layer.batch * layer.num_steps * layer.neurons, 1.0F);
  return layer;
}

struct Results {
  Steps steps, reach;
  Floats margin, potentials, impulse_gradient, decayed, potential_gradient, impulse_credit, potential_credit;

  bool operator==(const Results& other) const {
    return steps == other.steps && reach == other.reach && margin == other.margin &&
           potentials == other.potentials && impulse_gradient == other.impulse_gradient &&
           decayed == other.decayed && potential_gradient == other.potential_gradient &&
           impulse_credit == other.impulse_credit && potential_credit == other.potential_credit;
  }
};

Results run(const Layer& layer, int threads) {
  const std::size_t outputs = layer.batch * layer.neurons, weights = layer.neurons * layer.channels;
  Results found{Steps(outputs),
                Steps(outputs),
                Floats(outputs),
                Floats(outputs * layer.num_steps),
                Floats(weights),
                Floats(weights),
                Floats(weights),
                Floats(layer.below.size()),
                Floats(layer.below.size())};
  const bstdg::SpikeRows spikes(layer.steps.data(), layer.batch, static_cast<std::int64_t>(layer.channels),
                                static_cast<std::int64_t>(layer.num_steps), threads);
  const bstdg::Latent latent{layer.latent.data(), layer.neurons};
  bstdg::crossing(spikes, latent, layer.thresholds.data(), false,
                  {found.steps.data(), found.reach.data(), found.margin.data()}, threads);
  bstdg::potentials(spikes, latent, found.potentials.data(), threads);
  bstdg::impulse_gradient(spikes, latent, found.reach.data(), layer.local.data(), 1.0,
                          found.impulse_gradient.data(), threads);
  bstdg::impulse_gradient(spikes, latent, found.reach.data(), layer.local.data(), 0.5, found.decayed.data(),
                          threads);
  bstdg::potential_gradient(spikes, latent, layer.gradient.data(), 1.0, found.potential_gradient.data(),
                            threads);
  bstdg::impulse_credit(layer.below.data(), layer.channels, latent, found.reach.data(), layer.local.data(),
                        layer.batch, layer.num_steps, found.impulse_credit.data(), threads);
  bstdg::potential_credit(layer.below.data(), layer.channels, latent, layer.gradient.data(), layer.batch,
                          layer.num_steps, found.potential_credit.data(), threads);
  return found;
}

bool near(float found, double wanted) { return std::fabs(found - wanted) < 2e-3; }

// A few neurons and channels, written out.
void compare(const Layer& layer, const Results& found) {
  const std::size_t T = layer.num_steps;
  const auto sign = [&](std::size_t j, std::size_t i) {
    return layer.latent[j * layer.channels + i] >= 0 ? 1.0 : -1.0;
  };
  for (std::size_t j = 0; j < layer.neurons; j += 1 + layer.neurons / 3) {
    for (std::size_t n = 0; n < layer.batch; n += 1 + layer.batch / 3) {
      double best = -INFINITY;
      std::size_t at = 0;
      for (std::size_t t = 0; t < T; ++t) {
        double sum = 0;
        for (std::size_t i = 0; i < layer.channels; ++i)
          sum += layer.steps[n * layer.channels + i] <= t ? sign(j, i) : 0;
        check(found.potentials[(n * T + t) * layer.neurons + j] == static_cast<float>(sum), "potential");
        if (sum > best && best < static_cast<double>(layer.thresholds[j])) {
          best = sum;
          at = t;
        }
      }
      const std::size_t place = n * layer.neurons + j;
      const bool fired = best >= static_cast<double>(layer.thresholds[j]);
      check(found.reach[place] == at && found.steps[place] == (fired ? at : T), "crossing");
      check(found.margin[place] == static_cast<float>(best) - layer.thresholds[j], "margin");
    }
    const std::size_t i = j % layer.channels;
    double impulses = 0, decayed = 0, potentials = 0;
    for (std::size_t n = 0; n < layer.batch; ++n) {
      const std::size_t step = layer.steps[n * layer.channels + i],
                        judged = found.reach[n * layer.neurons + j];
      if (step < T && step <= judged) {
        impulses += static_cast<double>(layer.local[n * layer.neurons + j]);
        decayed += static_cast<double>(layer.local[n * layer.neurons + j]) * std::pow(0.5, judged - step);
      }
      for (std::size_t t = step; t < T; ++t)
        potentials += static_cast<double>(layer.gradient[(n * T + t) * layer.neurons + j]);
    }
    const bool passes = std::fabs(layer.latent[j * layer.channels + i]) <= 1.0F;
    check(near(found.impulse_gradient[j * layer.channels + i], passes ? impulses : 0), "impulse gradient");
    check(near(found.decayed[j * layer.channels + i], passes ? decayed : 0), "impulse gradient with decay");
    check(near(found.potential_gradient[j * layer.channels + i], passes ? potentials : 0),
          "potential gradient");
  }
  for (std::size_t place = 0; place < layer.below.size(); place += 1 + layer.below.size() / 7) {
    const std::size_t n = place / layer.channels, i = place % layer.channels, judged = layer.below[place];
    double impulses = 0, potentials = 0;
    for (std::size_t j = 0; j < layer.neurons; ++j) {
      if (judged <= found.reach[n * layer.neurons + j]) {
        impulses += sign(j, i) * static_cast<double>(layer.local[n * layer.neurons + j]);
      }
      for (std::size_t t = judged; t < T; ++t) {
        potentials += sign(j, i) * static_cast<double>(layer.gradient[(n * T + t) * layer.neurons + j]);
      }
    }
    check(near(found.impulse_credit[place], impulses), "impulse credit");
    check(near(found.potential_credit[place], potentials), "potential credit");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int cases = argc > 1 ? std::atoi(argv[1]) : 25;
  if (!instruction_set_is_there()) return kSkipped;
  std::mt19937_64 random(3);
  for (int i = 0; i < cases; ++i) {
    const Layer layer = draw(random);
    const Results found = run(layer, 1);
    compare(layer, found);
    check(found == run(layer, 3), "the same bits with three threads");
  }
  bool refused = false;
  try {
    const Steps beyond(40 * 3, 9);
    const bstdg::SpikeRows rows(beyond.data(), 40, 3, 8, 3);
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  check(refused, "a step beyond the last");
  std::printf("training: %d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
