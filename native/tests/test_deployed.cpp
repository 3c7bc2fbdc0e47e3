// Tests of deployed convolutions and poolings without Python: random networks against synapses written out,
// on every instruction set that this CPU has; run under the sanitizers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "check.hpp"
#include "inference/conv.hpp"
#include "inference/full.hpp"
#include "inference/network.hpp"
#include "inference/pool.hpp"
#include "instruction_set.hpp"

namespace {

std::size_t upto(std::mt19937_64& random, std::size_t most) {
  return std::uniform_int_distribution<std::size_t>(0, most)(random);
}

struct Synapse {
  std::size_t from;
  std::int64_t weight;
};

// A layer, and every neuron's synapses and threshold.
struct Drawn {
  std::vector<std::int8_t> signs;
  std::vector<std::int64_t> thresholds;
  std::unique_ptr<bstdg::Layer> layer;
  std::vector<std::vector<Synapse>> synapses;
  std::vector<std::int64_t> bars;
};

void connect(Drawn& drawn, const bstdg::Convolution& shape) {
  const auto &rows = shape.rows, &columns = shape.columns;
  for (std::size_t j = 0; j < shape.neurons(); ++j) {
    const std::size_t k = j / shape.places(), y = j % shape.places() / columns.places, x = j % columns.places;
    std::vector<Synapse> into;
    for (std::size_t w = 0; w < shape.own_channels() * shape.taps(); ++w) {
      const std::size_t c = k / shape.own_maps() * shape.own_channels() + w / shape.taps();
      const std::size_t v = y * rows.stride + w % shape.taps() / columns.kernel - rows.padding;
      const std::size_t u = x * columns.stride + w % columns.kernel - columns.padding;
      if (v >= rows.side || u >= columns.side) continue;  // numbers below 0 are great ones
      const std::int8_t sign =
          drawn.signs.empty() ? std::int8_t{1} : drawn.signs[k * shape.own_channels() * shape.taps() + w];
      into.push_back({(c * rows.side + v) * columns.side + u, sign});
    }
    drawn.synapses.push_back(into);
    drawn.bars.push_back(drawn.thresholds[k]);
  }
}

void draw_weights(std::mt19937_64& random, Drawn& drawn, std::size_t rows, std::size_t fan_in) {
  for (std::size_t i = 0; i < rows * fan_in; ++i)
    drawn.signs.push_back(static_cast<std::int8_t>(random() & 1 ? 1 : -1));
  const std::size_t far = pick(random, {1, 6, 4 * fan_in}), past = pick(random, {0, 1'500'000'000});
  for (std::size_t k = 0; k < rows; ++k) {
    const auto most = static_cast<std::int64_t>(past > 0 && upto(random, 9) == 0 ? past : far);
    drawn.thresholds.push_back(static_cast<std::int64_t>(upto(random, 2 * static_cast<std::size_t>(most))) -
                               most);
  }
}

bstdg::Side along(std::mt19937_64& random, std::size_t size, std::size_t most_kernel) {
  const std::size_t kernel = 1 + upto(random, std::min(size, most_kernel) - 1);
  const std::size_t stride = 1 + upto(random, 2), padding = upto(random, kernel - 1);
  return {size, (size + 2 * padding - kernel) / stride + 1, kernel, stride, padding};
}

using Shape = std::vector<std::size_t>;  // channels, rows, columns

Drawn convolution(std::mt19937_64& random, Shape& reads) {
  std::vector<std::size_t> groups;
  for (std::size_t g = 1; g <= reads[0]; ++g) {
    if (reads[0] % g == 0) groups.push_back(g);
  }
  const std::size_t group = groups[upto(random, groups.size() - 1)];
  const bstdg::Convolution shape{reads[0], group * pick(random, {1, 3, 8, 40}), group,
                                 along(random, reads[1], 4), along(random, reads[2], 4)};
  Drawn drawn;
  draw_weights(random, drawn, shape.maps, shape.own_channels() * shape.taps());
  drawn.layer = std::make_unique<bstdg::ConvLayer>(shape, drawn.signs.data(), drawn.thresholds.data());
  connect(drawn, shape);
  reads = {shape.maps, shape.rows.places, shape.columns.places};
  return drawn;
}

Drawn pooling(std::mt19937_64& random, Shape& reads) {
  const auto window = [&](std::size_t size) {
    const std::size_t kernel = 1 + upto(random, std::min<std::size_t>(size, 3) - 1);
    const std::size_t stride = random() & 1 ? kernel : 1 + upto(random, 2);
    return bstdg::Side{size, (size - kernel) / stride + 1, kernel, stride, 0};
  };
  const bstdg::Convolution shape{reads[0], reads[0], reads[0], window(reads[1]), window(reads[2])};
  const auto count = static_cast<std::int64_t>(random() & 1 ? 1 : 1 + upto(random, shape.taps() - 1));
  Drawn drawn;
  drawn.thresholds.assign(shape.maps, count);
  drawn.layer = std::make_unique<bstdg::PoolLayer>(shape, count);
  connect(drawn, shape);
  reads = {shape.maps, shape.rows.places, shape.columns.places};
  return drawn;
}

Drawn full(std::mt19937_64& random, const Shape& reads) {
  const std::size_t channels = reads[0] * reads[1] * reads[2], neurons = 1 + upto(random, 20);
  Drawn drawn;
  draw_weights(random, drawn, neurons, channels);
  drawn.layer = std::make_unique<bstdg::FullLayer>(static_cast<std::int64_t>(channels),
                                                   static_cast<std::int64_t>(neurons), drawn.signs.data(),
                                                   drawn.thresholds.data());
  for (std::size_t j = 0; j < neurons; ++j) {
    std::vector<Synapse> into;
    for (std::size_t i = 0; i < channels; ++i) into.push_back({i, drawn.signs[j * channels + i]});
    drawn.synapses.push_back(into);
  }
  drawn.bars = drawn.thresholds;
  return drawn;
}

// Events of some samples, in any order within a step.
struct Input {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::uint16_t> channels;
  std::vector<std::uint8_t> steps;
};

Input input(std::mt19937_64& random, std::size_t channels, std::size_t num_steps) {
  Input drawn;
  for (int sample = 0; sample < 3; ++sample) {
    const std::size_t count = upto(random, pick(random, {0, 5, channels, 3 * channels, 20'000}));
    std::vector<std::uint8_t> steps(count);
    for (std::uint8_t& step : steps) step = static_cast<std::uint8_t>(upto(random, num_steps - 1));
    std::sort(steps.begin(), steps.end());
    drawn.steps.insert(drawn.steps.end(), steps.begin(), steps.end());
    for (std::size_t e = 0; e < count; ++e)
      drawn.channels.push_back(static_cast<std::uint16_t>(upto(random, channels - 1)));
    if (random() & 1)
      std::sort(drawn.channels.end() - static_cast<std::ptrdiff_t>(count), drawn.channels.end());
    drawn.offsets.push_back(static_cast<std::int64_t>(drawn.steps.size()));
  }
  return drawn;
}

void compare(std::mt19937_64& random) {
  const Shape first{pick(random, {1, 2, 6}), pick(random, {1, 4, 11}), pick(random, {1, 5, 12})};
  const std::size_t num_steps = pick(random, {1, 3, 8}), channels = first[0] * first[1] * first[2];
  Shape reads = first;
  std::vector<Drawn> layers;
  for (std::size_t l = 0, depth = 1 + upto(random, 2); l < depth; ++l) {
    if (reads[0] > 50) break;
    layers.push_back(upto(random, 2) == 0 ? pooling(random, reads) : convolution(random, reads));
  }
  if (layers.size() < 2 || upto(random, 2) > 0) layers.push_back(full(random, reads));
  std::vector<const bstdg::Layer*> made;
  for (const Drawn& layer : layers) made.push_back(layer.layer.get());
  const bstdg::Network network(made, static_cast<std::int64_t>(num_steps));
  const Input given = input(random, channels, num_steps);
  const std::size_t batch = given.offsets.size() - 1, classes = layers.back().bars.size();
  std::vector<std::vector<std::uint8_t>> steps;
  bstdg::Results results;
  for (std::size_t l = 0; l + 1 < layers.size(); ++l) steps.emplace_back(batch * layers[l].bars.size());
  for (auto& of_layer : steps) results.hidden_steps.push_back(of_layer.data());
  std::vector<std::int32_t> potentials(batch * num_steps * classes);
  results.potentials = potentials.data();
  network.run(bstdg::EventRows{{given.offsets.data(), batch + 1},
                               {given.channels.data(), given.channels.size()},
                               {given.steps.data(), given.steps.size()}},
              results, false, 2);
  bool same = true;
  for (std::size_t n = 0; n < batch; ++n) {
    std::vector<std::vector<std::int64_t>> potential;
    std::vector<std::vector<bool>> fired;
    for (const Drawn& layer : layers) {
      potential.emplace_back(layer.bars.size());
      fired.emplace_back(layer.bars.size());
    }
    auto e = static_cast<std::size_t>(given.offsets[n]);
    const auto end = static_cast<std::size_t>(given.offsets[n + 1]);
    for (std::size_t t = 0; t < num_steps; ++t) {
      std::vector<std::int64_t> heard(channels);
      for (; e < end && given.steps[e] == t; ++e) ++heard[given.channels[e]];
      for (std::size_t l = 0; l < layers.size(); ++l) {
        std::vector<std::int64_t> sent(layers[l].bars.size());
        for (std::size_t j = 0; j < sent.size(); ++j) {
          for (const Synapse& synapse : layers[l].synapses[j])
            potential[l][j] += synapse.weight * heard[synapse.from];
          if (l + 1 == layers.size()) {
            same &= potentials[(n * num_steps + t) * classes + j] == potential[l][j];
          } else {
            sent[j] = !fired[l][j] && potential[l][j] >= layers[l].bars[j];
            fired[l][j] = fired[l][j] || sent[j] > 0;
            const std::uint8_t step = steps[l][n * sent.size() + j];
            same &= fired[l][j] ? step <= t && (sent[j] == 0 || step == t) : step > t;
          }
        }
        heard = sent;
      }
    }
  }
  check(same, "a deployed network");
}

}  // namespace

int main(int argc, char** argv) {
  const int cases = argc > 1 ? std::atoi(argv[1]) : 400;
  if (!instruction_set_is_there()) return kSkipped;
  std::mt19937_64 random(5);
  for (int i = 0; i < cases; ++i) compare(random);
  std::printf("deployed: %d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
