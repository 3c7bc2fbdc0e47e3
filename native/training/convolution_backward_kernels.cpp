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

// The events of one channel and kind, those of step 0 first.
struct Cells {
  std::uint32_t begin, later, end;
};

// What they tell kTiles times kMapTile lanes of one row of places, whose sums stay in registers meanwhile.
template <std::size_t kTiles>
inline void sum_tiles(const ConvolutionGradientJob& job, const Cells& cells, std::size_t lane, float* out) {
  Floats sums[kTiles];
  for (std::size_t k = 0; k < kTiles; ++k) read(out + k * kMapTile, sums[k]);
  const float* errors = job.errors + lane;
  const std::uint8_t* reach = job.reach + lane;
  for (std::uint32_t e = cells.begin; e < cells.later; ++e) {  // nobody is judged before step 0
    const float* told = errors + job.neurons[e];
    for (std::size_t k = 0; k < kTiles; ++k) {
      Floats error;
      read(told + k * kMapTile, error);
      sums[k] += error;
    }
  }
  for (std::uint32_t e = cells.later; e < cells.end; ++e) {
    const std::size_t at = job.neurons[e];
    const std::uint8_t step = job.steps[e];
    for (std::size_t k = 0; k < kTiles; ++k)
      add_judged(errors + at + k * kMapTile, reach + at + k * kMapTile, step, sums[k]);
  }
  for (std::size_t k = 0; k < kTiles; ++k) write(out + k * kMapTile, sums[k]);
}

// The same where errors count less the later they are judged.
inline void sum_decayed(const ConvolutionGradientJob& job, const Cells& cells, std::size_t lane,
                        std::size_t lanes, float* out) {
  for (std::uint32_t e = cells.begin; e < cells.end; ++e) {
    const float* errors = job.errors + job.neurons[e] + lane;
    const std::uint8_t* reach = job.reach + job.neurons[e] + lane;
    const std::uint8_t step = job.steps[e];
    for (std::size_t i = 0; i < lanes; ++i) {
      if (reach[i] >= step) out[i] += errors[i] * job.decays[reach[i] - step];
    }
  }
}

#if defined(__AVX512F__)
constexpr std::size_t kSumTiles = 12;  // less than half of the registers
#elif defined(__AVX2__)
constexpr std::size_t kSumTiles = 4;
#else
constexpr std::size_t kSumTiles = 2;
#endif

void gradient(const ConvolutionGradientJob& job) {
  for (std::size_t kind = 0; kind < job.channels * job.num_kinds; ++kind) {
    const std::uint32_t* begin = job.begin + 2 * kind * kChains;
    const Cells cells{begin[0], begin[kChains], begin[2 * kChains]};
    if (cells.begin == cells.end) continue;
    const Touched touched = job.kinds[kind % job.num_kinds];
    float* out = job.out + kind / job.num_kinds * job.channel_weights + touched.weight;
    for (std::uint32_t y = 0; y < touched.rows; ++y, out -= job.weight_back) {
      std::size_t lane = y * job.neuron_ahead;
      if (job.decays != nullptr) {
        sum_decayed(job, cells, lane, touched.lanes, out);
        continue;
      }
      const std::size_t tiles = touched.lanes / kMapTile;
      std::size_t tile = 0;
      const auto sum = [&](auto count) {
        constexpr std::size_t kTiles = decltype(count)::kValue;
        for (; tile + kTiles <= tiles; tile += kTiles)
          sum_tiles<kTiles>(job, cells, lane + tile * kMapTile, out + tile * kMapTile);
      };
      sum(Number<kSumTiles>{});
      if constexpr (kSumTiles > 8) sum(Number<8>{});
      if constexpr (kSumTiles > 4) sum(Number<4>{});
      if constexpr (kSumTiles > 2) sum(Number<2>{});
      sum(Number<1>{});
    }
  }
}

constexpr std::size_t kTellers = 64;  // neurons of a place that are looked at together

// Of some neurons of one place those that tell, without gaps.
struct Tellers {
  alignas(64) float errors[kTellers + kMapTile];
  std::uint32_t maps[kTellers + kMapTile];
  std::size_t count;
};

inline void find_tellers(const float* errors, const std::uint8_t* reach, std::uint8_t step, std::size_t maps,
                         Tellers& found) {
  found.count = 0;
  for (std::size_t map = 0; map < maps; map += kMapTile) {
#if defined(__AVX512BW__)
    const __m512 all = _mm512_loadu_ps(errors + map);
    const __mmask16 here =
        _mm_mask_cmpeq_epi8_mask(_mm512_cmp_ps_mask(all, _mm512_setzero_ps(), _CMP_NEQ_UQ),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(reach + map)),
                                 _mm_set1_epi8(static_cast<char>(step)));
    const __m512i number =
        _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(map)),
                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    _mm512_storeu_ps(found.errors + found.count, _mm512_maskz_compress_ps(here, all));
    _mm512_storeu_si512(found.maps + found.count, _mm512_maskz_compress_epi32(here, number));
    found.count += static_cast<std::size_t>(__builtin_popcount(here));
#else
    for (std::size_t k = map; k < map + kMapTile; ++k) {
      found.errors[found.count] = errors[k];
      found.maps[found.count] = static_cast<std::uint32_t>(k);
      found.count += reach[k] == step && errors[k] != 0.0F;
    }
#endif
  }
  // Whoever is missing in the last four tells nothing.
  for (std::size_t k = 0; k < kMapTile; ++k) {
    found.errors[found.count + k] = 0.0F;
    found.maps[found.count + k] = 0;
  }
}

// heard += what kFours times four neurons of one place tell, kTiles tiles of a block; kTogether: those of a
// kernel row are heard side by side.
template <std::size_t kFours, bool kTogether>
inline __attribute__((always_inline)) void tell_tiles(const Floats* tables, Ints* entries,
                                                      const std::uint32_t* tiles, std::size_t count,
                                                      float* heard) {
  for (std::size_t tile = 0; tile < count; ++tile) {
    float* to = heard + (kTogether ? tile * kMapTile : tiles[tile]);
    Floats sum;
    read(to, sum);
    for (std::size_t f = 0; f < kFours; ++f) {
      add_from(tables[f], entries[f], sum);
      entries[f] >>= 4;
    }
    write(to, sum);
  }
}

template <std::size_t kFours, bool kTogether>
void tell(const ConvolutionCreditJob& job, const Floats* sums, const std::uint32_t* maps, const Seen& seen,
          const std::uint32_t* minus, float* heard) {
  Floats tables[kFours];
  for (std::size_t f = 0; f < kFours; ++f) tables[f] = sums[f];
  const std::uint32_t* of[4 * kFours];
  for (std::size_t k = 0; k < 4 * kFours; ++k) of[k] = minus + maps[k] * job.map + seen.row * job.kernel_row;
  const std::size_t num_tiles = job.num_tiles, row = job.row, kernel_row = job.kernel_row;
  for (std::size_t i = 0; i < seen.rows; ++i, heard += row) {
    std::size_t word = i * kernel_row;
    for (std::size_t first = 0; first < num_tiles; first += kSignTiles, word += kMapTile) {
      Ints entries[kFours];
      for (std::size_t f = 0; f < kFours; ++f) {
        Ints a, b, c, d;
        read(of[4 * f] + word, a);
        read(of[4 * f + 1] + word, b);
        read(of[4 * f + 2] + word, c);
        read(of[4 * f + 3] + word, d);
        choose(0x11111111, a, b, a);
        choose(0x44444444, c, d, c);
        choose(0x33333333, a, c, entries[f]);
      }
      float* to = kTogether ? heard + first * kMapTile : heard;
      if (first + kSignTiles <= num_tiles) {
        tell_tiles<kFours, kTogether>(tables, entries, job.tiles + first, kSignTiles, to);
      } else {
        tell_tiles<kFours, kTogether>(tables, entries, job.tiles + first, num_tiles - first, to);
      }
    }
  }
}

#if defined(__AVX512F__)
constexpr std::size_t kFoursAtOnce = 4;  // whose tables and entries stay in registers
#else
constexpr std::size_t kFoursAtOnce = 2;
#endif

template <bool kTogether>
void tell_all(const ConvolutionCreditJob& job, const Tellers& tellers, const Seen& seen,
              const std::uint32_t* minus, float* heard) {
  Floats sums[kTellers / 4];
  for (std::size_t k = 0; k < tellers.count; k += kMapTile) add_up(tellers.errors + k, sums + k / 4);
  const std::size_t fours = (tellers.count + 3) / 4;
  std::size_t f = 0;
  for (; f + kFoursAtOnce <= fours; f += kFoursAtOnce)
    tell<kFoursAtOnce, kTogether>(job, sums + f, tellers.maps + 4 * f, seen, minus, heard);
  if constexpr (kFoursAtOnce > 2) {
    for (; f + 2 <= fours; f += 2)
      tell<2, kTogether>(job, sums + f, tellers.maps + 4 * f, seen, minus, heard);
  }
  if (f < fours) tell<1, kTogether>(job, sums + f, tellers.maps + 4 * f, seen, minus, heard);
}

void credit(const ConvolutionCreditJob& job) {
  const std::size_t maps = job.padded_own_maps;
  const bool together = job.own == job.lanes;
  Tellers tellers;
  for (std::size_t place = 0; place < job.places; ++place) {
    const Seen seen = job.seen[place];
    for (std::size_t g = 0; g < job.groups; ++g) {
      const std::size_t at = (place * job.groups + g) * maps;
      float* heard = job.heard + seen.pixel * job.lanes + g * job.own;
      for (std::size_t map = 0; map < maps; map += kTellers) {
        find_tellers(job.errors + at + map, job.reach + at + map, job.step,
                     maps - map < kTellers ? maps - map : kTellers, tellers);
        if (tellers.count == 0) continue;
        const std::uint32_t* minus = job.minus + (g * job.own_maps + map) * job.map;
        (together ? tell_all<true> : tell_all<false>)(job, tellers, seen, minus, heard);
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
