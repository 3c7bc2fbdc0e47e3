// Tests of the likelihood of firing first without Python: values against sums written out in double,
// gradients against differences of those, on every instruction set that this CPU has, with one thread and
// with three, whose results have to be the same bits; run under the sanitizers.
#include <cmath>
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
  Floats potentials, thresholds, to_first, to_after, to_last;
};

Floats numbers(std::mt19937_64& random, std::size_t count, float width) {
  std::normal_distribution<float> draw(0.0F, width);
  Floats values(count);
  for (float& value : values) value = draw(random);
  return values;
}

Case draw(std::mt19937_64& random) {
  Case c{pick(random, {1, 3, 40}),
         pick(random, {1, 2, 8, 17}),
         pick(random, {1, 10, 16, 17, 35}),
         2.0F,
         {},
         {},
         {},
         {},
         {}};
  const float spread = pick(random, {0, 1}) == 0 ? 3.0F : 60.0F;  // the second needs logarithms
  c.potentials = numbers(random, c.batch * c.steps * c.classes, spread);
  c.thresholds = numbers(random, c.classes, 1.0F);
  c.to_first = numbers(random, c.batch * c.classes, 1.0F);
  c.to_after = numbers(random, c.batch * c.steps, 0.1F);
  c.to_last = numbers(random, c.batch * c.classes, 1.0F);
  return c;
}

double softplus(double z) { return std::fmax(z, 0.0) + std::log1p(std::exp(-std::fabs(z))); }

// What the gradients of sample n are those of; log P(k first) goes into `log_first`.
double told(const Case& c, std::size_t n, const Doubles& potentials, const Doubles& thresholds, double scale,
            Doubles& log_first) {
  log_first.assign(c.classes, -INFINITY);
  double before = 0.0, sum = 0.0;
  for (std::size_t t = 0; t < c.steps; ++t) {
    Doubles z(c.classes);
    double total = 0.0;
    for (std::size_t k = 0; k < c.classes; ++k) {
      z[k] = (potentials[t * c.classes + k] - thresholds[k]) / scale;
      total += softplus(z[k]);
    }
    const double log_w = -before + std::log(-std::expm1(-total) / total);
    for (std::size_t k = 0; k < c.classes; ++k) {
      const double share = log_w + (z[k] < -30.0 ? z[k] : std::log(softplus(z[k])));
      const double most = std::fmax(share, log_first[k]);
      log_first[k] = most + std::log(std::exp(share - most) + std::exp(log_first[k] - most));
      if (t + 1 == c.steps) sum += static_cast<double>(c.to_last[n * c.classes + k]) * z[k];
    }
    before += total;
    sum -= static_cast<double>(c.to_after[n * c.steps + t]) * before;
  }
  for (std::size_t k = 0; k < c.classes; ++k)
    sum += static_cast<double>(c.to_first[n * c.classes + k]) * log_first[k];
  return sum;
}

struct Results {
  Floats log_first, log_after, last, to_potentials, to_thresholds, to_scale;
  bool operator==(const Results& other) const {
    return log_first == other.log_first && log_after == other.log_after && last == other.last &&
           to_potentials == other.to_potentials && to_thresholds == other.to_thresholds &&
           to_scale == other.to_scale;
  }
};

Results run(const Case& c, int threads) {
  const std::size_t outputs = c.batch * c.classes;
  Results r{Floats(outputs), Floats(c.batch * c.steps),
            Floats(outputs), Floats(c.potentials.size()),
            Floats(outputs), Floats(c.batch)};
  const bstdg::Leads leads{c.batch, c.steps, c.classes, c.potentials.data(), c.thresholds.data(),
                           false,   c.scale};
  bstdg::first_to_fire(leads, {r.log_first.data(), r.log_after.data(), r.last.data()}, threads);
  bstdg::first_to_fire_back(leads,
                            {r.log_first.data(), c.to_first.data(), c.to_after.data(), c.to_last.data()},
                            {r.to_potentials.data(), r.to_thresholds.data(), r.to_scale.data()}, threads);
  return r;
}

bool near(double found, double wanted, double slack) {
  return std::fabs(found - wanted) <= slack * (1.0 + std::fabs(wanted));
}

void compare(const Case& c, const Results& found) {
  constexpr double kStep = 1e-4;
  for (std::size_t n = 0; n < c.batch; n += 1 + c.batch / 2) {
    const std::size_t size = c.steps * c.classes;
    const auto begin = c.potentials.begin() + static_cast<std::ptrdiff_t>(n * size);
    Doubles potentials(begin, begin + static_cast<std::ptrdiff_t>(size)),
        thresholds(c.thresholds.begin(), c.thresholds.end()), log_first, unused;
    const auto scale = static_cast<double>(c.scale);
    told(c, n, potentials, thresholds, scale, log_first);
    for (std::size_t k = 0; k < c.classes; ++k)
      check(near(static_cast<double>(found.log_first[n * c.classes + k]), log_first[k], 1e-5), "log P");
    const auto difference = [&](double& place) {
      const double middle = place;
      place = middle + kStep;
      const double above = told(c, n, potentials, thresholds, scale, unused);
      place = middle - kStep;
      const double below = told(c, n, potentials, thresholds, scale, unused);
      place = middle;
      return (above - below) / (2 * kStep);
    };
    for (std::size_t i = 0; i < size; i += 1 + size / 7) {
      check(near(static_cast<double>(found.to_potentials[n * size + i]), difference(potentials[i]), 1e-3),
            "gradient by a potential");
    }
    for (std::size_t k = 0; k < c.classes; k += 1 + c.classes / 3) {
      check(
          near(static_cast<double>(found.to_thresholds[n * c.classes + k]), difference(thresholds[k]), 1e-3),
          "gradient by a threshold");
    }
    const double by_scale = (told(c, n, potentials, thresholds, scale + kStep, unused) -
                             told(c, n, potentials, thresholds, scale - kStep, unused)) /
                            (2 * kStep);
    check(near(static_cast<double>(found.to_scale[n]), by_scale, 5e-3), "gradient by the scale");
  }
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
