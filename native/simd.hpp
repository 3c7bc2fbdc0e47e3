// Vectors of bits for the instruction set that the including file is compiled for; one source for all of
// them.
//
// Included by kernels.cpp alone, which is compiled once for each instruction set. Everything here has
// internal linkage: a function shared between those builds could be linked from the one that this CPU cannot
// run.
#pragma once

#include <cstdint>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;  // SSE2 and NEON, which every x86-64 and aarch64 has
#endif

typedef std::uint64_t Bits __attribute__((vector_size(kVectorBytes), may_alias));

constexpr int kVectorWords = kVectorBytes / 8;

inline Bits load(const std::uint64_t* from) { return *reinterpret_cast<const Bits*>(from); }
inline void store(std::uint64_t* to, Bits bits) { *reinterpret_cast<Bits*>(to) = bits; }
inline Bits splat(std::uint64_t word) { return Bits{} + word; }

// sum + a + b, one column of 64 x kVectorWords one-bit numbers at a time: the sum stays, the carry is
// returned.
inline Bits add_two(Bits& sum, Bits a, Bits b) {
#if defined(__AVX512F__)
  const __m512i s = (__m512i)sum;
  sum = (Bits)_mm512_ternarylogic_epi64(s, (__m512i)a, (__m512i)b, 0x96);
  return (Bits)_mm512_ternarylogic_epi64(s, (__m512i)a, (__m512i)b, 0xE8);
#else
  const Bits either = sum ^ a;
  const Bits carry = (sum & a) | (b & either);
  sum = either ^ b;
  return carry;
#endif
}

inline Bits add_one(Bits& sum, Bits a) {
  const Bits carry = sum & a;
  sum ^= a;
  return carry;
}

inline Bits majority(Bits a, Bits b, Bits c) {
#if defined(__AVX512F__)
  return (Bits)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0xE8);
#else
  return (a & b) | (c & (a | b));
#endif
}

}  // namespace
