#include "events/events.hpp"

#include <string>

#include "base/refuse.hpp"

namespace bstdg {
namespace {

[[noreturn]] void refuse_offsets() { refuse("offsets must rise from 0 to the number of events"); }

}  // namespace

void check_ends(const EventRows& events) {
  const auto count = static_cast<std::int64_t>(events.channels.size);
  if (events.steps.size != events.channels.size) refuse("channels and steps must be equal in length");
  if (events.offsets.size < 1 || events.offsets.data[0] != 0 ||
      events.offsets.data[events.offsets.size - 1] != count) {
    refuse_offsets();
  }
}

SampleEvents checked_sample(const EventRows& events, std::size_t n, std::size_t channels,
                            std::size_t num_steps) {
  const auto count = static_cast<std::int64_t>(events.channels.size);
  const std::int64_t begin = events.offsets.data[n], end = events.offsets.data[n + 1];
  if (begin < 0 || end < begin || end > count) refuse_offsets();
  if (end - begin > kMaxEvents) refuse("sample " + std::to_string(n) + " has more events than 32 bits count");
  const std::uint8_t* steps = events.steps.data;
  for (std::int64_t e = begin; e < end; ++e) {
    if (events.channels.data[e] >= channels || steps[e] >= num_steps) {
      refuse("event " + std::to_string(e) + " is out of range");
    }
    if (e > begin && steps[e] < steps[e - 1]) {
      refuse("events must be sorted by step within each sample; event " + std::to_string(e) + " is not");
    }
  }
  return {events.channels.data + begin, steps + begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace bstdg
