// Counters of many neurons at once, one bit of every counter in each plane: rows of bits are added, and all
// counters compared with one number, by a few logic instructions for 64 to 512 neurons.
//
// Included by kernel sources alone; see simd.hpp for why everything has internal linkage.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/simd.hpp"
#include "inference/plan.hpp"

namespace {

template <typename V>
inline __attribute__((always_inline)) void ripple(V* planes, int from, int count, V carry) {
#pragma GCC unroll 16
  for (int i = from; i < count; ++i) carry = add_one(planes[i], carry);
}

// Adds one row of bits, row(event), for every event to the counters in `planes`, carries saved up: 16 rows,
// then 8, 4, 2. The row of `none` has no bit set.
template <typename V, typename Row, typename Event>
inline __attribute__((always_inline)) void add_rows(V* planes, int count, const Row& row, const Event* events,
                                                    std::size_t n, Event none) {
  // Eight rows: planes 0 to 2 take theirs, and what is worth 8 is returned.
  const auto add_eight = [&](const Event* e) {
    const V a = add_two(planes[0], row(e[0]), row(e[1]));
    const V b = add_two(planes[0], row(e[2]), row(e[3]));
    const V c = add_two(planes[0], row(e[4]), row(e[5]));
    const V d = add_two(planes[0], row(e[6]), row(e[7]));
    const V ab = add_two(planes[1], a, b);
    const V cd = add_two(planes[1], c, d);
    return add_two(planes[2], ab, cd);
  };
  while (n >= 16) {
    const V low = add_eight(events);
    const V high = add_eight(events + 8);
    ripple(planes, 4, count, add_two(planes[3], low, high));
    events += 16;
    n -= 16;
  }
  if (n == 0) return;
  if (n <= 4) {  // most steps of a long run bring a few events
    const auto event = [events, n, &none](std::size_t i) { return *(i < n ? events + i : &none); };
    const V a = add_two(planes[0], row(events[0]), row(event(1)));
    if (n <= 2) {
      ripple(planes, 1, count, a);
    } else {
      const V b = add_two(planes[0], row(events[2]), row(event(3)));
      ripple(planes, 2, count, add_two(planes[1], a, b));
    }
    return;
  }
  Event rest[16];
  for (std::size_t i = 0; i < 16; ++i) rest[i] = i < n ? events[i] : none;
  const V low = add_eight(rest);
  if (n <= 8) {
    ripple(planes, 3, count, low);
  } else {
    const V high = add_eight(rest + 8);
    ripple(planes, 4, count, add_two(planes[3], low, high));
  }
}

// For four bits of a number, all ones where a bit is 0. In memory, for vectors are filled from there at no
// cost to the ports that do the arithmetic.
constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint64_t kZeroAt[16][4] = {
    {kAll, kAll, kAll, kAll}, {0, kAll, kAll, kAll}, {kAll, 0, kAll, kAll}, {0, 0, kAll, kAll},
    {kAll, kAll, 0, kAll},    {0, kAll, 0, kAll},    {kAll, 0, 0, kAll},    {0, 0, 0, kAll},
    {kAll, kAll, kAll, 0},    {0, kAll, kAll, 0},    {kAll, 0, kAll, 0},    {0, 0, kAll, 0},
    {kAll, kAll, 0, 0},       {0, kAll, 0, 0},       {kAll, 0, 0, 0},       {0, 0, 0, 0}};

// What all counters are compared with, bit by bit: all ones where the bit is 0, which is what the comparison
// asks.
class Target {
 public:
  Target(std::int64_t target, int planes) : reached_by_all_(target <= 0) {
    for (int i = 0; i <= planes; i += 4) four_[i / 4] = kZeroAt[static_cast<std::uint64_t>(target) >> i & 15];
  }
  bool reached_by_all() const { return reached_by_all_; }
  std::uint64_t zero_at(int i) const { return four_[i / 4][i % 4]; }

 private:
  const std::uint64_t* four_[bstdg::kMaxPlanes / 4 + 1];
  bool reached_by_all_;
};

// All neurons of the vector whose counter is at or above the target.
template <typename V>
inline __attribute__((always_inline)) V at_or_above(const V* planes, int count, V lowest,
                                                    const Target& target) {
  if (target.reached_by_all()) return ~V{};
  V reached = lowest | target.zero_at(0);
#pragma GCC unroll 16
  for (int i = 0; i < count; ++i) reached = majority(reached, planes[i], V{} + target.zero_at(i + 1));
  return reached;
}

// Writes base + i for every bit i that is set, and returns how many; writes up to 64 places whatever is set.
inline std::size_t name_bits(std::uint64_t word, std::uint32_t base, std::uint16_t* names) {
  const auto count = static_cast<std::size_t>(__builtin_popcountll(word));
#if defined(__AVX512VBMI2__)
  const __m512i every =
      _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42,
                      41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,
                      19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i found = _mm512_maskz_compress_epi8(word, every);
  const __m512i first = _mm512_set1_epi16(static_cast<short>(base));
  _mm512_storeu_si512(names, _mm512_add_epi16(first, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found))));
  if (count > 32) {
    const __m512i more = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1));
    _mm512_storeu_si512(names + 32, _mm512_add_epi16(first, more));
  }
#else
  // Two are written whether they are there or not: most words have no more, and a branch for each would be
  // guessed wrong. Counting the zeros of nothing is undefined, hence the guard.
  constexpr std::uint64_t kGuard = std::uint64_t{1} << 63;
  for (int i = 0; i < 2; ++i, word &= word - 1) {
    names[i] = static_cast<std::uint16_t>(base + static_cast<std::uint32_t>(__builtin_ctzll(word | kGuard)));
  }
  for (std::size_t i = 2; i < count; ++i, word &= word - 1) {
    names[i] = static_cast<std::uint16_t>(base + static_cast<std::uint32_t>(__builtin_ctzll(word)));
  }
#endif
  return count;
}

}  // namespace
