// The kernels of measures.hpp; plain structures, shared by every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

struct MeasureKernels {
  void (*fired)(const std::uint8_t* steps, std::uint8_t never, std::size_t count, float* out);
  void (*sensitive)(const float* margin, const float* told, float width, std::size_t count, float* out);
  double (*sum)(const float* values, std::size_t count);
  // The sum of squared distances from `mean`.
  double (*squares)(const float* values, double mean, std::size_t count);
};

}  // namespace bstdg
