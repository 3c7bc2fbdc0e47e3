// Adam's step on latent weights, with what follows it: weights kept within a bound, and their running mean.
#pragma once

#include <cstddef>

namespace bstdg {

// Arrays of `count` numbers.
struct Moved {
  std::size_t count;
  float* weights;
  const float* gradient;
  float *mean, *square;  // running means of the gradient and of its square
  float* average;        // the weights' own running mean, or null
};

// m += first (g - m); v = (1 - second) v + second g^2; w -= rate m / (sqrt(v) / root + epsilon), then within
// -bound to bound; average += share (w - average).
struct AdamStep {
  float first, second, keep;  // keep: 1 - second, as rounded
  float rate, root, epsilon;
  float bound;  // infinite where there is none
  float share;
};

void adam(const Moved& moved, const AdamStep& step, int threads);

}  // namespace bstdg
