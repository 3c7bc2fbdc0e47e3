// The forward pass; see training.hpp.
#include <cmath>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "dispatch.hpp"
#include "training/training.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 16;  // samples a thread takes at a time

// Signs [channels][padded] of latent weights, turned around, by several threads.
Buffer<std::int8_t> sign_rows(const Latent& latent, std::size_t channels, std::size_t padded, int threads) {
  Buffer<std::int8_t> signs(channels * padded);
  const TransposeKernels& kernels = chosen_kernels().transpose;
  for_pieces(channels, 64, threads, [&](std::size_t begin, std::size_t end) {
    kernels.sign_rows(latent.weights, latent.neurons, channels, begin, end - begin, padded,
                      signs.get() + begin * padded);
  });
  return signs;
}

}  // namespace

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
  const ForwardKernels& kernels = chosen_kernels().forward;
  for_pieces(spikes.batch(), kPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      kernels.crossing({spikes.sample(n), signs.get(), padded, neurons,
                        static_cast<std::uint32_t>(spikes.num_steps()), bars.get(), each.get(),
                        out.steps + n * neurons, out.reach + n * neurons, out.margin + n * neurons});
    }
  });
}

void potentials(const SpikeRows& spikes, const Latent& latent, float* out, int threads) {
  const std::size_t neurons = latent.neurons, padded = rounded_up(neurons, 16);
  const Buffer<std::int8_t> signs = sign_rows(latent, spikes.channels(), padded, threads);
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
