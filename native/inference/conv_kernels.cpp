// Convolution at work, compiled once for each instruction set; see simd.hpp for what that forbids.
#include "inference/conv_kernels.hpp"

#include <cstring>

#include "base/simd.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

typedef std::int16_t Shorts __attribute__((vector_size(2 * kMapTile), may_alias));
constexpr std::int16_t kUnreachable = 32'767;
constexpr std::int64_t kFired = INT64_MIN / 2;

// Not returned: how a vector that is wider than a register is returned, compilers do not agree on.
inline void read(const std::int16_t* from, Shorts& to) { std::memcpy(&to, from, sizeof to); }

// A bit for each of sixteen neurons whose potential is at or above its bar.
inline unsigned reached(const std::int16_t* sums, const std::int16_t* bars) {
#if defined(__AVX512VL__) && defined(__AVX512BW__)
  Shorts now, wanted;
  read(sums, now);
  read(bars, wanted);
  return _mm256_cmpge_epi16_mask((__m256i)now, (__m256i)wanted);
#elif defined(__AVX2__)
  Shorts now, wanted;
  read(sums, now);
  read(bars, wanted);
  const __m256i below = _mm256_cmpgt_epi16((__m256i)wanted, (__m256i)now);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(below), _mm256_extracti128_si256(below, 1));
  return ~static_cast<unsigned>(_mm_movemask_epi8(bytes)) & 0xFFFFU;
#else
  unsigned bits = 0;
  for (std::size_t k = 0; k < kMapTile; ++k) bits |= unsigned{sums[k] >= bars[k]} << k;
  return bits;
#endif
}

void touch_all(const ConvHidden& layer, ConvState& state) {
  for (std::uint32_t y = 0; y < layer.places_high; ++y) {
    state.from[y] = 0;
    state.until[y] = static_cast<std::uint16_t>(layer.places_wide);
  }
}

// Calls add(where among neurons, where among weights, how many) for each row that the events touch, and marks
// what that is.
template <typename Add>
inline __attribute__((always_inline)) void for_rows(const ConvHidden& layer, ConvState& state,
                                                    const std::uint16_t* events, std::size_t n,
                                                    const Add& add) {
  const std::size_t padded = layer.padded, wide = layer.places_wide;
  const std::size_t kernel_row = layer.kernel_columns * padded;
  for (std::size_t e = 0; e < n; ++e) {
    const Pixel pixel = layer.pixels[events[e]];
    const Run down = layer.rows[pixel.row], along = layer.columns[pixel.column];
    if (along.count == 0) continue;
    const std::int16_t* signs =
        layer.signs + pixel.channel * layer.kernel_rows * kernel_row + along.slot * padded;
    const auto end = static_cast<std::uint16_t>(along.first + along.count);
    for (std::uint32_t y = down.first; y < std::uint32_t{down.first} + down.count; ++y) {
      const std::size_t i = pixel.row + layer.padding_rows - y * layer.stride_rows;
      add((y * wide + along.first) * padded, signs + i * kernel_row, along.count * padded);
      if (along.first < state.from[y]) state.from[y] = along.first;
      if (end > state.until[y]) state.until[y] = end;
    }
  }
}

// Calls look(first neuron of a place's map tile, that tile's place, its first map) for all that was touched,
// and forgets that it was.
template <typename Look>
inline __attribute__((always_inline)) void for_touched(const ConvHidden& layer, ConvState& state,
                                                       const Look& look) {
  for (std::uint32_t y = 0; y < layer.places_high; ++y) {
    for (std::uint32_t x = state.from[y]; x < state.until[y]; ++x) {
      const std::uint32_t place = y * layer.places_wide + x;
      for (std::uint32_t map = 0; map < layer.padded; map += kMapTile)
        look(std::size_t{place} * layer.padded + map, place, map);
    }
    state.from[y] = static_cast<std::uint16_t>(layer.places_wide);
    state.until[y] = 0;
  }
}

std::size_t step_short(const void* of, void* with, const std::uint16_t* events, std::size_t n,
                       std::uint16_t* fired) {
  const auto& layer = *static_cast<const ConvHidden*>(of);
  auto& state = *static_cast<ConvState*>(with);
  if (state.begins) touch_all(layer, state);
  state.begins = false;
  for_rows(layer, state, events, n, [&](std::size_t to, const std::int16_t* signs, std::size_t count) {
    std::int16_t* sums = state.sums + to;
    for (std::size_t lane = 0; lane < count; lane += kMapTile) {
      Shorts sum, added;
      read(sums + lane, sum);
      read(signs + lane, added);
      sum += added;
      std::memcpy(sums + lane, &sum, sizeof sum);
    }
  });
  const std::uint32_t places = layer.places_high * layer.places_wide;
  std::uint16_t* names = fired;
  for_touched(layer, state, [&](std::size_t lane, std::uint32_t place, std::uint32_t map) {
    for (unsigned bits = reached(state.sums + lane, state.bars + lane); bits != 0; bits &= bits - 1) {
      const auto k = static_cast<std::uint32_t>(__builtin_ctz(bits));
      state.bars[lane + k] = kUnreachable;
      *names++ = static_cast<std::uint16_t>((map + k) * places + place);
    }
  });
  return static_cast<std::size_t>(names - fired);
}

std::size_t step_long(const void* of, void* with, const std::uint16_t* events, std::size_t n,
                      std::uint16_t* fired) {
  const auto& layer = *static_cast<const ConvHidden*>(of);
  auto& state = *static_cast<ConvState*>(with);
  if (state.begins) touch_all(layer, state);
  state.begins = false;
  for_rows(layer, state, events, n, [&](std::size_t to, const std::int16_t* signs, std::size_t count) {
    for (std::size_t lane = 0; lane < count; ++lane) state.long_sums[to + lane] += signs[lane];
  });
  const std::uint32_t places = layer.places_high * layer.places_wide;
  std::uint16_t* names = fired;
  for_touched(layer, state, [&](std::size_t lane, std::uint32_t place, std::uint32_t map) {
    for (std::uint32_t k = 0; k < kMapTile; ++k) {
      if (state.long_sums[lane + k] < layer.thresholds[map + k]) continue;
      state.long_sums[lane + k] = kFired;
      *names++ = static_cast<std::uint16_t>((map + k) * places + place);
    }
  });
  return static_cast<std::size_t>(names - fired);
}

Step start(const void* of, void* with, std::int64_t most_events, std::int64_t most_of_one) {
  const auto& layer = *static_cast<const ConvHidden*>(of);
  auto& state = *static_cast<ConvState*>(with);
  const std::size_t places = std::size_t{layer.places_high} * layer.places_wide,
                    lanes = places * layer.padded;
  state.begins = true;
  const std::int64_t bound = most_of_one > kMostShort / layer.patch ? most_events : most_of_one * layer.patch;
  if (bound > kMostShort && most_events > kMostShort) {
    std::memset(state.long_sums, 0, sizeof(std::int64_t) * lanes);
    return &step_long;
  }
  std::memset(state.sums, 0, sizeof(std::int16_t) * lanes);
  for (std::size_t place = 0; place < places; ++place)
    std::memcpy(state.bars + place * layer.padded, layer.bars, sizeof(std::int16_t) * layer.padded);
  return &step_short;
}

}  // namespace

extern const ConvKernels conv_kernels;
const ConvKernels conv_kernels{{&start}};

}  // namespace BSTDG_ISA
}  // namespace bstdg
