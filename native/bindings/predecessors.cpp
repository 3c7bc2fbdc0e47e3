// The predecessors' learning and inference from Python.
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
                    const ArrayIn<std::int64_t>& order, double threshold, bool binary, std::int32_t gamma,
                    std::int32_t silent_lead, std::pair<double, double> rates,
                    std::pair<double, double> keeps, double scale_rate, std::pair<double, double> scales,
                    double shrunk) {
  require(above.shape(0) == below.shape(1) && fired.shape(0) == below.shape(1), "the layers do not fit");
  require(steps.shape(1) == below.shape(0) && labels.size() == steps.shape(0),
          "the images have another shape");
  const bstdg::PredecessorRule rule{
      binary,    gamma, silent_lead, threshold, {rates.first, rates.second}, {keeps.first, keeps.second},
      scale_rate};
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

void run_temporal(const Floats2& below, const Floats2& above, const Rows<std::int16_t, 2>& steps, bool binary,
                  std::pair<double, double> thresholds, std::int32_t silent_step,
                  const Out<std::int16_t, 2>& hidden, const Out<std::int16_t, 2>& output,
                  const Out<float, 2>& potential) {
  require(above.shape(0) == below.shape(1), "the layers do not fit");
  require(steps.shape(1) == below.shape(0), "the images have another shape");
  same_shape<std::int16_t, 2>(hidden, steps.shape(0), below.shape(1));
  same_shape<std::int16_t, 2>(output, steps.shape(0), above.shape(1));
  same_shape<float, 2>(potential, steps.shape(0), above.shape(1));
  const bstdg::PredecessorNetwork network{binary,
                                          below.shape(0),
                                          below.shape(1),
                                          above.shape(1),
                                          below.data(),
                                          above.data(),
                                          {thresholds.first, thresholds.second}};
  const OthersMayRun others_may_run;
  bstdg::run_predecessor(network, steps.data(), steps.shape(0), silent_step,
                         {hidden.data(), output.data(), potential.data()});
}

}  // namespace

void bind_predecessors(nb::module_& module) {
  module.def("learn_temporal", &learn_temporal, "below"_a.noconvert(), "above"_a.noconvert(),
             "fired"_a.noconvert(), "steps"_a.noconvert(), "labels"_a.noconvert(), "order"_a.noconvert(),
             "threshold"_a, "binary"_a, "gamma"_a, "silent_lead"_a, "rates"_a, "keeps"_a, "scale_rate"_a,
             "scales"_a, "shrunk"_a,
             "S4NN's and BS4NN's learning of some images: (right, scale, scale, shrunk) after it; weights "
             "change in place.");
  module.def(
      "run_temporal", &run_temporal, "below"_a.noconvert(), "above"_a.noconvert(), "steps"_a.noconvert(),
      "binary"_a, "thresholds"_a, "silent_step"_a, "hidden"_a.noconvert(), "output"_a.noconvert(),
      "potential"_a.noconvert(),
      "S4NN's and BS4NN's stamps of both layers and their output's potentials when it decides, into the "
      "arrays given.");
}
