// The backward pass of training, compiled once for each instruction set; see simd.hpp for what that forbids.
#include <cstring>

#include "training/signed_kernels.hpp"
#include "training/square.hpp"
#include "training/training_kernels.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

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
      const float* errors =
          job.errors + ((job.samples[e] - job.first) * job.num_steps + job.steps[e]) * kTile;
      for (std::size_t j = 0; j < kTile; ++j) sums[j] += errors[j];
    }
    std::memcpy(job.out + i * kTile, sums, sizeof sums);
  }
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

void minus(const float* latent, std::size_t neurons, std::size_t channels, std::uint32_t* out) {
  for (std::size_t first = 0; first < channels; first += kCreditTile) {
    for (std::size_t j = 0; j < neurons; ++j, out += 16) {
      Ints words = {};
      for (std::size_t i = first; i < channels && i < first + kCreditTile; i += 16) {
        const float* weights = latent + j * channels + i;
        const std::size_t here = channels - i < 16 ? channels - i : 16;
        const auto four = static_cast<std::int32_t>(15U << (i - first) / 4);
#if defined(__AVX512F__)
        const auto there = static_cast<__mmask16>((1U << here) - 1);
        const __mmask16 negative = _mm512_mask_cmp_ps_mask(there, _mm512_maskz_loadu_ps(there, weights),
                                                           _mm512_setzero_ps(), _CMP_NGE_UQ);
        words |= (Ints)_mm512_maskz_set1_epi32(negative, four);
#else
        for (std::size_t k = 0; k < here; ++k) words[k] |= weights[k] >= 0.0F ? 0 : four;
#endif
      }
      write(out, words);
    }
  }
}

// A tile of channels at a time, whose sums stay in registers while all neurons pass by, those judged last
// first, four that are judged at one step at once.
void impulse_credit(const CreditJob& job) {
  constexpr std::size_t kTiles = kCreditTile / 16;
  std::size_t ends[256], count = 0;  // of the fours of each step
  for (std::size_t t = job.num_steps; t-- > 0; ends[t] = count) {
    for (std::uint32_t a = job.begin[t]; a < job.begin[t + 1]; a += 16) {
      const std::uint32_t some = job.begin[t + 1] - a < 16 ? job.begin[t + 1] - a : 16;
      float errors[16] = {};  // whoever is missing in the last four tells nothing
      std::uint32_t tellers[16] = {};
      for (std::uint32_t k = 0; k < some; ++k) {
        errors[k] = job.told[a + k].error;
        tellers[k] = job.told[a + k].neuron;
      }
      Floats sums[4];
      add_up(errors, sums);
      std::memcpy(job.sums + count * 16, sums, sizeof sums);
      std::memcpy(job.tellers + count * 4, tellers, sizeof tellers);
      count += (some + 3) / 4;
    }
  }
  for (std::size_t first = 0; first < job.channels; first += kCreditTile) {
    const std::uint32_t* words = job.minus + first / kCreditTile * job.neurons * 16;
    const std::size_t here = job.channels - first < kCreditTile ? job.channels - first : kCreditTile;
    std::uint8_t below[kCreditTile];
    std::memset(below, 255, sizeof below);  // beyond every step
    std::memcpy(below, job.below + first, here);
    float credit[kCreditTile] = {};
    Floats heard[kTiles] = {};
    std::size_t four = 0;
    for (std::size_t t = job.num_steps; t-- > 0;) {
      for (; four < ends[t]; ++four) {
        const std::uint32_t* tellers = job.tellers + four * 4;
        Floats sums;
        Ints entries, others, last;
        read(job.sums + four * 16, sums);
        read(words + tellers[0] * 16, entries);
        read(words + tellers[1] * 16, others);
        choose(0x11111111, entries, others, entries);
        read(words + tellers[2] * 16, others);
        read(words + tellers[3] * 16, last);
        choose(0x44444444, others, last, others);
        choose(0x33333333, entries, others, entries);
        for (std::size_t k = 0; k < kTiles; ++k) {
          add_from(sums, entries, heard[k]);
          entries >>= 4;
        }
      }
      const auto step = static_cast<std::uint8_t>(t);
      std::uint8_t wanted = 0;
      for (std::size_t i = 0; i < kCreditTile; ++i) wanted |= below[i] == step;
      if (wanted == 0) continue;
      float now[kCreditTile];
      std::memcpy(now, heard, sizeof now);
      for (std::size_t i = 0; i < kCreditTile; ++i) credit[i] = below[i] == step ? now[i] : credit[i];
    }
    std::memcpy(job.out + first, credit, sizeof(float) * here);
  }
}

void sum_later(const float* from, std::size_t from_stride, std::size_t there, std::size_t num_steps,
               std::size_t width, float decay, float* to, std::size_t stride) {
  const auto sum = [&](std::size_t k, const auto& fade) {
    Floats later = {};
    for (std::size_t t = num_steps; t-- > 0;) {
      const std::size_t at = t * from_stride + k;
      Floats now = {};
      if (at + 16 <= there) {
        read(from + at, now);
      } else {
        for (std::size_t i = 0; at + i < there && k + i < width; ++i) now[i] = from[at + i];
      }
      fade(later);
      later += now;
      write(to + t * stride + k, later);
    }
  };
  for (std::size_t k = 0; k < width; k += 16) {
    if (decay == 1.0F) {
      sum(k, [](const Floats&) {});  // each step waits for the one after it: no longer than it has to
    } else {
      sum(k, [&](Floats& later) { later *= decay; });
    }
  }
}

void potential_credit(const float* latent, const float* later, std::size_t neurons, std::size_t padded,
                      const std::uint8_t* below, std::size_t channels, [[maybe_unused]] std::size_t num_steps,
                      float* out) {
  std::size_t i = 0;
#if defined(__AVX512BW__)
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
  for (; i + 16 <= channels; i += 16) {
    __m512 sum = _mm512_setzero_ps();
    for (std::size_t first = 0; first < neurons; first += 16) {
      __m512 square[16];
      for (std::size_t c = 0; c < 16; ++c) square[c] = _mm512_loadu_ps(later + below[i + c] * padded + first);
      turn_square(square);
      for (std::size_t k = 0; k < 16 && first + k < neurons; ++k) {
        const __mmask16 plus = _mm512_cmp_ps_mask(_mm512_loadu_ps(latent + (first + k) * channels + i),
                                                  _mm512_setzero_ps(), _CMP_GE_OQ);
        sum = _mm512_add_ps(sum, _mm512_mask_sub_ps(square[k], static_cast<__mmask16>(~plus),
                                                    _mm512_setzero_ps(), square[k]));
      }
    }
    _mm512_storeu_ps(out + i, sum);
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

}  // namespace

extern const BackwardKernels backward_kernels;
const BackwardKernels backward_kernels{&gradient, &minus, &impulse_credit, &sum_later, &potential_credit};

}  // namespace BSTDG_ISA
}  // namespace bstdg
