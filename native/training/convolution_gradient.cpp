// The gradient of a convolution's weights; see convolution.hpp.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.hpp"
#include "dispatch.hpp"
#include "training/convolution_layout.hpp"
#include "training/judged.hpp"

namespace bstdg {
namespace {

// Samples whose gradients are summed together; sums of such groups are added in their order, so the result
// does not depend on who computed which.
constexpr std::size_t kGroup = 32;

// Sums what groups of samples tell the weights: add(first, last, sums) adds that of samples first .. last
// - 1.
template <typename Add>
void sum_groups(const Layout& layout, const float* latent, std::size_t batch, float* out, int threads,
                const Add& add) {
  const std::size_t groups = (batch + kGroup - 1) / kGroup, weights = layout.row_weights();
  const Buffer<float> sums(std::max<std::size_t>(1, groups) * weights);
  for_pieces(groups, 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t g = begin; g < end; ++g)
      add(g * kGroup, std::min(batch, (g + 1) * kGroup), sums.get() + g * weights);
  });
  for_pieces(weights, 1 << 14, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t g = 1; g < groups; ++g) {
      for (std::size_t i = begin; i < end; ++i) sums[i] += sums[g * weights + i];
    }
  });
  for_weights(layout.convolution(), layout.padded(), [&](std::size_t from, std::size_t to) {
    out[to] = std::fabs(latent[to]) > 1.0F ? 0.0F : sums[from];
  });
}

// Adds what neurons tell weights to sums of them.
class Gradient {
 public:
  Gradient(const Layout& layout, const float* decays, float* sums)
      : layout_(layout),
        kernels_(chosen_kernels()),
        errors_(layout.lanes()),
        framed_errors_(layout.framed_lanes()),
        reach_(layout.lanes()),
        framed_reach_(layout.framed_lanes()) {
    job_.kinds = layout.kinds().data();
    job_.num_kinds = layout.kinds().size();
    job_.channels = layout.convolution().channels;
    job_.channel_weights = layout.channel_weights();
    job_.weight_back = layout.weight_back();
    job_.neuron_ahead = layout.neuron_ahead();
    job_.errors = framed_errors_.get();
    job_.reach = framed_reach_.get();
    job_.decays = decays;
    job_.out = sums;
  }

  // At which step every neuron is judged, in what is added from now on.
  void judge(const std::uint8_t* reach) {
    lay_out(kernels_.transpose.turn_bytes, reach, reach_.get(), framed_reach_.get());
  }
  void add(const SampleEvents& events, const float* errors) {
    lay_out(kernels_.transpose.turn_floats, errors, errors_.get(), framed_errors_.get());
    memory_.by_weight(layout_, events, job_);
    kernels_.convolution_backward.gradient(job_);
  }

 private:
  // [maps][places] turned around, and its rows of places set in their frame.
  template <typename T, typename Turn>
  void lay_out(const Turn& turn, const T* from, T* turned, T* to) const {
    const Convolution& shape = layout_.convolution();
    const std::size_t places = shape.places(), row = shape.columns.places * layout_.padded();
    turn(from, shape.maps, places, places, turned, layout_.padded());
    for (std::size_t y = 0; y < shape.rows.places; ++y)
      std::copy_n(turned + y * row, row, to + layout_.first_framed(y));
  }

  const Layout& layout_;
  const Kernels& kernels_;
  EventMemory memory_;
  Buffer<float> errors_, framed_errors_;
  Buffer<std::uint8_t> reach_, framed_reach_;
  ConvolutionGradientJob job_{};
};

}  // namespace

void impulse_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                      const std::uint8_t* reach, const float* local, double decay, float* out, int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons();
  check_judged(reach, spikes.batch() * neurons, spikes.num_steps());
  const std::vector<float> decays = powers_of(decay, spikes.num_steps());
  sum_groups(layout, latent, spikes.batch(), out, threads,
             [&](std::size_t first, std::size_t last, float* sums) {
               Gradient gradient(layout, decays.empty() ? nullptr : decays.data(), sums);
               for (std::size_t n = first; n < last; ++n) {
                 gradient.judge(reach + n * neurons);
                 gradient.add(spikes.sample(n), local + n * neurons);
               }
             });
}

void potential_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                        const float* gradient, double decay, float* out, int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons(), steps = spikes.num_steps();
  const auto falling = static_cast<float>(decay);
  const std::vector<std::uint8_t> late(neurons, 255);  // enough for all
  sum_groups(layout, latent, spikes.batch(), out, threads,
             [&](std::size_t first, std::size_t last, float* sums) {
               Gradient told(layout, nullptr, sums);
               told.judge(late.data());
               std::vector<float> later(neurons);
               for (std::size_t n = first; n < last; ++n) {
                 // Step by step from the last: an event is credited with all that is told from its own on.
                 const SampleEvents all = spikes.sample(n);
                 std::size_t end = all.count;
                 std::fill(later.begin(), later.end(), 0.0F);
                 for (std::size_t t = steps; t-- > 0;) {
                   const float* row = gradient + (n * steps + t) * neurons;
                   for (std::size_t j = 0; j < neurons; ++j) later[j] = falling * later[j] + row[j];
                   std::size_t begin = end;
                   while (begin > 0 && all.steps[begin - 1] == t) --begin;
                   if (begin == end) continue;
                   told.add({all.channels + begin, all.steps + begin, end - begin}, later.data());
                   end = begin;
                 }
               }
             });
}

}  // namespace bstdg
