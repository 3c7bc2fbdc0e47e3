// Fully connected layers at work, compiled once for each instruction set; see simd.hpp for what that forbids.
#include "inference/full_kernels.hpp"

#include "base/simd.hpp"
#include "inference/bit_planes.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

// Planes above the lowest that hold 2 p + range and n + top for all n up to `events`.
std::uint32_t planes_for(const FullHidden& layer, std::int64_t events) {
  const std::int64_t counter = 2 * events + layer.range;
  const std::int64_t target = events + layer.top;
  const auto greatest = static_cast<std::uint64_t>(counter > target ? counter : target);
  std::uint32_t bits = 1;
  while (greatest >> bits != 0) ++bits;
  return bits - 1;
}

constexpr std::uint32_t kFewestPlanes = 6;
constexpr std::uint32_t kMostPlanes = 14;  // beyond, one kernel serves any number

// Where a vector's bits are: its first word, and its rows, kStride words from one to the next.
template <int kWords, int kStride>
struct Place {
  static constexpr int kSize = kWords;
  std::uint32_t word;
  const std::uint64_t* rows;
  Bits<kWords> row(std::uint16_t channel) const {
    return load<kWords>(rows + std::size_t{channel} * kStride);
  }
};

// Calls `pass` with where each vector of the layer is.
template <typename Pass>
inline __attribute__((always_inline)) void for_vectors(const FullHidden& layer, const Pass& pass) {
  const std::uint64_t* rows = layer.rows;
  std::uint32_t w = 0;
  for (; w + kBlockWords <= layer.row_words; w += kBlockWords) {
    for (std::uint32_t part = 0; part < kBlockWords; part += kMostWords) {
      pass(Place<kMostWords, kBlockWords>{w + part, rows + part});
    }
    rows += (std::size_t{layer.channels} + 1) * kBlockWords;
  }
  const std::uint32_t rest = layer.row_words - w;
  if (rest == 4) {
    constexpr int kWords = kMostWords < 4 ? kMostWords : 4;
    for (std::uint32_t part = 0; part < 4; part += kWords) pass(Place<kWords, 4>{w + part, rows + part});
  } else if (rest == 2) {
    pass(Place<2, 2>{w, rows});
  }
}

// One step: hears `events`, names the neurons that fire and returns how many.
template <int kPlanes>
std::size_t hidden_step(const void* of, void* with, const std::uint16_t* events, std::size_t n,
                        std::uint16_t* fired) {
  const auto& layer = *static_cast<const FullHidden*>(of);
  auto& state = *static_cast<FullState*>(with);
  const int count = kPlanes > 0 ? kPlanes : static_cast<int>(state.planes_in_use);
  const auto none = static_cast<std::uint16_t>(layer.channels);
  state.heard += static_cast<std::int64_t>(n);
  const Target target(state.heard + layer.top, count);
  std::uint16_t* names = fired;
  std::uint64_t* memory = state.planes;
  for_vectors(layer, [&](auto place) __attribute__((always_inline)) {
    constexpr int kWords = decltype(place)::kSize;
    using V = Bits<kWords>;
    const auto row = [place](std::uint16_t channel) { return place.row(channel); };
    const V lowest = load<kWords>(layer.start + place.word);
    V reached;
    if constexpr (kPlanes > 0) {
      V planes[static_cast<std::size_t>(kPlanes)];  // in registers
#pragma GCC unroll 16
      for (int i = 0; i < kPlanes; ++i) planes[i] = load<kWords>(memory + i * kWords);
      add_rows(planes, kPlanes, row, events, n, none);
#pragma GCC unroll 16
      for (int i = 0; i < kPlanes; ++i) store(memory + i * kWords, planes[i]);
      reached = at_or_above(planes, kPlanes, lowest, target);
    } else {
      V* planes = reinterpret_cast<V*>(memory);
      add_rows(planes, count, row, events, n, none);
      reached = at_or_above(planes, count, lowest, target);
    }
    memory += count * kWords;
    const V before = load<kWords>(state.fired + place.word);
    const V newly = reached & ~before;
    unsigned there = words_with_bits(newly);
    if (there == 0) return;
    store(state.fired + place.word, before | reached);
    // Four words of those with spikes, or all: how many there are is guessed wrong too often.
    constexpr unsigned kEnd = 1U << kWords;
    std::uint64_t words[std::size_t{kWords} + 1];
    store(words, newly);
    words[kWords] = 0;
    const auto name_next = [&] {
      const auto k = static_cast<std::uint32_t>(__builtin_ctz(there | kEnd));
      names += name_bits(words[k], 64 * (place.word + k), names);
      there &= there - 1;
    };
    constexpr int kFew = kWords < 4 ? kWords : 4;
    for (int i = 0; i < kFew; ++i) name_next();
    if (there != 0) {
      for (int i = kFew; i < kWords; ++i) name_next();
    }
  });
  return static_cast<std::size_t>(names - fired);
}

// How steps are heard with so many planes.
Step step_with(std::uint32_t planes) {
  switch (planes) {
    case 6:
      return &hidden_step<6>;
    case 8:
      return &hidden_step<8>;
    case 10:
      return &hidden_step<10>;
    case 12:
      return &hidden_step<12>;
    case 14:
      return &hidden_step<14>;
    default:  // more than registers hold
      return &hidden_step<0>;
  }
}

Step start(const void* of, void* with, std::int64_t most_events, std::int64_t) {
  const auto& layer = *static_cast<const FullHidden*>(of);
  auto& state = *static_cast<FullState*>(with);
  std::uint32_t planes = planes_for(layer, most_events);
  if (planes < kFewestPlanes) planes = kFewestPlanes;
  if (planes <= kMostPlanes) planes = (planes + 1) & ~1U;
  state.planes_in_use = planes;
  state.heard = 0;
  std::uint64_t* to = state.planes;
  for_vectors(layer, [&](auto place) {
    constexpr int kWords = decltype(place)::kSize;
    for (std::uint32_t plane = 1; plane <= planes; ++plane, to += kWords) {
      const bool there = plane < layer.start_planes;
      store(to, there ? load<kWords>(layer.start + plane * layer.row_words + place.word) : Bits<kWords>{});
    }
    store(state.fired + place.word, load<kWords>(layer.padding + place.word));
  });
  return step_with(planes);
}

// --- as the last layer

// Adds the events' rows to the potentials; true if any is then at or above its threshold.
bool step_output(const void* of, std::int32_t* potential, const std::uint16_t* events, std::size_t n) {
  const auto& layer = *static_cast<const FullOutput*>(of);
  bool reached = false;
  const auto none = static_cast<std::uint16_t>(layer.channels);
  for (std::uint32_t k = 0; k < layer.padded; k += Sums::kLanes) {
    Sums sums(potential + k);
    const auto add = [&](std::uint16_t channel) {
      sums.add(layer.rows + std::size_t{channel} * layer.padded + k);
    };
    for (std::size_t e = 0; e < n; e += 4) {  // four at a time: their number is guessed wrong less often
      const auto event = [&](std::size_t i) { return *(i < n ? events + i : &none); };
      add(events[e]);
      add(event(e + 1));
      add(event(e + 2));
      add(event(e + 3));
    }
    sums.save(potential + k);
    reached |= sums.any_reaches(layer.thresholds + k);
  }
  return reached;
}

}  // namespace

extern const FullKernels full_kernels;
const FullKernels full_kernels{{&start}, {&step_output}};

}  // namespace BSTDG_ISA
}  // namespace bstdg
