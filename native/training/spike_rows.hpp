// What a layer in training hears: events, by sample and by channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "events/events.hpp"

namespace bstdg {

// The presynaptic events of a batch.
class SpikeRows {
 public:
  // Steps [batch x channels], num_steps for never. Throws std::invalid_argument if a step is beyond
  // num_steps.
  SpikeRows(const std::uint8_t* steps, std::size_t batch, std::int64_t channels, std::int64_t num_steps,
            int threads);
  // Events sorted by step within each sample. Throws std::invalid_argument if they are not, or out of range.
  SpikeRows(const EventRows& events, std::int64_t channels, std::int64_t num_steps);

  std::size_t batch() const { return offsets_.size() - 1; }
  std::size_t channels() const { return channels_; }
  std::size_t num_steps() const { return num_steps_; }

  SampleEvents sample(std::size_t n) const {
    const std::size_t begin = offsets_[n];
    return {event_channels_.data() + begin, event_steps_.data() + begin, offsets_[n + 1] - begin};
  }

  // The same by channel within groups of samples: group g's events of channel i are those from
  // offsets[g * (channels + 1) + i] to the next offset, in the order of samples.
  struct ByChannel {
    std::vector<std::size_t> offsets;
    std::vector<std::uint32_t> samples;
    std::vector<std::uint8_t> steps;
  };
  // So many that their errors, of one tile of neurons, stay in the nearest cache while all channels pass by.
  static constexpr std::size_t kGroup = 64;
  std::size_t groups() const { return (batch() + kGroup - 1) / kGroup; }
  const ByChannel& by_channel(int threads) const;

 private:
  void check_sizes(std::size_t batch, std::int64_t channels, std::int64_t num_steps) const;

  std::size_t channels_, num_steps_;
  std::vector<std::size_t> offsets_;
  std::vector<std::uint16_t> event_channels_;
  std::vector<std::uint8_t> event_steps_;
  mutable std::once_flag sorted_;
  mutable ByChannel by_channel_;
};

}  // namespace bstdg
