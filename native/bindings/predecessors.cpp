// The predecessors' learning from Python.
#include "predecessors/predecessors.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "others_may_run.hpp"

namespace {

auto learn_temporal(const Out<float, 2>& below, const Out<float, 2>& above, const Out<std::int64_t, 1>& fired,
                    const Rows<std::int16_t, 2>& steps, const ArrayIn<std::int64_t>& labels,
                    const ArrayIn<std::int64_t>& order, double threshold, double rate, bool binary,
                    std::int32_t gamma, std::int32_t silent_lead, double keep, double scale_rate,
                    std::pair<double, double> scales, double shrunk) {
  require(above.shape(0) == below.shape(1) && fired.shape(0) == below.shape(1), "the layers do not fit");
  require(steps.shape(1) == below.shape(0) && labels.size() == steps.shape(0),
          "the images have another shape");
  const bstdg::PredecessorRule rule{binary, gamma, silent_lead, threshold, rate, keep, scale_rate};
  bstdg::PredecessorState state{below.shape(0), below.shape(1), above.shape(1),
                                below.data(),   above.data(),   {scales.first, scales.second},
                                shrunk,         fired.data()};
  std::int64_t right = 0;
  {
    const OthersMayRun others_may_run;
    right = bstdg::learn_predecessor(
        rule, state, {steps.data(), labels.data(), labels.size(), order.data(), order.size()});
  }
  return std::make_tuple(right, state.scales[0], state.scales[1], state.shrunk);
}

}  // namespace

void bind_predecessors(nb::module_& module) {
  module.def("learn_temporal", &learn_temporal, "below"_a.noconvert(), "above"_a.noconvert(),
             "fired"_a.noconvert(), "steps"_a.noconvert(), "labels"_a.noconvert(), "order"_a.noconvert(),
             "threshold"_a, "rate"_a, "binary"_a, "gamma"_a, "silent_lead"_a, "keep"_a, "scale_rate"_a,
             "scales"_a, "shrunk"_a,
             "S4NN's and BS4NN's learning of some images: (right, scale, scale, shrunk) after it; weights "
             "change in place.");
}
