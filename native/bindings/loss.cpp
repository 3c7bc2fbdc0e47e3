// The loss from Python.
#include "loss/loss.hpp"

#include <nanobind/stl/optional.h>

#include <optional>

#include "arrays.hpp"
#include "bindings.hpp"
#include "others_may_run.hpp"

namespace {

bstdg::Leads leads_of(const Floats3& potentials, const Floats1& thresholds, float scale) {
  const std::size_t batch = potentials.shape(0), steps = potentials.shape(1), classes = potentials.shape(2);
  require(steps >= 1 && steps <= bstdg::kMaxSteps, "num_steps is out of range");
  require(classes >= 1 && classes <= bstdg::kMaxChannels, "the number of classes is out of range");
  require(thresholds.shape(0) == classes || thresholds.shape(0) == 1,
          "one threshold for each class, or one for all");
  return {batch, steps, classes, potentials.data(), thresholds.data(), thresholds.shape(0) == 1, scale};
}

float first_to_fire_loss(const Floats3& potentials, const Floats1& thresholds, float scale,
                         const ArrayIn<std::int64_t>& labels, float smoothing,
                         const std::optional<Floats2>& taught, float share,
                         const std::optional<Floats1>& weights, float latency_weight, bool silent_remainder,
                         const Out<float, 3>& to_potentials, const Out<float, 1>& to_thresholds,
                         const Out<float, 1>& to_scale, int threads) {
  const bstdg::Leads leads = leads_of(potentials, thresholds, scale);
  require(labels.shape(0) == leads.batch, "one label for each sample");
  require(!taught || (taught->shape(0) == leads.batch && taught->shape(1) == leads.classes),
          "a teacher's probabilities have another shape");
  require(!weights || weights->shape(0) == leads.batch, "one weight for each sample");
  same_shape<float, 3>(to_potentials, leads.batch, leads.classes);
  require(to_potentials.shape(1) == leads.num_steps, "a result has another shape than it needs");
  same_shape<float, 1>(to_thresholds, thresholds.shape(0), thresholds.shape(0));
  same_shape<float, 1>(to_scale, 1, 1);
  const OthersMayRun others_may_run;
  return bstdg::first_to_fire_loss(leads,
                                   {labels.data(), smoothing, taught ? taught->data() : nullptr, share,
                                    weights ? weights->data() : nullptr, latency_weight, silent_remainder},
                                   {to_potentials.data(), to_thresholds.data(), to_scale.data()}, threads);
}

}  // namespace

void bind_loss(nb::module_& module) {
  module.def(
      "first_to_fire_loss", &first_to_fire_loss, "potentials"_a.noconvert(), "thresholds"_a.noconvert(),
      "scale"_a, "labels"_a.noconvert(), "smoothing"_a, "taught"_a.noconvert().none(), "share"_a,
      "weights"_a.noconvert().none(), "latency_weight"_a, "silent_remainder"_a, "to_potentials"_a.noconvert(),
      "to_thresholds"_a.noconvert(), "to_scale"_a.noconvert(), "threads"_a,
      "The mean loss of what fires first, of z = (V - theta) / scale; its gradients into the arrays given.");
}
