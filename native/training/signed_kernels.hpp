// Sixteen sums of errors at a time, for kernels of the backward pass; see simd.hpp for what that forbids.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/simd.hpp"

namespace {

typedef float Floats __attribute__((vector_size(64), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(64), may_alias));

// sums[i] += error where bit i of `minus` is 0, else -= it.
inline __attribute__((always_inline)) void add_signed(std::uint16_t minus, float error, Floats& sums) {
#if defined(__AVX512F__)
  const __m512 told = _mm512_set1_ps(error);
  const __m512 other = _mm512_set1_ps(-error);
  sums = (Floats)_mm512_add_ps((__m512)sums, _mm512_mask_mov_ps(told, minus, other));
#else
  constexpr Ints bit = {1 << 0, 1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                        1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
  const Ints other = ((Ints{} + minus) & bit) != 0;  // all bits of a lane, or none
  const Floats told = Floats{} + error;
  sums += (Floats)((Ints)told ^ (other & (Ints{} + INT32_MIN)));
#endif
}

}  // namespace
