// The backward pass of a convolution in training, compiled once for each instruction set; see simd.hpp for
// what that forbids.
#include <cstring>

#include "training/convolution_kernels.hpp"
#include "training/signed_kernels.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

// out[i] += errors[i] where reach[i] is at or after `step`; `count` is a multiple of kMapTile.
inline void add_judged(const float* errors, const std::uint8_t* reach, std::uint8_t step, std::size_t count,
                       float* out) {
#if defined(__AVX512BW__)
  const __m128i now = _mm_set1_epi8(static_cast<char>(step));
  for (std::size_t lane = 0; lane < count; lane += kMapTile) {
    const __mmask16 told =
        _mm_cmpge_epu8_mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(reach + lane)), now);
    const __m512 sum = _mm512_loadu_ps(out + lane);
    _mm512_storeu_ps(out + lane, _mm512_mask_add_ps(sum, told, sum, _mm512_loadu_ps(errors + lane)));
  }
#else
  const Ints now = Ints{} + static_cast<std::int32_t>(step);
  for (std::size_t lane = 0; lane < count; lane += kMapTile) {
    Ints judged, told;
    Floats sum;
    for (std::size_t k = 0; k < kMapTile; ++k) judged[k] = reach[lane + k];
    read(errors + lane, told);
    read(out + lane, sum);
    told &= judged >= now;
    sum += (Floats)told;
    write(out + lane, sum);
  }
#endif
}

void gradient(const ConvolutionGradientJob& job) {
  for (std::size_t e = 0; e < job.events.count; ++e) {
    const Link link = job.links[job.events.channels[e]];
    const std::uint8_t step = job.events.steps[e];
    float* out = job.out + link.weight;
    const float* errors = job.errors + link.neuron;
    const std::uint8_t* reach = job.reach + link.neuron;
    for (std::uint32_t y = 0; y < link.rows; ++y) {
      if (job.decays == nullptr) {
        add_judged(errors, reach, step, link.lanes, out);
      } else {
        for (std::size_t lane = 0; lane < link.lanes; ++lane) {
          if (reach[lane] >= step) out[lane] += errors[lane] * job.decays[reach[lane] - step];
        }
      }
      out -= job.weight_back;
      errors += job.neuron_ahead;
      reach += job.neuron_ahead;
    }
  }
}

// heard[i] += error where bit i of `minus` is 0, else -= it, for `tiles` times kMapTile channels.
inline void tell(const std::uint16_t* minus, float error, std::size_t tiles, float* heard) {
  for (std::size_t tile = 0; tile < tiles; ++tile) {
    Floats sum;
    read(heard + tile * kMapTile, sum);
    add_signed(minus[tile], error, sum);
    write(heard + tile * kMapTile, sum);
  }
}

void credit(const ConvolutionCreditJob& job) {
  const std::size_t tiles = job.own / kMapTile, kernel_row = job.kernel_columns * tiles;
  const std::size_t kernel = job.kernel_rows * kernel_row, row = job.columns * job.lanes;
  for (std::size_t a = 0; a < job.count; ++a) {
    const Told told = job.told[a];
    const std::size_t map = told.neuron / static_cast<std::uint32_t>(job.places);
    const Seen seen = job.seen[told.neuron % static_cast<std::uint32_t>(job.places)];
    const std::uint16_t* minus = job.minus + map * kernel + seen.row * kernel_row + seen.column * tiles;
    float* heard = job.heard + seen.pixel * job.lanes;
    if (job.own == job.lanes) {  // the channels of all columns follow each other
      for (std::size_t i = 0; i < seen.rows; ++i)
        tell(minus + i * kernel_row, told.error, seen.columns * tiles, heard + i * row);
      continue;
    }
    heard += map / job.own_maps * job.own;
    for (std::size_t i = 0; i < seen.rows; ++i) {
      for (std::size_t j = 0; j < seen.columns; ++j)
        tell(minus + i * kernel_row + j * tiles, told.error, tiles, heard + i * row + j * job.lanes);
    }
  }
}

void take_at(const float* heard, const std::uint8_t* below, std::uint8_t step, std::size_t count,
             float* credit) {
#if defined(__AVX512BW__)
  const __m128i now = _mm_set1_epi8(static_cast<char>(step));
  for (std::size_t i = 0; i < count; i += kMapTile) {
    const __mmask16 here =
        _mm_cmpeq_epi8_mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(below + i)), now);
    if (here != 0) _mm512_mask_storeu_ps(credit + i, here, _mm512_loadu_ps(heard + i));
  }
#else
  for (std::size_t i = 0; i < count; ++i) credit[i] = below[i] == step ? heard[i] : credit[i];
#endif
}

}  // namespace

extern const ConvolutionBackwardKernels convolution_backward_kernels;
const ConvolutionBackwardKernels convolution_backward_kernels{&gradient, &credit, &take_at};

}  // namespace BSTDG_ISA
}  // namespace bstdg
