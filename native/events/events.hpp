// Events as everything here reads them: channels and steps, sample by sample.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

constexpr std::int64_t kMaxSteps = 254;          // a step fits one byte, and 255 stays free for file formats
constexpr std::int64_t kMaxChannels = 65535;     // a channel number fits two bytes
constexpr std::int64_t kMaxEvents = 0x7FFFFFFE;  // of a sample: potentials are 32-bit

// A row of numbers that somebody else owns; `data` may be null where `size` is 0.
template <typename T>
struct Span {
  const T* data;
  std::size_t size;
};

// A batch of event streams, sorted by step within each sample: sample n owns events offsets[n] ..
// offsets[n + 1] - 1.
struct EventRows {
  Span<std::int64_t> offsets;
  Span<std::uint16_t> channels;
  Span<std::uint8_t> steps;
};

// One sample of them.
struct SampleEvents {
  const std::uint16_t* channels;
  const std::uint8_t* steps;
  std::size_t count;
};

// Throws std::invalid_argument if there are not as many channels as steps, or the offsets do not lead from 0
// to their number; those in between are `checked_sample`'s.
void check_ends(const EventRows& events);

// Sample n. Throws std::invalid_argument if its offsets or its events are out of range, or not sorted by
// step.
SampleEvents checked_sample(const EventRows& events, std::size_t n, std::size_t channels,
                            std::size_t num_steps);

}  // namespace bstdg
