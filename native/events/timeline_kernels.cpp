// Rows of bytes made timelines, compiled once for each instruction set; see simd.hpp for what that forbids.
#include <cstring>

#include "base/simd.hpp"
#include "events/timeline.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

constexpr int kNone = -1;

// The channels whose byte spikes and their steps, into space.found and space.found_steps.
// Returns how many there are, or kNone if a byte is not allowed.
#if defined(__AVX512VBMI2__)
std::int64_t find_spikes(ByteRow row, TimelineSpace space) {
  const __m512i table0 = _mm512_loadu_si512(row.step_of), table1 = _mm512_loadu_si512(row.step_of + 64);
  const __m512i table2 = _mm512_loadu_si512(row.step_of + 128),
                table3 = _mm512_loadu_si512(row.step_of + 192);
  const __m512i never = _mm512_set1_epi8(static_cast<char>(row.num_steps));
  __m512i low = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                                 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(32));
  std::size_t count = 0;
  __mmask64 refused = 0;
  for (std::uint32_t i = 0; i < row.channels; i += 64) {
    const std::uint32_t left = row.channels - i;
    const __mmask64 there = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    const __m512i raw = _mm512_maskz_loadu_epi8(there, row.bytes + i);
    const __m512i lower = _mm512_permutex2var_epi8(table0, raw, table1);
    const __m512i upper = _mm512_permutex2var_epi8(table2, raw, table3);
    const __m512i step = _mm512_mask_blend_epi8(_mm512_movepi8_mask(raw), lower, upper);
    refused |= _mm512_mask_cmpgt_epu8_mask(there, step, never);
    const __mmask64 spikes = _mm512_mask_cmplt_epu8_mask(there, step, never);
    _mm512_storeu_si512(space.found_steps + count, _mm512_maskz_compress_epi8(spikes, step));
    const auto first = static_cast<__mmask32>(spikes), second = static_cast<__mmask32>(spikes >> 32);
    const auto in_first = static_cast<std::size_t>(__builtin_popcount(first));
    _mm512_storeu_si512(space.found + count, _mm512_maskz_compress_epi16(first, low));
    _mm512_storeu_si512(space.found + count + in_first, _mm512_maskz_compress_epi16(second, high));
    count += in_first + static_cast<std::size_t>(__builtin_popcount(second));
    low = _mm512_add_epi16(low, _mm512_set1_epi16(64));
    high = _mm512_add_epi16(high, _mm512_set1_epi16(64));
  }
  return refused != 0 ? kNone : static_cast<std::int64_t>(count);
}
#else
std::int64_t find_spikes(ByteRow row, TimelineSpace space) {
  const std::uint8_t *bytes = row.bytes, *step_of = row.step_of;
  const std::uint32_t num_steps = row.num_steps;
  const bool zero_is_silent = step_of[0] == num_steps;
  std::uint32_t count = 0;
  bool allowed = true;
  std::uint32_t i = 0;
  const auto look_until = [&](std::uint32_t end) {
    for (; i < end; ++i) {
      const std::uint8_t step = step_of[bytes[i]];
      space.found[count] = static_cast<std::uint16_t>(i);
      space.found_steps[count] = step;
      count += step < num_steps;
      allowed &= step <= num_steps;
    }
  };
  while (i + 8 <= row.channels) {
    std::uint64_t eight;
    std::memcpy(&eight, row.bytes + i, sizeof eight);
    if (eight == 0 && zero_is_silent) {  // most of an image is black
      i += 8;
    } else {
      look_until(i + 8);
    }
  }
  look_until(row.channels);
  return allowed ? static_cast<std::int64_t>(count) : kNone;
}
#endif

// A bit for each of 64 steps that has events, counted in two tables.
inline std::uint64_t steps_present(const std::uint16_t* even, const std::uint16_t* odd) {
#if defined(__AVX512BW__)
  const __m512i low = _mm512_or_si512(_mm512_loadu_si512(even), _mm512_loadu_si512(odd));
  const __m512i high = _mm512_or_si512(_mm512_loadu_si512(even + 32), _mm512_loadu_si512(odd + 32));
  return _mm512_test_epi16_mask(low, low) | std::uint64_t{_mm512_test_epi16_mask(high, high)} << 32;
#else
  std::uint64_t present = 0;
  for (std::uint32_t t = 0; t < 64; ++t) present |= std::uint64_t{(even[t] | odd[t]) != 0} << t;
  return present;
#endif
}

// Orders what was found by step.
void sort_found(std::uint32_t num_steps, TimelineSpace space, std::uint32_t count, Timeline& time) {
  // What is counted stays out of memory while bytes are written, which might be anybody's.
  std::uint32_t before = 0, filled = 0;
  const auto begin_step = [&](std::uint32_t t) {
    time.step[filled] = static_cast<std::uint8_t>(t);
    time.begin[filled] = before;
  };
  const auto end = [&] {
    time.begin[filled] = before;
    time.channels = space.events;
    time.count = filled;
  };
#if defined(__AVX512VBMI2__)
  if (num_steps * ((count + 31) / 32) < 4 * count + 64) {  // few steps: pick each one's events in turn
    for (std::uint32_t t = 0; t < num_steps; ++t) {
      begin_step(t);
      const std::uint32_t begin = before;
      const __m256i wanted = _mm256_set1_epi8(static_cast<char>(t));
      for (std::uint32_t k = 0; k < count; k += 32) {
        const std::uint32_t left = count - k;
        const __mmask32 there = left >= 32 ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
        const __m256i steps = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(space.found_steps + k));
        const __mmask32 now = _mm256_mask_cmpeq_epi8_mask(there, steps, wanted);
        const __m512i channels = _mm512_loadu_si512(space.found + k);
        _mm512_storeu_si512(space.events + before, _mm512_maskz_compress_epi16(now, channels));
        before += static_cast<std::uint32_t>(__builtin_popcount(now));
      }
      filled += t == 0 || before != begin;
    }
    end();
    return;
  }
#endif
  // Two tables of places, for even and odd events: neighbours often share their step, and one table would
  // make each wait for the one before. Neither exceeds half of the channels, so 16 bits do.
  std::uint16_t place[2][256] = {};
  for (std::uint32_t k = 0; k < count; ++k) ++place[k & 1][space.found_steps[k]];
  for (std::uint32_t first = 0; first < num_steps; first += 64) {
    std::uint64_t present = steps_present(place[0] + first, place[1] + first) | (first == 0);
    for (; present != 0; present &= present - 1) {
      const std::uint32_t t = first + static_cast<std::uint32_t>(__builtin_ctzll(present));
      begin_step(t);
      ++filled;
      const std::uint32_t even = place[0][t], odd = place[1][t];
      place[0][t] = static_cast<std::uint16_t>(before);
      place[1][t] = static_cast<std::uint16_t>(before + even);
      before += even + odd;
    }
  }
  end();
  for (std::uint32_t k = 0; k < count; ++k)
    space.events[place[k & 1][space.found_steps[k]]++] = space.found[k];
}

bool of_bytes(const ByteRow& row, const TimelineSpace& space, Timeline& time) {
  const std::int64_t count = find_spikes(row, space);
  if (count == kNone) return false;
  sort_found(row.num_steps, space, static_cast<std::uint32_t>(count), time);
  return true;
}

}  // namespace

extern const TimelineKernels timeline_kernels;
const TimelineKernels timeline_kernels{&of_bytes};

}  // namespace BSTDG_ISA
}  // namespace bstdg
