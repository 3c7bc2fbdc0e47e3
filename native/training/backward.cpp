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
        kernels.backward.gradient({here, index.offsets.data() + group * (channels + 1) + first,
                                   index.samples.data(), index.steps.data(), width,
                                   errors.values + tile * errors.stride, reach, errors.decays,
                                   spikes.num_steps(), sums.get()});
      }
      const std::size_t neurons = std::min(width, latent.neurons - tile * width);
      const std::size_t start = tile * width * channels + first;
      kernels.transpose.turn_around(sums.get(), width, here, neurons, latent.weights + start, channels,
                                    out + start);
    }
  });
}

}  // namespace

void impulse_gradient(const SpikeRows& spikes, const Latent& latent, const std::uint8_t* reach,
                      const float* local, double decay, float* out, int threads) {
  const std::size_t batch = spikes.batch();
  const Buffer<float> errors = tiled(local, batch, latent.neurons, threads);
  const Buffer<std::uint8_t> judged = tiled(reach, batch, latent.neurons, threads);
  const std::vector<float> decays = powers_of(decay, spikes.num_steps());
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
  const auto errors = Buffer<float>::unset(tiles * tile_size);
  const BackwardKernels& kernels = chosen_kernels().backward;
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      for (std::size_t tile = 0; tile < tiles; ++tile) {
        const std::size_t first = tile * width, here = std::min(width, neurons - first);
        kernels.sum_later(gradient + n * steps * neurons + first, neurons, steps * neurons - first, steps,
                          here, static_cast<float>(decay),
                          errors.get() + tile * tile_size + n * steps * width, width);
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
