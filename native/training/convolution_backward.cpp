// The backward pass of a convolution; see convolution.hpp.
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

// Channels of the input lie side by side here, [rows][columns][padded channels], and so do the signs of the
// weights, [maps][kernel rows][kernel columns][padded channels], 0 where a map does not read a channel.
class Credit {
 public:
  Credit(const Convolution& convolution, const float* latent)
      : shape_(convolution),
        padded_(rounded_up(convolution.channels, kMapTile)),
        signs_(convolution.maps * convolution.taps() * padded_) {
    const std::size_t taps = shape_.taps(), own = shape_.own_channels();
    for (std::size_t k = 0; k < shape_.maps; ++k) {
      for (std::size_t c = 0; c < own; ++c) {
        for (std::size_t tap = 0; tap < taps; ++tap) {
          signs_[(k * taps + tap) * padded_ + k / shape_.own_maps() * own + c] =
              latent[(k * own + c) * taps + tap] >= 0.0F ? 1.0F : -1.0F;
        }
      }
    }
  }

  std::size_t lanes() const { return shape_.rows.side * shape_.columns.side * padded_; }
  std::size_t padded() const { return padded_; }

  // heard += what neuron `j` tells the channels that it reads.
  void add(const ConvolutionKernels& kernels, std::size_t j, float error, float* heard) const {
    const Side &rows = shape_.rows, &columns = shape_.columns;
    const std::size_t map = j / shape_.places(), place = j % shape_.places();
    const std::size_t top = place / columns.places * rows.stride,
                      left = place % columns.places * columns.stride;
    const std::size_t first = left < columns.padding ? columns.padding - left : 0;
    const std::size_t last = std::min(columns.kernel, columns.side + columns.padding - left);
    if (first >= last) return;
    for (std::size_t i = 0; i < rows.kernel; ++i) {
      if (top + i < rows.padding || top + i - rows.padding >= rows.side) continue;
      const std::size_t v = top + i - rows.padding, u = left + first - columns.padding;
      const float* signs = signs_.get() + ((map * rows.kernel + i) * columns.kernel + first) * padded_;
      kernels.add_signed(signs, error, (last - first) * padded_, heard + (v * columns.side + u) * padded_);
    }
  }

 private:
  const Convolution& shape_;
  std::size_t padded_;
  Buffer<float> signs_;
};

// Tells every sample's channels: for each step from the last to the first, tell(n, t, add) calls add(neuron,
// error) for what is told there; a channel hears what is told from the step `below` on at which it is judged.
template <typename Tell>
void credit_samples(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                    std::size_t batch, std::size_t num_steps, float* out, int threads, const Tell& tell) {
  const Credit credit(convolution, latent);
  const ConvolutionKernels& kernels = chosen_kernels().convolution;
  const std::size_t inputs = convolution.inputs(), pixels = convolution.rows.side * convolution.columns.side;
  for_pieces(batch, kGroup / 4, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<float> heard(credit.lanes()), told(credit.lanes());
    const Buffer<std::uint8_t> judged(credit.lanes());
    std::vector<bool> wanted(num_steps);
    auto own = tell.memory(num_steps);
    for (std::size_t n = begin; n < end; ++n) {
      const std::uint8_t* mine = below + n * inputs;
      std::fill_n(heard.get(), credit.lanes(), 0.0F);
      std::fill(wanted.begin(), wanted.end(), false);
      for (std::size_t i = 0; i < inputs; ++i) wanted[mine[i]] = true;
      kernels.turn_bytes(mine, convolution.channels, pixels, pixels, judged.get(), credit.padded());
      tell.begin(n, own);
      for (std::size_t t = num_steps; t-- > 0;) {
        tell.at(n, t, own, [&](std::size_t j, float error) { credit.add(kernels, j, error, heard.get()); });
        if (wanted[t]) {
          kernels.take_at(heard.get(), judged.get(), static_cast<std::uint8_t>(t), credit.lanes(),
                          told.get());
        }
      }
      kernels.turn_floats(told.get(), pixels, convolution.channels, credit.padded(), out + n * inputs,
                          pixels);
    }
  });
}

// What neurons judged by one impulse tell.
struct Impulses {
  const std::uint8_t* reach;
  const float* local;
  std::size_t neurons;

  using Memory = std::vector<std::vector<std::uint32_t>>;  // by step
  Memory memory(std::size_t num_steps) const { return Memory(num_steps); }
  void begin(std::size_t n, Memory& judged) const {
    for (auto& at : judged) at.clear();
    for (std::size_t j = 0; j < neurons; ++j) {
      if (local[n * neurons + j] != 0.0F)
        judged[reach[n * neurons + j]].push_back(static_cast<std::uint32_t>(j));
    }
  }
  template <typename Add>
  void at(std::size_t n, std::size_t t, const Memory& judged, const Add& add) const {
    for (const std::uint32_t j : judged[t]) add(j, local[n * neurons + j]);
  }
};

// What neurons told at every step tell.
struct Potentials {
  const float* gradient;
  std::size_t neurons, num_steps;

  struct Memory {};
  Memory memory(std::size_t) const { return {}; }
  void begin(std::size_t, Memory&) const {}
  template <typename Add>
  void at(std::size_t n, std::size_t t, const Memory&, const Add& add) const {
    const float* row = gradient + (n * num_steps + t) * neurons;
    for (std::size_t j = 0; j < neurons; ++j) {
      if (row[j] != 0.0F) add(j, row[j]);
    }
  }
};

}  // namespace

void impulse_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                      const std::uint8_t* reach, const float* local, double decay, float* out, int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons(), places = convolution.places();
  check_judged(reach, spikes.batch() * neurons, spikes.num_steps());
  const ConvolutionKernels& kernels = chosen_kernels().convolution;
  const std::vector<float> decays = powers_of(decay, spikes.num_steps());
  sum_groups(layout, latent, spikes.batch(), out, threads,
             [&](std::size_t first, std::size_t last, float* sums) {
               RowMemory rows(layout, spikes.num_steps());
               const Buffer<float> errors(layout.lanes());
               const Buffer<std::uint8_t> judged(layout.lanes());
               for (std::size_t n = first; n < last; ++n) {
                 kernels.turn_floats(local + n * neurons, convolution.maps, places, places, errors.get(),
                                     layout.padded());
                 kernels.turn_bytes(reach + n * neurons, convolution.maps, places, places, judged.get(),
                                    layout.padded());
                 kernels.gradient({layout.geometry(), rows.fill(spikes.sample(n)),
                                   static_cast<std::uint32_t>(spikes.num_steps()), errors.get(), judged.get(),
                                   decays.empty() ? nullptr : decays.data(), sums});
               }
             });
}

void potential_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                        const float* gradient, double decay, float* out, int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons(), places = convolution.places(),
                    steps = spikes.num_steps();
  const ConvolutionKernels& kernels = chosen_kernels().convolution;
  const auto falling = static_cast<float>(decay);
  sum_groups(
      layout, latent, spikes.batch(), out, threads, [&](std::size_t first, std::size_t last, float* sums) {
        RowMemory rows(layout, steps);
        std::vector<float> later(neurons);
        const Buffer<float> errors(layout.lanes());
        const Buffer<std::uint8_t> judged(layout.lanes());
        // Step by step from the last: an event is credited with all that is told from its own on.
        std::fill_n(judged.get(), layout.lanes(), std::uint8_t{255});
        std::vector<std::uint32_t> begin(convolution.rows.side * steps + 1);
        for (std::size_t n = first; n < last; ++n) {
          const RowEvents all = rows.fill(spikes.sample(n));
          std::fill(later.begin(), later.end(), 0.0F);
          for (std::size_t t = steps; t-- > 0;) {
            const float* row = gradient + (n * steps + t) * neurons;
            for (std::size_t j = 0; j < neurons; ++j) later[j] = falling * later[j] + row[j];
            kernels.turn_floats(later.data(), convolution.maps, places, places, errors.get(),
                                layout.padded());
            // The events of this step alone, as one of a single step.
            for (std::size_t v = 0; v < convolution.rows.side; ++v) {
              RowEvents here = all;
              const std::uint32_t* cell = all.begin + v * steps + t;
              if (cell[0] == cell[1]) continue;
              std::fill(begin.begin(), begin.begin() + static_cast<std::ptrdiff_t>(v) + 1, cell[0]);
              std::fill(begin.begin() + static_cast<std::ptrdiff_t>(v) + 1, begin.end(), cell[1]);
              here.begin = begin.data();
              kernels.gradient({layout.geometry(), here, 1, errors.get(), judged.get(), nullptr, sums});
            }
          }
        }
      });
}

void impulse_credit(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                    const std::uint8_t* reach, const float* local, std::size_t batch, std::size_t num_steps,
                    float* out, int threads) {
  check_judged(below, batch * convolution.inputs(), num_steps);
  check_judged(reach, batch * convolution.neurons(), num_steps);
  credit_samples(below, convolution, latent, batch, num_steps, out, threads,
                 Impulses{reach, local, convolution.neurons()});
}

void potential_credit(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                      const float* gradient, std::size_t batch, std::size_t num_steps, float* out,
                      int threads) {
  check_judged(below, batch * convolution.inputs(), num_steps);
  credit_samples(below, convolution, latent, batch, num_steps, out, threads,
                 Potentials{gradient, convolution.neurons(), num_steps});
}

}  // namespace bstdg
