// The backward pass; see training.hpp.
#include <algorithm>
#include <cstring>
#include <vector>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "dispatch.hpp"
#include "training/judged.hpp"
#include "training/told.hpp"
#include "training/training.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 16;  // samples a thread takes at a time

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

}  // namespace

void impulse_gradient(const SpikeRows& spikes, const Latent& latent, const std::uint8_t* reach,
                      const float* local, double decay, float* out, int threads) {
  const std::size_t batch = spikes.batch(), channels = spikes.channels();
  const Buffer<float> errors = tiled(local, batch, latent.neurons, threads);
  const Buffer<std::uint8_t> judged = tiled(reach, batch, latent.neurons, threads);
  const std::vector<float> decays = powers_of(decay, spikes.num_steps());
  const Kernels& kernels = chosen_kernels();
  const SpikeRows::ByChannel& index = spikes.by_channel(threads);
  const std::size_t tiles = (latent.neurons + kErrorTile - 1) / kErrorTile;
  const auto parts = static_cast<std::size_t>(std::max(1, threads));
  for_pieces(tiles, (tiles + parts - 1) / parts, threads, [&](std::size_t begin, std::size_t end) {
    const auto sums = Buffer<float>::unset(channels * kErrorTile);
    for (std::size_t tile = begin; tile < end; ++tile) {
      std::memset(sums.get(), 0, sizeof(float) * channels * kErrorTile);
      const std::size_t start = tile * kErrorTile;
      for (std::size_t group = 0; group < spikes.groups(); ++group) {
        kernels.backward.gradient({channels, index.offsets.data() + group * (channels + 1),
                                   index.samples.data(), index.steps.data(), 0, kErrorTile,
                                   errors.get() + start * batch, judged.get() + start * batch,
                                   decays.empty() ? nullptr : decays.data(), spikes.num_steps(), sums.get()});
      }
      kernels.transpose.turn_around(sums.get(), kErrorTile, channels,
                                    std::min(kErrorTile, latent.neurons - start),
                                    latent.weights + start * channels, channels, out + start * channels);
    }
  });
}

void potential_gradient(const SpikeRows& spikes, const Latent& latent, const float* gradient, double decay,
                        float* out, int threads) {
  const std::size_t steps = spikes.num_steps(), neurons = latent.neurons, channels = spikes.channels();
  const std::size_t width = neurons <= kNarrowTile ? kNarrowTile : kErrorTile;
  const std::size_t tiles = (neurons + width - 1) / width;
  const SpikeRows::ByChannel& index = spikes.by_channel(threads);
  const Kernels& kernels = chosen_kernels();
  const std::size_t tile_size = SpikeRows::kGroup * steps * width;
  const auto errors = Buffer<float>::unset(tiles * tile_size);  // of one group, which stays in a near cache
  const Buffer<float> sums(tiles * channels * width);
  const std::size_t share = std::max<std::size_t>(16, channels / 8 / 16 * 16);
  const std::size_t shares = (channels + share - 1) / share;
  for (std::size_t group = 0; group < spikes.groups(); ++group) {
    const std::size_t first = group * SpikeRows::kGroup,
                      samples = std::min(SpikeRows::kGroup, spikes.batch() - first);
    for_pieces(samples, 8, threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t n = begin; n < end; ++n) {
        for (std::size_t tile = 0; tile < tiles; ++tile) {
          const std::size_t j = tile * width;
          kernels.backward.sum_later(gradient + (first + n) * steps * neurons + j, neurons,
                                     steps * neurons - j, steps, std::min(width, neurons - j),
                                     static_cast<float>(decay),
                                     errors.get() + tile * tile_size + n * steps * width, width);
        }
      }
    });
    for_pieces(tiles * shares, 1, threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t work = begin; work < end; ++work) {
        const std::size_t tile = work / shares, i = work % shares * share;
        kernels.backward.gradient({std::min(share, channels - i),
                                   index.offsets.data() + group * (channels + 1) + i, index.samples.data(),
                                   index.steps.data(), first, width, errors.get() + tile * tile_size, nullptr,
                                   nullptr, steps, sums.get() + (tile * channels + i) * width});
      }
    });
  }
  for_pieces(tiles * shares, 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t work = begin; work < end; ++work) {
      const std::size_t tile = work / shares, i = work % shares * share, j = tile * width;
      const std::size_t start = j * channels + i;
      kernels.transpose.turn_around(sums.get() + (tile * channels + i) * width, width,
                                    std::min(share, channels - i), std::min(width, neurons - j),
                                    latent.weights + start, channels, out + start);
    }
  });
}

void impulse_credit(const std::uint8_t* below, std::size_t channels, const Latent& latent,
                    const std::uint8_t* reach, const float* local, std::size_t batch, std::size_t num_steps,
                    float* out, int threads) {
  const std::size_t neurons = latent.neurons;
  check_judged(below, batch * channels, num_steps);
  check_judged(reach, batch * neurons, num_steps);
  const BackwardKernels& kernels = chosen_kernels().backward;
  const Buffer<std::uint32_t> minus(rounded_up(channels, kCreditTile) / kCreditTile * neurons * 16);
  kernels.minus(latent.weights, neurons, channels, minus.get());
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    ToldByStep told(num_steps);
    const Buffer<float> sums(kMostFours(neurons, num_steps) * 16);
    const Buffer<std::uint32_t> tellers(kMostFours(neurons, num_steps) * 4);
    for (std::size_t n = begin; n < end; ++n) {
      told.sort(reach + n * neurons, local + n * neurons, neurons);
      kernels.impulse_credit({told.told(), told.begin(), num_steps, minus.get(), neurons, channels,
                              below + n * channels, out + n * channels, sums.get(), tellers.get()});
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
      kernels.backward.sum_later(gradient + n * num_steps * neurons, neurons, num_steps * neurons, num_steps,
                                 neurons, 1.0F, later.get(), padded);
      kernels.backward.potential_credit(latent.weights, later.get(), neurons, padded, below + n * channels,
                                        channels, num_steps, out + n * channels);
    }
  });
}

}  // namespace bstdg
