// A convolution as Python describes it.
#pragma once

#include <nanobind/nanobind.h>

#include "base/sliding.hpp"

// Of channels, rows and columns that come in, maps, then rows and columns of kernel, stride and padding, and
// groups: eleven integers. Throws std::invalid_argument where they are none, do not fit each other, or are
// too many neurons.
bstdg::Convolution convolution_of(const nanobind::tuple& given);
