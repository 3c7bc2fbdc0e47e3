// The kernels of training, compiled once for each instruction set like kernels.cpp, whose rule on linkage
// holds here too.
#include <cstring>

#include "kernels.hpp"
#include "simd.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

// One lane a neuron of 8-bit numbers, a vector at a time, and of 16-bit numbers, two vectors for those.
constexpr std::size_t kBytes = kMostWords * 8, kShorts = kMostWords * 4;
typedef std::int8_t Bytes __attribute__((vector_size(kBytes), may_alias));
typedef std::int16_t Shorts __attribute__((vector_size(2 * kShorts), may_alias));
constexpr std::size_t kMostByteEvents = 127;  // that 8 bits count

// sum += bytes, each half of which is one vector of 16 bits.
inline void add_widened(Shorts* sum, Bytes bytes) {
#if defined(__AVX512BW__)
  sum[0] += (Shorts)_mm512_cvtepi8_epi16(_mm512_castsi512_si256((__m512i)bytes));
  sum[1] += (Shorts)_mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64((__m512i)bytes, 1));
#elif defined(__AVX2__)
  sum[0] += (Shorts)_mm256_cvtepi8_epi16(_mm256_castsi256_si128((__m256i)bytes));
  sum[1] += (Shorts)_mm256_cvtepi8_epi16(_mm256_extracti128_si256((__m256i)bytes, 1));
#else
  for (std::size_t i = 0; i < kShorts; ++i) {
    sum[0][i] += bytes[i];
    sum[1][i] += bytes[kShorts + i];
  }
#endif
}

// Calls visit(step, begin, end) for step 0 and every other step that has events, in order.
template <typename Visit>
inline __attribute__((always_inline)) void for_steps(const SampleEvents& events, const Visit& visit) {
  std::size_t at = 0;
  std::uint32_t t = 0;
  do {
    const std::size_t begin = at;
    while (at < events.count && events.steps[at] == t) ++at;
    visit(t, begin, at);
    if (at < events.count) t = events.steps[at];
  } while (at < events.count);
}

void crossing_short(const CrossingJob& job) {
  constexpr std::size_t kVectors = 2;  // of bytes
  constexpr std::size_t kTile = kVectors * kBytes;
  static_assert(kSignTile % kTile == 0, "signs are padded to whole tiles");
  for (std::size_t j0 = 0; j0 < job.neurons; j0 += kTile) {
    Shorts sum[2 * kVectors], best[2 * kVectors], bar[2 * kVectors], at[2 * kVectors];
    for (std::size_t q = 0; q < 2 * kVectors; ++q) {
      sum[q] = at[q] = Shorts{};
      best[q] = Shorts{} + std::int16_t{-32768};
      std::memcpy(&bar[q], job.bars + j0 + q * kShorts, sizeof bar[q]);
    }
    for_steps(job.events, [&](std::uint32_t t, std::size_t begin, std::size_t end) {
      while (begin < end) {
        const std::size_t until = end - begin > kMostByteEvents ? begin + kMostByteEvents : end;
        Bytes bytes[kVectors] = {};
        for (; begin < until; ++begin) {
          const std::int8_t* row = job.signs + job.events.channels[begin] * job.padded + j0;
          for (std::size_t q = 0; q < kVectors; ++q) {
            Bytes signs;
            std::memcpy(&signs, row + q * kBytes, sizeof signs);
            bytes[q] += signs;
          }
        }
        for (std::size_t q = 0; q < kVectors; ++q) add_widened(sum + 2 * q, bytes[q]);
      }
      const Shorts now = Shorts{} + static_cast<std::int16_t>(t);
      for (std::size_t q = 0; q < 2 * kVectors; ++q) {
        const Shorts rose = (sum[q] > best[q]) & (best[q] < bar[q]);
        best[q] = (sum[q] & rose) | (best[q] & ~rose);
        at[q] = (now & rose) | (at[q] & ~rose);
      }
    });
    std::int16_t most[kTile], when[kTile], bars[kTile];
    std::memcpy(most, best, sizeof most);
    std::memcpy(when, at, sizeof when);
    std::memcpy(bars, bar, sizeof bars);
    // Into arrays of known size that nothing else points to, which compilers make vectors of.
    std::uint8_t reach[kTile], steps[kTile];
    float margin[kTile];
    const auto never = static_cast<std::int16_t>(job.num_steps);
    for (std::size_t i = 0; i < kTile; ++i) {
      reach[i] = static_cast<std::uint8_t>(when[i]);
      steps[i] = static_cast<std::uint8_t>(most[i] < bars[i] ? never : when[i]);
    }
    for (std::size_t i = 0; i < kTile; ++i) margin[i] = static_cast<float>(most[i]) - job.thresholds[j0 + i];
    const std::size_t here = job.neurons - j0 < kTile ? job.neurons - j0 : kTile;
    std::memcpy(job.reach + j0, reach, here);
    std::memcpy(job.steps + j0, steps, here);
    std::memcpy(job.margin + j0, margin, sizeof(float) * here);
  }
}

// For samples of more events than 16 bits count.
void crossing_long(const CrossingJob& job) {
  for (std::size_t j = 0; j < job.neurons; ++j) {
    std::int64_t sum = 0;
    float best = -__builtin_inff();
    std::uint32_t at = 0;
    for_steps(job.events, [&](std::uint32_t t, std::size_t begin, std::size_t end) {
      for (std::size_t e = begin; e < end; ++e) sum += job.signs[job.events.channels[e] * job.padded + j];
      const auto potential = static_cast<float>(sum);
      if (potential > best && best < job.thresholds[j]) {
        best = potential;
        at = t;
      }
    });
    job.reach[j] = static_cast<std::uint8_t>(at);
    job.steps[j] = static_cast<std::uint8_t>(best < job.thresholds[j] ? job.num_steps : at);
    job.margin[j] = best - job.thresholds[j];
  }
}

// Sums the errors of a channel's events that come no later than their neuron is judged.
void impulse_tile(const GradientJob& job) {
  const std::uint32_t* samples = job.samples;
  const std::uint8_t* steps = job.steps;
  for (std::size_t i = 0; i < job.channels; ++i) {
    float* out = job.out + i * kErrorTile;
    const std::size_t begin = job.offsets[i], end = job.offsets[i + 1];
    if (begin == end) continue;
#if defined(__AVX512BW__)
    if (job.decays == nullptr) {
      __m512 a = _mm512_loadu_ps(out), b = _mm512_loadu_ps(out + 16);
      __m512 c = _mm512_loadu_ps(out + 32), d = _mm512_loadu_ps(out + 48);
      for (std::size_t e = begin; e < end; ++e) {
        const __m128i now = _mm_set1_epi8(static_cast<char>(steps[e]));
        const auto* reach = reinterpret_cast<const __m128i*>(job.reach + samples[e] * kErrorTile);
        const float* errors = job.errors + samples[e] * kErrorTile;
        a = _mm512_mask_add_ps(a, _mm_cmpge_epu8_mask(_mm_loadu_si128(reach), now), a,
                               _mm512_loadu_ps(errors));
        b = _mm512_mask_add_ps(b, _mm_cmpge_epu8_mask(_mm_loadu_si128(reach + 1), now), b,
                               _mm512_loadu_ps(errors + 16));
        c = _mm512_mask_add_ps(c, _mm_cmpge_epu8_mask(_mm_loadu_si128(reach + 2), now), c,
                               _mm512_loadu_ps(errors + 32));
        d = _mm512_mask_add_ps(d, _mm_cmpge_epu8_mask(_mm_loadu_si128(reach + 3), now), d,
                               _mm512_loadu_ps(errors + 48));
      }
      _mm512_storeu_ps(out, a);
      _mm512_storeu_ps(out + 16, b);
      _mm512_storeu_ps(out + 32, c);
      _mm512_storeu_ps(out + 48, d);
      continue;
    }
#endif
    for (std::size_t e = begin; e < end; ++e) {
      const std::uint8_t step = steps[e];
      const std::uint8_t* reach = job.reach + samples[e] * kErrorTile;
      const float* errors = job.errors + samples[e] * kErrorTile;
      if (job.decays == nullptr) {
        for (std::size_t j = 0; j < kErrorTile; ++j) out[j] += reach[j] >= step ? errors[j] : 0.0F;
      } else {
        for (std::size_t j = 0; j < kErrorTile; ++j) {
          if (reach[j] >= step) out[j] += errors[j] * job.decays[reach[j] - step];
        }
      }
    }
  }
}

// Sums the errors that were summed over time before: one row a sample and step.
template <std::size_t kTile>
void potential_tile(const GradientJob& job) {
  for (std::size_t i = 0; i < job.channels; ++i) {
    float sums[kTile];
    std::memcpy(sums, job.out + i * kTile, sizeof sums);
    for (std::size_t e = job.offsets[i]; e < job.offsets[i + 1]; ++e) {
      const float* errors = job.errors + (job.samples[e] * job.num_steps + job.steps[e]) * kTile;
      for (std::size_t j = 0; j < kTile; ++j) sums[j] += errors[j];
    }
    std::memcpy(job.out + i * kTile, sums, sizeof sums);
  }
}

}  // namespace

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

}  // namespace
#endif

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
  const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  for (std::size_t i0 = 0; i0 < channels; i0 += 16) {
    const std::size_t here = channels - i0 < 16 ? channels - i0 : 16;
    const auto there = static_cast<__mmask16>((1U << here) - 1);
    for (std::size_t j0 = 0; j0 < neurons; j0 += 16) {
      __m512 square[16];
      for (std::size_t k = 0; k < 16; ++k)
        square[k] = k < here ? _mm512_loadu_ps(sums + (i0 + k) * tile + j0) : _mm512_setzero_ps();
      turn_square(
          square, [&](__m512 a, __m512 b) { return _mm512_permutex2var_ps(a, low, b); },
          [&](__m512 a, __m512 b) { return _mm512_permutex2var_ps(a, high, b); });
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

void crossing(const CrossingJob& job) {
  if (job.events.count <= kMostShortEvents) {
    crossing_short(job);
  } else {
    crossing_long(job);
  }
}

void potentials(const SampleEvents& events, const std::int8_t* signs, std::size_t padded, std::size_t neurons,
                std::uint32_t num_steps, std::int32_t* sums, float* out) {
  std::memset(sums, 0, sizeof(std::int32_t) * padded);
  std::uint32_t filled = 0;
  const auto fill_until = [&](std::uint32_t t) {
    for (; filled < t; ++filled) {
      for (std::size_t k = 0; k < neurons; ++k) out[filled * neurons + k] = static_cast<float>(sums[k]);
    }
  };
  for_steps(events, [&](std::uint32_t t, std::size_t begin, std::size_t end) {
    fill_until(t);
    for (std::size_t k = 0; k < padded; k += Sums::kLanes) {
      Sums lanes(sums + k);
      for (std::size_t e = begin; e < end; ++e) lanes.add(signs + events.channels[e] * padded + k);
      lanes.save(sums + k);
    }
  });
  fill_until(num_steps);
}

void gradient(const GradientJob& job) {
  if (job.reach != nullptr) {
    impulse_tile(job);
  } else if (job.tile == kNarrowTile) {
    potential_tile<kNarrowTile>(job);
  } else {
    potential_tile<kErrorTile>(job);
  }
}

void add_signed(const float* latent, float error, std::size_t channels, float* heard) {
  for (std::size_t i = 0; i < channels; ++i) heard[i] += latent[i] >= 0.0F ? error : -error;
}

void credit(const float* latent, const float* later, std::size_t neurons, std::size_t padded,
            const std::uint8_t* below, std::size_t channels, [[maybe_unused]] std::size_t num_steps,
            float* out) {
  std::size_t i = 0;
#if defined(__AVX512F__)
  if (num_steps <= 16 &&
      neurons <= 16) {  // every sum over time of one neuron fits a vector: look it up by step
    __m512 of_neuron[16];
    for (std::size_t k = 0; k < neurons; ++k) {
      float by_step[16] = {};
      for (std::size_t t = 0; t < num_steps; ++t) by_step[t] = later[t * padded + k];
      of_neuron[k] = _mm512_loadu_ps(by_step);
    }
    for (; i + 16 <= channels; i += 16) {
      const __m512i step = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(below + i)));
      __m512 sum = _mm512_setzero_ps();
      for (std::size_t k = 0; k < neurons; ++k) {
        const __m512 value = _mm512_permutexvar_ps(step, of_neuron[k]);
        const __mmask16 plus =
            _mm512_cmp_ps_mask(_mm512_loadu_ps(latent + k * channels + i), _mm512_setzero_ps(), _CMP_GE_OQ);
        sum = _mm512_add_ps(
            sum, _mm512_mask_sub_ps(value, static_cast<__mmask16>(~plus), _mm512_setzero_ps(), value));
      }
      _mm512_storeu_ps(out + i, sum);
    }
  }
#endif
  for (; i < channels; ++i) {
    const float* values = later + below[i] * padded;
    float sum = 0.0F;
    for (std::size_t k = 0; k < neurons; ++k)
      sum += latent[k * channels + i] >= 0.0F ? values[k] : -values[k];
    out[i] = sum;
  }
}
}  // namespace BSTDG_ISA
}  // namespace bstdg
