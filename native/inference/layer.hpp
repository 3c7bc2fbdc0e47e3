// What a network is made of: layers of any kind. A kind is a file that derives from `Layer`, and one of
// kernels; full.cpp and full_kernels.cpp are the example.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inference/plan.hpp"

namespace bstdg {

struct Kernels;

// Events may name what they come from by a number that suits the layer that sends them: the neuron, or
// channel, that each name stands for. Empty where each stands for itself.
using Names = std::vector<std::uint16_t>;

inline std::size_t meant_by(const Names& names, std::size_t name) {
  return names.empty() ? name : names[name];
}

// A layer laid out for its kernels: what the plan says of it, and what that points to.
struct SpikingLayout {
  SpikingLayer view;
  std::shared_ptr<const void> memory;
  std::function<std::shared_ptr<void>()> new_state;  // what the kernels get as `state`, for one more thread
  Names names;                                       // of the spikes that it sends
};

struct OutputLayout {
  OutputLayer view;
  std::shared_ptr<const void> memory;
};

// A layer as it is deployed. It need not outlive its layout.
class Layer {
 public:
  virtual ~Layer() = default;
  virtual std::int64_t channels() const = 0;
  virtual std::int64_t neurons() const = 0;
  // Why there can be no such layer, in words that follow its name; empty where there can. Channels and
  // neurons are in range when this is asked.
  virtual std::string refusal() const = 0;
  // `heard` are the names that events come with.
  virtual SpikingLayout spiking(const Kernels& kernels, const Names& heard) const = 0;
  // As the last one. Throws std::invalid_argument where layers of the kind cannot be that.
  virtual OutputLayout output(const Kernels& kernels, const Names& heard) const = 0;
};

}  // namespace bstdg
