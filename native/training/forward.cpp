// The forward pass; see training.hpp.
#include <algorithm>
#include <cmath>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "dispatch.hpp"
#include "training/training.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 16;  // samples a thread takes at a time
constexpr std::size_t kBlock = 64;  // samples that pass by one tile of neurons

// Signs of latent weights, turned around, by several threads: [tiles of `tile` neurons][channels][tile].
Buffer<std::int8_t> sign_tiles(const Latent& latent, std::size_t channels, std::size_t tile, int threads) {
  const std::size_t tiles = (latent.neurons + tile - 1) / tile;
  Buffer<std::int8_t> signs(tiles * channels * tile);
  const TransposeKernels& kernels = chosen_kernels().transpose;
  constexpr std::size_t kRows = 64;
  const std::size_t parts = (channels + kRows - 1) / kRows;
  for_pieces(tiles * parts, 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t part = begin; part < end; ++part) {
      const std::size_t here = part / parts * tile, first = part % parts * kRows;
      kernels.sign_rows(latent.weights + here * channels, std::min(tile, latent.neurons - here), channels,
                        first, std::min(kRows, channels - first), tile,
                        signs.get() + here * channels + first * tile);
    }
  });
  return signs;
}

}  // namespace

void crossing(const SpikeRows& spikes, const Latent& latent, const float* thresholds, bool one_threshold,
              const Crossings& out, int threads) {
  const std::size_t neurons = latent.neurons, padded = rounded_up(neurons, kSignTile);
  const Buffer<std::int8_t> signs = sign_tiles(latent, spikes.channels(), kSignTile, threads);
  const Buffer<float> each(padded);
  const Buffer<std::int16_t> bars(padded);
  for (std::size_t j = 0; j < neurons; ++j) {
    each[j] = thresholds[one_threshold ? 0 : j];
    // Potentials are whole numbers: V >= theta is V >= ceil(theta). Beyond 16 bits a threshold is as good as
    // the last.
    const float bar = std::ceil(each[j]);
    bars[j] = static_cast<std::int16_t>(bar > 32767.0F ? 32767.0F : bar > -32767.0F ? bar : -32767.0F);
  }
  const ForwardKernels& kernels = chosen_kernels().forward;
  // Tile by tile, whose signs stay in a near cache while many samples pass by.
  const std::size_t blocks = (spikes.batch() + kBlock - 1) / kBlock;
  for_pieces(padded / kSignTile * blocks, 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t work = begin; work < end; ++work) {
      const std::size_t first = work / blocks * kSignTile, block = work % blocks * kBlock;
      const std::size_t here = std::min(kSignTile, neurons - first);
      for (std::size_t n = block; n < std::min(block + kBlock, spikes.batch()); ++n) {
        const std::size_t to = n * neurons + first;
        kernels.crossing({spikes.sample(n), signs.get() + first * spikes.channels(), kSignTile, here,
                          static_cast<std::uint32_t>(spikes.num_steps()), bars.get() + first,
                          each.get() + first, out.steps + to, out.reach + to, out.margin + to});
      }
    }
  });
}

void potentials(const SpikeRows& spikes, const Latent& latent, float* out, int threads) {
  const std::size_t neurons = latent.neurons, padded = rounded_up(neurons, 16);
  const Buffer<std::int8_t> signs = sign_tiles(latent, spikes.channels(), padded, threads);
  const ForwardKernels& kernels = chosen_kernels().forward;
  for_pieces(spikes.batch(), kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<std::int32_t> sums(padded);
    for (std::size_t n = begin; n < end; ++n) {
      kernels.potentials(spikes.sample(n), signs.get(), padded, neurons,
                         static_cast<std::uint32_t>(spikes.num_steps()), sums.get(),
                         out + n * spikes.num_steps() * neurons);
    }
  });
}

}  // namespace bstdg
