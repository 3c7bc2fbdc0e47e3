// The kernels of inference, compiled once for each instruction set: CMake defines BSTDG_ISA, the namespace,
// for each build.
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

}  // namespace BSTDG_ISA
}  // namespace bstdg
