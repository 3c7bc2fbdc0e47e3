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

// What neurons tell the channels that they read, which lie side by side here (see ConvolutionCreditJob).
class Credit {
 public:
  Credit(const Convolution& convolution, const float* latent)
      : shape_(convolution),
        kernels_(chosen_kernels()),
        own_(rounded_up(convolution.own_channels(), kMapTile)),
        own_maps_(rounded_up(convolution.own_maps(), kMapTile)),
        words_((own_maps_ + kWordMaps - 1) / kWordMaps),
        minus_(convolution.groups * words_ * convolution.taps() * own_) {
    const std::size_t taps = shape_.taps(), own = shape_.own_channels();
    for (std::size_t k = 0; k < shape_.maps; ++k) {
      const std::size_t map = k % shape_.own_maps();
      std::uint32_t* words = minus_.get() + (k / shape_.own_maps() * words_ + map / kWordMaps) * taps * own_;
      for (std::size_t c = 0; c < own; ++c) {
        for (std::size_t tap = 0; tap < taps; ++tap) {
          const bool minus = !(latent[(k * own + c) * taps + tap] >= 0.0F);
          words[tap * own_ + c] |= std::uint32_t{minus} << map % kWordMaps;
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
  std::size_t neuron_lanes() const { return shape_.places() * shape_.groups * own_maps_; }

  // Adds what neurons judged at `step` tell.
  void add(const float* errors, const std::uint8_t* reach, std::size_t step, float* heard) const {
    kernels_.convolution_backward.credit({errors, reach, static_cast<std::uint8_t>(step), seen_.data(),
                                          seen_.size(), shape_.groups, own_maps_, minus_.get(),
                                          shape_.rows.kernel, shape_.columns.kernel, shape_.columns.side,
                                          own_, pixel_lanes(), heard});
  }

  // [channels][pixels] as they lie here, and back; [maps][places] as they lie here.
  void lay_out(const std::uint8_t* steps, std::uint8_t* to) const {
    turn(kernels_.transpose.turn_bytes, steps, shape_.own_channels(), pixels(), own_, to);
  }
  void lay_out_neurons(const std::uint8_t* reach, std::uint8_t* to) const {
    turn(kernels_.transpose.turn_bytes, reach, shape_.own_maps(), shape_.places(), own_maps_, to);
  }
  void lay_out_neurons(const float* errors, float* to) const {
    turn(kernels_.transpose.turn_floats, errors, shape_.own_maps(), shape_.places(), own_maps_, to);
  }
  void hand_out(const float* credit, float* to) const {
    for (std::size_t g = 0; g < shape_.groups; ++g) {
      kernels_.transpose.turn_floats(credit + g * own_, pixels(), shape_.own_channels(), pixel_lanes(),
                                     to + g * shape_.own_channels() * pixels(), pixels());
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

  // Rows of every group turned around, so that they lie side by side.
  template <typename T, typename Turn>
  void turn(const Turn& turn, const T* from, std::size_t rows, std::size_t columns, std::size_t padded,
            T* to) const {
    for (std::size_t g = 0; g < shape_.groups; ++g)
      turn(from + g * rows * columns, rows, columns, columns, to + g * padded, shape_.groups * padded);
  }

  const Convolution& shape_;
  const Kernels& kernels_;
  std::size_t own_, own_maps_, words_;
  Buffer<std::uint32_t> minus_;
  std::vector<Seen> seen_;
};

// Tells every sample's channels: for each step from the last to the first, tell(n, t, credit, heard) adds
// what is told there; a channel hears what is told from the step `below` on at which it is judged.
template <typename Tell>
void credit_samples(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                    std::size_t batch, std::size_t num_steps, float* out, int threads, const Tell& tell) {
  const Credit credit(convolution, latent);
  const ConvolutionBackwardKernels& kernels = chosen_kernels().convolution_backward;
  const std::size_t inputs = convolution.inputs();
  for_pieces(batch, kGroup / 4, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<float> heard(credit.lanes()), told(credit.lanes());
    const Buffer<std::uint8_t> judged(credit.lanes());
    Tell mine = tell;
    std::vector<std::uint8_t> wanted(num_steps);
    for (std::size_t n = begin; n < end; ++n) {
      const std::uint8_t* steps = below + n * inputs;
      std::fill_n(heard.get(), credit.lanes(), 0.0F);
      std::fill(wanted.begin(), wanted.end(), std::uint8_t{0});
      for (std::size_t i = 0; i < inputs; ++i) wanted[steps[i]] = 1;
      credit.lay_out(steps, judged.get());
      mine.begin(n, credit);
      for (std::size_t t = num_steps; t-- > 0;) {
        mine.at(n, t, credit, heard.get());
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
class Impulses {
 public:
  Impulses(const std::uint8_t* reach, const float* local, const Convolution& convolution)
      : reach_(reach), local_(local), neurons_(convolution.neurons()) {}

  void begin(std::size_t n, const Credit& credit) {
    errors_.resize(credit.neuron_lanes());
    judged_.resize(credit.neuron_lanes());
    credit.lay_out_neurons(local_ + n * neurons_, errors_.data());
    credit.lay_out_neurons(reach_ + n * neurons_, judged_.data());
  }
  void at(std::size_t, std::size_t t, const Credit& credit, float* heard) const {
    credit.add(errors_.data(), judged_.data(), t, heard);
  }

 private:
  const std::uint8_t* reach_;
  const float* local_;
  std::size_t neurons_;
  std::vector<float> errors_;
  std::vector<std::uint8_t> judged_;
};

// What neurons told at every step tell.
class Potentials {
 public:
  Potentials(const float* gradient, std::size_t num_steps, const Convolution& convolution)
      : gradient_(gradient), num_steps_(num_steps), neurons_(convolution.neurons()) {}

  void begin(std::size_t, const Credit& credit) {
    errors_.resize(credit.neuron_lanes());
    now_.resize(credit.neuron_lanes());
  }
  void at(std::size_t n, std::size_t t, const Credit& credit, float* heard) {
    credit.lay_out_neurons(gradient_ + (n * num_steps_ + t) * neurons_, errors_.data());
    credit.add(errors_.data(), now_.data(), 0, heard);
  }

 private:
  const float* gradient_;
  std::size_t num_steps_, neurons_;
  std::vector<float> errors_;
  std::vector<std::uint8_t> now_;  // 0 for all: each step is a call of its own
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

void impulse_credit(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                    const std::uint8_t* reach, const float* local, std::size_t batch, std::size_t num_steps,
                    float* out, int threads) {
  check_judged(below, batch * convolution.inputs(), num_steps);
  check_judged(reach, batch * convolution.neurons(), num_steps);
  credit_samples(below, convolution, latent, batch, num_steps, out, threads,
                 Impulses(reach, local, convolution));
}

void potential_credit(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                      const float* gradient, std::size_t batch, std::size_t num_steps, float* out,
                      int threads) {
  check_judged(below, batch * convolution.inputs(), num_steps);
  credit_samples(below, convolution, latent, batch, num_steps, out, threads,
                 Potentials(gradient, num_steps, convolution));
}

}  // namespace bstdg
