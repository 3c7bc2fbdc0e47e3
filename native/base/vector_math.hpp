// Exponentials and logarithms of whole vectors, to some units in the last place of a float: the polynomials
// of the Cephes library (S. L. Moshier), with the same operations, so the same bits, on every instruction
// set.
//
// Included by kernel sources alone; see simd.hpp for why everything has internal linkage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/simd.hpp"

namespace {

constexpr std::size_t kLanes = kMostWords * 2;
typedef float Floats __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::uint32_t Uints __attribute__((vector_size(4 * kLanes), may_alias));

inline Floats all(float value) { return Floats{} + value; }

inline Floats load_floats(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}
inline void store_floats(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

// Where a lane of the mask is all ones, that of `yes`, else that of `no`.
inline Floats select(Ints mask, Floats yes, Floats no) {
#if defined(__clang__)  // sees the choice in this, and before version 11 has no other way to say it
  return (Floats)((mask & (Ints)yes) | (~mask & (Ints)no));
#else
  return mask ? yes : no;
#endif
}
inline Floats greater(Floats a, Floats b) { return select(a > b, a, b); }
inline Floats absolute(Floats x) { return (Floats)((Ints)x & 0x7FFFFFFF); }

// Whether any lane of the mask is all ones.
inline bool any(Ints mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_testz_si256((__m256i)mask, (__m256i)mask) == 0;
#else
  std::int32_t every = 0;
  for (std::size_t i = 0; i < kLanes; ++i) every |= mask[i];
  return every != 0;
#endif
}

// Sums over vectors of classes, in an order that no width of vectors changes.
class ClassSum {
 public:
  void add(std::size_t k, Floats x) { parts_[k % kWidth / kLanes] += x; }
  float total() const {
#if defined(__AVX2__)
#if defined(__AVX512F__)
    const auto whole = (__m512)parts_[0];
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(whole), _mm512_extractf32x8_ps(whole, 1));
#else
    const __m256 eight = _mm256_add_ps((__m256)parts_[0], (__m256)parts_[1]);
#endif
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
#else
    float sums[kWidth];
    std::memcpy(sums, parts_, sizeof sums);
    for (std::size_t half = kWidth / 2; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    }
    return sums[0];
#endif
  }

 private:
  static constexpr std::size_t kWidth = 16;
  Floats parts_[kWidth / kLanes] = {};
};

// While one lasts, numbers too small for a normal float count as 0: they slow a processor down a hundredfold.
class FlushTiny {
 public:
#if defined(__x86_64__)
  FlushTiny() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8040U); }
  ~FlushTiny() { __builtin_ia32_ldmxcsr(before_); }

 private:
  unsigned before_;
#elif defined(__aarch64__)
  FlushTiny() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(before_ | (std::uint64_t{1} << 24)));
  }
  ~FlushTiny() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  std::uint64_t before_;
#else
  FlushTiny() {}
#endif
  FlushTiny(const FlushTiny&) = delete;
  FlushTiny& operator=(const FlushTiny&) = delete;
};

// exp(x), from 0 below -88 to what it is at 88. NaN stays NaN.
inline Floats exp_of(Floats x) {
  const Floats bounded = select(x > 88.0F, all(88.0F), select(x < -88.0F, all(-88.0F), x));
  constexpr float kRounder = 12582912.0F;  // 1.5 * 2^23: adding it leaves no place for a fraction
  const Floats n = (bounded * 1.44269504F + kRounder) - kRounder;
  const Floats r = bounded - n * 0.693359375F + n * 2.12194440e-4F;  // ln 2 in two parts
  Floats p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const Floats y = p * r * r + r + 1.0F;
  // n + 127 is read off the bits of n + kRounder: no conversion that a NaN could trip.
  const Uints exponent = ((Uints)(n + kRounder) + 127U) << 23;
  return y * (Floats)exponent;
}

// log((1 + f) 2^n) for 1 + f between the square roots of 1/2 and 2.
inline Floats log_of_parts(Floats f, Floats n) {
  Floats p = f * 7.0376836292e-2F - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  const Floats square = f * f;
  const Floats y = p * f * square - n * 2.12194440e-4F - square * 0.5F;
  return f + y + n * 0.693359375F;
}

// log(x) for positive normal x; what it gives for others is of no use.
inline Floats log_of(Floats x) {
  constexpr std::uint32_t kRootOfHalf = 0x3F3504F3U;
  const Ints e = (Ints)((Uints)x - kRootOfHalf) >> 23;
  return log_of_parts((Floats)((Uints)x - ((Uints)e << 23)) - 1.0F, __builtin_convertvector(e, Floats));
}

// log(1 + x) for x in 0 to 1, exact where 1 + x would round.
inline Floats log_one_plus(Floats x) {
  const Ints large = x > 0.41421356F;
  return log_of_parts(select(large, x * 0.5F - 0.5F, x), select(large, all(1.0F), Floats{}));
}

}  // namespace
