#include "training.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "buffer.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 16;  // samples a thread takes at a time

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

std::size_t rounded_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

SampleEvents events_of(const SpikeRows& spikes, std::size_t sample) {
  const std::size_t begin = spikes.offsets()[sample];
  return {spikes.event_channels() + begin, spikes.event_steps() + begin,
          spikes.offsets()[sample + 1] - begin};
}

// Signs [channels][padded] of latent weights, turned around, by several threads.
Buffer<std::int8_t> sign_rows(const Latent& latent, std::size_t channels, std::size_t padded, int threads) {
  Buffer<std::int8_t> signs(channels * padded);
  const Kernels& kernels = chosen_kernels();
  for_pieces(channels, 64, threads, [&](std::size_t begin, std::size_t end) {
    kernels.sign_rows(latent.weights, latent.neurons, channels, begin, end - begin, padded,
                      signs.get() + begin * padded);
  });
  return signs;
}

// Columns of [rows x width] in tiles: [tiles][rows][kErrorTile], 0 beyond the width.
template <typename T>
Buffer<T> tiled(const T* from, std::size_t rows, std::size_t width, int threads) {
  const std::size_t tiles = (width + kErrorTile - 1) / kErrorTile;
  Buffer<T> to(tiles * rows * kErrorTile);
  for_pieces(rows, 64, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      for (std::size_t tile = 0; tile < tiles; ++tile) {
        const std::size_t first = tile * kErrorTile;
        std::memcpy(to.get() + (tile * rows + r) * kErrorTile, from + r * width + first,
                    sizeof(T) * std::min(kErrorTile, width - first));
      }
    }
  });
  return to;
}

// What a gradient is summed from, tile by tile (see GradientJob).
struct Errors {
  std::size_t tile;
  const float* values;
  std::size_t stride;  // from one tile to the next
  const std::uint8_t* reach;
  const float* decays;
};

// Runs the gradient's tiles and chunks over threads and turns each around into `out` [neurons x channels].
void run_gradient(const SpikeRows& spikes, const Latent& latent, const Errors& errors, float* out,
                  int threads) {
  constexpr std::size_t kSide = 16;  // channels that are turned around at once
  const Kernels& kernels = chosen_kernels();
  const SpikeRows::ByChannel& index = spikes.by_channel(threads);
  const std::size_t channels = spikes.channels(), width = errors.tile;
  const std::size_t tiles = (latent.neurons + width - 1) / width;
  // A narrow layer has one tile; its channels are then split instead.
  const std::size_t share = tiles > 1 ? channels : std::max<std::size_t>(kSide, channels / 8 / kSide * kSide);
  const std::size_t shares = (channels + share - 1) / share;
  const std::size_t works = tiles * shares,
                    piece = (works + static_cast<std::size_t>(std::max(1, threads)) - 1) /
                            static_cast<std::size_t>(std::max(1, threads));
  for_pieces(works, piece, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<float> sums(share * width);
    for (std::size_t work = begin; work < end; ++work) {
      const std::size_t tile = work / shares, first = work % shares * share,
                        here = std::min(share, channels - first);
      std::memset(sums.get(), 0, sizeof(float) * share * width);
      const std::uint8_t* reach =
          errors.reach == nullptr ? nullptr : errors.reach + tile * spikes.batch() * width;
      for (std::size_t group = 0; group < spikes.groups(); ++group) {
        kernels.gradient({here, index.offsets.data() + group * (channels + 1) + first, index.samples.data(),
                          index.steps.data(), width, errors.values + tile * errors.stride, reach,
                          errors.decays, spikes.num_steps(), sums.get()});
      }
      const std::size_t neurons = std::min(width, latent.neurons - tile * width);
      const std::size_t start = tile * width * channels + first;
      kernels.turn_around(sums.get(), width, here, neurons, latent.weights + start, channels, out + start);
    }
  });
}

void check_judged(const std::uint8_t* steps, std::size_t count, std::size_t num_steps) {
  std::uint8_t latest = 0;  // all are looked at: that is faster than stopping at the first
  for (std::size_t i = 0; i < count; ++i) latest = std::max(latest, steps[i]);
  if (count > 0 && latest >= num_steps) {
    refuse("a neuron is judged at a step beyond the last");
  }
}

// Sums over time from the last step: to[t] = from[t] + decay * to[t + 1], of one sample, into rows `stride`
// apart.
void sum_later(const float* from, std::size_t num_steps, std::size_t width, float decay, float* to,
               std::size_t stride) {
  for (std::size_t t = num_steps; t-- > 0;) {
    for (std::size_t k = 0; k < width; ++k) {
      const float later = t + 1 < num_steps ? to[(t + 1) * stride + k] : 0.0F;
      to[t * stride + k] = decay * later + from[t * width + k];
    }
  }
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
  const auto spikes = [num_steps](std::uint8_t step) { return step < num_steps; };
  offsets_.resize(batch + 1);
  for (std::size_t n = 0; n < batch; ++n) {
    const std::uint8_t* row = steps + n * channels_;
    offsets_[n + 1] = offsets_[n] + static_cast<std::size_t>(std::count_if(row, row + channels_, spikes));
  }
  event_channels_.resize(offsets_.back());
  event_steps_.resize(offsets_.back() + kSlack);
  std::uint8_t identity[256];
  for (std::size_t i = 0; i < 256; ++i)
    identity[i] = static_cast<std::uint8_t>(i <= num_steps_ ? i : kNotAllowed);
  Plan plan{};
  plan.num_steps = static_cast<std::uint32_t>(num_steps_);
  plan.channels = static_cast<std::uint32_t>(channels_);
  const Kernels& kernels = chosen_kernels();
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<std::uint16_t> events(channels_ + kSlack), found(channels_ + kSlack);
    const Buffer<std::uint8_t> found_steps(channels_ + kSlack);
    State state{nullptr, nullptr, events.get(), found.get(), found_steps.get()};
    for (std::size_t n = begin; n < end; ++n) {
      const std::int64_t count =
          kernels.sort_steps(plan, state, steps + n * channels_, identity, event_steps_.data() + offsets_[n]);
      if (count < 0)
        refuse("sample " + std::to_string(n) + " holds a step beyond " + std::to_string(num_steps_));
      std::copy_n(events.get(), static_cast<std::size_t>(count), event_channels_.data() + offsets_[n]);
    }
  });
}

SpikeRows::SpikeRows(const EventRows& events, std::int64_t channels, std::int64_t num_steps)
    : channels_(static_cast<std::size_t>(channels)), num_steps_(static_cast<std::size_t>(num_steps)) {
  const std::size_t count = events.channels.size;
  if (events.steps.size != count) refuse("channels and steps must be equal in length");
  if (events.offsets.size < 1 || events.offsets.data[0] != 0 ||
      events.offsets.data[events.offsets.size - 1] != static_cast<std::int64_t>(count)) {
    refuse("offsets must rise from 0 to the number of events");
  }
  check_sizes(events.offsets.size - 1, channels, num_steps);
  for (std::size_t n = 0; n < events.offsets.size; ++n) {
    const std::int64_t offset = events.offsets.data[n];
    if (offset > static_cast<std::int64_t>(count) || (n > 0 && offset < events.offsets.data[n - 1])) {
      refuse("offsets must rise from 0 to the number of events");
    }
    offsets_.push_back(static_cast<std::size_t>(offset));
  }
  event_channels_.assign(events.channels.data, events.channels.data + count);
  event_steps_.assign(events.steps.data, events.steps.data + count);
  for (std::size_t n = 0; n + 1 < offsets_.size(); ++n) {
    for (std::size_t e = offsets_[n]; e < offsets_[n + 1]; ++e) {
      if (event_channels_[e] >= channels_ || event_steps_[e] >= num_steps_) {
        refuse("event " + std::to_string(e) + " is out of range");
      }
      if (e > offsets_[n] && event_steps_[e] < event_steps_[e - 1]) {
        refuse("events must be sorted by step within each sample; event " + std::to_string(e) + " is not");
      }
    }
  }
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

void crossing(const SpikeRows& spikes, const Latent& latent, const float* thresholds, bool one_threshold,
              const Crossings& out, int threads) {
  const std::size_t neurons = latent.neurons, padded = rounded_up(neurons, kSignTile);
  const Buffer<std::int8_t> signs = sign_rows(latent, spikes.channels(), padded, threads);
  const Buffer<float> each(padded);
  const Buffer<std::int16_t> bars(padded);
  for (std::size_t j = 0; j < neurons; ++j) {
    each[j] = thresholds[one_threshold ? 0 : j];
    // Potentials are whole numbers: V >= theta is V >= ceil(theta). Beyond 16 bits a threshold is as good as
    // the last.
    const float bar = std::ceil(each[j]);
    bars[j] = static_cast<std::int16_t>(bar > 32767.0F ? 32767.0F : bar > -32767.0F ? bar : -32767.0F);
  }
  const Kernels& kernels = chosen_kernels();
  for_pieces(spikes.batch(), kPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      kernels.crossing({events_of(spikes, n), signs.get(), padded, neurons,
                        static_cast<std::uint32_t>(spikes.num_steps()), bars.get(), each.get(),
                        out.steps + n * neurons, out.reach + n * neurons, out.margin + n * neurons});
    }
  });
}

void potentials(const SpikeRows& spikes, const Latent& latent, float* out, int threads) {
  const std::size_t neurons = latent.neurons, padded = rounded_up(neurons, 16);
  const Buffer<std::int8_t> signs = sign_rows(latent, spikes.channels(), padded, threads);
  const Kernels& kernels = chosen_kernels();
  for_pieces(spikes.batch(), kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<std::int32_t> sums(padded);
    for (std::size_t n = begin; n < end; ++n) {
      kernels.potentials(events_of(spikes, n), signs.get(), padded, neurons,
                         static_cast<std::uint32_t>(spikes.num_steps()), sums.get(),
                         out + n * spikes.num_steps() * neurons);
    }
  });
}

void impulse_gradient(const SpikeRows& spikes, const Latent& latent, const std::uint8_t* reach,
                      const float* local, double decay, float* out, int threads) {
  const std::size_t batch = spikes.batch();
  const Buffer<float> errors = tiled(local, batch, latent.neurons, threads);
  const Buffer<std::uint8_t> judged = tiled(reach, batch, latent.neurons, threads);
  std::vector<float> decays;
  double power = 1.0;
  for (std::size_t t = 0; decay != 1.0 && t < spikes.num_steps(); ++t, power *= decay) {
    decays.push_back(static_cast<float>(power));
  }
  run_gradient(
      spikes, latent,
      {kErrorTile, errors.get(), batch * kErrorTile, judged.get(), decays.empty() ? nullptr : decays.data()},
      out, threads);
}

void potential_gradient(const SpikeRows& spikes, const Latent& latent, const float* gradient, double decay,
                        float* out, int threads) {
  const std::size_t batch = spikes.batch(), steps = spikes.num_steps(), neurons = latent.neurons;
  const std::size_t width = neurons <= kNarrowTile ? kNarrowTile : kErrorTile;
  const std::size_t tiles = (neurons + width - 1) / width, tile_size = batch * steps * width;
  const Buffer<float> errors(tiles * tile_size);
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    std::vector<float> summed(steps * neurons);
    for (std::size_t n = begin; n < end; ++n) {
      sum_later(gradient + n * steps * neurons, steps, neurons, static_cast<float>(decay), summed.data(),
                neurons);
      for (std::size_t tile = 0; tile < tiles; ++tile) {
        const std::size_t first = tile * width, here = std::min(width, neurons - first);
        for (std::size_t t = 0; t < steps; ++t) {
          std::memcpy(errors.get() + tile * tile_size + (n * steps + t) * width,
                      summed.data() + t * neurons + first, sizeof(float) * here);
        }
      }
    }
  });
  run_gradient(spikes, latent, {width, errors.get(), tile_size, nullptr, nullptr}, out, threads);
}

void impulse_credit(const std::uint8_t* below, std::size_t channels, const Latent& latent,
                    const std::uint8_t* reach, const float* local, std::size_t batch, std::size_t num_steps,
                    float* out, int threads) {
  const std::size_t neurons = latent.neurons;
  check_judged(below, batch * channels, num_steps);
  check_judged(reach, batch * neurons, num_steps);
  const Kernels& kernels = chosen_kernels();
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<float> heard(channels);
    std::vector<std::vector<std::uint32_t>> judged_at(num_steps);
    for (std::size_t n = begin; n < end; ++n) {
      std::memset(heard.get(), 0, sizeof(float) * channels);
      for (auto& judged : judged_at) judged.clear();
      for (std::size_t j = 0; j < neurons; ++j) {
        if (local[n * neurons + j] != 0.0F)
          judged_at[reach[n * neurons + j]].push_back(static_cast<std::uint32_t>(j));
      }
      const std::uint8_t* mine = below + n * channels;
      float* credit = out + n * channels;
      for (std::size_t t = num_steps; t-- > 0;) {
        for (const std::uint32_t j : judged_at[t]) {
          kernels.add_signed(latent.weights + j * channels, local[n * neurons + j], channels, heard.get());
        }
        for (std::size_t i = 0; i < channels; ++i) {
          if (mine[i] == t) credit[i] = heard[i];
        }
      }
    }
  });
}

void potential_credit(const std::uint8_t* below, std::size_t channels, const Latent& latent,
                      const float* gradient, std::size_t batch, std::size_t num_steps, float* out,
                      int threads) {
  const std::size_t neurons = latent.neurons, padded = rounded_up(neurons, 16);
  check_judged(below, batch * channels, num_steps);
  const Kernels& kernels = chosen_kernels();
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<float> later(num_steps * padded);
    for (std::size_t n = begin; n < end; ++n) {
      sum_later(gradient + n * num_steps * neurons, num_steps, neurons, 1.0F, later.get(), padded);
      kernels.credit(latent.weights, later.get(), neurons, padded, below + n * channels, channels, num_steps,
                     out + n * channels);
    }
  });
}

}  // namespace bstdg
