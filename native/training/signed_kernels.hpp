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

// What four errors come to with any signs: entry i has the m-th with a minus where bit m of i is set.
inline __attribute__((always_inline)) void add_up(const float* errors, Floats& sums) {
  constexpr std::int32_t kMinus = INT32_MIN;
  constexpr Ints first = {0, kMinus, 0, kMinus, 0, kMinus, 0, kMinus,
                          0, kMinus, 0, kMinus, 0, kMinus, 0, kMinus};
  constexpr Ints second = {0, 0, kMinus, kMinus, 0, 0, kMinus, kMinus,
                           0, 0, kMinus, kMinus, 0, 0, kMinus, kMinus};
  constexpr Ints third = {0, 0, 0, 0, kMinus, kMinus, kMinus, kMinus,
                          0, 0, 0, 0, kMinus, kMinus, kMinus, kMinus};
  constexpr Ints fourth = {0,      0,      0,      0,      0,      0,      0,      0,
                           kMinus, kMinus, kMinus, kMinus, kMinus, kMinus, kMinus, kMinus};
  Floats with[4];
  for (std::size_t m = 0; m < 4; ++m) with[m] = Floats{} + errors[m];
  with[0] = (Floats)((Ints)with[0] ^ first);
  with[1] = (Floats)((Ints)with[1] ^ second);
  with[2] = (Floats)((Ints)with[2] ^ third);
  with[3] = (Floats)((Ints)with[3] ^ fourth);
  sums = (with[0] + with[1]) + (with[2] + with[3]);
}

// sums[i] += table[bits first[i] .. first[i] + 3 of words[i]].
inline __attribute__((always_inline)) void add_from(const Floats& table, const Ints& words, const Ints& first,
                                                    Floats& sums) {
#if defined(__AVX512F__)
  sums = (Floats)_mm512_add_ps(
      (__m512)sums, _mm512_permutexvar_ps(_mm512_srlv_epi32((__m512i)words, (__m512i)first), (__m512)table));
#elif defined(__AVX2__)
  __m256 half[2], tables[2];
  __m256i word[2], from[2];
  read(&sums, half);
  read(&table, tables);
  read(&words, word);
  read(&first, from);
  for (int k = 0; k < 2; ++k) {
    const __m256i entry = _mm256_srlv_epi32(word[k], from[k]);
    half[k] = _mm256_add_ps(half[k], _mm256_blendv_ps(_mm256_permutevar8x32_ps(tables[0], entry),
                                                      _mm256_permutevar8x32_ps(tables[1], entry),
                                                      _mm256_castsi256_ps(_mm256_slli_epi32(entry, 28))));
  }
  read(half, sums);
#else
  for (std::size_t i = 0; i < 16; ++i)
    sums[i] += table[static_cast<std::uint32_t>(words[i]) >> first[i] & 15];
#endif
}

}  // namespace
