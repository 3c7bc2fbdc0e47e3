// What the neurons of a convolution tell the channels that they read; see convolution.hpp.
#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "dispatch.hpp"
#include "training/convolution.hpp"
#include "training/judged.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 8;  // samples a thread takes at a time

// What neurons tell the channels that they read, which lie side by side here (see ConvolutionCreditJob).
class Credit {
 public:
  Credit(const Convolution& convolution, const float* latent)
      : shape_(convolution),
        kernels_(chosen_kernels()),
        own_(rounded_up(convolution.own_channels(), kMapTile)),
        own_maps_(rounded_up(convolution.own_maps(), kMapTile)),
        // As far as any window reaches.
        columns_(std::max(
            convolution.columns.padding + convolution.columns.side,
            (convolution.columns.places - 1) * convolution.columns.stride + convolution.columns.kernel)),
        kernel_row_((convolution.columns.kernel * own_ / kMapTile + kSignTiles - 1) / kSignTiles * kMapTile),
        minus_(convolution.maps * convolution.rows.kernel * kernel_row_) {
    const std::size_t own = shape_.own_channels(), own_tiles = own_ / kMapTile;
    const Side &rows = shape_.rows, &columns = shape_.columns;
    const float* weight = latent;
    for (std::size_t k = 0; k < shape_.maps; ++k) {
      for (std::size_t c = 0; c < own; ++c) {
        for (std::size_t i = 0; i < rows.kernel; ++i) {
          std::uint32_t* words = minus_.get() + (k * rows.kernel + i) * kernel_row_ + c % kMapTile;
          for (std::size_t j = 0; j < columns.kernel; ++j) {
            const std::size_t tile = j * own_tiles + c / kMapTile;
            const std::uint32_t four = 15 * std::uint32_t{!(*weight++ >= 0.0F)};
            words[tile / kSignTiles * kMapTile] |= four << 4 * (tile % kSignTiles);
          }
        }
      }
    }
    for (std::size_t j = 0; j < columns.kernel; ++j) {
      for (std::size_t tile = 0; tile < own_tiles; ++tile)
        tiles_.push_back(static_cast<std::uint32_t>(j * pixel_lanes() + tile * kMapTile));
    }
    for (std::size_t y = 0; y < rows.places; ++y) {
      const std::size_t start = y * rows.stride;
      const std::size_t first = start < rows.padding ? rows.padding - start : 0;
      const std::size_t last = std::min(rows.kernel, rows.side + rows.padding - start);
      const std::size_t row = first < last ? start + first - rows.padding : 0;  // none: padding alone
      for (std::size_t x = 0; x < columns.places; ++x) {
        seen_.push_back({static_cast<std::uint16_t>(first < last ? first : 0),
                         static_cast<std::uint16_t>(first < last ? last - first : 0),
                         static_cast<std::uint32_t>(row * columns_ + x * columns.stride)});
      }
    }
  }

  std::size_t pixels() const { return shape_.rows.side * shape_.columns.side; }
  std::size_t pixel_lanes() const { return shape_.groups * own_; }
  std::size_t lanes() const { return pixels() * pixel_lanes(); }
  std::size_t framed_lanes() const { return shape_.rows.side * columns_ * pixel_lanes(); }
  std::size_t neuron_lanes() const { return shape_.places() * shape_.groups * own_maps_; }

  // Adds what neurons judged at `step` tell.
  void add(const float* errors, const std::uint8_t* reach, std::size_t step, float* heard) const {
    kernels_.convolution_backward.credit(
        {errors, reach, static_cast<std::uint8_t>(step), seen_.data(), seen_.size(), shape_.groups,
         shape_.own_maps(), own_maps_, minus_.get(), shape_.rows.kernel * kernel_row_, kernel_row_,
         tiles_.data(), tiles_.size(), columns_ * pixel_lanes(), pixel_lanes(), own_, heard});
  }

  // credit = heard where `judged` is `step`; only what is heard has a frame.
  void take_at(std::size_t step, const float* heard, const std::uint8_t* judged, float* credit) const {
    const std::size_t row = shape_.columns.side * pixel_lanes();
    for (std::size_t v = 0; v < shape_.rows.side; ++v) {
      kernels_.convolution_backward.take_at(heard + (v * columns_ + shape_.columns.padding) * pixel_lanes(),
                                            judged + v * row, static_cast<std::uint8_t>(step), row,
                                            credit + v * row);
    }
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
  // Rows of every group turned around, so that they lie side by side.
  template <typename T, typename Turn>
  void turn(const Turn& turn, const T* from, std::size_t rows, std::size_t columns, std::size_t padded,
            T* to) const {
    for (std::size_t g = 0; g < shape_.groups; ++g)
      turn(from + g * rows * columns, rows, columns, columns, to + g * padded, shape_.groups * padded);
  }

  const Convolution& shape_;
  const Kernels& kernels_;
  std::size_t own_, own_maps_, columns_, kernel_row_;
  Buffer<std::uint32_t> minus_;
  std::vector<std::uint32_t> tiles_;
  std::vector<Seen> seen_;
};

// Tells every sample's channels: for each step from the last to the first, tell(n, t, credit, heard) adds
// what is told there; a channel hears what is told from the step `below` on at which it is judged.
template <typename Tell>
void credit_samples(const std::uint8_t* below, const Convolution& convolution, const float* latent,
                    std::size_t batch, std::size_t num_steps, float* out, int threads, const Tell& tell) {
  const Credit credit(convolution, latent);
  const std::size_t inputs = convolution.inputs();
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Buffer<float> heard(credit.framed_lanes()), told(credit.lanes());
    const Buffer<std::uint8_t> judged(credit.lanes());
    Tell mine = tell;
    std::vector<std::uint8_t> wanted(num_steps);
    for (std::size_t n = begin; n < end; ++n) {
      const std::uint8_t* steps = below + n * inputs;
      std::fill_n(heard.get(), credit.framed_lanes(), 0.0F);
      std::fill(wanted.begin(), wanted.end(), std::uint8_t{0});
      for (std::size_t i = 0; i < inputs; ++i) wanted[steps[i]] = 1;
      credit.lay_out(steps, judged.get());
      mine.begin(n, credit);
      for (std::size_t t = num_steps; t-- > 0;) {
        mine.at(n, t, credit, heard.get());
        if (wanted[t] != 0) credit.take_at(t, heard.get(), judged.get(), told.get());
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
