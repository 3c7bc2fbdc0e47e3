// Tests of the native core without Python: known answers, refusals, and random streams against a slow twin.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "events/binning.hpp"

namespace {

using bstdg::BinnedEvents;
using bstdg::Clock;
using bstdg::Keep;

using Offsets = std::vector<std::int64_t>;
using Channels = std::vector<std::uint16_t>;
using Times = std::vector<double>;
using Steps = std::vector<std::uint8_t>;

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

int passed = 0;
int failed = 0;

void check(bool holds, const char* what, int line) {
  ++(holds ? passed : failed);
  if (!holds) std::printf("line %d: failed: %s\n", line, what);
}

#define CHECK(holds) check((holds), #holds, __LINE__)

template <typename T>
bstdg::Span<T> view(const std::vector<T>& values) {
  return {values.data(), values.size()};
}

BinnedEvents bin(const Offsets& offsets, const Channels& channels, const Times& times,
                 std::int64_t num_channels, const Clock& clock, Keep keep = Keep::kAll) {
  return bstdg::bin_events({view(offsets), view(channels), view(times)}, num_channels, clock, keep);
}

bool equal(const BinnedEvents& found, const Offsets& offsets, const Channels& channels, const Steps& steps) {
  return found.offsets == offsets && found.channels == channels && found.steps == steps;
}

template <typename... Arguments>
bool refused(const Arguments&... arguments) {
  try {
    bin(arguments...);
  } catch (const std::invalid_argument& error) {
    return error.what()[0] != '\0';
  }
  return false;
}

// The formula as it is written, std::sort and std::set.
BinnedEvents twin(const Offsets& offsets, const Channels& channels, const Times& times, const Clock& clock,
                  Keep keep) {
  BinnedEvents out{{0}, {}, {}};
  const double rate = static_cast<double>(clock.num_steps) / clock.duration;
  for (std::size_t n = 0; n + 1 < offsets.size(); ++n) {
    std::vector<std::pair<double, std::uint16_t>> spikes;
    for (auto e = static_cast<std::size_t>(offsets[n]); e < static_cast<std::size_t>(offsets[n + 1]); ++e) {
      const double step = std::floor((times[e] - clock.start) * rate);
      if (step >= 0.0 && step < static_cast<double>(clock.num_steps)) spikes.emplace_back(step, channels[e]);
    }
    std::sort(spikes.begin(), spikes.end());
    std::set<std::pair<double, std::uint16_t>> seen;
    for (const auto& [step, channel] : spikes) {
      const double where = keep == Keep::kFirst ? 0.0 : step;
      if (!seen.emplace(where, channel).second && keep != Keep::kAll) continue;
      out.channels.push_back(channel);
      out.steps.push_back(static_cast<std::uint8_t>(step));
    }
    out.offsets.push_back(static_cast<std::int64_t>(out.steps.size()));
  }
  return out;
}

void test_known_answers() {
  const Clock clock{4, 2.0, 10.0};  // two steps a unit of time, from 10 to 12
  const Offsets offsets{0, 5, 5, 7};
  const Channels channels{3, 1, 3, 3, 0, 2, 1};
  const Times times{11.9, 10.5, 10.6, 10.9, 12.0, 10.0, 9.999};
  CHECK(equal(bin(offsets, channels, times, 4, clock), {0, 4, 4, 5}, {1, 3, 3, 3, 2}, {1, 1, 1, 3, 0}));
  CHECK(equal(bin(offsets, channels, times, 4, clock, Keep::kOnePerStep), {0, 3, 3, 4}, {1, 3, 3, 2},
              {1, 1, 3, 0}));
  CHECK(equal(bin(offsets, channels, times, 4, clock, Keep::kFirst), {0, 2, 2, 3}, {1, 3, 2}, {1, 1, 0}));
}

void test_nothing() {
  const Clock clock{8, 1.0, 0.0};
  for (const Keep keep : {Keep::kAll, Keep::kOnePerStep, Keep::kFirst}) {
    CHECK(equal(bin({0}, {}, {}, 1, clock, keep), {0}, {}, {}));
    CHECK(equal(bin({0, 0, 0}, {}, {}, 65535, clock, keep), {0, 0, 0}, {}, {}));
    CHECK(equal(bin({0, 1}, {0}, {1.0}, 1, clock, keep), {0, 0}, {}, {}));
  }
}

void test_borders() {
  const double before_one = std::nextafter(1.0, 0.0);
  CHECK(equal(bin({0, 4}, {0, 0, 0, 0}, {-0.0, 0.0, before_one, 1.0}, 1, {1, 1.0, 0.0}), {0, 3}, {0, 0, 0},
              {0, 0, 0}));
  CHECK(equal(bin({0, 2}, {0, 0}, {-kSmallest, before_one}, 1, {254, 1.0, 0.0}), {0, 1}, {0}, {253}));
  CHECK(equal(bin({0, 2}, {65534, 255}, {0.0, 0.0}, 65535, {1, 1.0, 0.0}), {0, 2}, {255, 65534}, {0, 0}));
  // 0.3 * (10 / 1) is 3 although 0.3 is below three tenths: the formula is in float64, and that is what
  // counts.
  CHECK(equal(bin({0, 1}, {0}, {0.3}, 1, {10, 1.0, 0.0}), {0, 1}, {0}, {3}));
}

void test_times_beyond_every_integer() {
  const Times far{kLargest, -kLargest, 1e300, -1e300, 9.3e18, -9.3e18, 256.0, -1.0};
  const Channels channels(far.size(), 0);
  CHECK(equal(bin({0, 8}, channels, far, 1, {254, 1.0, 0.0}), {0, 0}, {}, {}));
  CHECK(equal(bin({0, 2}, {0, 0}, {kLargest, kLargest}, 1, {254, 1e-300, -kLargest}), {0, 0}, {}, {}));
  CHECK(equal(bin({0, 1}, {0}, {0.0}, 1, {254, kLargest, 0.0}), {0, 1}, {0}, {0}));
}

void test_refusals() {
  const Clock clock{8, 1.0, 0.0};
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  for (const Offsets& bad : {Offsets{}, Offsets{1, 2}, Offsets{0, 1}, Offsets{0, 3}, Offsets{0, 2, 1, 2},
                             Offsets{-1, 2}, Offsets{0, -1, 2}, Offsets{0, most, 2}, Offsets{0, least, 2},
                             Offsets{0, most}, Offsets{least, 2}, Offsets{0}}) {
    CHECK(refused(bad, Channels{0, 0}, Times{0.0, 0.0}, 1, clock));
  }
  CHECK(refused(Offsets{0, 2}, Channels{0, 0}, Times{0.0}, 1, clock));
  CHECK(refused(Offsets{0, 1}, Channels{}, Times{0.0}, 1, clock));
  CHECK(refused(Offsets{0, 1}, Channels{7}, Times{0.0}, 7, clock));
  CHECK(refused(Offsets{0, 1}, Channels{7}, Times{5.0}, 7, clock));  // refused although it would be left out
  CHECK(refused(Offsets{0, 1}, Channels{65535}, Times{0.0}, 65535, clock, Keep::kFirst));
  for (const std::int64_t channels : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{65536}, most, least}) {
    CHECK(refused(Offsets{0, 1}, Channels{0}, Times{0.0}, channels, clock));
  }
  for (const std::int64_t steps : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{255}, most, least}) {
    CHECK(refused(Offsets{0}, Channels{}, Times{}, 1, Clock{steps, 1.0, 0.0}));
  }
  for (const double time : {kInfinity, -kInfinity, kNan}) {
    CHECK(refused(Offsets{0, 1}, Channels{0}, Times{time}, 1, clock));
    CHECK(refused(Offsets{0}, Channels{}, Times{}, 1, Clock{8, time, 0.0}));
    CHECK(refused(Offsets{0}, Channels{}, Times{}, 1, Clock{8, 1.0, time}));
  }
  for (const double duration : {0.0, -0.0, -1.0, kSmallest}) {
    CHECK(refused(Offsets{0}, Channels{}, Times{}, 1, Clock{8, duration, 0.0}));
  }
}

void test_random_streams() {
  std::mt19937_64 random(20240214);
  const auto draw = [&random](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (int round = 0; round < 300; ++round) {
    const std::int64_t widths[] = {1, 2, 255, 256, 257, 700, 65535};
    const std::int64_t num_channels = widths[draw(0, 6)];
    const std::int64_t lengths[] = {1, 2, 8, 100, 253, 254};
    const Clock clock{
        lengths[draw(0, 5)],
        std::ldexp(1.0 + static_cast<double>(draw(0, 99)) / 7.0, static_cast<int>(draw(-20, 20))),
        static_cast<double>(draw(-3, 3)) / 3.0};
    Offsets offsets{0};
    Channels channels;
    Times times;
    for (std::int64_t sample = draw(0, 4); sample > 0; --sample) {
      const std::int64_t top = draw(1, num_channels);  // a small top makes the repeats that `keep` is about
      for (std::int64_t event = draw(0, round % 10 == 0 ? 3000 : 40); event > 0; --event) {
        const std::int64_t channel = draw(0, top - 1);
        channels.push_back(
            static_cast<std::uint16_t>(draw(0, 1) == 0 ? channel : num_channels - 1 - channel));
        const double share =
            static_cast<double>(draw(-20, 4 * clock.num_steps + 20)) / 4.0;  // often on a border
        times.push_back(clock.start + share * clock.duration / static_cast<double>(clock.num_steps));
      }
      offsets.push_back(static_cast<std::int64_t>(times.size()));
    }
    for (const Keep keep : {Keep::kAll, Keep::kOnePerStep, Keep::kFirst}) {
      const BinnedEvents expected = twin(offsets, channels, times, clock, keep);
      CHECK(equal(bin(offsets, channels, times, num_channels, clock, keep), expected.offsets,
                  expected.channels, expected.steps));
    }
  }
}

}  // namespace

int main() {
  test_known_answers();
  test_nothing();
  test_borders();
  test_times_beyond_every_integer();
  test_refusals();
  test_random_streams();
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
