// The backward pass of a convolution; see convolution.hpp.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.hpp"
#include "dispatch.hpp"
#include "training/convolution_layout.hpp"
#include "training/judged.hpp"
#include "training/told.hpp"

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

// What neurons tell the channels that they read, which lie side by side here (see ConvolutionCreditJob).
class Credit {
 public:
  Credit(const Convolution& convolution, const float* latent)
      : shape_(convolution),
        own_(rounded_up(convolution.own_channels(), kMapTile)),
        minus_(convolution.maps * convolution.taps() * (own_ / kMapTile)) {
    const std::size_t taps = shape_.taps(), own = shape_.own_channels(), tiles = own_ / kMapTile;
    for (std::size_t k = 0; k < shape_.maps; ++k) {
      for (std::size_t c = 0; c < own; ++c) {
        for (std::size_t tap = 0; tap < taps; ++tap) {
          const bool minus = !(latent[(k * own + c) * taps + tap] >= 0.0F);
          minus_[(k * taps + tap) * tiles + c / kMapTile] |=
              static_cast<std::uint16_t>(unsigned{minus} << c % kMapTile);
        }
      }
    }
    const Side &rows = shape_.rows, &columns = shape_.columns;
    for (std::size_t y = 0; y < rows.places; ++y) {
      for (std::size_t x = 0; x < columns.places; ++x) {
        const Part down = part(rows, y), along = part(columns, x);
        seen_.push_back({down.first, along.first, down.count, along.count,
                         static_cast<std::uint32_t>(down.at * columns.side + along.at)});
      }
    }
  }

  std::size_t pixels() const { return shape_.rows.side * shape_.columns.side; }
  std::size_t pixel_lanes() const { return shape_.groups * own_; }
  std::size_t lanes() const { return pixels() * pixel_lanes(); }

  void add(const Told* told, std::size_t count, float* heard) const {
    chosen_kernels().convolution_backward.credit(
        {told, count, seen_.data(), seen_.size(), minus_.get(), shape_.own_maps(), shape_.rows.kernel,
         shape_.columns.kernel, shape_.columns.side, own_, pixel_lanes(), heard});
  }

  // [channels][pixels] as they lie here, and back.
  void lay_out(const std::uint8_t* steps, std::uint8_t* to) const {
    for (std::size_t g = 0; g < shape_.groups; ++g) {
      chosen_kernels().transpose.turn_bytes(steps + g * shape_.own_channels() * pixels(),
                                            shape_.own_channels(), pixels(), pixels(), to + g * own_,
                                            pixel_lanes());
    }
  }
  void hand_out(const float* credit, float* to) const {
    for (std::size_t g = 0; g < shape_.groups; ++g) {
      chosen_kernels().transpose.turn_floats(credit + g * own_, pixels(), shape_.own_channels(),
                                             pixel_lanes(), to + g * shape_.own_channels() * pixels(),
                                             pixels());
    }
  }

 private:
  // Of a window's side at one place: the first weight whose pixel is there, how many, and that pixel.
  struct Part {
    std::uint16_t first, count;
    std::size_t at;
  };
  static Part part(const Side& side, std::size_t place) {
    const std::size_t start = place * side.stride;
    const std::size_t first = start < side.padding ? side.padding - start : 0;
    const std::size_t last = std::min(side.kernel, side.side + side.padding - start);
    if (first >= last) return {0, 0, 0};  // padding alone
    return {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last - first),
            start + first - side.padding};
  }

  const Convolution& shape_;
  std::size_t own_;
  Buffer<std::uint16_t> minus_;
  std::vector<Seen> seen_;
};

// Tells every sample's channels: for each step from the last to the first, tell(n, t, add) calls add(told,
// count) for what is told there; a channel hears what is told from the step `below` on at which it is judged.
template <typename Tell>
void credit_samples(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                    std::size_t batch, std::size_t num_steps, float* out, int threads, const Tell& tell) {
  const Credit credit(convolution, latent);
  const ConvolutionBackwardKernels& kernels = chosen_kernels().convolution_backward;
  const std::size_t inputs = convolution.inputs();
  for_pieces(batch, kGroup / 4, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<float> heard(credit.lanes()), told(credit.lanes());
    const Buffer<std::uint8_t> judged(credit.lanes());
    std::vector<std::uint8_t> wanted(num_steps);
    ToldByStep by_step(num_steps);
    for (std::size_t n = begin; n < end; ++n) {
      const std::uint8_t* mine = below + n * inputs;
      std::fill_n(heard.get(), credit.lanes(), 0.0F);
      std::fill(wanted.begin(), wanted.end(), std::uint8_t{0});
      for (std::size_t i = 0; i < inputs; ++i) wanted[mine[i]] = 1;
      credit.lay_out(mine, judged.get());
      tell.begin(n, by_step);
      for (std::size_t t = num_steps; t-- > 0;) {
        tell.at(n, t, by_step,
                [&](const Told* errors, std::size_t count) { credit.add(errors, count, heard.get()); });
        if (wanted[t] != 0) {
          kernels.take_at(heard.get(), judged.get(), static_cast<std::uint8_t>(t), credit.lanes(),
                          told.get());
        }
      }
      credit.hand_out(told.get(), out + n * inputs);
    }
  });
}

// What neurons judged by one impulse tell.
struct Impulses {
  const std::uint8_t* reach;
  const float* local;
  std::size_t neurons;

  void begin(std::size_t n, ToldByStep& told) const {
    told.sort(reach + n * neurons, local + n * neurons, neurons);
  }
  template <typename Add>
  void at(std::size_t, std::size_t t, const ToldByStep& told, const Add& add) const {
    add(told.told() + told.begin()[t], told.begin()[t + 1] - told.begin()[t]);
  }
};

// What neurons told at every step tell.
struct Potentials {
  Potentials(const float* told, std::size_t count, std::size_t steps)
      : gradient(told), neurons(count), num_steps(steps), one_step(count) {}

  void begin(std::size_t, ToldByStep&) const {}
  template <typename Add>
  void at(std::size_t n, std::size_t t, ToldByStep& told, const Add& add) const {
    told.sort(one_step.data(), gradient + (n * num_steps + t) * neurons, neurons);
    add(told.told(), told.begin()[1]);
  }

  const float* gradient;
  std::size_t neurons, num_steps;
  std::vector<std::uint8_t> one_step;
};

}  // namespace

void impulse_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                      const std::uint8_t* reach, const float* local, double decay, float* out, int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons(), places = convolution.places();
  check_judged(reach, spikes.batch() * neurons, spikes.num_steps());
  const Kernels& kernels = chosen_kernels();
  const std::vector<float> decays = powers_of(decay, spikes.num_steps());
  sum_groups(
      layout, latent, spikes.batch(), out, threads, [&](std::size_t first, std::size_t last, float* sums) {
        EventMemory memory;
        const Buffer<float> errors(layout.lanes());
        const Buffer<std::uint8_t> judged(layout.lanes());
        for (std::size_t n = first; n < last; ++n) {
          kernels.transpose.turn_floats(local + n * neurons, convolution.maps, places, places, errors.get(),
                                        layout.padded());
          kernels.transpose.turn_bytes(reach + n * neurons, convolution.maps, places, places, judged.get(),
                                       layout.padded());
          kernels.convolution_backward.gradient({layout.links(), layout.weight_back(), layout.neuron_ahead(),
                                                 memory.by_weight(layout, spikes.sample(n)), errors.get(),
                                                 judged.get(), decays.empty() ? nullptr : decays.data(),
                                                 sums});
        }
      });
}

void potential_gradient(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
                        const float* gradient, double decay, float* out, int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons(), places = convolution.places(),
                    steps = spikes.num_steps();
  const Kernels& kernels = chosen_kernels();
  const auto falling = static_cast<float>(decay);
  sum_groups(
      layout, latent, spikes.batch(), out, threads, [&](std::size_t first, std::size_t last, float* sums) {
        EventMemory memory;
        std::vector<float> later(neurons);
        const Buffer<float> errors(layout.lanes());
        const Buffer<std::uint8_t> judged(layout.lanes());
        std::fill_n(judged.get(), layout.lanes(), std::uint8_t{255});  // late enough for all
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
            const SampleEvents here{all.channels + begin, all.steps + begin, end - begin};
            kernels.transpose.turn_floats(later.data(), convolution.maps, places, places, errors.get(),
                                          layout.padded());
            kernels.convolution_backward.gradient({layout.links(), layout.weight_back(),
                                                   layout.neuron_ahead(), memory.by_weight(layout, here),
                                                   errors.get(), judged.get(), nullptr, sums});
            end = begin;
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
                 Potentials(gradient, convolution.neurons(), num_steps));
}

}  // namespace bstdg
