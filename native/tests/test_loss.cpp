// Tests of the loss of what fires first without Python: values against sums written out in double,
// gradients against differences of those, on every instruction set that this CPU has, with one thread and
// with three, whose results have to be the same bits; run under the sanitizers.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "check.hpp"
#include "instruction_set.hpp"
#include "loss/loss.hpp"

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Case {
  std::size_t batch, steps, classes;
  float scale;
  Floats potentials, thresholds, taught, weights;  // the last two empty where there are none
  std::vector<std::int64_t> labels;
  float smoothing, share, latency_weight;
  bool silent_remainder;
};

Floats numbers(std::mt19937_64& random, std::size_t count, float width) {
  std::normal_distribution<float> draw(0.0F, width);
  Floats values(count);
  for (float& value : values) value = draw(random);
  return values;
}

Case draw(std::mt19937_64& random) {
  Case c{};
  c.batch = pick(random, {1, 3, 40});
  c.steps = pick(random, {1, 2, 8, 17});
  c.classes = pick(random, {1, 10, 16, 17, 35});
  c.scale = 2.0F;
  const float spread = pick(random, {0, 1}) == 0 ? 3.0F : 60.0F;  // the second needs logarithms
  c.potentials = numbers(random, c.batch * c.steps * c.classes, spread);
  for (std::size_t i = c.classes; i < c.potentials.size(); ++i) {  // half of the steps change nothing
    const std::size_t row = i / c.classes;
    if (row % c.steps != 0 && row % 2 == 0) c.potentials[i] = c.potentials[i - c.classes];
  }
  c.thresholds = numbers(random, pick(random, {0, 1}) == 0 ? 1 : c.classes, 1.0F);
  for (std::size_t n = 0; n < c.batch; ++n)
    c.labels.push_back(static_cast<std::int64_t>(random() % c.classes));
  c.smoothing = pick(random, {0, 1}) == 0 ? 0.0F : 0.1F;
  if (pick(random, {0, 1}) == 1) {
    c.share = 0.4F;
    c.taught = numbers(random, c.batch * c.classes, 0.2F);
    for (float& value : c.taught) value = std::fabs(value);
  }
  if (pick(random, {0, 1}) == 1) {
    c.weights = numbers(random, c.batch, 1.0F);
    for (float& value : c.weights) value = std::fabs(value);
  }
  c.latency_weight = pick(random, {0, 1}) == 0 ? 0.0F : 0.3F;
  c.silent_remainder = pick(random, {0, 1}) == 1;
  return c;
}

double softplus(double z) { return std::fmax(z, 0.0) + std::log1p(std::exp(-std::fabs(z))); }

double log_sum(double a, double b) {
  const double most = std::fmax(a, b);
  return std::isinf(most) ? most : most + std::log(std::exp(a - most) + std::exp(b - most));
}

// The part of sample n in the loss.
double loss_of(const Case& c, std::size_t n, const Doubles& potentials, const Doubles& thresholds,
               double scale) {
  Doubles log_first(c.classes, -INFINITY), z(c.classes);
  double before = 0.0, waited = 0.0;
  for (std::size_t t = 0; t < c.steps; ++t) {
    double total = 0.0;
    for (std::size_t k = 0; k < c.classes; ++k) {
      z[k] = (potentials[t * c.classes + k] - thresholds[thresholds.size() == 1 ? 0 : k]) / scale;
      total += softplus(z[k]);
    }
    if (t > 0) waited += std::exp(-before);
    const double log_w = -before + std::log(-std::expm1(-total) / total);
    for (std::size_t k = 0; k < c.classes; ++k)
      log_first[k] = log_sum(log_first[k], log_w + (z[k] < -30.0 ? z[k] : std::log(softplus(z[k]))));
    before += total;
  }
  double rest = -INFINITY;
  for (std::size_t k = 0; k < c.classes; ++k) rest = log_sum(rest, z[k]);
  double loss = static_cast<double>(c.latency_weight) * waited;
  for (std::size_t k = 0; k < c.classes; ++k) {
    const auto smoothing = static_cast<double>(c.smoothing), share = static_cast<double>(c.share);
    double wanted = smoothing / static_cast<double>(c.classes);
    if (static_cast<std::int64_t>(k) == c.labels[n]) wanted += 1.0 - smoothing;
    if (!c.taught.empty())
      wanted = (1.0 - share) * wanted + share * static_cast<double>(c.taught[n * c.classes + k]);
    loss -= wanted * (c.silent_remainder ? log_sum(log_first[k], z[k] - rest - before) : log_first[k]);
  }
  const double weight = c.weights.empty() ? 1.0 : static_cast<double>(c.weights[n]);
  return loss * weight / static_cast<double>(c.batch);
}

struct Results {
  float loss = 0.0F;
  Floats potentials, thresholds, scale;
  bool operator==(const Results& other) const {
    return loss == other.loss && potentials == other.potentials && thresholds == other.thresholds &&
           scale == other.scale;
  }
};

Results run(const Case& c, int threads) {
  Results r{0.0F, Floats(c.potentials.size()), Floats(c.thresholds.size()), Floats(1)};
  r.loss = bstdg::first_to_fire_loss(
      {c.batch, c.steps, c.classes, c.potentials.data(), c.thresholds.data(), c.thresholds.size() == 1,
       c.scale},
      {c.labels.data(), c.smoothing, c.taught.empty() ? nullptr : c.taught.data(), c.share,
       c.weights.empty() ? nullptr : c.weights.data(), c.latency_weight, c.silent_remainder},
      {r.potentials.data(), r.thresholds.data(), r.scale.data()}, threads);
  return r;
}

bool near(double found, double wanted, double slack) {
  return std::fabs(found - wanted) <= slack * (1.0 + std::fabs(wanted));
}

void compare(const Case& c, const Results& found) {
  constexpr double kStep = 1e-4;
  const std::size_t size = c.steps * c.classes;
  Doubles potentials(c.potentials.begin(), c.potentials.end()),
      thresholds(c.thresholds.begin(), c.thresholds.end());
  const auto scale = static_cast<double>(c.scale);
  const auto one = [&](std::size_t n, double by) {
    const auto begin = potentials.begin() + static_cast<std::ptrdiff_t>(n * size);
    return loss_of(c, n, Doubles(begin, begin + static_cast<std::ptrdiff_t>(size)), thresholds, by);
  };
  const auto all = [&](double by) {
    double sum = 0.0;
    for (std::size_t n = 0; n < c.batch; ++n) sum += one(n, by);
    return sum;
  };
  const auto difference = [&](double& place, const auto& loss) {
    const double middle = place;
    place = middle + kStep;
    const double above = loss();
    place = middle - kStep;
    const double below = loss();
    place = middle;
    return (above - below) / (2 * kStep);
  };
  check(near(static_cast<double>(found.loss), all(scale), 2e-5), "the loss");
  const auto samples = static_cast<double>(c.batch);
  for (std::size_t n = 0; n < c.batch; n += 1 + c.batch / 2) {
    for (std::size_t i = n * size; i < (n + 1) * size; i += 1 + size / 7) {
      const double wanted = difference(potentials[i], [&] { return one(n, scale); });
      check(near(samples * static_cast<double>(found.potentials[i]), samples * wanted, 1e-3),
            "gradient by a potential");
    }
  }
  for (std::size_t k = 0; k < thresholds.size(); k += 1 + c.classes / 3) {
    const double wanted = difference(thresholds[k], [&] { return all(scale); });
    check(near(static_cast<double>(found.thresholds[k]), wanted, 1e-3), "gradient by a threshold");
  }
  double by = scale;
  const double wanted = difference(by, [&] { return all(by); });
  check(near(static_cast<double>(found.scale[0]), wanted, 5e-3), "gradient by the scale");
}

}  // namespace

int main(int argc, char** argv) {
  const int cases = argc > 1 ? std::atoi(argv[1]) : 25;
  if (!instruction_set_is_there()) return kSkipped;
  std::mt19937_64 random(5);
  for (int i = 0; i < cases; ++i) {
    const Case c = draw(random);
    const Results found = run(c, 1);
    compare(c, found);
    check(found == run(c, 3), "the same bits with three threads");
  }
  std::printf("loss: %d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
