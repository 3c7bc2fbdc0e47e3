// Convolution at work, compiled once for each instruction set; see simd.hpp for what that forbids.
#include "inference/conv_kernels.hpp"

#include <cstring>

#include "base/simd.hpp"
#include "inference/bit_planes.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

using V = Bits<kMostWords>;
constexpr std::size_t kVectorBytes = sizeof(V);

// --- events spread over tiles

// Sorts events by their rows; others of a row keep their order.
void order(const ConvHidden& layer, const std::uint16_t* events, std::size_t n, std::uint16_t* sorted,
           std::uint16_t* until) {
  std::memset(until, 0, sizeof(std::uint16_t) * (layer.rows_in + 1));
  for (std::size_t e = 0; e < n; ++e) ++until[layer.row_of[events[e]] + 1];
  for (std::uint32_t v = 0; v < layer.rows_in; ++v)
    until[v + 1] = static_cast<std::uint16_t>(until[v + 1] + until[v]);
  for (std::size_t e = 0; e < n; ++e) sorted[until[layer.row_of[events[e]]]++] = events[e];
}

// Spreads events over the tiles that they touch. False where their rows are not in order.
bool spread(const ConvHidden& layer, ConvState& state, const std::uint16_t* events, std::size_t n) {
  const std::size_t ends = layer.rows_in + 1;
  std::memset(state.until, 0, sizeof(std::uint16_t) * layer.tiles * ends);
  std::uint32_t before = 0;
  bool ordered = true;
  if (layer.tiles == 1) {
    for (std::size_t e = 0; e < n; ++e) {
      const std::uint32_t event = events[e], row = layer.row_of[event];
      state.heard[e] = layer.passages[event];
      state.until[row + 1] = static_cast<std::uint16_t>(e + 1);
      ordered &= row >= before;
      before = row;
    }
  } else {
    std::memset(state.count, 0, sizeof(std::uint16_t) * layer.tiles);
    for (std::size_t e = 0; e < n; ++e) {
      const std::uint32_t event = events[e], row = layer.row_of[event];
      const Tiles touched = layer.tiles_of[event];
      for (std::uint32_t t = touched.first; t < std::uint32_t{touched.first} + touched.count; ++t) {
        state.heard[t * kMostHeard + state.count[t]++] = layer.passages[event];
        state.until[t * ends + row + 1] = state.count[t];
      }
      ordered &= row >= before;
      before = row;
    }
  }
  for (std::uint32_t t = 0; t < layer.tiles; ++t) {
    std::uint16_t* until = state.until + t * ends;
    for (std::uint32_t v = 1; v < ends; ++v) until[v] = until[v] > until[v - 1] ? until[v] : until[v - 1];
  }
  return ordered;
}

// --- a tile

// Two rows of bits at once: where there is a synapse, and where its weight is +1.
struct Synapses {
  V there, plus;
};
inline Synapses add_two(Synapses& sum, Synapses a, Synapses b) {
  return {::add_two(sum.there, a.there, b.there), ::add_two(sum.plus, a.plus, b.plus)};
}
inline Synapses add_one(Synapses& sum, Synapses a) {
  return {::add_one(sum.there, a.there), ::add_one(sum.plus, a.plus)};
}

constexpr int kCounted = static_cast<int>(kFewestConvPlanes) - 1;  // planes of what is counted at a time
constexpr std::size_t kMostCounted = (1U << kCounted) - 1;

// Adds the weights of up to kMostCounted events to a tile's potentials.
inline void add(const ConvHidden& layer, V* potential, int planes, const Passage* events, std::size_t n,
                std::ptrdiff_t weights_shift, std::ptrdiff_t mask_shift) {
  Synapses counted[kCounted] = {};
  const auto row = [&](Passage event) {
    V mask, weights;
    std::memcpy(&mask, layer.masks + (event.mask + mask_shift), sizeof mask);
    std::memcpy(&weights, layer.weights + (event.weights + weights_shift), sizeof weights);
    return Synapses{mask, mask & weights};
  };
  const Passage none{events->weights, -static_cast<std::int32_t>(mask_shift)};
  add_rows(counted, kCounted, row, events, n, none);
  // A potential grows by twice the synapses with +1 less all.
  V missing{}, carry{}, grown{};
#pragma GCC unroll 16
  for (int i = 0; i <= kCounted; ++i) {
    grown = i > 0 ? counted[i - 1].plus : V{};
    missing = take_two(grown, i < kCounted ? counted[i].there : V{}, missing);
    carry = ::add_two(potential[i], grown, carry);
  }
  for (int i = kCounted + 1; i < planes; ++i) carry = ::add_two(potential[i], grown, carry);
}

// Names the neurons of a tile that are above their threshold and have not fired.
inline std::uint16_t* fire(const ConvHidden& layer, V negative, std::uint64_t* fired, std::uint32_t row,
                           std::uint32_t tile, std::uint16_t* names) {
  const V before = load<kMostWords>(fired), newly = ~(negative | before);
  const unsigned there = words_with_bits(newly);
  if (there == 0) return names;
  store(fired, before | newly);
  std::uint64_t words[kMostWords];
  store(words, newly);
  const std::uint32_t first = row * layer.row_neurons;
  for (std::uint32_t k = 0; k < kMostWords; ++k) {
    const std::uint32_t bit = 64 * (tile * kMostWords + k);
    if (layer.names == nullptr) {
      names += name_bits(words[k], first + bit, names);
    } else {
      for (std::size_t named = name_bits(words[k], 0, names); named > 0; --named, ++names)
        *names = static_cast<std::uint16_t>(first + layer.names[bit + *names]);
    }
  }
  return names;
}

// --- a step

std::size_t step(const void* of, void* with, const std::uint16_t* events, std::size_t n,
                 std::uint16_t* fired) {
  const auto& layer = *static_cast<const ConvHidden*>(of);
  auto& state = *static_cast<ConvState*>(with);
  const std::size_t ends = layer.rows_in + 1;
  const int planes = static_cast<int>(state.planes);
  // All look whether they fire at the first step, and after many events.
  bool all = (state.begins && layer.fires_unheard) || n > kMostHeard;
  state.begins = false;
  std::uint16_t* names = fired;
  for (bool last = false; !last;) {
    const std::size_t some = n < kMostHeard ? n : kMostHeard;
    last = some == n;
    if (!spread(layer, state, events, some)) {
      order(layer, events, some, state.in_order, state.until);
      spread(layer, state, state.in_order, some);
    }
    for (std::uint32_t y = 0; y < layer.rows; ++y) {
      const Window window = layer.windows[y];
      for (std::uint32_t t = 0; t < layer.tiles; ++t) {
        const std::uint16_t* until = state.until + t * ends;
        const std::size_t begin = until[window.first], end = until[window.end];
        if (begin == end && !all) continue;
        const std::size_t tile = std::size_t{y} * layer.tiles + t;
        V* potential = reinterpret_cast<V*>(state.potential) + tile * state.planes;
        const auto mask_shift = static_cast<std::ptrdiff_t>(t * kVectorBytes);
        // Rows of weights lie before as well as after where an event points, so this is signed.
        const std::ptrdiff_t weights_shift = mask_shift - std::ptrdiff_t{y} * std::ptrdiff_t{layer.next_row};
        const Passage* heard = state.heard + t * kMostHeard;
        for (std::size_t e = begin; e < end; e += kMostCounted) {
          const std::size_t count = end - e < kMostCounted ? end - e : kMostCounted;
          add(layer, potential, planes, heard + e, count, weights_shift, mask_shift);
        }
        if (!last) continue;
        names = fire(layer, potential[planes - 1], state.fired + tile * kMostWords, y, t, names);
      }
    }
    events += some;
    n -= some;
  }
  return static_cast<std::size_t>(names - fired);
}

Step start(const void* of, void* with, std::int64_t most_events, std::int64_t most_of_one) {
  const auto& layer = *static_cast<const ConvHidden*>(of);
  auto& state = *static_cast<ConvState*>(with);
  const bool many = most_of_one > 1;
  const ConvStart& begin = many ? layer.exact_start : layer.start;
  const std::int64_t bound = many || most_events < layer.patch ? most_events : layer.patch;
  const std::int64_t threshold = many || layer.greatest <= layer.patch ? layer.greatest : layer.patch + 1;
  std::uint32_t planes = kFewestConvPlanes;
  while ((bound + threshold) >> (planes - 1) != 0) ++planes;
  state.planes = planes;
  state.begins = true;
  const std::size_t tiles = std::size_t{layer.rows} * layer.tiles;
  std::memset(state.fired, 0, kVectorBytes * tiles);
  auto* to = reinterpret_cast<V*>(state.potential);
  const auto* from = reinterpret_cast<const V*>(begin.planes);
  for (std::uint32_t y = 0; y < layer.rows; ++y) {
    for (std::uint32_t t = 0; t < layer.tiles; ++t, to += planes) {
      std::memcpy(to, from + t * begin.count, begin.count * sizeof(V));
      for (std::uint32_t i = begin.count; i < planes; ++i) to[i] = to[begin.count - 1];  // the sign
    }
  }
  return &step;
}

}  // namespace

extern const ConvKernels conv_kernels;
const ConvKernels conv_kernels{{&start}, kMostWords};

}  // namespace BSTDG_ISA
}  // namespace bstdg
