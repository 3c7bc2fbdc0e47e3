// Fully connected layers: every neuron has a one-bit weight for every channel, and a threshold of its own.
#pragma once

#include "inference/layer.hpp"

namespace bstdg {

// Signs -1/+1 [neurons x channels], row by row, and integer thresholds [neurons], which the caller owns.
class FullLayer final : public Layer {
 public:
  FullLayer(std::int64_t channels, std::int64_t neurons, const std::int8_t* signs,
            const std::int64_t* thresholds)
      : channels_(channels), neurons_(neurons), signs_(signs), thresholds_(thresholds) {}

  std::int64_t channels() const override { return channels_; }
  std::int64_t neurons() const override { return neurons_; }
  std::string refusal() const override;
  SpikingLayout spiking(const Kernels& kernels, const Names& heard) const override;
  OutputLayout output(const Kernels& kernels, const Names& heard) const override;

 private:
  std::int64_t channels_, neurons_;
  const std::int8_t* signs_;
  const std::int64_t* thresholds_;
};

}  // namespace bstdg
