#include "training/spike_rows.hpp"

#include <algorithm>
#include <string>

#include "base/parallel.hpp"
#include "base/refuse.hpp"
#include "dispatch.hpp"
#include "events/timeline_memory.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 16;  // samples a thread takes at a time

// How many of `count` steps are not "never", in sums of bytes as long as these hold them: many at a time.
std::size_t count_spikes(const std::uint8_t* steps, std::size_t count, std::size_t num_steps) {
  const auto never = static_cast<std::uint8_t>(num_steps);
  std::size_t spikes = 0;
  for (std::size_t begin = 0; begin < count; begin += 255) {
    const std::size_t end = std::min(count, begin + 255);
    std::uint8_t some = 0;
    for (std::size_t i = begin; i < end; ++i) some = static_cast<std::uint8_t>(some + (steps[i] < never));
    spikes += some;
  }
  return spikes;
}

}  // namespace

void SpikeRows::check_sizes(std::size_t batch, std::int64_t channels, std::int64_t num_steps) const {
  if (num_steps < 1 || num_steps > kMaxSteps) {
    refuse("num_steps must be in 1 to " + std::to_string(kMaxSteps) + ", not " + std::to_string(num_steps));
  }
  if (channels < 1 || channels > kMaxChannels) {
    refuse("a layer reads 1 to " + std::to_string(kMaxChannels) + " channels, not " +
           std::to_string(channels));
  }
  if (batch > 0xFFFFFFFF) refuse("a batch has at most 2^32 samples");
}

SpikeRows::SpikeRows(const std::uint8_t* steps, std::size_t batch, std::int64_t channels,
                     std::int64_t num_steps, int threads)
    : channels_(static_cast<std::size_t>(channels)), num_steps_(static_cast<std::size_t>(num_steps)) {
  check_sizes(batch, channels, num_steps);
  offsets_.resize(batch + 1);
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n)
      offsets_[n + 1] = count_spikes(steps + n * channels_, channels_, num_steps_);
  });
  for (std::size_t n = 0; n < batch; ++n) offsets_[n + 1] += offsets_[n];
  event_channels_.resize(offsets_.back());
  event_steps_.resize(offsets_.back());
  std::uint8_t identity[256];
  for (std::size_t i = 0; i < 256; ++i)
    identity[i] = static_cast<std::uint8_t>(i <= num_steps_ ? i : kNotAllowed);
  const TimelineKernels& kernels = chosen_kernels().timeline;
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const TimelineMemory memory(channels_);
    Timeline time;
    for (std::size_t n = begin; n < end; ++n) {
      const ByteRow row{steps + n * channels_, identity, static_cast<std::uint32_t>(channels_),
                        static_cast<std::uint32_t>(num_steps_)};
      if (!kernels.of_bytes(row, memory.space(), time))
        refuse("sample " + std::to_string(n) + " holds a step beyond " + std::to_string(num_steps_));
      std::copy_n(time.channels, time.begin[time.count], event_channels_.data() + offsets_[n]);
      for (std::uint32_t s = 0; s < time.count; ++s) {
        std::fill_n(event_steps_.data() + offsets_[n] + time.begin[s], time.begin[s + 1] - time.begin[s],
                    time.step[s]);
      }
    }
  });
}

SpikeRows::SpikeRows(const EventRows& events, std::int64_t channels, std::int64_t num_steps)
    : channels_(static_cast<std::size_t>(channels)), num_steps_(static_cast<std::size_t>(num_steps)) {
  check_ends(events);
  check_sizes(events.offsets.size - 1, channels, num_steps);
  offsets_.reserve(events.offsets.size);
  offsets_.push_back(0);
  for (std::size_t n = 0; n + 1 < events.offsets.size; ++n)
    offsets_.push_back(offsets_.back() + checked_sample(events, n, channels_, num_steps_).count);
  event_channels_.assign(events.channels.data, events.channels.data + events.channels.size);
  event_steps_.assign(events.steps.data, events.steps.data + events.steps.size);
}

const SpikeRows::ByChannel& SpikeRows::by_channel(int threads) const {
  std::call_once(sorted_, [this, threads] {
    const std::size_t row = channels_ + 1;
    ByChannel& index = by_channel_;
    index.offsets.resize(groups() * row);
    index.samples.resize(offsets_.back());
    index.steps.resize(offsets_.back());
    for_pieces(groups(), 1, threads, [&](std::size_t first, std::size_t last) {
      std::vector<std::size_t> place(row);
      for (std::size_t g = first; g < last; ++g) {
        const std::size_t n0 = g * kGroup, n1 = std::min(n0 + kGroup, batch());
        std::fill(place.begin(), place.end(), 0);
        for (std::size_t e = offsets_[n0]; e < offsets_[n1]; ++e)
          ++place[event_channels_[e] + std::size_t{1}];
        place[0] = offsets_[n0];
        for (std::size_t i = 0; i < channels_; ++i) place[i + 1] += place[i];
        std::copy(place.begin(), place.end(), index.offsets.begin() + static_cast<std::ptrdiff_t>(g * row));
        for (std::size_t n = n0; n < n1; ++n) {
          for (std::size_t e = offsets_[n]; e < offsets_[n + 1]; ++e) {
            const std::size_t to = place[event_channels_[e]]++;
            index.samples[to] = static_cast<std::uint32_t>(n);
            index.steps[to] = event_steps_[e];
          }
        }
      }
    });
  });
  return by_channel_;
}

}  // namespace bstdg
