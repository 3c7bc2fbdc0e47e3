// Pooling: a neuron fires at the n-th event of its window.
#pragma once

#include "base/sliding.hpp"
#include "inference/layer.hpp"

namespace bstdg {

class PoolLayer final : public Layer {
 public:
  PoolLayer(const Convolution& window, std::int64_t count) : window_(window), count_(count) {}

  std::int64_t channels() const override { return static_cast<std::int64_t>(window_.inputs()); }
  std::int64_t neurons() const override { return static_cast<std::int64_t>(window_.neurons()); }
  std::string refusal() const override;
  SpikingLayout spiking(const Kernels& kernels, const Names& heard) const override;
  OutputLayout output(const Kernels& kernels, const Names& heard) const override;

 private:
  Convolution window_;
  std::int64_t count_;
};

}  // namespace bstdg
