// Measures of training, compiled once for each instruction set; see simd.hpp for what that forbids.
#include "training/measure_kernels.hpp"

#include <cstring>

namespace bstdg {
namespace BSTDG_ISA {
namespace {

void fired(const std::uint8_t* steps, std::uint8_t never, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = steps[i] == never ? 0.0F : 1.0F;
}

void sensitive(const float* margin, const float* told, float width, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const float psi = __builtin_fabsf(margin[i]) / -width + 1.0F;
    out[i] = (psi < 0.0F ? 0.0F : psi) * told[i];
  }
}

// Sixteen sums at a time, so that none waits for the one before.
typedef float Floats __attribute__((vector_size(32), may_alias));
typedef double Doubles __attribute__((vector_size(64), may_alias));

template <typename Of>
inline double sum_of(const float* values, std::size_t count, const Of& of) {
  Doubles sums[2] = {};
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (std::size_t k = 0; k < 2; ++k) {
      Floats some;
      std::memcpy(&some, values + i + 8 * k, sizeof some);
      of(__builtin_convertvector(some, Doubles), sums[k]);
    }
  }
  double all = 0.0;
  for (std::size_t k = 0; k < 8; ++k) all += sums[0][k] + sums[1][k];
  for (; i < count; ++i) of(static_cast<double>(values[i]), all);
  return all;
}

double sum(const float* values, std::size_t count) {
  return sum_of(values, count, [](const auto& some, auto& sums) { sums += some; });
}

double squares(const float* values, double mean, std::size_t count) {
  return sum_of(values, count, [mean](const auto& some, auto& sums) {
    const auto away = some - mean;
    sums += away * away;
  });
}

}  // namespace

extern const MeasureKernels measure_kernels;
const MeasureKernels measure_kernels{&fired, &sensitive, &sum, &squares};

}  // namespace BSTDG_ISA
}  // namespace bstdg
