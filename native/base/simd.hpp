// Vectors for the instruction set that the including file is compiled for: bits, and sums of small numbers.
//
// Files of kernels (*_kernels.cpp) are compiled once for each instruction set, in the namespace BSTDG_ISA
// that CMake names. They may define nothing with external linkage but their table, and instantiate nothing
// that has it, standard library included: the linker keeps one copy of an inline function, and it might be
// one that this CPU cannot run. So everything here, and in the other headers for kernels alone, has internal
// linkage.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kMostWords = 8;
#elif defined(__AVX2__)
constexpr int kMostWords = 4;
#else
constexpr int kMostWords = 2;  // SSE2 and NEON, which every x86-64 and aarch64 has
#endif

// 64 * kWords bits.
template <int kWords>
struct BitsOf;
template <>
struct BitsOf<2> {
  typedef std::uint64_t type __attribute__((vector_size(16), may_alias));
};
template <>
struct BitsOf<4> {
  typedef std::uint64_t type __attribute__((vector_size(32), may_alias));
};
template <>
struct BitsOf<8> {
  typedef std::uint64_t type __attribute__((vector_size(64), may_alias));
};
template <int kWords>
using Bits = typename BitsOf<kWords>::type;

template <int kWords>
inline Bits<kWords> load(const std::uint64_t* from) {
  Bits<kWords> bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}
template <typename V>
inline void store(std::uint64_t* to, V bits) {
  std::memcpy(to, &bits, sizeof bits);
}

// The same for vectors of any kind. By reference: how vectors that are wider than a register are passed,
// compilers do not agree on.
template <typename V, typename T>
inline void read(const T* from, V& to) {
  std::memcpy(&to, from, sizeof to);
}
template <typename V, typename T>
inline void write(T* to, const V& values) {
  std::memcpy(to, &values, sizeof values);
}

// One instruction each where there is one for any function of three bits.
#if defined(__AVX512VL__)
#define BSTDG_TERNARY(kBytes, type, intrinsic)                                                   \
  inline Bits<kBytes / 8> odd(Bits<kBytes / 8> a, Bits<kBytes / 8> b, Bits<kBytes / 8> c) {      \
    return (Bits<kBytes / 8>)intrinsic((type)a, (type)b, (type)c, 0x96);                         \
  }                                                                                              \
  inline Bits<kBytes / 8> majority(Bits<kBytes / 8> a, Bits<kBytes / 8> b, Bits<kBytes / 8> c) { \
    return (Bits<kBytes / 8>)intrinsic((type)a, (type)b, (type)c, 0xE8);                         \
  }                                                                                              \
  inline Bits<kBytes / 8> borrow(Bits<kBytes / 8> a, Bits<kBytes / 8> b, Bits<kBytes / 8> c) {   \
    return (Bits<kBytes / 8>)intrinsic((type)a, (type)b, (type)c, 0x8E);                         \
  }
BSTDG_TERNARY(16, __m128i, _mm_ternarylogic_epi64)
BSTDG_TERNARY(32, __m256i, _mm256_ternarylogic_epi64)
BSTDG_TERNARY(64, __m512i, _mm512_ternarylogic_epi64)
#undef BSTDG_TERNARY
#else
template <typename V>
inline V odd(V a, V b, V c) {
  return a ^ b ^ c;
}
template <typename V>
inline V majority(V a, V b, V c) {
  return (a & b) | (c & (a ^ b));
}
template <typename V>
inline V borrow(V a, V b, V c) {
  return (~a & (b | c)) | (b & c);
}
#endif

// A bit for every word of the vector that has a bit set.
#if defined(__AVX512VL__)
inline unsigned words_with_bits(Bits<2> bits) { return _mm_test_epi64_mask((__m128i)bits, (__m128i)bits); }
inline unsigned words_with_bits(Bits<4> bits) { return _mm256_test_epi64_mask((__m256i)bits, (__m256i)bits); }
inline unsigned words_with_bits(Bits<8> bits) { return _mm512_test_epi64_mask((__m512i)bits, (__m512i)bits); }
#else
template <typename V>
inline unsigned words_with_bits(V bits) {
  unsigned words = 0;
  for (std::size_t k = 0; k < sizeof(V) / 8; ++k) words |= unsigned{bits[k] != 0} << k;
  return words;
}
#endif

// sum + a + b, one column of one-bit numbers at a time: the sum stays, the carry is returned.
template <typename V>
inline V add_two(V& sum, V a, V b) {
  const V carry = majority(a, b, sum);
  sum = odd(sum, a, b);
  return carry;
}

// from - a - b likewise: the difference stays, what is missing is returned.
template <typename V>
inline V take_two(V& from, V a, V b) {
  const V missing = borrow(from, a, b);
  from = odd(from, a, b);
  return missing;
}

template <typename V>
inline V add_one(V& sum, V a) {
  const V carry = sum & a;
  sum ^= a;
  return carry;
}

// Sixteen 32-bit sums of 8-bit numbers.
class Sums {
 public:
  static constexpr std::uint32_t kLanes = 16;
  explicit Sums(const std::int32_t* from) { std::memcpy(&sums_, from, sizeof sums_); }
  void save(std::int32_t* to) const { std::memcpy(to, &sums_, sizeof sums_); }

#if defined(__AVX512F__)
  void add(const std::int8_t* row) {
    sums_ =
        _mm512_add_epi32(sums_, _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row))));
  }
  bool any_reaches(const std::int32_t* thresholds) const {
    return _mm512_cmpge_epi32_mask(sums_, _mm512_loadu_si512(thresholds)) != 0;
  }

 private:
  __m512i sums_;
#elif defined(__AVX2__)
  void add(const std::int8_t* row) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row));
    sums_[0] = _mm256_add_epi32(sums_[0], _mm256_cvtepi8_epi32(bytes));
    sums_[1] = _mm256_add_epi32(sums_[1], _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes)));
  }
  bool any_reaches(const std::int32_t* thresholds) const {
    const auto* bars = reinterpret_cast<const __m256i*>(thresholds);
    const __m256i below = _mm256_and_si256(_mm256_cmpgt_epi32(_mm256_loadu_si256(bars), sums_[0]),
                                           _mm256_cmpgt_epi32(_mm256_loadu_si256(bars + 1), sums_[1]));
    return _mm256_movemask_epi8(below) != -1;
  }

 private:
  __m256i sums_[2];
#else
  void add(const std::int8_t* row) {
    for (std::uint32_t i = 0; i < kLanes; ++i) sums_[i] += row[i];
  }
  bool any_reaches(const std::int32_t* thresholds) const {
    std::int32_t reached = 0;
    for (std::uint32_t i = 0; i < kLanes; ++i) reached |= sums_[i] >= thresholds[i];
    return reached != 0;
  }

 private:
  std::int32_t sums_[kLanes];
#endif
};

}  // namespace
