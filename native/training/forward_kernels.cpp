// The forward pass of training, compiled once for each instruction set; see simd.hpp for what that forbids.
#include <cstring>

#include "base/simd.hpp"
#include "training/training_kernels.hpp"

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

void crossing(const CrossingJob& job) {
  if (job.events.count <= kMostShortEvents) {
    crossing_short(job);
  } else {
    crossing_long(job);
  }
}

void potentials(const SampleEvents& events, const std::int8_t* signs, std::size_t padded, std::size_t neurons,
                std::uint32_t num_steps, std::int32_t* sums, float* out) {
  constexpr std::size_t kAtOnce = 16;
  std::memset(sums, 0, sizeof(std::int32_t) * padded);
  std::uint32_t filled = 0;
  const float* const end_of_all = out + num_steps * neurons;
  // Whole vectors, of which the next step overwrites what is too much.
  const auto fill_until = [&](std::uint32_t t) {
    for (std::size_t k = 0; k < neurons; k += kAtOnce) {
      float now[kAtOnce];
      for (std::size_t i = 0; i < kAtOnce; ++i) now[i] = static_cast<float>(sums[k + i]);
      for (std::uint32_t step = filled; step < t; ++step) {
        float* const to = out + step * neurons + k;
        if (k + kAtOnce <= neurons || (neurons <= kAtOnce && to + kAtOnce <= end_of_all)) {
          std::memcpy(to, now, sizeof now);
        } else {
          for (std::size_t i = 0; k + i < neurons; ++i) to[i] = now[i];
        }
      }
    }
    filled = t;
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

}  // namespace

extern const ForwardKernels forward_kernels;
const ForwardKernels forward_kernels{&crossing, &potentials};

}  // namespace BSTDG_ISA
}  // namespace bstdg
