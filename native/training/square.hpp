// Sixteen vectors of sixteen turned around within registers; for kernels alone, see simd.hpp.
#pragma once

#include "base/simd.hpp"

#if defined(__AVX512BW__)
namespace {

// Turns a square of 16 rows of 16 around: four shuffles of a pack of cards. `low` and `high` interleave the
// halves of two rows.
template <typename V, typename Low, typename High>
inline void turn_square(V* rows, const Low& low, const High& high) {
  for (int shuffle = 0; shuffle < 4; ++shuffle) {
    V next[16];
    for (int k = 0; k < 8; ++k) {
      next[2 * k] = low(rows[k], rows[k + 8]);
      next[2 * k + 1] = high(rows[k], rows[k + 8]);
    }
    for (int k = 0; k < 16; ++k) rows[k] = next[k];
  }
}

inline void turn_square(__m512 (&rows)[16]) {
  const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  turn_square(
      rows, [&](__m512 a, __m512 b) { return _mm512_permutex2var_ps(a, low, b); },
      [&](__m512 a, __m512 b) { return _mm512_permutex2var_ps(a, high, b); });
}

}  // namespace
#endif
