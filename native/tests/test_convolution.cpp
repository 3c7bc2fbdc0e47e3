// Tests of convolution and pooling without Python: random windows against loops written out, on every
// instruction set that this CPU has, with one thread and with three, whose results have to be the same bits;
// run under the sanitizers.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "inference/conv.hpp"
#include "inference/full.hpp"
#include "inference/network.hpp"
#include "inference/pool.hpp"
#include "instruction_set.hpp"
#include "training/convolution.hpp"

namespace {

using Steps = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

bstdg::Side side(std::size_t size, std::size_t kernel, std::size_t stride, std::size_t padding) {
  return {size, (size + 2 * padding - kernel) / stride + 1, kernel, stride, padding};
}

struct Case {
  bstdg::Convolution shape;
  std::size_t batch, num_steps;
  Steps steps, below;
  Floats latent, thresholds, local;
};

Floats numbers(std::mt19937_64& random, std::size_t count, float width) {
  std::uniform_real_distribution<float> draw(-width, width);
  Floats values(count);
  for (float& value : values) value = draw(random);
  return values;
}

Case draw(std::mt19937_64& random) {
  const auto along = [&] {
    const std::size_t kernel = pick(random, {1, 2, 3, 5});
    return side(pick(random, {5, 6, 9}), kernel, pick(random, {1, 2, 3}), pick(random, {0, kernel / 2}));
  };
  const std::size_t groups = pick(random, {1, 1, 2});
  Case drawn{{groups * pick(random, {1, 3}), groups * pick(random, {1, 8, 17}), groups, along(), along()},
             pick(random, {1, 5, 40}),
             pick(random, {1, 4, 17}),
             {},
             {},
             {},
             {},
             {}};
  const auto step = [&](std::size_t most) {
    return static_cast<std::uint8_t>(std::uniform_int_distribution<std::size_t>(0, most)(random));
  };
  for (std::size_t i = 0; i < drawn.batch * drawn.shape.inputs(); ++i) {
    drawn.steps.push_back(step(drawn.num_steps));
    drawn.below.push_back(step(drawn.num_steps - 1));
  }
  drawn.latent = numbers(random, drawn.shape.weights(), 1.1F);
  drawn.thresholds = numbers(random, drawn.shape.maps, 4.0F);
  drawn.local = numbers(random, drawn.batch * drawn.shape.neurons(), 1.0F);
  return drawn;
}

// Calls visit(neuron, channel, weight) for every synapse.
template <typename Visit>
void for_all(const bstdg::Convolution& shape, const Visit& visit) {
  const auto &rows = shape.rows, &columns = shape.columns;
  for (std::size_t k = 0; k < shape.maps; ++k) {
    for (std::size_t y = 0; y < rows.places; ++y) {
      for (std::size_t x = 0; x < columns.places; ++x) {
        for (std::size_t w = 0; w < shape.own_channels() * shape.taps(); ++w) {
          const std::size_t c = k / shape.own_maps() * shape.own_channels() + w / shape.taps();
          const std::size_t v = y * rows.stride + w % shape.taps() / columns.kernel;
          const std::size_t u = x * columns.stride + w % columns.kernel;
          if (v < rows.padding || v - rows.padding >= rows.side) continue;
          if (u < columns.padding || u - columns.padding >= columns.side) continue;
          visit((k * rows.places + y) * columns.places + x,
                (c * rows.side + v - rows.padding) * columns.side + u - columns.padding,
                k * shape.own_channels() * shape.taps() + w);
        }
      }
    }
  }
}

struct Results {
  Steps steps, reach;
  Floats margin, gradient, decayed, credit;

  bool operator==(const Results& other) const {
    return steps == other.steps && reach == other.reach && margin == other.margin &&
           gradient == other.gradient && decayed == other.decayed && credit == other.credit;
  }
};

Results run(const Case& given, int threads) {
  const bstdg::Convolution& shape = given.shape;
  const std::size_t outputs = given.batch * shape.neurons();
  Results found{Steps(outputs),          Steps(outputs),          Floats(outputs),
                Floats(shape.weights()), Floats(shape.weights()), Floats(given.below.size())};
  const bstdg::SpikeRows spikes(given.steps.data(), given.batch, static_cast<std::int64_t>(shape.inputs()),
                                static_cast<std::int64_t>(given.num_steps), threads);
  bstdg::crossing(spikes, shape, given.latent.data(), given.thresholds.data(), false,
                  {found.steps.data(), found.reach.data(), found.margin.data()}, threads);
  bstdg::impulse_gradient(spikes, shape, given.latent.data(), found.reach.data(), given.local.data(), 1.0,
                          found.gradient.data(), threads);
  bstdg::impulse_gradient(spikes, shape, given.latent.data(), found.reach.data(), given.local.data(), 0.5,
                          found.decayed.data(), threads);
  bstdg::impulse_credit(given.below.data(), shape, given.latent.data(), found.reach.data(),
                        given.local.data(), given.batch, given.num_steps, found.credit.data(), threads);
  return found;
}

bool near(float found, double wanted) { return std::fabs(static_cast<double>(found) - wanted) < 2e-3; }

void compare(const Case& given, const Results& found) {
  const bstdg::Convolution& shape = given.shape;
  const std::size_t T = given.num_steps, inputs = shape.inputs(), neurons = shape.neurons();
  std::vector<double> gradient(shape.weights()), decayed(shape.weights());
  bool crossings = true, credits = true;
  for (std::size_t n = 0; n < given.batch; ++n) {
    std::vector<int> sums(neurons * T);
    std::vector<double> credit(inputs);
    for_all(shape, [&](std::size_t j, std::size_t i, std::size_t w) {
      const std::size_t step = given.steps[n * inputs + i], judged = found.reach[n * neurons + j];
      const int sign = given.latent[w] >= 0 ? 1 : -1;
      const auto told = static_cast<double>(given.local[n * neurons + j]);
      for (std::size_t t = step; t < T; ++t) sums[j * T + t] += sign;
      if (step < T && step <= judged) {
        gradient[w] += told;
        decayed[w] += told * std::pow(0.5, judged - step);
      }
      if (given.below[n * inputs + i] <= judged) credit[i] += sign * told;
    });
    for (std::size_t j = 0; j < neurons; ++j) {
      const float threshold = given.thresholds[j / shape.places()];
      double best = -INFINITY;
      std::size_t at = 0;
      for (std::size_t t = 0; t < T; ++t) {
        if (sums[j * T + t] > best && best < static_cast<double>(threshold)) {
          best = sums[j * T + t];
          at = t;
        }
      }
      const std::size_t place = n * neurons + j;
      crossings &= found.reach[place] == at && found.margin[place] == static_cast<float>(best) - threshold &&
                   found.steps[place] == (best >= static_cast<double>(threshold) ? at : T);
    }
    for (std::size_t i = 0; i < inputs; ++i) credits &= near(found.credit[n * inputs + i], credit[i]);
  }
  check(crossings, "crossings of a convolution");
  check(credits, "credit of a convolution");
  bool told = true;
  for (std::size_t w = 0; w < shape.weights(); ++w) {
    const bool passes = std::fabs(given.latent[w]) <= 1.0F;
    told &=
        near(found.gradient[w], passes ? gradient[w] : 0) && near(found.decayed[w], passes ? decayed[w] : 0);
  }
  check(told, "gradient of a convolution");
}

// The same network deployed: a convolution, a pooling of what it gives, and a layer that decides.
void deployed(const Case& given, const Results& found) {
  const bstdg::Convolution& shape = given.shape;
  std::vector<std::int8_t> signs;
  for (const float weight : given.latent) signs.push_back(weight >= 0 ? 1 : -1);
  std::vector<std::int64_t> thresholds;
  for (const float threshold : given.thresholds)
    thresholds.push_back(static_cast<std::int64_t>(std::ceil(threshold)));
  const bstdg::ConvLayer conv(shape, signs.data(), thresholds.data());
  const std::size_t high = std::min<std::size_t>(2, shape.rows.places),
                    wide = std::min<std::size_t>(2, shape.columns.places), count = high * wide > 1 ? 2 : 1;
  const bstdg::Convolution window{shape.maps, shape.maps, shape.maps, side(shape.rows.places, high, high, 0),
                                  side(shape.columns.places, wide, 1, 0)};
  const bstdg::PoolLayer pool(window, static_cast<std::int64_t>(count));
  const std::vector<std::int8_t> plus(2 * window.neurons(), 1);
  const std::int64_t bars[] = {1, 2};
  const bstdg::FullLayer last(static_cast<std::int64_t>(window.neurons()), 2, plus.data(), bars);
  const bstdg::Network network({&conv, &pool, &last}, static_cast<std::int64_t>(given.num_steps));
  std::uint8_t step_of[256];
  for (std::size_t i = 0; i < 256; ++i)
    step_of[i] = static_cast<std::uint8_t>(i <= given.num_steps ? i : 255);
  Steps first(given.batch * shape.neurons()), second(given.batch * window.neurons());
  bstdg::Results results;
  results.hidden_steps = {first.data(), second.data()};
  network.run(bstdg::ByteRows{given.steps.data(), given.batch, step_of}, results, false, 3);
  check(first == found.steps, "a deployed convolution");
  Steps pooled(second.size());
  std::vector<std::int32_t> winner(second.size());
  bstdg::pool(first.data(), found.margin.data(), window, count, given.batch, given.num_steps, pooled.data(),
              winner.data(), 3);
  check(second == pooled, "a deployed pooling");
}

// Events that come again and again, beyond what 16 bits count: one neuron that adds them, and one that does
// not.
void many_events() {
  const bstdg::Convolution shape{1, 2, 1, side(2, 2, 1, 0), side(2, 2, 1, 0)};
  const std::int8_t signs[] = {1, 1, 1, 1, -1, -1, -1, -1}, plus[] = {1, 1};
  const std::int64_t thresholds[] = {35'000, -39'999}, bar = 1;
  const bstdg::ConvLayer conv(shape, signs, thresholds);
  const bstdg::FullLayer last(2, 1, plus, &bar);
  const bstdg::Network network({&conv, &last}, 8);
  const std::vector<std::int64_t> offsets{0, 40'000};
  const std::vector<std::uint16_t> channels(40'000, 3);
  Steps steps(40'000), hidden(2);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<std::uint8_t>(i / 5000);
  bstdg::Results results;
  results.hidden_steps = {hidden.data()};
  for (int round = 0; round < 2; ++round) {  // a sample leaves nothing behind
    network.run(bstdg::EventRows{{offsets.data(), 2}, {channels.data(), 40'000}, {steps.data(), 40'000}},
                results, false, 1);
    check(hidden[0] == 6 && hidden[1] == 0, "more events than 16 bits count");
  }
}

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

int main(int argc, char** argv) {
  const int cases = argc > 1 ? std::atoi(argv[1]) : 30;
  if (!instruction_set_is_there()) return kSkipped;
  std::mt19937_64 random(3);
  for (int i = 0; i < cases; ++i) {
    const Case given = draw(random);
    const Results found = run(given, 1);
    compare(given, found);
    check(found == run(given, 3), "the same bits with three threads");
    deployed(given, found);
  }
  many_events();
  const bstdg::Convolution padded{1, 1, 1, side(4, 3, 1, 1), side(4, 3, 1, 1)};
  const bstdg::PoolLayer odd(padded, 1);
  check(!odd.refusal().empty(), "a pooling with padding");
  std::uint8_t steps[16] = {}, out[16];
  std::int32_t winner[16];
  check(refuses([&] { bstdg::pool(steps, nullptr, padded, 1, 1, 8, out, winner, 1); }),
        "a pooling with padding");
  std::printf("convolution: %d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
