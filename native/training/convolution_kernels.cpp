// The forward pass of a convolution in training, compiled once for each instruction set; see simd.hpp for
// what that forbids.
#include "training/convolution_kernels.hpp"

#include <cstring>

#include "base/simd.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

constexpr std::size_t kBytes = kMostWords * 8, kShorts = kMostWords * 4;
typedef std::int8_t Bytes __attribute__((vector_size(kBytes), may_alias));
typedef std::int8_t FewBytes __attribute__((vector_size(kMapTile), may_alias));
typedef std::int16_t Shorts __attribute__((vector_size(2 * kShorts), may_alias));
static_assert(kRowTile % kBytes == 0, "rows of places are whole vectors");

// As many as 8 bits count between two calls of `widen`.
constexpr std::size_t kMostByteEvents = 127;

template <typename V>
inline void add(const std::int8_t* signs, std::int8_t* sums) {
  V sum, added;
  read(sums, sum);
  read(signs, added);
  sum += added;
  write(sums, sum);
}

inline void add_signs(const std::int8_t* signs, std::size_t count, std::int8_t* sums) {
  std::size_t lane = 0;
  for (; lane + kBytes <= count; lane += kBytes) add<Bytes>(signs + lane, sums + lane);
  for (; lane < count; lane += kMapTile) add<FewBytes>(signs + lane, sums + lane);
}

// sums += bytes, which are 0 afterwards, a vector of sums.
inline void widen(std::int8_t* bytes, std::int16_t* sums, Shorts& sum) {
  read(sums, sum);
#if defined(__AVX512BW__)
  sum += (Shorts)_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
#elif defined(__AVX2__)
  sum += (Shorts)_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
#else
  for (std::size_t i = 0; i < kShorts; ++i) sum[i] = static_cast<std::int16_t>(sum[i] + bytes[i]);
#endif
  std::memset(bytes, 0, kShorts);
  write(sums, sum);
}

// One row of places: adds what arrived in bytes, and follows the greatest potential until it is at its bar.
inline void follow(const ConvolutionCrossingJob& job, std::uint32_t step, std::size_t lanes) {
  const Shorts now = Shorts{} + static_cast<std::int16_t>(step);
  for (std::size_t lane = 0; lane < lanes; lane += kShorts) {
    Shorts sum, most, when, bar;
    widen(job.bytes + lane, job.sums + lane, sum);
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
  const Geometry& shape = job.geometry;
  const std::size_t padded = shape.padded, lanes = shape.places_wide * padded;
  const std::size_t kernel_row = shape.kernel_columns * padded, channel = shape.kernel_rows * kernel_row;
  for (std::size_t y = 0; y < shape.places_high; ++y) {
    std::memset(job.sums, 0, sizeof(std::int16_t) * lanes);
    std::memset(job.row_at, 0, sizeof(std::int16_t) * lanes);
    for (std::size_t i = 0; i < lanes; ++i) job.row_best[i] = -32768;
    // Kernel rows whose input row is there.
    const std::size_t top = y * shape.stride_rows;
    const std::size_t first = top < shape.padding_rows ? shape.padding_rows - top : 0;
    const std::size_t space = shape.rows + shape.padding_rows - top;
    const std::size_t last = space < shape.kernel_rows ? space : shape.kernel_rows;
    for (std::uint32_t t = 0; t < job.num_steps; ++t) {
      bool heard = t == 0;
      std::size_t counted = 0;
      for (std::size_t i = first; i < last; ++i) {
        const std::size_t cell = (top + i - shape.padding_rows) * job.num_steps + t;
        const std::uint32_t *begin = job.events.begin + cell * job.events.kinds,
                            *end = begin + job.events.kinds;
        const std::int8_t* signs = job.signs + i * kernel_row;
        heard |= *begin < *end;
        for (std::uint32_t e = *begin; e < *end; ++e) {
          if (counted++ == kMostByteEvents) {
            Shorts sum;
            for (std::size_t lane = 0; lane < lanes; lane += kShorts)
              widen(job.bytes + lane, job.sums + lane, sum);
            counted = 1;
          }
          const Run run = shape.along[job.events.columns[e]];
          add_signs(signs + job.events.channels[e] * channel + run.slot * padded, run.count * padded,
                    job.bytes + run.first * padded);
        }
      }
      if (heard) follow(job, t, lanes);
    }
    std::memcpy(job.best + y * lanes, job.row_best, sizeof(std::int16_t) * lanes);
    std::memcpy(job.at + y * lanes, job.row_at, sizeof(std::int16_t) * lanes);
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
