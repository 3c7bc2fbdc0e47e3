// Layers as Python describes them: a tuple of the kind's name and what that kind needs.
#pragma once

#include <memory>

#include "arrays.hpp"
#include "inference/layer.hpp"

// It reads the tuple's arrays where they lie. Raises ValueError where there is no such kind, TypeError where
// the rest is not what the kind needs.
std::unique_ptr<bstdg::Layer> layer_of(const nb::tuple& description);
