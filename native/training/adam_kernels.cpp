// Adam's step, compiled once for each instruction set; see simd.hpp for what that forbids.
#include "training/adam_kernels.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

void step(const Moved& moved, const AdamStep& given) {
  const AdamStep by = given;
  float* __restrict weights = moved.weights;
  float* __restrict mean = moved.mean;
  float* __restrict square = moved.square;
  const float* __restrict gradient = moved.gradient;
  for (std::size_t i = 0; i < moved.count; ++i) {
    const float g = gradient[i];
    const float m = mean[i] + by.first * (g - mean[i]);
    const float v = square[i] * by.keep + by.second * g * g;
    mean[i] = m;
    square[i] = v;
    const float w = weights[i] - by.rate * m / (__builtin_sqrtf(v) / by.root + by.epsilon);
    const float below = w > by.bound ? by.bound : w;  // what is no number stays none
    weights[i] = below < -by.bound ? -by.bound : below;
  }
  if (moved.average == nullptr) return;
  float* __restrict average = moved.average;
  for (std::size_t i = 0; i < moved.count; ++i) average[i] += by.share * (weights[i] - average[i]);
}

}  // namespace

extern const AdamKernels adam_kernels;
const AdamKernels adam_kernels{&step};

}  // namespace BSTDG_ISA
}  // namespace bstdg
