// The kernels, compiled once for each instruction set: CMake defines BSTDG_ISA, the namespace, for each
// build.
//
// No function with external linkage but the two of the table may be defined or instantiated here, standard
// library included: the linker keeps one copy of an inline function, and it might be one that this CPU cannot
// run.
#include "kernels.hpp"

#include <cstring>

#include "simd.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

constexpr int kNone = -1;

// --- input
// -----------------------------------------------------------------------------------------------------------

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

// Orders what was found by step: into state.events, the first of step t at first[t].
void sort_found(const Plan& plan, State& state, std::uint32_t count, std::uint32_t* first) {
  const std::uint32_t num_steps = plan.num_steps;
#if defined(__AVX512VBMI2__)
  if (num_steps * ((count + 31) / 32) < 4 * count + 64) {  // few steps: pick each one's events in turn
    std::uint32_t at = 0;
    for (std::uint32_t t = 0; t < num_steps; ++t) {
      first[t] = at;
      const __m256i wanted = _mm256_set1_epi8(static_cast<char>(t));
      for (std::uint32_t k = 0; k < count; k += 32) {
        const std::uint32_t left = count - k;
        const __mmask32 there = left >= 32 ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
        const __m256i steps = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(state.found_steps + k));
        const __mmask32 now = _mm256_mask_cmpeq_epi8_mask(there, steps, wanted);
        const __m512i channels = _mm512_loadu_si512(state.found + k);
        _mm512_storeu_si512(state.events + at, _mm512_maskz_compress_epi16(now, channels));
        at += static_cast<std::uint32_t>(__builtin_popcount(now));
      }
    }
    first[num_steps] = at;
    return;
  }
#endif
  // Two tables of places, for even and odd events: neighbours often share their step, and one table would
  // make each wait for the one before.
  std::uint32_t place[2][256];
  std::memset(place, 0, sizeof place);
  for (std::uint32_t k = 0; k < count; ++k) ++place[k & 1][state.found_steps[k]];
  std::uint32_t before = 0;
  for (std::uint32_t t = 0; t < num_steps; ++t) {
    first[t] = before;
    const std::uint32_t even = place[0][t], odd = place[1][t];
    place[0][t] = before;
    place[1][t] = before + even;
    before += even + odd;
  }
  first[num_steps] = before;
  for (std::uint32_t k = 0; k < count; ++k)
    state.events[place[k & 1][state.found_steps[k]]++] = state.found[k];
}

// --- hidden layers
// ---------------------------------------------------------------------------------------------------

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

void start_layer(const HiddenLayer& layer, LayerState& state, std::int64_t most_events) {
  std::uint32_t planes = planes_for(layer, most_events);
  if (planes < kFewestPlanes) planes = kFewestPlanes;
  if (planes <= kMostPlanes) planes = (planes + 1) & ~1U;
  state.planes_in_use = planes;
  state.heard = state.sent = 0;
  std::uint64_t* to = state.planes;
  for (std::uint32_t w = 0; w < layer.neurons; w += 64 * kVectorWords) {
    for (std::uint32_t plane = 1; plane <= planes; ++plane, to += kVectorWords) {
      const bool there = plane < layer.start_planes;
      store(to, there ? load(layer.start + plane * layer.row_words + w / 64) : Bits{});
    }
    store(state.fired + w / 64, load(layer.padding + w / 64));
  }
}

inline void ripple(Bits* planes, int from, int count, Bits carry) {
#pragma GCC unroll 16
  for (int i = from; i < count; ++i) carry = add_one(planes[i], carry);
}

// Adds one row of bits for every event to the counters in `planes`, carries saved up: 16 rows, then 8, 4, 2.
inline __attribute__((always_inline)) void add_rows(Bits* planes, int count, const std::uint64_t* rows,
                                                    std::size_t stride, const std::uint16_t* events,
                                                    std::size_t n, std::uint16_t none) {
  const auto row = [rows, stride](std::uint16_t channel) { return load(rows + channel * stride); };
  // Eight rows: planes 0 to 2 take theirs, and what is worth 8 is returned.
  const auto add_eight = [&](const std::uint16_t* e) {
    const Bits a = add_two(planes[0], row(e[0]), row(e[1]));
    const Bits b = add_two(planes[0], row(e[2]), row(e[3]));
    const Bits c = add_two(planes[0], row(e[4]), row(e[5]));
    const Bits d = add_two(planes[0], row(e[6]), row(e[7]));
    const Bits ab = add_two(planes[1], a, b);
    const Bits cd = add_two(planes[1], c, d);
    return add_two(planes[2], ab, cd);
  };
  while (n >= 16) {
    const Bits low = add_eight(events);
    const Bits high = add_eight(events + 8);
    ripple(planes, 4, count, add_two(planes[3], low, high));
    events += 16;
    n -= 16;
  }
  if (n == 0) return;
  std::uint16_t rest[16];
  for (std::size_t i = 0; i < 16; ++i) rest[i] = i < n ? events[i] : none;
  if (n > 8) {
    const Bits low = add_eight(rest);
    const Bits high = add_eight(rest + 8);
    ripple(planes, 4, count, add_two(planes[3], low, high));
  } else if (n > 4) {
    ripple(planes, 3, count, add_eight(rest));
  } else if (n > 2) {
    const Bits a = add_two(planes[0], row(rest[0]), row(rest[1]));
    const Bits b = add_two(planes[0], row(rest[2]), row(rest[3]));
    ripple(planes, 2, count, add_two(planes[1], a, b));
  } else {
    ripple(planes, 1, count, add_two(planes[0], row(rest[0]), row(rest[1])));
  }
}

// All neurons whose counter is at or above `target`, 64 x kVectorWords at a time.
inline __attribute__((always_inline)) Bits at_or_above(const Bits* planes, int count, Bits lowest,
                                                       std::int64_t target) {
  if (target <= 0) return ~Bits{};
  const auto zero_at = [target](int bit) {
    return splat((static_cast<std::uint64_t>(target) >> bit & 1) -
                 1);  // all ones where the target's bit is 0
  };
  Bits reached = majority(~Bits{}, lowest, zero_at(0));
#pragma GCC unroll 16
  for (int i = 0; i < count; ++i) reached = majority(reached, planes[i], zero_at(i + 1));
  return reached;
}

// Writes base + i for every bit i that is set, and returns how many. Two are written whether they are there
// or not: most words have no more, and a branch for each would be guessed wrong.
inline std::size_t name_bits(std::uint64_t word, std::uint32_t base, std::uint16_t* names) {
  const auto count = static_cast<std::size_t>(__builtin_popcountll(word));
  constexpr std::uint64_t kGuard = std::uint64_t{1} << 63;  // counting the zeros of nothing is undefined
  for (int i = 0; i < 2; ++i, word &= word - 1) {
    names[i] = static_cast<std::uint16_t>(base + static_cast<std::uint32_t>(__builtin_ctzll(word | kGuard)));
  }
  for (std::size_t i = 2; i < count; ++i, word &= word - 1) {
    names[i] = static_cast<std::uint16_t>(base + static_cast<std::uint32_t>(__builtin_ctzll(word)));
  }
  return count;
}

// One step of a layer: hears `events`, and returns how many neurons fired, named in state.events.
template <int kPlanes>
std::size_t hidden_step(const HiddenLayer& layer, LayerState& state, const std::uint16_t* events,
                        std::size_t n) {
  const int count = kPlanes > 0 ? kPlanes : static_cast<int>(state.planes_in_use);
  const auto none = static_cast<std::uint16_t>(layer.channels);
  state.heard += static_cast<std::int64_t>(n);
  const std::int64_t target = state.heard + layer.top;
  std::size_t fired = 0;
  std::uint64_t* memory = state.planes;
  for (std::uint32_t w = 0; w < layer.neurons; w += 64 * kVectorWords, memory += count * kVectorWords) {
    const std::uint64_t* rows = layer.rows + w / 64;
    const Bits lowest = load(layer.start + w / 64);
    Bits reached;
    if constexpr (kPlanes > 0) {
      Bits planes[static_cast<std::size_t>(kPlanes)];  // in registers
#pragma GCC unroll 16
      for (int i = 0; i < kPlanes; ++i) planes[i] = load(memory + i * kVectorWords);
      add_rows(planes, kPlanes, rows, layer.row_words, events, n, none);
#pragma GCC unroll 16
      for (int i = 0; i < kPlanes; ++i) store(memory + i * kVectorWords, planes[i]);
      reached = at_or_above(planes, kPlanes, lowest, target);
    } else {
      Bits* planes = reinterpret_cast<Bits*>(memory);
      add_rows(planes, count, rows, layer.row_words, events, n, none);
      reached = at_or_above(planes, count, lowest, target);
    }
    const Bits before = load(state.fired + w / 64);
    store(state.fired + w / 64, before | reached);
    const Bits newly = reached & ~before;
    for (int k = 0; k < kVectorWords; ++k) {
      fired += name_bits(newly[k], w + 64 * static_cast<std::uint32_t>(k), state.events + fired);
    }
  }
  state.sent += static_cast<std::int64_t>(fired);
  return fired;
}

std::size_t step_layer(const HiddenLayer& layer, LayerState& state, const std::uint16_t* events,
                       std::size_t n) {
  switch (state.planes_in_use) {
    case 6:
      return hidden_step<6>(layer, state, events, n);
    case 8:
      return hidden_step<8>(layer, state, events, n);
    case 10:
      return hidden_step<10>(layer, state, events, n);
    case 12:
      return hidden_step<12>(layer, state, events, n);
    case 14:
      return hidden_step<14>(layer, state, events, n);
    default:
      return hidden_step<0>(layer, state, events, n);
  }
}

// --- the output layer
// ------------------------------------------------------------------------------------------------

// Adds the events' rows to the potentials; true if any is then at or above its threshold.
bool step_output(const OutputLayer& layer, std::int32_t* potential, const std::uint16_t* events,
                 std::size_t n) {
  constexpr std::uint32_t kLanes = 16;
  typedef std::int32_t Potentials __attribute__((vector_size(4 * kLanes), may_alias));
  typedef std::int8_t Weights __attribute__((vector_size(kLanes), may_alias));
  bool reached = false;
  for (std::uint32_t k = 0; k < layer.padded; k += kLanes) {
    Potentials sum;
    std::memcpy(&sum, potential + k, sizeof sum);
    for (std::size_t e = 0; e < n; ++e) {
      Weights row;
      std::memcpy(&row, layer.rows + std::size_t{events[e]} * layer.padded + k, sizeof row);
      sum += __builtin_convertvector(row, Potentials);
    }
    std::memcpy(potential + k, &sum, sizeof sum);
    std::int32_t above = 0;
    for (std::uint32_t i = 0; i < kLanes; ++i) above |= potential[k + i] >= layer.thresholds[k + i];
    reached |= above != 0;
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
// --------------------------------------------------------------------------------------------------------

// `events_at(t, n)` gives the input events of step t and their number.
template <typename EventsAt>
void run_sample(const Plan& plan, State& state, std::int64_t input_count, const EventsAt& events_at,
                bool early_exit, const SampleResults& results) {
  std::int64_t most_events = input_count;
  for (std::uint32_t l = 0; l < plan.num_hidden; ++l) {
    start_layer(plan.hidden[l], state.hidden[l], most_events);
    most_events = plan.hidden[l].neurons;
  }
  std::memset(state.potential, 0, sizeof(std::int32_t) * plan.output.padded);
  bool decided = false;
  std::int64_t input_heard = 0;
  for (std::uint32_t t = 0; t < plan.num_steps; ++t) {
    std::size_t n = 0;
    const std::uint16_t* events = events_at(t, n);
    input_heard += static_cast<std::int64_t>(n);
    for (std::uint32_t l = 0; l < plan.num_hidden && (n > 0 || t == 0); ++l) {
      LayerState& layer = state.hidden[l];
      n = step_layer(plan.hidden[l], layer, events, n);
      events = layer.events;
      if (results.hidden_steps != nullptr) {
        for (std::size_t e = 0; e < n; ++e) results.hidden_steps[l][events[e]] = static_cast<std::uint8_t>(t);
      }
    }
    const bool last = t + 1 == plan.num_steps;
    if (n > 0 || t == 0 || last) {
      const bool reached = step_output(plan.output, state.potential, events, n);
      if (!decided && (reached || last)) {
        decided = true;
        decide(plan.output, state.potential, !reached, results);
        if (results.step != nullptr) *results.step = static_cast<std::uint8_t>(t);
        if (results.input_spikes != nullptr) *results.input_spikes = input_heard;
        if (results.hidden_spikes != nullptr) {
          for (std::uint32_t l = 0; l < plan.num_hidden; ++l) results.hidden_spikes[l] = state.hidden[l].sent;
        }
        if (early_exit) return;
      }
    }
    if (results.potentials != nullptr) {
      std::memcpy(results.potentials + std::size_t{t} * plan.output.classes, state.potential,
                  sizeof(std::int32_t) * plan.output.classes);
    }
  }
}

}  // namespace

bool run_bytes(const Plan& plan, State& state, const std::uint8_t* bytes, const std::uint8_t* step_of,
               bool early_exit, const SampleResults& results) {
  std::uint32_t first[256];
  const std::int64_t count = find_spikes(plan, state, bytes, step_of);
  if (count == kNone) return false;
  sort_found(plan, state, static_cast<std::uint32_t>(count), first);
  const auto events_at = [&](std::uint32_t t, std::size_t& n) {
    n = first[t + 1] - first[t];
    return state.events + first[t];
  };
  run_sample(plan, state, count, events_at, early_exit, results);
  return true;
}

void run_events(const Plan& plan, State& state, const SampleEvents& input, bool early_exit,
                const SampleResults& results) {
  std::size_t at = 0;
  const auto events_at = [&](std::uint32_t t, std::size_t& n) {
    const std::size_t begin = at;
    while (at < input.count && input.steps[at] == t) ++at;
    n = at - begin;
    return input.channels + begin;
  };
  run_sample(plan, state, static_cast<std::int64_t>(input.count), events_at, early_exit, results);
}

}  // namespace BSTDG_ISA
}  // namespace bstdg
