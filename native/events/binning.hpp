// Timed events become steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "events/events.hpp"

namespace bstdg {

// Which events of a sample stay: all of them, one for each (channel, step), or the first of each channel.
enum class Keep { kAll, kOnePerStep, kFirst };

// Sample n owns events offsets[n] .. offsets[n + 1] - 1, in any order.
struct TimedEvents {
  Span<std::int64_t> offsets;
  Span<std::uint16_t> channels;
  Span<double> times;
};

// Steps 0 .. num_steps - 1 divide the time from `start` to `start + duration` evenly.
struct Clock {
  std::int64_t num_steps;
  double duration;
  double start;
};

// The same layout, sorted by step, then channel, within each sample.
struct BinnedEvents {
  std::vector<std::int64_t> offsets;
  std::vector<std::uint16_t> channels;
  std::vector<std::uint8_t> steps;
};

// step = floor((time - start) * (num_steps / duration)) in float64; events with step < 0 or step >= num_steps
// are left out. Linear in the number of events. Throws std::invalid_argument if anything given is out of
// range: every event is checked, also those that are left out.
BinnedEvents bin_events(const TimedEvents& events, std::int64_t num_channels, const Clock& clock, Keep keep);

}  // namespace bstdg
