// Matrices of training turned around, compiled once for each instruction set; see simd.hpp for what that
// forbids.
#include "base/simd.hpp"
#include "training/square.hpp"
#include "training/training_kernels.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

void sign_rows(const float* latent, std::size_t neurons, std::size_t all_channels, std::size_t first,
               std::size_t channels, std::size_t padded, std::int8_t* out) {
  std::size_t j0 = 0;
#if defined(__AVX512BW__)
  const __m128i minus = _mm_set1_epi8(-1), plus = _mm_set1_epi8(1);
  for (; j0 + 16 <= neurons; j0 += 16) {
    for (std::size_t i0 = 0; i0 < channels; i0 += 16) {
      const std::size_t here = channels - i0 < 16 ? channels - i0 : 16;
      const auto there = static_cast<__mmask16>((1U << here) - 1);
      __m128i square[16];
      for (std::size_t k = 0; k < 16; ++k) {
        const __m512 row = _mm512_maskz_loadu_ps(there, latent + (j0 + k) * all_channels + first + i0);
        square[k] =
            _mm_mask_blend_epi8(_mm512_cmp_ps_mask(row, _mm512_setzero_ps(), _CMP_GE_OQ), minus, plus);
      }
      turn_square(
          square, [](__m128i a, __m128i b) { return _mm_unpacklo_epi8(a, b); },
          [](__m128i a, __m128i b) { return _mm_unpackhi_epi8(a, b); });
      for (std::size_t k = 0; k < here; ++k)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + (i0 + k) * padded + j0), square[k]);
    }
  }
#endif
  constexpr std::size_t kSide = 32;  // a square that stays in the nearest cache while it is turned around
  for (; j0 < neurons; j0 += kSide) {
    const std::size_t j1 = j0 + kSide < neurons ? j0 + kSide : neurons;
    for (std::size_t i = 0; i < channels; ++i) {
      const float* from = latent + first + i;
      for (std::size_t j = j0; j < j1; ++j) out[i * padded + j] = from[j * all_channels] >= 0.0F ? 1 : -1;
    }
  }
}

void turn_around(const float* sums, std::size_t tile, std::size_t channels, std::size_t neurons,
                 const float* latent, std::size_t stride, float* out) {
#if defined(__AVX512BW__)
  for (std::size_t i0 = 0; i0 < channels; i0 += 16) {
    const std::size_t here = channels - i0 < 16 ? channels - i0 : 16;
    const auto there = static_cast<__mmask16>((1U << here) - 1);
    for (std::size_t j0 = 0; j0 < neurons; j0 += 16) {
      __m512 square[16];
      for (std::size_t k = 0; k < 16; ++k)
        square[k] = k < here ? _mm512_loadu_ps(sums + (i0 + k) * tile + j0) : _mm512_setzero_ps();
      turn_square(square);
      for (std::size_t k = 0; k < 16 && j0 + k < neurons; ++k) {
        const std::size_t at = (j0 + k) * stride + i0;
        const __m512 weights = _mm512_abs_ps(_mm512_maskz_loadu_ps(there, latent + at));
        const __mmask16 inside = _mm512_cmp_ps_mask(weights, _mm512_set1_ps(1.0F), _CMP_NGT_UQ);
        _mm512_mask_storeu_ps(out + at, there, _mm512_maskz_mov_ps(inside, square[k]));
      }
    }
  }
#else
  constexpr std::size_t kSide = 16;
  for (std::size_t i0 = 0; i0 < channels; i0 += kSide) {
    const std::size_t i1 = i0 + kSide < channels ? i0 + kSide : channels;
    for (std::size_t j = 0; j < neurons; ++j) {
      for (std::size_t i = i0; i < i1; ++i) {
        const float weight = latent[j * stride + i];
        out[j * stride + i] = weight > 1.0F || weight < -1.0F ? 0.0F : sums[i * tile + j];
      }
    }
  }
#endif
}

// A square of vectors of 16 bytes turned around by shuffles of a pack of cards, where it lies within what is
// there; else one by one.
template <std::size_t kSide, typename T, typename V, typename Low, typename High>
inline void turn(const T* from, std::size_t rows, std::size_t columns, std::size_t from_stride, T* to,
                 std::size_t stride, const Low& low, const High& high) {
  constexpr std::size_t kShuffles = kSide == 16 ? 4 : kSide == 8 ? 3 : 2;
  for (std::size_t j = 0; j < columns; j += kSide) {
    for (std::size_t i = 0; i < rows; i += kSide) {
      const std::size_t high_side = rows - i < kSide ? rows - i : kSide;
      const std::size_t wide_side = columns - j < kSide ? columns - j : kSide;
      if (high_side < kSide || wide_side < kSide) {
        for (std::size_t y = 0; y < high_side; ++y) {
          for (std::size_t x = 0; x < wide_side; ++x)
            to[(j + x) * stride + i + y] = from[(i + y) * from_stride + j + x];
        }
        continue;
      }
      V square[kSide];
      for (std::size_t y = 0; y < kSide; ++y) read(from + (i + y) * from_stride + j, square[y]);
      for (std::size_t shuffle = 0; shuffle < kShuffles; ++shuffle) {
        V next[kSide];
        for (std::size_t y = 0; y < kSide / 2; ++y) {
          next[2 * y] = low(square[y], square[y + kSide / 2]);
          next[2 * y + 1] = high(square[y], square[y + kSide / 2]);
        }
        for (std::size_t y = 0; y < kSide; ++y) square[y] = next[y];
      }
      for (std::size_t x = 0; x < kSide; ++x) write(to + (j + x) * stride + i, square[x]);
    }
  }
}

typedef std::int16_t Eight __attribute__((vector_size(16), may_alias));
#if !defined(__AVX512BW__)
typedef float Four __attribute__((vector_size(16), may_alias));
#endif
typedef std::uint8_t Sixteen __attribute__((vector_size(16), may_alias));

void turn_shorts(const std::int16_t* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                 std::int16_t* to, std::size_t stride) {
  turn<8, std::int16_t, Eight>(
      from, rows, columns, from_stride, to, stride,
      [](Eight a, Eight b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); },
      [](Eight a, Eight b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); });
}

#if defined(__AVX512BW__)
void turn_floats(const float* from, std::size_t rows, std::size_t columns, std::size_t from_stride, float* to,
                 std::size_t stride) {
  for (std::size_t j = 0; j < columns; j += 16) {
    const std::size_t wide = columns - j < 16 ? columns - j : 16;
    const auto across = static_cast<__mmask16>((1U << wide) - 1);
    for (std::size_t i = 0; i < rows; i += 16) {
      const std::size_t tall = rows - i < 16 ? rows - i : 16;
      const auto down = static_cast<__mmask16>((1U << tall) - 1);
      __m512 square[16];
      for (std::size_t y = 0; y < 16; ++y)
        square[y] =
            y < tall ? _mm512_maskz_loadu_ps(across, from + (i + y) * from_stride + j) : _mm512_setzero_ps();
      turn_square(square);
      for (std::size_t x = 0; x < wide; ++x)
        _mm512_mask_storeu_ps(to + (j + x) * stride + i, down, square[x]);
    }
  }
}
#else
void turn_floats(const float* from, std::size_t rows, std::size_t columns, std::size_t from_stride, float* to,
                 std::size_t stride) {
  turn<4, float, Four>(
      from, rows, columns, from_stride, to, stride,
      [](Four a, Four b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); },
      [](Four a, Four b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); });
}
#endif

void turn_bytes(const std::uint8_t* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                std::uint8_t* to, std::size_t stride) {
  turn<16, std::uint8_t, Sixteen>(
      from, rows, columns, from_stride, to, stride,
      [](Sixteen a, Sixteen b) {
        return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      },
      [](Sixteen a, Sixteen b) {
        return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      });
}

}  // namespace

extern const TransposeKernels transpose_kernels;
const TransposeKernels transpose_kernels{&sign_rows, &turn_around, &turn_shorts, &turn_floats, &turn_bytes};

}  // namespace BSTDG_ISA
}  // namespace bstdg
