// The Python face of the native module: arrays in, arrays out, no arithmetic.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "events.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <typename T>
using ArrayIn = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using ArrayOut = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

template <typename T>
bstdg::Span<T> view(const ArrayIn<T>& array) {
  return {array.data(), array.size()};
}

// Hands the vector to NumPy without a copy; the array frees it.
template <typename T>
ArrayOut<T> to_numpy(std::vector<T>&& values) {
  auto held = std::make_unique<std::vector<T>>(std::move(values));
  const nb::capsule owner(held.get(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  std::vector<T>* owned = held.release();
  return ArrayOut<T>(owned->data(), {owned->size()}, owner);
}

bstdg::Keep parse_keep(const std::string& word) {
  if (word == "all") return bstdg::Keep::kAll;
  if (word == "one_per_step") return bstdg::Keep::kOnePerStep;
  if (word == "first") return bstdg::Keep::kFirst;
  throw std::invalid_argument(R"(keep must be "all", "one_per_step" or "first", not ")" + word + '"');
}

auto bin_events(const ArrayIn<std::int64_t>& offsets, const ArrayIn<std::uint16_t>& channels,
                const ArrayIn<double>& times, std::int64_t num_channels, std::int64_t num_steps,
                double duration, double start, const std::string& keep) {
  const bstdg::Keep which = parse_keep(keep);
  bstdg::BinnedEvents binned;
  {
    const nb::gil_scoped_release others_may_run;
    binned = bstdg::bin_events({view(offsets), view(channels), view(times)}, num_channels,
                               {num_steps, duration, start}, which);
  }
  return std::make_tuple(to_numpy(std::move(binned.offsets)), to_numpy(std::move(binned.channels)),
                         to_numpy(std::move(binned.steps)));
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "Native parts of bstdg; call them through the package, which checks what it is given.";
  // noconvert: an array of another type is an error, never a silent copy or a rounded number.
  module.def(
      "bin_events", &bin_events, "offsets"_a.noconvert(), "channels"_a.noconvert(), "times"_a.noconvert(),
      "num_channels"_a, "num_steps"_a, "duration"_a, "start"_a, "keep"_a,
      "Timed events become steps, sorted by step, then channel: (offsets, channels, steps).\n\n"
      "Raises ValueError if anything given is out of range, TypeError if an array is of another type.");
}
