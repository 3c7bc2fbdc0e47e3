// The forward pass of a convolution in training, compiled once for each instruction set; see simd.hpp for
// what that forbids.
#include "training/convolution_kernels.hpp"

#include <cstring>

#include "base/simd.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

constexpr std::size_t kBytes = kMostWords * 8, kShorts = kMostWords * 4;
typedef std::uint8_t Bytes __attribute__((vector_size(kBytes), may_alias));  // in two's complement
typedef std::int16_t Shorts __attribute__((vector_size(2 * kShorts), may_alias));
static_assert(kRowTile % kBytes == 0, "rows of places are whole vectors");

// As many as 8 bits count between two calls of `widen`.
constexpr std::uint32_t kMostByteEvents = 127;

inline void add_signs(const std::int8_t* signs, std::uint8_t* sums) {
  Bytes sum, added;
  read(sums, sum);
  read(signs, added);
  sum += added;
  write(sums, sum);
}

// kVectors: of a run, or 0 for as many as there are.
template <std::size_t kVectors>
void add_events(const ConvolutionCrossingJob& job, std::uint32_t begin, std::uint32_t end,
                std::ptrdiff_t first) {
  const std::uint32_t *starts = job.events.signs, *lanes = job.events.lanes;
  const std::int8_t* signs = job.signs;
  const std::size_t vectors = kVectors > 0 ? kVectors : job.run / kBytes;
  std::uint8_t *even = job.bytes[0], *odd = job.bytes[1];
  std::uint32_t e = begin;
  for (; e + 2 <= end; e += 2) {
    const std::int8_t *one = signs + (starts[e] + first), *other = signs + (starts[e + 1] + first);
    std::uint8_t *to_one = even + lanes[e], *to_other = odd + lanes[e + 1];
    for (std::size_t k = 0; k < vectors; ++k) add_signs(one + k * kBytes, to_one + k * kBytes);
    for (std::size_t k = 0; k < vectors; ++k) add_signs(other + k * kBytes, to_other + k * kBytes);
  }
  for (std::size_t k = 0; e < end && k < vectors; ++k)
    add_signs(signs + (starts[e] + first) + k * kBytes, even + lanes[e] + k * kBytes);
}

// By the vectors of a run; the first is for any.
constexpr decltype(&add_events<0>) kAddEvents[] = {&add_events<0>, &add_events<1>, &add_events<2>,
                                                   &add_events<3>, &add_events<4>};

inline void take_bytes(std::uint8_t* bytes, Shorts& sum) {
#if defined(__AVX512BW__)
  sum += (Shorts)_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
#elif defined(__AVX2__)
  sum += (Shorts)_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
#else
  for (std::size_t i = 0; i < kShorts; ++i) {
    const auto wide = static_cast<std::int16_t>(static_cast<std::int8_t>(bytes[i]));
    sum[i] = static_cast<std::int16_t>(sum[i] + wide);
  }
#endif
  std::memset(bytes, 0, kShorts);
}

// Adds bytes, which are 0 afterwards, to a vector of sums.
inline void widen(const ConvolutionCrossingJob& job, std::size_t lane, Shorts& sum) {
  read(job.sums + lane, sum);
  take_bytes(job.bytes[0] + job.frame + lane, sum);
  take_bytes(job.bytes[1] + job.frame + lane, sum);
  write(job.sums + lane, sum);
}

// One row of places: adds what arrived in bytes, and follows the greatest potential until it is at its bar.
inline void follow(const ConvolutionCrossingJob& job, std::uint32_t step) {
  const Shorts now = Shorts{} + static_cast<std::int16_t>(step);
  for (std::size_t lane = 0; lane < job.lanes; lane += kShorts) {
    Shorts sum, most, when, bar;
    widen(job, lane, sum);
    read(job.row_best + lane, most);
    read(job.row_at + lane, when);
    read(job.bars + lane, bar);
    const Shorts rose = (sum > most) & (most < bar);
    most = (sum & rose) | (most & ~rose);
    when = (now & rose) | (when & ~rose);
    write(job.row_best + lane, most);
    write(job.row_at + lane, when);
  }
}

void crossing(const ConvolutionCrossingJob& job) {
  const std::size_t vectors = job.run / kBytes;
  const auto add = kAddEvents[vectors < sizeof kAddEvents / sizeof *kAddEvents ? vectors : 0];
  for (std::size_t y = 0; y < job.places_high; ++y) {
    std::memset(job.sums, 0, sizeof(std::int16_t) * job.lanes);
    std::memset(job.row_at, 0, sizeof(std::int16_t) * job.lanes);
    for (std::size_t i = 0; i < job.lanes; ++i) job.row_best[i] = -32768;
    // Kernel rows whose input row is there.
    const std::size_t top = y * job.stride_rows;
    const std::size_t first = top < job.padding_rows ? job.padding_rows - top : 0;
    const std::size_t space = job.rows + job.padding_rows - top;
    const std::size_t last = space < job.kernel_rows ? space : job.kernel_rows;
    if (first < last) {
      const auto down = static_cast<std::ptrdiff_t>(top) - static_cast<std::ptrdiff_t>(job.padding_rows);
      const std::size_t row = top + first - job.padding_rows;
      for (std::uint32_t t = 0; t < job.num_steps; ++t) {
        const std::uint32_t* cell = job.events.begin + (t * job.rows + row) * kChains;
        std::uint32_t begin = cell[0];
        const std::uint32_t end = cell[(last - first) * kChains];
        if (begin == end && t > 0) continue;
        for (; end - begin > kMostByteEvents; begin += kMostByteEvents) {
          add(job, begin, begin + kMostByteEvents, -down * static_cast<std::ptrdiff_t>(job.kernel_row));
          Shorts sum;
          for (std::size_t lane = 0; lane < job.lanes; lane += kShorts) widen(job, lane, sum);
        }
        add(job, begin, end, -down * static_cast<std::ptrdiff_t>(job.kernel_row));
        follow(job, t);
      }
    } else {
      follow(job, 0);
    }
    std::memcpy(job.best + y * job.lanes, job.row_best, sizeof(std::int16_t) * job.lanes);
    std::memcpy(job.at + y * job.lanes, job.row_at, sizeof(std::int16_t) * job.lanes);
  }
}

typedef std::int16_t Sixteen __attribute__((vector_size(2 * 16), may_alias));
typedef std::uint8_t SixteenBytes __attribute__((vector_size(16), may_alias));
typedef float SixteenFloats __attribute__((vector_size(4 * 16), may_alias));

void judge(const JudgeJob& job) {
  std::size_t i = 0;
  for (; i + 16 <= job.count; i += 16) {
    Sixteen best, at, bars;
    SixteenFloats thresholds;
    read(job.best + i, best);
    read(job.at + i, at);
    read(job.bars + i, bars);
    read(job.thresholds + i, thresholds);
    const Sixteen silent = best < bars;
    const Sixteen steps = (at & ~silent) | (silent & static_cast<std::int16_t>(job.never));
    write(job.reach + i, __builtin_convertvector(at, SixteenBytes));
    write(job.steps + i, __builtin_convertvector(steps, SixteenBytes));
    write(job.margin + i, __builtin_convertvector(best, SixteenFloats) - thresholds);
  }
  for (; i < job.count; ++i) {
    const auto when = static_cast<std::uint8_t>(job.at[i]);
    job.reach[i] = when;
    job.steps[i] = job.best[i] < job.bars[i] ? job.never : when;
    job.margin[i] = static_cast<float>(job.best[i]) - job.thresholds[i];
  }
}

}  // namespace

extern const ConvolutionKernels convolution_kernels;
const ConvolutionKernels convolution_kernels{&crossing, &judge};

}  // namespace BSTDG_ISA
}  // namespace bstdg
