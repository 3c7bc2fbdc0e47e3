// Convolution in training, compiled once for each instruction set; see simd.hpp for what that forbids.
#include "training/convolution_kernels.hpp"

#include <cstring>

#include "base/simd.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

// Sixteen lanes at a time, as many as maps are padded to.
typedef std::int16_t Shorts __attribute__((vector_size(2 * kMapTile), may_alias));
typedef float Floats __attribute__((vector_size(4 * kMapTile), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(4 * kMapTile), may_alias));

// By reference: how vectors that are wider than a register are passed, compilers do not agree on.
template <typename V, typename T>
inline void read(const T* from, V& to) {
  std::memcpy(&to, from, sizeof to);
}
template <typename V, typename T>
inline void write(T* to, const V& values) {
  std::memcpy(to, &values, sizeof values);
}

void crossing(const ConvolutionCrossingJob& job) {
  const Geometry& shape = job.geometry;
  const std::size_t padded = shape.padded, lanes = shape.places_wide * padded;
  const std::size_t kernel_row = shape.kernel_columns * padded, channel = shape.kernel_rows * kernel_row;
  for (std::size_t y = 0; y < shape.places_high; ++y) {
    std::int16_t* best = job.best + y * lanes;
    std::int16_t* at = job.at + y * lanes;
    std::memset(job.sums, 0, sizeof(std::int16_t) * lanes);
    std::memset(at, 0, sizeof(std::int16_t) * lanes);
    for (std::size_t i = 0; i < lanes; ++i) best[i] = -32768;
    // Kernel rows whose input row is there.
    const std::size_t top = y * shape.stride_rows;
    const std::size_t first = top < shape.padding_rows ? shape.padding_rows - top : 0;
    const std::size_t space = shape.rows + shape.padding_rows - top;
    const std::size_t last = space < shape.kernel_rows ? space : shape.kernel_rows;
    for (std::uint32_t t = 0; t < job.num_steps; ++t) {
      bool heard = t == 0;
      for (std::size_t i = first; i < last; ++i) {
        const std::size_t v = top + i - shape.padding_rows;
        const std::uint32_t* begin = job.events.begin + v * job.num_steps + t;
        for (std::uint32_t e = begin[0]; e < begin[1]; ++e) {
          const Run run = shape.runs[job.events.columns[e]];
          const std::int16_t* signs =
              job.signs + job.events.channels[e] * channel + i * kernel_row + run.slot * padded;
          std::int16_t* sums = job.sums + run.first * padded;
          for (std::size_t lane = 0; lane < run.count * padded; lane += kMapTile) {
            Shorts sum, added;
            read(sums + lane, sum);
            read(signs + lane, added);
            sum += added;
            write(sums + lane, sum);
          }
          heard = true;
        }
      }
      if (!heard) continue;
      const Shorts now = Shorts{} + static_cast<std::int16_t>(t);
      for (std::size_t map = 0; map < padded; map += kMapTile) {
        Shorts bar;
        read(job.bars + map, bar);
        for (std::size_t lane = map; lane < lanes; lane += padded) {
          Shorts sum, most, when;
          read(job.sums + lane, sum);
          read(best + lane, most);
          read(at + lane, when);
          const Shorts rose = (sum > most) & (most < bar);
          most = (sum & rose) | (most & ~rose);
          when = (now & rose) | (when & ~rose);
          write(best + lane, most);
          write(at + lane, when);
        }
      }
    }
  }
}

void gradient(const ConvolutionGradientJob& job) {
  const Geometry& shape = job.geometry;
  const std::size_t padded = shape.padded, lanes = shape.places_wide * padded;
  const std::size_t kernel_row = shape.kernel_columns * padded, channel = shape.kernel_rows * kernel_row;
  for (std::size_t y = 0; y < shape.places_high; ++y) {
    const std::size_t top = y * shape.stride_rows;
    const std::size_t first = top < shape.padding_rows ? shape.padding_rows - top : 0;
    const std::size_t space = shape.rows + shape.padding_rows - top;
    const std::size_t last = space < shape.kernel_rows ? space : shape.kernel_rows;
    for (std::size_t i = first; i < last; ++i) {
      const std::size_t v = top + i - shape.padding_rows;
      for (std::uint32_t t = 0; t < job.num_steps; ++t) {
        const std::uint32_t* begin = job.events.begin + v * job.num_steps + t;
        const Ints now = Ints{} + static_cast<std::int32_t>(t);
        for (std::uint32_t e = begin[0]; e < begin[1]; ++e) {
          const Run run = shape.runs[job.events.columns[e]];
          float* out = job.out + job.events.channels[e] * channel + i * kernel_row + run.slot * padded;
          const std::size_t from = y * lanes + run.first * padded;
          const float* errors = job.errors + from;
          const std::uint8_t* reach = job.reach + from;
          const std::size_t count = run.count * padded;
          if (job.decays != nullptr) {
            for (std::size_t lane = 0; lane < count; ++lane) {
              if (reach[lane] >= t) out[lane] += errors[lane] * job.decays[reach[lane] - t];
            }
            continue;
          }
#if defined(__AVX512BW__)
          const __m128i step = _mm_set1_epi8(static_cast<char>(t));
          for (std::size_t lane = 0; lane < count; lane += kMapTile) {
            const __mmask16 told =
                _mm_cmpge_epu8_mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(reach + lane)), step);
            const __m512 sum = _mm512_loadu_ps(out + lane);
            _mm512_storeu_ps(out + lane, _mm512_mask_add_ps(sum, told, sum, _mm512_loadu_ps(errors + lane)));
          }
#else
          for (std::size_t lane = 0; lane < count; lane += kMapTile) {
            Ints judged, told;
            Floats sum;
            for (std::size_t k = 0; k < kMapTile; ++k) judged[k] = reach[lane + k];
            read(errors + lane, told);
            read(out + lane, sum);
            told &= judged >= now;
            sum += (Floats)told;
            write(out + lane, sum);
          }
#endif
        }
        static_cast<void>(now);
      }
    }
  }
}

void add_signed(const float* signs, float error, std::size_t count, float* heard) {
  for (std::size_t i = 0; i < count; ++i) heard[i] += signs[i] * error;
}

void take_at(const float* heard, const std::uint8_t* below, std::uint8_t step, std::size_t count,
             float* credit) {
  for (std::size_t i = 0; i < count; ++i) credit[i] = below[i] == step ? heard[i] : credit[i];
}

// A square of vectors of 16 bytes turned around by shuffles of a pack of cards, where it lies within what is
// there; else one by one.
template <std::size_t kSide, typename T, typename V, typename Low, typename High>
inline void turn(const T* from, std::size_t rows, std::size_t columns, std::size_t from_stride, T* to,
                 std::size_t stride, const Low& low, const High& high) {
  constexpr std::size_t kShuffles = kSide == 16 ? 4 : kSide == 8 ? 3 : 2;
  for (std::size_t j = 0; j < columns; j += kSide) {
    for (std::size_t i = 0; i < rows; i += kSide) {
      const std::size_t high_side = rows - i < kSide ? rows - i : kSide;
      const std::size_t wide_side = columns - j < kSide ? columns - j : kSide;
      if (high_side < kSide || wide_side < kSide) {
        for (std::size_t y = 0; y < high_side; ++y) {
          for (std::size_t x = 0; x < wide_side; ++x)
            to[(j + x) * stride + i + y] = from[(i + y) * from_stride + j + x];
        }
        continue;
      }
      V square[kSide];
      for (std::size_t y = 0; y < kSide; ++y) read(from + (i + y) * from_stride + j, square[y]);
      for (std::size_t shuffle = 0; shuffle < kShuffles; ++shuffle) {
        V next[kSide];
        for (std::size_t y = 0; y < kSide / 2; ++y) {
          next[2 * y] = low(square[y], square[y + kSide / 2]);
          next[2 * y + 1] = high(square[y], square[y + kSide / 2]);
        }
        for (std::size_t y = 0; y < kSide; ++y) square[y] = next[y];
      }
      for (std::size_t x = 0; x < kSide; ++x) write(to + (j + x) * stride + i, square[x]);
    }
  }
}

typedef std::int16_t Eight __attribute__((vector_size(16), may_alias));
typedef float Four __attribute__((vector_size(16), may_alias));
typedef std::uint8_t Sixteen __attribute__((vector_size(16), may_alias));

void turn_shorts(const std::int16_t* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                 std::int16_t* to, std::size_t stride) {
  turn<8, std::int16_t, Eight>(
      from, rows, columns, from_stride, to, stride,
      [](Eight a, Eight b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); },
      [](Eight a, Eight b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); });
}

void turn_floats(const float* from, std::size_t rows, std::size_t columns, std::size_t from_stride, float* to,
                 std::size_t stride) {
  turn<4, float, Four>(
      from, rows, columns, from_stride, to, stride,
      [](Four a, Four b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); },
      [](Four a, Four b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); });
}

void turn_bytes(const std::uint8_t* from, std::size_t rows, std::size_t columns, std::size_t from_stride,
                std::uint8_t* to, std::size_t stride) {
  turn<16, std::uint8_t, Sixteen>(
      from, rows, columns, from_stride, to, stride,
      [](Sixteen a, Sixteen b) {
        return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      },
      [](Sixteen a, Sixteen b) {
        return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      });
}

void judge(const std::int16_t* best, const std::int16_t* at, std::size_t count, std::int16_t bar,
           float threshold, std::uint8_t never, std::uint8_t* steps, std::uint8_t* reach, float* margin) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto when = static_cast<std::uint8_t>(at[i]);
    reach[i] = when;
    steps[i] = best[i] < bar ? never : when;
    margin[i] = static_cast<float>(best[i]) - threshold;
  }
}

}  // namespace

extern const ConvolutionKernels convolution_kernels;
const ConvolutionKernels convolution_kernels{&crossing,    &gradient,    &add_signed, &take_at,
                                             &turn_shorts, &turn_floats, &turn_bytes, &judge};

}  // namespace BSTDG_ISA
}  // namespace bstdg
