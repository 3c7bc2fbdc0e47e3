// Owns what a TimelineSpace points to.
#pragma once

#include "base/buffer.hpp"
#include "events/timeline.hpp"

namespace bstdg {

class TimelineMemory {
 public:
  explicit TimelineMemory(std::size_t channels)
      : events_(channels + kSlack), found_(channels + kSlack), found_steps_(channels + kSlack) {}
  TimelineSpace space() const { return {events_.get(), found_.get(), found_steps_.get()}; }

 private:
  Buffer<std::uint16_t> events_, found_;
  Buffer<std::uint8_t> found_steps_;
};

}  // namespace bstdg
