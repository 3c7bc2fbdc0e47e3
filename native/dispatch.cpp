// Chooses, once, the kernels of the best instruction set that this CPU has, or those that BSTDG_ISA names.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"

namespace bstdg {

#define BSTDG_DECLARE(isa)                                                                                   \
  namespace isa {                                                                                            \
  bool run_bytes(const Plan&, State&, const std::uint8_t*, const std::uint8_t*, bool, const SampleResults&); \
  void run_events(const Plan&, State&, const SampleEvents&, bool, const SampleResults&);                     \
  std::int64_t sort_steps(const Plan&, State&, const std::uint8_t*, const std::uint8_t*, std::uint8_t*);     \
  void sign_rows(const float*, std::size_t, std::size_t, std::size_t, std::size_t, std::size_t,              \
                 std::int8_t*);                                                                              \
  void crossing(const CrossingJob&);                                                                         \
  void potentials(const SampleEvents&, const std::int8_t*, std::size_t, std::size_t, std::uint32_t,          \
                  std::int32_t*, float*);                                                                    \
  void gradient(const GradientJob&);                                                                         \
  void turn_around(const float*, std::size_t, std::size_t, std::size_t, const float*, std::size_t, float*);  \
  void add_signed(const float*, float, std::size_t, float*);                                                 \
  void credit(const float*, const float*, std::size_t, std::size_t, const std::uint8_t*, std::size_t,        \
              std::size_t, float*);                                                                          \
  void first_to_fire(const HazardJob&, float*, float*, float*);                                              \
  void first_to_fire_back(const HazardJob&, const HazardGradients&, float*, float*, float*);                 \
  }                                                                                                          \
  namespace {                                                                                                \
  const Kernels isa##_kernels{                                                                               \
      #isa,           &isa::run_bytes,     &isa::run_events,        &isa::sort_steps,  &isa::sign_rows,      \
      &isa::crossing, &isa::potentials,    &isa::gradient,          &isa::turn_around, &isa::add_signed,     \
      &isa::credit,   &isa::first_to_fire, &isa::first_to_fire_back};                                        \
  }

BSTDG_DECLARE(generic)
#ifdef BSTDG_HAS_AVX2
BSTDG_DECLARE(avx2)
#endif
#ifdef BSTDG_HAS_AVX512
BSTDG_DECLARE(avx512)
#endif

namespace {

struct Available {
  const Kernels* kernels[3];
  std::size_t count = 0;

  Available() {
#if defined(BSTDG_HAS_AVX2) || defined(BSTDG_HAS_AVX512)
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
                          __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
#ifdef BSTDG_HAS_AVX512
    if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2")) {
      kernels[count++] = &avx512_kernels;
    }
#endif
#ifdef BSTDG_HAS_AVX2
    if (has_avx2) kernels[count++] = &avx2_kernels;
#endif
    kernels[count++] = &generic_kernels;
  }
};

const Available& available() {
  static const Available found;
  return found;
}

}  // namespace

const Kernels* const* available_kernels(std::size_t& count) {
  count = available().count;
  return available().kernels;
}

const Kernels& chosen_kernels() {
  const char* wanted = std::getenv("BSTDG_ISA");
  if (wanted == nullptr || *wanted == '\0') return *available().kernels[0];
  std::string names;
  for (std::size_t i = 0; i < available().count; ++i) {
    if (std::strcmp(wanted, available().kernels[i]->name) == 0) return *available().kernels[i];
    names += (i > 0 ? ", " : "") + std::string(available().kernels[i]->name);
  }
  throw std::invalid_argument("BSTDG_ISA is " + std::string(wanted) + "; this machine has " + names);
}

}  // namespace bstdg
