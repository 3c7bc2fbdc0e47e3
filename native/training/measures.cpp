#include "training/measures.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.hpp"
#include "dispatch.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 1 << 14;  // numbers a thread takes at a time

// The sum over samples of what sum(sample) gives, in their order.
template <typename Sum>
double sum_samples(std::size_t batch, int threads, const Sum& sum) {
  std::vector<double> sums(batch);
  for_pieces(batch, 8, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) sums[n] = sum(n);
  });
  double all = 0.0;
  for (const double part : sums) all += part;
  return all;
}

}  // namespace

void fired(const std::uint8_t* steps, std::uint8_t never, std::size_t count, float* out, int threads) {
  for_pieces(count, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    chosen_kernels().measure.fired(steps + begin, never, end - begin, out + begin);
  });
}

void sensitive(const float* margin, const float* told, float width, std::size_t count, float* out,
               int threads) {
  for_pieces(count, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    chosen_kernels().measure.sensitive(margin + begin, told + begin, width, end - begin, out + begin);
  });
}

double spread(const float* margin, std::size_t batch, std::size_t neurons, int threads) {
  const MeasureKernels& kernels = chosen_kernels().measure;
  const auto count = static_cast<double>(batch * neurons);
  const double sum =
      sum_samples(batch, threads, [&](std::size_t n) { return kernels.sum(margin + n * neurons, neurons); });
  const double squares = sum_samples(batch, threads, [&](std::size_t n) {
    return kernels.squares(margin + n * neurons, sum / count, neurons);
  });
  return std::sqrt(squares / (count - 1.0));
}

void count_events(const SpikeRows& spikes, float* out) {
  std::vector<std::uint32_t> counts(spikes.channels());
  for (std::size_t n = 0; n < spikes.batch(); ++n) {
    const SampleEvents events = spikes.sample(n);
    for (std::size_t e = 0; e < events.count; ++e) ++counts[events.channels[e]];
  }
  std::transform(counts.begin(), counts.end(), out,
                 [](std::uint32_t count) { return static_cast<float>(count); });
}

}  // namespace bstdg
