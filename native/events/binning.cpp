#include "events/binning.hpp"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "base/refuse.hpp"

#ifdef __FAST_MATH__
#error "steps must equal NumPy's bit for bit, and times are checked for NaN: build without -ffast-math"
#endif

namespace bstdg {
namespace {

// An event as one number whose order is the order of the output: step above channel.
using Key = std::uint32_t;

constexpr int kChannelBits = 16;

Key make_key(std::uint8_t step, std::uint16_t channel) { return Key{step} << kChannelBits | channel; }
std::uint8_t step_of(Key key) { return static_cast<std::uint8_t>(key >> kChannelBits); }
std::uint16_t channel_of(Key key) { return static_cast<std::uint16_t>(key); }

std::string between(std::int64_t least, std::int64_t greatest, std::int64_t found) {
  return "must be in " + std::to_string(least) + " to " + std::to_string(greatest) + ", not " +
         std::to_string(found);
}

double checked_steps_per_time(const Clock& clock) {
  if (clock.num_steps < 1 || clock.num_steps > kMaxSteps) {
    refuse("num_steps " + between(1, kMaxSteps, clock.num_steps));
  }
  if (!std::isfinite(clock.duration) || clock.duration <= 0.0) refuse("duration must be a positive number");
  if (!std::isfinite(clock.start)) refuse("start must be a finite number");
  const double rate = static_cast<double>(clock.num_steps) / clock.duration;
  if (!std::isfinite(rate))
    refuse("duration is too short: num_steps / duration is beyond the range of float64");
  return rate;
}

// Stable counting sort by eight bits of the key.
void sort_by_byte(std::vector<Key>& keys, std::vector<Key>& scratch, int shift) {
  std::array<std::size_t, 256> place{};
  for (const Key key : keys) ++place[key >> shift & 0xFF];
  std::size_t before = 0;
  for (std::size_t& entry : place) {
    const std::size_t count = entry;
    entry = before;
    before += count;
  }
  scratch.resize(keys.size());
  for (const Key key : keys) scratch[place[key >> shift & 0xFF]++] = key;
  keys.swap(scratch);
}

class Binner {
 public:
  Binner(const TimedEvents& events, std::int64_t num_channels, const Clock& clock, Keep keep)
      : events_(events),
        num_channels_(num_channels),
        num_steps_(static_cast<double>(clock.num_steps)),
        start_(clock.start),
        rate_(checked_steps_per_time(clock)),
        keep_(keep) {
    if (num_channels < 1 || num_channels > kMaxChannels) {
      refuse("num_channels " + between(1, kMaxChannels, num_channels));
    }
    if (events.channels.size != events.times.size) {
      refuse("channels and times must be equal in length, not " + std::to_string(events.channels.size) +
             " and " + std::to_string(events.times.size));
    }
    if (events.offsets.size < 1) refuse("offsets must hold at least the 0 it starts from");
    if (keep == Keep::kFirst) heard_in_.resize(static_cast<std::size_t>(num_channels), 0);
  }

  // Every value given is read once, so that what was checked is what is used.
  BinnedEvents run() {
    const auto num_events = static_cast<std::int64_t>(events_.times.size);
    const std::size_t num_samples = events_.offsets.size - 1;
    out_.offsets.reserve(num_samples + 1);
    out_.channels.reserve(events_.times.size);
    out_.steps.reserve(events_.times.size);
    out_.offsets.push_back(0);
    std::int64_t end = events_.offsets.data[0];
    if (end != 0) refuse("offsets must start from 0, not " + std::to_string(end));
    for (std::size_t n = 1; n <= num_samples; ++n) {
      const std::int64_t begin = end;
      end = events_.offsets.data[n];
      if (end < begin || end > num_events) {
        refuse("offset " + std::to_string(n) + " " + between(begin, num_events, end));
      }
      read_sample(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
      sort_sample();
      write_sample(n);
    }
    if (end != num_events) {
      refuse("offsets must end at the number of events (" + std::to_string(num_events) + "), not " +
             std::to_string(end));
    }
    return std::move(out_);
  }

 private:
  void read_sample(std::size_t begin, std::size_t end) {
    keys_.clear();
    for (std::size_t e = begin; e < end; ++e) {
      const std::uint16_t channel = events_.channels.data[e];
      const double time = events_.times.data[e];
      if (channel >= num_channels_) {
        refuse("channel of event " + std::to_string(e) + " " + between(0, num_channels_ - 1, channel));
      }
      if (!std::isfinite(time)) refuse("time of event " + std::to_string(e) + " is not a finite number");
      const double position = (time - start_) * rate_;
      // Compared before the cast, which is undefined outside the integer's range; the cast then is the floor.
      if (position >= 0.0 && position < num_steps_) {
        keys_.push_back(make_key(static_cast<std::uint8_t>(position), channel));
      }
    }
  }

  void sort_sample() {
    if (keys_.size() < 2) return;
    sort_by_byte(keys_, scratch_, 0);
    if (num_channels_ > 256) sort_by_byte(keys_, scratch_, 8);
    sort_by_byte(keys_, scratch_, kChannelBits);
  }

  void write_sample(std::size_t sample) {
    for (std::size_t k = 0; k < keys_.size(); ++k) {
      const Key key = keys_[k];
      if (keep_ == Keep::kOnePerStep && k > 0 && key == keys_[k - 1]) continue;
      if (keep_ == Keep::kFirst) {
        std::size_t& heard = heard_in_[channel_of(key)];
        if (heard == sample) continue;
        heard = sample;
      }
      out_.channels.push_back(channel_of(key));
      out_.steps.push_back(step_of(key));
    }
    out_.offsets.push_back(static_cast<std::int64_t>(out_.steps.size()));
  }

  const TimedEvents& events_;
  const std::int64_t num_channels_;
  const double num_steps_;
  const double start_;
  const double rate_;  // steps per unit of time
  const Keep keep_;
  BinnedEvents out_;
  std::vector<Key> keys_;  // the sample at hand
  std::vector<Key> scratch_;
  std::vector<std::size_t> heard_in_;  // for each channel the sample, from 1, in which it last spiked
};

}  // namespace

BinnedEvents bin_events(const TimedEvents& events, std::int64_t num_channels, const Clock& clock, Keep keep) {
  return Binner(events, num_channels, clock, keep).run();
}

}  // namespace bstdg
