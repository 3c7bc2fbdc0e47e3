#include "dispatch.hpp"

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/refuse.hpp"

namespace bstdg {

// The tables of one build of the kernels, whose files define them; CMake says which builds there are.
#define BSTDG_DECLARE(isa)                                              \
  namespace isa {                                                       \
  extern const TimelineKernels timeline_kernels;                        \
  extern const RunKernels run_kernels;                                  \
  extern const FullKernels full_kernels;                                \
  extern const ConvKernels conv_kernels;                                \
  extern const ForwardKernels forward_kernels;                          \
  extern const BackwardKernels backward_kernels;                        \
  extern const TransposeKernels transpose_kernels;                      \
  extern const LossKernels loss_kernels;                                \
  extern const MeasureKernels measure_kernels;                          \
  extern const AdamKernels adam_kernels;                                \
  extern const ConvolutionKernels convolution_kernels;                  \
  extern const ConvolutionBackwardKernels convolution_backward_kernels; \
  }                                                                     \
  namespace {                                                           \
  const Kernels isa##_kernels{#isa,                                     \
                              isa::timeline_kernels,                    \
                              isa::run_kernels,                         \
                              isa::full_kernels,                        \
                              isa::conv_kernels,                        \
                              isa::forward_kernels,                     \
                              isa::backward_kernels,                    \
                              isa::transpose_kernels,                   \
                              isa::loss_kernels,                        \
                              isa::measure_kernels,                     \
                              isa::adam_kernels,                        \
                              isa::convolution_kernels,                 \
                              isa::convolution_backward_kernels};       \
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
  refuse("BSTDG_ISA is " + std::string(wanted) + "; this machine has " + names);
}

}  // namespace bstdg
