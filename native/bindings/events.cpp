// Timed events from Python.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <string>
#include <tuple>

#include "arrays.hpp"
#include "bindings.hpp"
#include "events/binning.hpp"
#include "others_may_run.hpp"

namespace {

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
    const OthersMayRun others_may_run;
    binned = bstdg::bin_events({view(offsets), view(channels), view(times)}, num_channels,
                               {num_steps, duration, start}, which);
  }
  return std::make_tuple(to_numpy(std::move(binned.offsets)), to_numpy(std::move(binned.channels)),
                         to_numpy(std::move(binned.steps)));
}

}  // namespace

void bind_events(nb::module_& module) {
  module.def(
      "bin_events", &bin_events, "offsets"_a.noconvert(), "channels"_a.noconvert(), "times"_a.noconvert(),
      "num_channels"_a, "num_steps"_a, "duration"_a, "start"_a, "keep"_a,
      "Timed events become steps, sorted by step, then channel: (offsets, channels, steps).\n\n"
      "Raises ValueError if anything given is out of range, TypeError if an array is of another type.");
}
