// The kernels, compiled once for each instruction set: CMake defines BSTDG_ISA, the namespace, for each
// build.
//
// No function with external linkage but those of the table may be defined or instantiated here, standard
// library included: the linker keeps one copy of an inline function, and it might be one that this CPU cannot
// run.
#include "kernels.hpp"

#include <cstring>
#include <type_traits>

#include "simd.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

constexpr int kNone = -1;

// --- input

// The channels whose byte spikes and their steps, into state.found and state.found_steps.
// Returns how many there are, or kNone if a byte is not allowed.
#if defined(__AVX512VBMI2__)
std::int64_t find_spikes(const Plan& plan, State& state, const std::uint8_t* bytes,
                         const std::uint8_t* step_of) {
  const __m512i table0 = _mm512_loadu_si512(step_of), table1 = _mm512_loadu_si512(step_of + 64);
  const __m512i table2 = _mm512_loadu_si512(step_of + 128), table3 = _mm512_loadu_si512(step_of + 192);
  const __m512i never = _mm512_set1_epi8(static_cast<char>(plan.num_steps));
  __m512i low = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                                 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(32));
  std::size_t count = 0;
  __mmask64 refused = 0;
  for (std::uint32_t i = 0; i < plan.channels; i += 64) {
    const std::uint32_t left = plan.channels - i;
    const __mmask64 there = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    const __m512i raw = _mm512_maskz_loadu_epi8(there, bytes + i);
    const __m512i lower = _mm512_permutex2var_epi8(table0, raw, table1);
    const __m512i upper = _mm512_permutex2var_epi8(table2, raw, table3);
    const __m512i step = _mm512_mask_blend_epi8(_mm512_movepi8_mask(raw), lower, upper);
    refused |= _mm512_mask_cmpgt_epu8_mask(there, step, never);
    const __mmask64 spikes = _mm512_mask_cmplt_epu8_mask(there, step, never);
    _mm512_storeu_si512(state.found_steps + count, _mm512_maskz_compress_epi8(spikes, step));
    const auto first = static_cast<__mmask32>(spikes), second = static_cast<__mmask32>(spikes >> 32);
    const auto in_first = static_cast<std::size_t>(__builtin_popcount(first));
    _mm512_storeu_si512(state.found + count, _mm512_maskz_compress_epi16(first, low));
    _mm512_storeu_si512(state.found + count + in_first, _mm512_maskz_compress_epi16(second, high));
    count += in_first + static_cast<std::size_t>(__builtin_popcount(second));
    low = _mm512_add_epi16(low, _mm512_set1_epi16(64));
    high = _mm512_add_epi16(high, _mm512_set1_epi16(64));
  }
  return refused != 0 ? kNone : static_cast<std::int64_t>(count);
}
#else
std::int64_t find_spikes(const Plan& plan, State& state, const std::uint8_t* bytes,
                         const std::uint8_t* step_of) {
  const std::uint32_t num_steps = plan.num_steps;
  const bool zero_is_silent = step_of[0] == num_steps;
  std::uint32_t count = 0;
  bool allowed = true;
  std::uint32_t i = 0;
  const auto look_until = [&](std::uint32_t end) {
    for (; i < end; ++i) {
      const std::uint8_t step = step_of[bytes[i]];
      state.found[count] = static_cast<std::uint16_t>(i);
      state.found_steps[count] = step;
      count += step < num_steps;
      allowed &= step <= num_steps;
    }
  };
  while (i + 8 <= plan.channels) {
    std::uint64_t eight;
    std::memcpy(&eight, bytes + i, sizeof eight);
    if (eight == 0 && zero_is_silent) {  // most of an image is black
      i += 8;
    } else {
      look_until(i + 8);
    }
  }
  look_until(plan.channels);
  return allowed ? static_cast<std::int64_t>(count) : kNone;
}
#endif

// The steps of a sample that have events, in order, and step 0 in any case: a neuron may need nothing to
// fire. Between such steps nothing changes, so no time is spent on them.
struct Timeline {
  const std::uint16_t* channels;
  std::uint32_t count;  // of steps
  std::uint8_t step[256];
  std::size_t begin[256 + 1];  // of their events; the last one's end is begin[count]
};

// A bit for each of 64 steps that has events, counted in two tables.
inline std::uint64_t steps_present(const std::uint16_t* even, const std::uint16_t* odd) {
#if defined(__AVX512BW__)
  const __m512i low = _mm512_or_si512(_mm512_loadu_si512(even), _mm512_loadu_si512(odd));
  const __m512i high = _mm512_or_si512(_mm512_loadu_si512(even + 32), _mm512_loadu_si512(odd + 32));
  return _mm512_test_epi16_mask(low, low) | std::uint64_t{_mm512_test_epi16_mask(high, high)} << 32;
#else
  std::uint64_t present = 0;
  for (std::uint32_t t = 0; t < 64; ++t) present |= std::uint64_t{(even[t] | odd[t]) != 0} << t;
  return present;
#endif
}

// Orders what was found by step.
Timeline sort_found(const Plan& plan, State& state, std::uint32_t count) {
  const std::uint32_t num_steps = plan.num_steps;
  Timeline time;
  time.channels = state.events;
  time.count = 0;
  std::uint32_t before = 0;
  const auto begin_step = [&](std::uint32_t t) {
    time.step[time.count] = static_cast<std::uint8_t>(t);
    time.begin[time.count] = before;
  };
#if defined(__AVX512VBMI2__)
  if (num_steps * ((count + 31) / 32) < 4 * count + 64) {  // few steps: pick each one's events in turn
    for (std::uint32_t t = 0; t < num_steps; ++t) {
      begin_step(t);
      const __m256i wanted = _mm256_set1_epi8(static_cast<char>(t));
      for (std::uint32_t k = 0; k < count; k += 32) {
        const std::uint32_t left = count - k;
        const __mmask32 there = left >= 32 ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
        const __m256i steps = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(state.found_steps + k));
        const __mmask32 now = _mm256_mask_cmpeq_epi8_mask(there, steps, wanted);
        const __m512i channels = _mm512_loadu_si512(state.found + k);
        _mm512_storeu_si512(state.events + before, _mm512_maskz_compress_epi16(now, channels));
        before += static_cast<std::uint32_t>(__builtin_popcount(now));
      }
      time.count += t == 0 || before != time.begin[time.count];
    }
    time.begin[time.count] = before;
    return time;
  }
#endif
  // Two tables of places, for even and odd events: neighbours often share their step, and one table would
  // make each wait for the one before. Neither exceeds half of the channels, so 16 bits do.
  std::uint16_t place[2][256] = {};
  for (std::uint32_t k = 0; k < count; ++k) ++place[k & 1][state.found_steps[k]];
  for (std::uint32_t first = 0; first < num_steps; first += 64) {
    std::uint64_t present = steps_present(place[0] + first, place[1] + first) | (first == 0);
    for (; present != 0; present &= present - 1) {
      const std::uint32_t t = first + static_cast<std::uint32_t>(__builtin_ctzll(present));
      begin_step(t);
      ++time.count;
      const std::uint32_t even = place[0][t], odd = place[1][t];
      place[0][t] = static_cast<std::uint16_t>(before);
      place[1][t] = static_cast<std::uint16_t>(before + even);
      before += even + odd;
    }
  }
  time.begin[time.count] = before;
  for (std::uint32_t k = 0; k < count; ++k)
    state.events[place[k & 1][state.found_steps[k]]++] = state.found[k];
  return time;
}

// --- hidden layers

// Planes above the lowest that hold 2 p + range and n + top for all n up to `events`.
std::uint32_t planes_for(const HiddenLayer& layer, std::int64_t events) {
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
inline __attribute__((always_inline)) void for_vectors(const HiddenLayer& layer, const Pass& pass) {
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

void start_layer(const HiddenLayer& layer, LayerState& state, std::int64_t most_events) {
  std::uint32_t planes = planes_for(layer, most_events);
  if (planes < kFewestPlanes) planes = kFewestPlanes;
  if (planes <= kMostPlanes) planes = (planes + 1) & ~1U;
  state.planes_in_use = planes;
  state.heard = state.sent = 0;
  std::uint64_t* to = state.planes;
  for_vectors(layer, [&](auto place) {
    constexpr int kWords = decltype(place)::kSize;
    for (std::uint32_t plane = 1; plane <= planes; ++plane, to += kWords) {
      const bool there = plane < layer.start_planes;
      store(to, there ? load<kWords>(layer.start + plane * layer.row_words + place.word) : Bits<kWords>{});
    }
    store(state.fired + place.word, load<kWords>(layer.padding + place.word));
  });
}

template <typename V>
inline __attribute__((always_inline)) void ripple(V* planes, int from, int count, V carry) {
#pragma GCC unroll 16
  for (int i = from; i < count; ++i) carry = add_one(planes[i], carry);
}

// Adds one row of bits for every event to the counters in `planes`, carries saved up: 16 rows, then 8, 4, 2.
template <typename Place, typename V = Bits<Place::kSize>>
inline __attribute__((always_inline)) void add_rows(V* planes, int count, const Place& place,
                                                    const std::uint16_t* events, std::size_t n,
                                                    std::uint16_t none) {
  const auto row = [place](std::uint16_t channel) { return place.row(channel); };
  // Eight rows: planes 0 to 2 take theirs, and what is worth 8 is returned.
  const auto add_eight = [&](const std::uint16_t* e) {
    const V a = add_two(planes[0], row(e[0]), row(e[1]));
    const V b = add_two(planes[0], row(e[2]), row(e[3]));
    const V c = add_two(planes[0], row(e[4]), row(e[5]));
    const V d = add_two(planes[0], row(e[6]), row(e[7]));
    const V ab = add_two(planes[1], a, b);
    const V cd = add_two(planes[1], c, d);
    return add_two(planes[2], ab, cd);
  };
  while (n >= 16) {
    const V low = add_eight(events);
    const V high = add_eight(events + 8);
    ripple(planes, 4, count, add_two(planes[3], low, high));
    events += 16;
    n -= 16;
  }
  if (n == 0) return;
  if (n <= 4) {  // most steps of a long run bring a few events
    const auto event = [events, n, &none](std::size_t i) { return *(i < n ? events + i : &none); };
    const V a = add_two(planes[0], row(events[0]), row(event(1)));
    if (n <= 2) {
      ripple(planes, 1, count, a);
    } else {
      const V b = add_two(planes[0], row(events[2]), row(event(3)));
      ripple(planes, 2, count, add_two(planes[1], a, b));
    }
    return;
  }
  std::uint16_t rest[16];
  for (std::size_t i = 0; i < 16; ++i) rest[i] = i < n ? events[i] : none;
  const V low = add_eight(rest);
  if (n <= 8) {
    ripple(planes, 3, count, low);
  } else {
    const V high = add_eight(rest + 8);
    ripple(planes, 4, count, add_two(planes[3], low, high));
  }
}

// For four bits of a number, all ones where a bit is 0. In memory, for vectors are filled from there at no
// cost to the ports that do the arithmetic.
constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint64_t kZeroAt[16][4] = {
    {kAll, kAll, kAll, kAll}, {0, kAll, kAll, kAll}, {kAll, 0, kAll, kAll}, {0, 0, kAll, kAll},
    {kAll, kAll, 0, kAll},    {0, kAll, 0, kAll},    {kAll, 0, 0, kAll},    {0, 0, 0, kAll},
    {kAll, kAll, kAll, 0},    {0, kAll, kAll, 0},    {kAll, 0, kAll, 0},    {0, 0, kAll, 0},
    {kAll, kAll, 0, 0},       {0, kAll, 0, 0},       {kAll, 0, 0, 0},       {0, 0, 0, 0}};

// What all counters are compared with, bit by bit: all ones where the bit is 0, which is what the comparison
// asks.
class Target {
 public:
  Target(std::int64_t target, int planes) : reached_by_all_(target <= 0) {
    for (int i = 0; i <= planes; i += 4) four_[i / 4] = kZeroAt[static_cast<std::uint64_t>(target) >> i & 15];
  }
  bool reached_by_all() const { return reached_by_all_; }
  std::uint64_t zero_at(int i) const { return four_[i / 4][i % 4]; }

 private:
  const std::uint64_t* four_[kMaxPlanes / 4 + 1];
  bool reached_by_all_;
};

// All neurons of the vector whose counter is at or above the target.
template <typename V>
inline __attribute__((always_inline)) V at_or_above(const V* planes, int count, V lowest,
                                                    const Target& target) {
  if (target.reached_by_all()) return ~V{};
  V reached = lowest | target.zero_at(0);
#pragma GCC unroll 16
  for (int i = 0; i < count; ++i) reached = majority(reached, planes[i], V{} + target.zero_at(i + 1));
  return reached;
}

// Writes base + i for every bit i that is set, and returns how many; writes up to 64 places whatever is set.
inline std::size_t name_bits(std::uint64_t word, std::uint32_t base, std::uint16_t* names) {
  const auto count = static_cast<std::size_t>(__builtin_popcountll(word));
#if defined(__AVX512VBMI2__)
  const __m512i every =
      _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42,
                      41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,
                      19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i found = _mm512_maskz_compress_epi8(word, every);
  const __m512i first = _mm512_set1_epi16(static_cast<short>(base));
  _mm512_storeu_si512(names, _mm512_add_epi16(first, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found))));
  if (count > 32) {
    const __m512i more = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1));
    _mm512_storeu_si512(names + 32, _mm512_add_epi16(first, more));
  }
#else
  // Two are written whether they are there or not: most words have no more, and a branch for each would be
  // guessed wrong. Counting the zeros of nothing is undefined, hence the guard.
  constexpr std::uint64_t kGuard = std::uint64_t{1} << 63;
  for (int i = 0; i < 2; ++i, word &= word - 1) {
    names[i] = static_cast<std::uint16_t>(base + static_cast<std::uint32_t>(__builtin_ctzll(word | kGuard)));
  }
  for (std::size_t i = 2; i < count; ++i, word &= word - 1) {
    names[i] = static_cast<std::uint16_t>(base + static_cast<std::uint32_t>(__builtin_ctzll(word)));
  }
#endif
  return count;
}

// One step of a layer: hears `events`, and returns how many neurons fired, named in state.events.
template <int kPlanes>
std::size_t hidden_step(const HiddenLayer& layer, LayerState& state, const std::uint16_t* events,
                        std::size_t n) {
  const int count = kPlanes > 0 ? kPlanes : static_cast<int>(state.planes_in_use);
  const auto none = static_cast<std::uint16_t>(layer.channels);
  state.heard += static_cast<std::int64_t>(n);
  const Target target(state.heard + layer.top, count);
  std::size_t fired = 0;
  std::uint64_t* memory = state.planes;
  for_vectors(layer, [&](auto place) __attribute__((always_inline)) {
    constexpr int kWords = decltype(place)::kSize;
    using V = Bits<kWords>;
    const V lowest = load<kWords>(layer.start + place.word);
    V reached;
    if constexpr (kPlanes > 0) {
      V planes[static_cast<std::size_t>(kPlanes)];  // in registers
#pragma GCC unroll 16
      for (int i = 0; i < kPlanes; ++i) planes[i] = load<kWords>(memory + i * kWords);
      add_rows(planes, kPlanes, place, events, n, none);
#pragma GCC unroll 16
      for (int i = 0; i < kPlanes; ++i) store(memory + i * kWords, planes[i]);
      reached = at_or_above(planes, kPlanes, lowest, target);
    } else {
      V* planes = reinterpret_cast<V*>(memory);
      add_rows(planes, count, place, events, n, none);
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
    std::uint16_t* names = state.events + fired;
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
    fired = static_cast<std::size_t>(names - state.events);
  });
  return fired;
}

// Calls `work` with the number of planes in use as a constant, 0 where it is more than registers hold.
template <typename Work>
inline __attribute__((always_inline)) auto with_planes(const LayerState& state, const Work& work) {
  switch (state.planes_in_use) {
    case 6:
      return work(std::integral_constant<int, 6>{});
    case 8:
      return work(std::integral_constant<int, 8>{});
    case 10:
      return work(std::integral_constant<int, 10>{});
    case 12:
      return work(std::integral_constant<int, 12>{});
    case 14:
      return work(std::integral_constant<int, 14>{});
    default:
      return work(std::integral_constant<int, 0>{});
  }
}

// --- the output layer

// Adds the events' rows to the potentials; true if any is then at or above its threshold.
bool step_output(const OutputLayer& layer, std::int32_t* potential, const std::uint16_t* events,
                 std::size_t n) {
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

void decide(const OutputLayer& layer, const std::int32_t* potential, bool silent,
            const SampleResults& results) {
  std::uint32_t label = 0, equals = 0;
  std::int64_t best = 0;
  for (std::uint32_t k = 0; k < layer.classes; ++k) {
    const std::int64_t lead = std::int64_t{potential[k]} - layer.thresholds[k];
    if (k == 0 || lead > best) {
      best = lead;
      label = k;
      equals = 0;
    }
    equals += lead == best;
  }
  if (results.label != nullptr) *results.label = label;
  if (results.silent != nullptr) *results.silent = silent;
  if (results.tie != nullptr) *results.tie = equals > 1;
  if (results.candidates != nullptr) {
    const std::int64_t bar = silent ? best : 0;
    for (std::uint32_t k = 0; k < layer.classes; ++k) {
      results.candidates[k] = std::int64_t{potential[k]} - layer.thresholds[k] >= bar;
    }
  }
}

// --- a sample

void run_sample(const Plan& plan, State& state, const Timeline& time, bool early_exit,
                const SampleResults& results) {
  auto most_events = static_cast<std::int64_t>(time.begin[time.count] - time.begin[0]);
  for (std::uint32_t l = 0; l < plan.num_hidden; ++l) {
    start_layer(plan.hidden[l], state.hidden[l], most_events);
    most_events = plan.hidden[l].neurons;
  }
  std::memset(state.potential, 0, sizeof(std::int32_t) * plan.output.padded);
  bool decided = false;
  const auto decide_at = [&](std::uint32_t t, std::size_t heard, bool silent) {
    decided = true;
    decide(plan.output, state.potential, silent, results);
    if (results.step != nullptr) *results.step = static_cast<std::uint8_t>(t);
    if (results.input_spikes != nullptr) *results.input_spikes = static_cast<std::int64_t>(heard);
    if (results.hidden_spikes != nullptr) {
      for (std::uint32_t l = 0; l < plan.num_hidden; ++l) results.hidden_spikes[l] = state.hidden[l].sent;
    }
  };
  for (std::uint32_t s = 0; s < time.count; ++s) {
    const std::uint32_t t = time.step[s];
    const std::uint16_t* events = time.channels + time.begin[s];
    std::size_t n = time.begin[s + 1] - time.begin[s];
    for (std::uint32_t l = 0; l < plan.num_hidden && (n > 0 || t == 0); ++l) {
      LayerState& layer = state.hidden[l];
      n = with_planes(layer, [&](auto planes) {
        return hidden_step<decltype(planes)::value>(plan.hidden[l], layer, events, n);
      });
      layer.sent += static_cast<std::int64_t>(n);
      events = layer.events;
      if (results.hidden_steps != nullptr) {
        for (std::size_t e = 0; e < n; ++e) results.hidden_steps[l][events[e]] = static_cast<std::uint8_t>(t);
      }
    }
    if (n > 0 || t == 0) {
      const bool reached = step_output(plan.output, state.potential, events, n);
      if (reached && !decided) decide_at(t, time.begin[s + 1] - time.begin[0], false);
      if (decided && early_exit) return;
    }
    if (results.potentials != nullptr) {  // they stay until the next step with events
      const std::uint32_t until = s + 1 < time.count ? time.step[s + 1] : plan.num_steps;
      for (std::uint32_t u = t; u < until; ++u) {
        std::memcpy(results.potentials + std::size_t{u} * plan.output.classes, state.potential,
                    sizeof(std::int32_t) * plan.output.classes);
      }
    }
  }
  if (!decided) decide_at(plan.num_steps - 1, time.begin[time.count] - time.begin[0], true);
}

// --- training

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
      const float* errors = job.errors + (job.samples[e] * job.num_steps + job.steps[e]) * kTile;
      for (std::size_t j = 0; j < kTile; ++j) sums[j] += errors[j];
    }
    std::memcpy(job.out + i * kTile, sums, sizeof sums);
  }
}

}  // namespace

bool run_bytes(const Plan& plan, State& state, const std::uint8_t* bytes, const std::uint8_t* step_of,
               bool early_exit, const SampleResults& results) {
  const std::int64_t count = find_spikes(plan, state, bytes, step_of);
  if (count == kNone) return false;
  run_sample(plan, state, sort_found(plan, state, static_cast<std::uint32_t>(count)), early_exit, results);
  return true;
}

void run_events(const Plan& plan, State& state, const SampleEvents& input, bool early_exit,
                const SampleResults& results) {
  Timeline time;
  time.channels = input.channels;
  time.count = 1;
  time.step[0] = 0;
  time.begin[0] = 0;
  for (std::size_t e = 0; e < input.count; ++e) {
    if (input.steps[e] != time.step[time.count - 1]) {
      time.step[time.count] = input.steps[e];
      time.begin[time.count++] = e;
    }
  }
  time.begin[time.count] = input.count;
  run_sample(plan, state, time, early_exit, results);
}

std::int64_t sort_steps(const Plan& plan, State& state, const std::uint8_t* row, const std::uint8_t* identity,
                        std::uint8_t* steps) {
  const std::int64_t count = find_spikes(plan, state, row, identity);
  if (count == kNone) return kNone;
  const Timeline time = sort_found(plan, state, static_cast<std::uint32_t>(count));
  for (std::uint32_t s = 0; s < time.count; ++s)
    std::memset(steps + time.begin[s], time.step[s], time.begin[s + 1] - time.begin[s]);
  return count;
}

#if defined(__AVX512BW__)
namespace {

// Turns a square of 16 rows of 16 around: four shuffles of a pack of cards. `low` and `high` interleave the
// halves of two rows.
template <typename V, typename Low, typename High>
inline void turn_square(V* rows, const Low& low, const High& high) {
  for (int shuffle = 0; shuffle < 4; ++shuffle) {
    V next[16];
    for (int k = 0; k < 8; ++k) {
      next[2 * k] = low(rows[k], rows[k + 8]);
      next[2 * k + 1] = high(rows[k], rows[k + 8]);
    }
    for (int k = 0; k < 16; ++k) rows[k] = next[k];
  }
}

}  // namespace
#endif

void sign_rows(const float* latent, std::size_t neurons, std::size_t all_channels, std::size_t first,
               std::size_t channels, std::size_t padded, std::int8_t* out) {
  std::size_t j0 = 0;
#if defined(__AVX512BW__)
  const __m128i minus = _mm_set1_epi8(-1), plus = _mm_set1_epi8(1);
  for (; j0 + 16 <= neurons; j0 += 16) {
    for (std::size_t i0 = 0; i0 < channels; i0 += 16) {
      const std::size_t here = channels - i0 < 16 ? channels - i0 : 16;
      const auto there = static_cast<__mmask16>((1U << here) - 1);
      __m128i square[16];
      for (std::size_t k = 0; k < 16; ++k) {
        const __m512 row = _mm512_maskz_loadu_ps(there, latent + (j0 + k) * all_channels + first + i0);
        square[k] =
            _mm_mask_blend_epi8(_mm512_cmp_ps_mask(row, _mm512_setzero_ps(), _CMP_GE_OQ), minus, plus);
      }
      turn_square(
          square, [](__m128i a, __m128i b) { return _mm_unpacklo_epi8(a, b); },
          [](__m128i a, __m128i b) { return _mm_unpackhi_epi8(a, b); });
      for (std::size_t k = 0; k < here; ++k)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + (i0 + k) * padded + j0), square[k]);
    }
  }
#endif
  constexpr std::size_t kSide = 32;  // a square that stays in the nearest cache while it is turned around
  for (; j0 < neurons; j0 += kSide) {
    const std::size_t j1 = j0 + kSide < neurons ? j0 + kSide : neurons;
    for (std::size_t i = 0; i < channels; ++i) {
      const float* from = latent + first + i;
      for (std::size_t j = j0; j < j1; ++j) out[i * padded + j] = from[j * all_channels] >= 0.0F ? 1 : -1;
    }
  }
}

void turn_around(const float* sums, std::size_t tile, std::size_t channels, std::size_t neurons,
                 const float* latent, std::size_t stride, float* out) {
#if defined(__AVX512BW__)
  const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  for (std::size_t i0 = 0; i0 < channels; i0 += 16) {
    const std::size_t here = channels - i0 < 16 ? channels - i0 : 16;
    const auto there = static_cast<__mmask16>((1U << here) - 1);
    for (std::size_t j0 = 0; j0 < neurons; j0 += 16) {
      __m512 square[16];
      for (std::size_t k = 0; k < 16; ++k)
        square[k] = k < here ? _mm512_loadu_ps(sums + (i0 + k) * tile + j0) : _mm512_setzero_ps();
      turn_square(
          square, [&](__m512 a, __m512 b) { return _mm512_permutex2var_ps(a, low, b); },
          [&](__m512 a, __m512 b) { return _mm512_permutex2var_ps(a, high, b); });
      for (std::size_t k = 0; k < 16 && j0 + k < neurons; ++k) {
        const std::size_t at = (j0 + k) * stride + i0;
        const __m512 weights = _mm512_abs_ps(_mm512_maskz_loadu_ps(there, latent + at));
        const __mmask16 inside = _mm512_cmp_ps_mask(weights, _mm512_set1_ps(1.0F), _CMP_NGT_UQ);
        _mm512_mask_storeu_ps(out + at, there, _mm512_maskz_mov_ps(inside, square[k]));
      }
    }
  }
#else
  constexpr std::size_t kSide = 16;
  for (std::size_t i0 = 0; i0 < channels; i0 += kSide) {
    const std::size_t i1 = i0 + kSide < channels ? i0 + kSide : channels;
    for (std::size_t j = 0; j < neurons; ++j) {
      for (std::size_t i = i0; i < i1; ++i) {
        const float weight = latent[j * stride + i];
        out[j * stride + i] = weight > 1.0F || weight < -1.0F ? 0.0F : sums[i * tile + j];
      }
    }
  }
#endif
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
  std::memset(sums, 0, sizeof(std::int32_t) * padded);
  std::uint32_t filled = 0;
  const auto fill_until = [&](std::uint32_t t) {
    for (; filled < t; ++filled) {
      for (std::size_t k = 0; k < neurons; ++k) out[filled * neurons + k] = static_cast<float>(sums[k]);
    }
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

void gradient(const GradientJob& job) {
  if (job.reach != nullptr) {
    impulse_tile(job);
  } else if (job.tile == kNarrowTile) {
    potential_tile<kNarrowTile>(job);
  } else {
    potential_tile<kErrorTile>(job);
  }
}

void add_signed(const float* latent, float error, std::size_t channels, float* heard) {
  for (std::size_t i = 0; i < channels; ++i) heard[i] += latent[i] >= 0.0F ? error : -error;
}

void credit(const float* latent, const float* later, std::size_t neurons, std::size_t padded,
            const std::uint8_t* below, std::size_t channels, [[maybe_unused]] std::size_t num_steps,
            float* out) {
  std::size_t i = 0;
#if defined(__AVX512F__)
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
#endif
  for (; i < channels; ++i) {
    const float* values = later + below[i] * padded;
    float sum = 0.0F;
    for (std::size_t k = 0; k < neurons; ++k)
      sum += latent[k * channels + i] >= 0.0F ? values[k] : -values[k];
    out[i] = sum;
  }
}

}  // namespace BSTDG_ISA
}  // namespace bstdg
