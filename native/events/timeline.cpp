#include "events/timeline.hpp"

namespace bstdg {

void timeline_of(const SampleEvents& events, Timeline& time) {
  time.channels = events.channels;
  time.count = 1;
  time.step[0] = 0;
  time.begin[0] = 0;
  for (std::size_t e = 0; e < events.count; ++e) {
    if (events.steps[e] != time.step[time.count - 1]) {
      time.step[time.count] = events.steps[e];
      time.begin[time.count++] = e;
    }
  }
  time.begin[time.count] = events.count;
}

}  // namespace bstdg
