// One sample by its steps: a row of bytes, or events, made ready to be heard one step after another.
#pragma once

#include <cstddef>
#include <cstdint>

#include "events/events.hpp"

namespace bstdg {

// The steps of a sample that have events, in order, and step 0 in any case: a neuron may need nothing to
// fire. Between such steps nothing changes, so no time is spent on them.
struct Timeline {
  const std::uint16_t* channels;
  std::uint32_t count;  // of steps
  std::uint8_t step[256];
  std::size_t begin[256 + 1];  // of their events; the last one's end is begin[count]
};

// The timeline of events, which points to them.
void timeline_of(const SampleEvents& events, Timeline& time);

// One byte a channel. `step_of[byte]` is the byte's step, num_steps where it never spikes, and kNotAllowed
// where no such byte may come.
struct ByteRow {
  const std::uint8_t* bytes;
  const std::uint8_t* step_of;  // 256 entries
  std::uint32_t channels;
  std::uint32_t num_steps;
};

constexpr std::uint8_t kNotAllowed = 255;

constexpr std::size_t kSlack = 64;  // entries that vectors may write beyond the last event

// Working memory of one thread, see `TimelineMemory`.
struct TimelineSpace {
  std::uint16_t* events;      // [channels + kSlack], in the order of their steps; a timeline points there
  std::uint16_t* found;       // [channels + kSlack], the same in the order of channels
  std::uint8_t* found_steps;  // [channels + kSlack]
};

struct TimelineKernels {
  // False if the row holds a byte that is not allowed.
  bool (*of_bytes)(const ByteRow&, const TimelineSpace&, Timeline&);
};

}  // namespace bstdg
