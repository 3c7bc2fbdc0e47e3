// Arrays as the bindings take and give them: no arithmetic, no silent copies.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "events/events.hpp"

namespace nb = nanobind;
using namespace nb::literals;

template <typename T>
using ArrayIn = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using ArrayOut = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
template <typename T, int kDimensions>
using Rows = nb::ndarray<const T, nb::ndim<kDimensions>, nb::c_contig, nb::device::cpu>;
template <typename T, int kDimensions>
using Out = nb::ndarray<T, nb::ndim<kDimensions>, nb::c_contig, nb::device::cpu>;

template <typename T>
bstdg::Span<T> view(const ArrayIn<T>& array) {
  return {array.data(), array.size()};
}

using Floats1 = Rows<float, 1>;
using Floats2 = Rows<float, 2>;
using Floats3 = Rows<float, 3>;
using Bytes2 = Rows<std::uint8_t, 2>;

// Hands the vector to NumPy without a copy; the array frees it.
template <typename T>
ArrayOut<T> to_numpy(std::vector<T>&& values) {
  auto held = std::make_unique<std::vector<T>>(std::move(values));
  const nb::capsule owner(held.get(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  std::vector<T>* owned = held.release();
  return ArrayOut<T>(owned->data(), {owned->size()}, owner);
}

inline void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

template <typename T, int kDimensions>
void same_shape(const Out<T, kDimensions>& out, std::size_t rows, std::size_t columns) {
  require(out.shape(0) == rows && out.shape(kDimensions - 1) == columns,
          "a result has another shape than it needs");
}
