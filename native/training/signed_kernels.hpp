// Sixteen sums of errors at a time, for kernels of the backward pass; see simd.hpp for what that forbids.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/simd.hpp"

namespace {

typedef float Floats __attribute__((vector_size(64), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(64), may_alias));

// What every four of sixteen errors come to with any signs: entry i of sums[f] has the m-th of the f-th four
// with a minus where bit m of i is set.
inline __attribute__((always_inline)) void add_up(const float* errors, Floats* sums) {
#if defined(__AVX512F__)
  const __m512i odd = _mm512_set1_epi64(static_cast<long long>(std::uint64_t{1} << 63));
  const __m512i late = _mm512_setr4_epi32(0, 0, INT32_MIN, INT32_MIN);
  const __m512 all = _mm512_loadu_ps(errors);
  const auto with = [](__m512 values, __m512i minus) {
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(values), minus));
  };
  // Two by two, every four in its quarter; then whatever two come to with whatever the other two do.
  const __m512 two =
      _mm512_add_ps(with(_mm512_permute_ps(all, 0x00), odd), with(_mm512_permute_ps(all, 0x55), late));
  const __m512 others =
      _mm512_add_ps(with(_mm512_permute_ps(all, 0xAA), odd), with(_mm512_permute_ps(all, 0xFF), late));
  const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
  const __m512i high = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  for (int f = 0; f < 4; ++f) {
    const __m512i quarter = _mm512_set1_epi32(4 * f);
    sums[f] = (Floats)_mm512_add_ps(_mm512_permutexvar_ps(_mm512_add_epi32(low, quarter), two),
                                    _mm512_permutexvar_ps(_mm512_add_epi32(high, quarter), others));
  }
#else
  for (std::size_t f = 0; f < 4; ++f) {
    const float *four = errors + 4 * f, a = four[0], b = four[1], c = four[2], d = four[3];
    const float two[] = {a + b, -a + b, a - b, -a - b}, others[] = {c + d, -c + d, c - d, -c - d};
    for (std::size_t i = 0; i < 16; ++i) sums[f][i] = two[i % 4] + others[i / 4];
  }
#endif
}

// sums[i] += table[entries[i] % 16].
inline __attribute__((always_inline)) void add_from(const Floats& table, const Ints& entries, Floats& sums) {
#if defined(__AVX512F__)
  sums = (Floats)_mm512_add_ps((__m512)sums, _mm512_permutexvar_ps((__m512i)entries, (__m512)table));
#elif defined(__AVX2__)
  __m256 half[2], tables[2];
  __m256i entry[2];
  read(&sums, half);
  read(&table, tables);
  read(&entries, entry);
  for (int k = 0; k < 2; ++k) {
    half[k] = _mm256_add_ps(half[k], _mm256_blendv_ps(_mm256_permutevar8x32_ps(tables[0], entry[k]),
                                                      _mm256_permutevar8x32_ps(tables[1], entry[k]),
                                                      _mm256_castsi256_ps(_mm256_slli_epi32(entry[k], 28))));
  }
  read(half, sums);
#else
  for (std::size_t i = 0; i < 16; ++i) sums[i] += table[entries[i] & 15];
#endif
}

// What `a` has where a bit of `mask` is 1, and what `b` has elsewhere.
inline __attribute__((always_inline)) void choose(std::int32_t mask, const Ints& a, const Ints& b,
                                                  Ints& chosen) {
#if defined(__AVX512F__)
  chosen = (Ints)_mm512_ternarylogic_epi32(_mm512_set1_epi32(mask), (__m512i)a, (__m512i)b, 0xCA);
#else
  chosen = (a & mask) | (b & ~mask);
#endif
}

}  // namespace
