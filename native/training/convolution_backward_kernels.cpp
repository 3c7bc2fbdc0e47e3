// The backward pass of a convolution in training, compiled once for each instruction set; see simd.hpp for
// what that forbids.
#include <cstring>

#include "training/convolution_kernels.hpp"
#include "training/signed_kernels.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

typedef std::uint8_t Bytes16 __attribute__((vector_size(16), may_alias));

template <std::size_t kNumber>
struct Number {
  static constexpr std::size_t kValue = kNumber;
};

// sums += errors where reach is at or after `step`.
inline __attribute__((always_inline)) void add_judged(const float* errors, const std::uint8_t* reach,
                                                      std::uint8_t step, Floats& sums) {
#if defined(__AVX512BW__)
  const __mmask16 told = _mm_cmpge_epu8_mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(reach)),
                                             _mm_set1_epi8(static_cast<char>(step)));
  sums = (Floats)_mm512_mask_add_ps((__m512)sums, told, (__m512)sums, _mm512_loadu_ps(errors));
#else
  Bytes16 judged;
  Ints told;
  read(reach, judged);
  read(errors, told);
  told &= __builtin_convertvector(judged, Ints) >= static_cast<std::int32_t>(step);
  sums += (Floats)told;
#endif
}

// What the events of one cell tell kTiles times kMapTile lanes of one row of places, whose sums stay in
// registers meanwhile.
template <std::size_t kTiles>
inline void sum_tiles(const ConvolutionGradientJob& job, std::uint32_t begin, std::uint32_t end,
                      std::size_t lane, float* out) {
  Floats sums[kTiles];
  for (std::size_t k = 0; k < kTiles; ++k) read(out + k * kMapTile, sums[k]);
  const float* errors = job.errors + lane;
  const std::uint8_t* reach = job.reach + lane;
  for (std::uint32_t e = begin; e < end; ++e) {
    const std::size_t at = job.neurons[e];
    const std::uint8_t step = job.steps[e];
    for (std::size_t k = 0; k < kTiles; ++k)
      add_judged(errors + at + k * kMapTile, reach + at + k * kMapTile, step, sums[k]);
  }
  for (std::size_t k = 0; k < kTiles; ++k) write(out + k * kMapTile, sums[k]);
}

// The same where errors count less the later they are judged.
inline void sum_decayed(const ConvolutionGradientJob& job, std::uint32_t begin, std::uint32_t end,
                        std::size_t lane, std::size_t lanes, float* out) {
  for (std::uint32_t e = begin; e < end; ++e) {
    const float* errors = job.errors + job.neurons[e] + lane;
    const std::uint8_t* reach = job.reach + job.neurons[e] + lane;
    const std::uint8_t step = job.steps[e];
    for (std::size_t i = 0; i < lanes; ++i) {
      if (reach[i] >= step) out[i] += errors[i] * job.decays[reach[i] - step];
    }
  }
}

#if defined(__AVX512F__)
constexpr std::size_t kSumTiles = 8;  // a half or a quarter of the registers
#elif defined(__AVX2__)
constexpr std::size_t kSumTiles = 4;
#else
constexpr std::size_t kSumTiles = 2;
#endif

void gradient(const ConvolutionGradientJob& job) {
  for (std::size_t cell = 0; cell < job.channels * job.num_kinds; ++cell) {
    const std::uint32_t begin = job.begin[cell * kChains], end = job.begin[(cell + 1) * kChains];
    if (begin == end) continue;
    const Touched touched = job.kinds[cell % job.num_kinds];
    float* out = job.out + cell / job.num_kinds * job.channel_weights + touched.weight;
    for (std::uint32_t y = 0; y < touched.rows; ++y, out -= job.weight_back) {
      std::size_t lane = y * job.neuron_ahead;
      if (job.decays != nullptr) {
        sum_decayed(job, begin, end, lane, touched.lanes, out);
        continue;
      }
      const std::size_t tiles = touched.lanes / kMapTile;
      std::size_t tile = 0;
      const auto sum = [&](auto count) {
        constexpr std::size_t kTiles = decltype(count)::kValue;
        for (; tile + kTiles <= tiles; tile += kTiles)
          sum_tiles<kTiles>(job, begin, end, lane + tile * kMapTile, out + tile * kMapTile);
      };
      sum(Number<kSumTiles>{});
      if constexpr (kSumTiles > 4) sum(Number<4>{});
      if constexpr (kSumTiles > 2) sum(Number<2>{});
      sum(Number<1>{});
    }
  }
}

constexpr std::size_t kFours = kWordMaps / 4;

// The errors of up to kWordMaps maps of one place, four maps at a time: of those fours that have any, what
// they come to with any signs, and their first bit in words.
struct Fours {
  Floats sums[kFours];
  Ints first[kFours];
  std::size_t count = 0;
};

inline void take_fours(const float* errors, const std::uint8_t* reach, std::uint8_t step, std::size_t maps,
                       Fours& fours) {
  for (std::size_t map = 0; map < maps; map += kMapTile) {
    alignas(64) float told[kMapTile];
    unsigned some = 0;
#if defined(__AVX512BW__)
    const __m512 all = _mm512_loadu_ps(errors + map);
    const __mmask16 here =
        _mm_mask_cmpeq_epi8_mask(_mm512_cmp_ps_mask(all, _mm512_setzero_ps(), _CMP_NEQ_UQ),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(reach + map)),
                                 _mm_set1_epi8(static_cast<char>(step)));
    _mm512_store_ps(told, _mm512_maskz_mov_ps(here, all));
    some = here;
#else
    for (std::size_t k = 0; k < kMapTile; ++k) {
      told[k] = reach[map + k] == step ? errors[map + k] : 0.0F;
      some |= unsigned{told[k] != 0.0F} << k;
    }
#endif
    for (std::size_t four = 0; four < kMapTile / 4; ++four) {
      if ((some >> 4 * four & 15) == 0) continue;
      add_up(told + 4 * four, fours.sums[fours.count]);
      fours.first[fours.count++] = Ints{} + static_cast<std::int32_t>(map + 4 * four);
    }
  }
}

// heard += what kCount fours tell, at the pixels of one place.
template <std::size_t kCount>
inline void tell(const Fours& fours, const ConvolutionCreditJob& job, const Seen& seen,
                 const std::uint32_t* minus, float* heard) {
  Floats tables[kCount];
  Ints first[kCount];
  for (std::size_t k = 0; k < kCount; ++k) {
    tables[k] = fours.sums[k];
    first[k] = fours.first[k];
  }
  const std::size_t row = job.columns * job.lanes, kernel_row = job.kernel_columns * job.own;
  const bool together = job.own == job.lanes;  // the channels of all columns follow each other
  const std::size_t runs = together ? 1 : seen.columns, lanes = together ? seen.columns * job.own : job.own;
  for (std::size_t i = 0; i < seen.rows; ++i) {
    for (std::size_t j = 0; j < runs; ++j) {
      float* to = heard + i * row + j * job.lanes;
      const std::uint32_t* from = minus + i * kernel_row + j * job.own;
      for (std::size_t lane = 0; lane < lanes; lane += kMapTile) {
        Floats sum;
        Ints words;
        read(to + lane, sum);
        read(from + lane, words);
        for (std::size_t k = 0; k < kCount; ++k) add_from(tables[k], words, first[k], sum);
        write(to + lane, sum);
      }
    }
  }
}

void credit(const ConvolutionCreditJob& job) {
  constexpr decltype(&tell<1>) kTell[] = {&tell<1>, &tell<2>, &tell<3>, &tell<4>,
                                          &tell<5>, &tell<6>, &tell<7>, &tell<8>};
  static_assert(sizeof kTell / sizeof *kTell == kFours, "one for each number of fours");
  const std::size_t kernel = job.kernel_rows * job.kernel_columns * job.own, maps = job.padded_own_maps;
  for (std::size_t place = 0; place < job.places; ++place) {
    const Seen seen = job.seen[place];
    const std::uint32_t* minus = job.minus + (seen.row * job.kernel_columns + seen.column) * job.own;
    for (std::size_t g = 0; g < job.groups; ++g) {
      const std::size_t at = (place * job.groups + g) * maps;
      for (std::size_t map = 0; map < maps; map += kWordMaps, minus += kernel) {
        Fours fours;
        take_fours(job.errors + at + map, job.reach + at + map, job.step,
                   maps - map < kWordMaps ? maps - map : kWordMaps, fours);
        if (fours.count > 0)
          kTell[fours.count - 1](fours, job, seen, minus, job.heard + seen.pixel * job.lanes + g * job.own);
      }
    }
  }
}

void take_at(const float* heard, const std::uint8_t* below, std::uint8_t step, std::size_t count,
             float* credit) {
#if defined(__AVX512BW__)
  const __m128i now = _mm_set1_epi8(static_cast<char>(step));
  for (std::size_t i = 0; i < count; i += kMapTile) {
    const __mmask16 here =
        _mm_cmpeq_epi8_mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(below + i)), now);
    if (here != 0) _mm512_mask_storeu_ps(credit + i, here, _mm512_loadu_ps(heard + i));
  }
#else
  for (std::size_t i = 0; i < count; ++i) credit[i] = below[i] == step ? heard[i] : credit[i];
#endif
}

}  // namespace

extern const ConvolutionBackwardKernels convolution_backward_kernels;
const ConvolutionBackwardKernels convolution_backward_kernels{&gradient, &credit, &take_at};

}  // namespace BSTDG_ISA
}  // namespace bstdg
