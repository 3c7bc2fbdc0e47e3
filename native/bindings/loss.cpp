// The loss from Python.
#include "loss/loss.hpp"

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

void first_to_fire(const Floats3& potentials, const Floats1& thresholds, float scale,
                   const Out<float, 2>& log_first, const Out<float, 2>& log_after, const Out<float, 2>& last,
                   int threads) {
  const bstdg::Leads leads = leads_of(potentials, thresholds, scale);
  same_shape<float, 2>(log_first, leads.batch, leads.classes);
  same_shape<float, 2>(log_after, leads.batch, leads.num_steps);
  same_shape<float, 2>(last, leads.batch, leads.classes);
  const OthersMayRun others_may_run;
  bstdg::first_to_fire(leads, {log_first.data(), log_after.data(), last.data()}, threads);
}

void first_to_fire_back(const Floats3& potentials, const Floats1& thresholds, float scale,
                        const Floats2& log_first, const Floats2& to_first, const Floats2& to_after,
                        const Floats2& to_last, const Out<float, 3>& to_potentials,
                        const Out<float, 2>& to_thresholds, const Out<float, 1>& to_scale, int threads) {
  const bstdg::Leads leads = leads_of(potentials, thresholds, scale);
  for (const Floats2* given : {&log_first, &to_first, &to_last}) {
    require(given->shape(0) == leads.batch && given->shape(1) == leads.classes,
            "a gradient has another shape");
  }
  require(to_after.shape(0) == leads.batch && to_after.shape(1) == leads.num_steps,
          "a gradient has another shape");
  same_shape<float, 3>(to_potentials, leads.batch, leads.classes);
  require(to_potentials.shape(1) == leads.num_steps, "a result has another shape than it needs");
  same_shape<float, 2>(to_thresholds, leads.batch, leads.classes);
  require(to_scale.shape(0) == leads.batch, "a result has another shape than it needs");
  const OthersMayRun others_may_run;
  bstdg::first_to_fire_back(leads, {log_first.data(), to_first.data(), to_after.data(), to_last.data()},
                            {to_potentials.data(), to_thresholds.data(), to_scale.data()}, threads);
}

}  // namespace

void bind_loss(nb::module_& module) {
  module.def("first_to_fire", &first_to_fire, "potentials"_a.noconvert(), "thresholds"_a.noconvert(),
             "scale"_a, "log_first"_a.noconvert(), "log_after"_a.noconvert(), "last"_a.noconvert(),
             "threads"_a,
             "log P(k first), log P(undecided after t) and the last z of z = (V - theta) / scale, into the "
             "arrays given.");
  module.def(
      "first_to_fire_back", &first_to_fire_back, "potentials"_a.noconvert(), "thresholds"_a.noconvert(),
      "scale"_a, "log_first"_a.noconvert(), "to_first"_a.noconvert(), "to_after"_a.noconvert(),
      "to_last"_a.noconvert(), "to_potentials"_a.noconvert(), "to_thresholds"_a.noconvert(),
      "to_scale"_a.noconvert(), "threads"_a,
      "Gradients by the potentials, by each sample's thresholds and by its scale, into the arrays given.");
}
