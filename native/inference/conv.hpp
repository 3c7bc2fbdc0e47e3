// Convolution: every map has one window of one-bit weights, which all its neurons share.
#pragma once

#include "base/sliding.hpp"
#include "inference/layer.hpp"

namespace bstdg {

// Signs -1/+1 [maps x channels of a group x kernel rows x kernel columns] and a threshold for each map, which
// the caller owns.
class ConvLayer final : public Layer {
 public:
  ConvLayer(const Convolution& shape, const std::int8_t* signs, const std::int64_t* thresholds)
      : shape_(shape), signs_(signs), thresholds_(thresholds) {}

  std::int64_t channels() const override { return static_cast<std::int64_t>(shape_.inputs()); }
  std::int64_t neurons() const override { return static_cast<std::int64_t>(shape_.neurons()); }
  std::string refusal() const override;
  SpikingLayout spiking(const Kernels& kernels, const Names& heard) const override;
  OutputLayout output(const Kernels& kernels, const Names& heard) const override;

 private:
  Convolution shape_;
  const std::int8_t* signs_;
  const std::int64_t* thresholds_;
};

}  // namespace bstdg
