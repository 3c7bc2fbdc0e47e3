// Layers in training from Python.
#include "training/training.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/unique_ptr.h>

#include <cmath>
#include <memory>
#include <optional>

#include "arrays.hpp"
#include "bindings.hpp"
#include "others_may_run.hpp"
#include "training/adam.hpp"
#include "training/measures.hpp"
#include "training/shift.hpp"

namespace {

bstdg::Latent latent_of(const Floats2& weights) { return {weights.data(), weights.shape(0)}; }

std::unique_ptr<bstdg::SpikeRows> rows_of_steps(const Bytes2& steps, std::int64_t num_steps, int threads) {
  const OthersMayRun others_may_run;
  return std::make_unique<bstdg::SpikeRows>(steps.data(), steps.shape(0),
                                            static_cast<std::int64_t>(steps.shape(1)), num_steps, threads);
}

std::unique_ptr<bstdg::SpikeRows> rows_of_events(const ArrayIn<std::int64_t>& offsets,
                                                 const ArrayIn<std::uint16_t>& channels,
                                                 const ArrayIn<std::uint8_t>& steps,
                                                 std::int64_t num_channels, std::int64_t num_steps) {
  const OthersMayRun others_may_run;
  return std::make_unique<bstdg::SpikeRows>(bstdg::EventRows{view(offsets), view(channels), view(steps)},
                                            num_channels, num_steps);
}

void crossing(const bstdg::SpikeRows& spikes, const Floats2& weights, const Floats1& thresholds,
              const Out<std::uint8_t, 2>& steps, const Out<std::uint8_t, 2>& reach,
              const Out<float, 2>& margin, int threads) {
  const std::size_t neurons = weights.shape(0);
  require(weights.shape(1) == spikes.channels(),
          "the weights read another number of channels than there are");
  require(thresholds.shape(0) == neurons || thresholds.shape(0) == 1,
          "one threshold for each neuron, or one for all");
  same_shape<std::uint8_t, 2>(steps, spikes.batch(), neurons);
  same_shape<std::uint8_t, 2>(reach, spikes.batch(), neurons);
  same_shape<float, 2>(margin, spikes.batch(), neurons);
  const OthersMayRun others_may_run;
  bstdg::crossing(spikes, latent_of(weights), thresholds.data(), thresholds.shape(0) == 1,
                  {steps.data(), reach.data(), margin.data()}, threads);
}

void potentials(const bstdg::SpikeRows& spikes, const Floats2& weights, const Out<float, 3>& out,
                int threads) {
  require(weights.shape(1) == spikes.channels(),
          "the weights read another number of channels than there are");
  same_shape<float, 3>(out, spikes.batch(), weights.shape(0));
  require(out.shape(1) == spikes.num_steps(), "a result has another shape than it needs");
  const OthersMayRun others_may_run;
  bstdg::potentials(spikes, latent_of(weights), out.data(), threads);
}

void impulse_gradient(const bstdg::SpikeRows& spikes, const Floats2& weights, const Bytes2& reach,
                      const Floats2& local, double decay, const Out<float, 2>& out, int threads) {
  require(weights.shape(1) == spikes.channels(),
          "the weights read another number of channels than there are");
  require(reach.shape(0) == spikes.batch() && reach.shape(1) == weights.shape(0), "reach has another shape");
  require(local.shape(0) == spikes.batch() && local.shape(1) == weights.shape(0), "local has another shape");
  same_shape<float, 2>(out, weights.shape(0), weights.shape(1));
  const OthersMayRun others_may_run;
  bstdg::impulse_gradient(spikes, latent_of(weights), reach.data(), local.data(), decay, out.data(), threads);
}

void impulse_credit(const Bytes2& below, const Floats2& weights, const Bytes2& reach, const Floats2& local,
                    std::int64_t num_steps, const Out<float, 2>& out, int threads) {
  const std::size_t batch = below.shape(0);
  require(weights.shape(1) == below.shape(1), "the weights read another number of channels than there are");
  require(reach.shape(0) == batch && reach.shape(1) == weights.shape(0), "reach has another shape");
  require(local.shape(0) == batch && local.shape(1) == weights.shape(0), "local has another shape");
  require(num_steps >= 1 && num_steps <= bstdg::kMaxSteps, "num_steps is out of range");
  same_shape<float, 2>(out, batch, below.shape(1));
  const OthersMayRun others_may_run;
  bstdg::impulse_credit(below.data(), below.shape(1), latent_of(weights), reach.data(), local.data(), batch,
                        static_cast<std::size_t>(num_steps), out.data(), threads);
}

void potential_gradient(const bstdg::SpikeRows& spikes, const Floats2& weights, const Floats3& gradient,
                        double decay, const Out<float, 2>& out, int threads) {
  require(weights.shape(1) == spikes.channels(),
          "the weights read another number of channels than there are");
  require(gradient.shape(0) == spikes.batch() && gradient.shape(1) == spikes.num_steps() &&
              gradient.shape(2) == weights.shape(0),
          "the gradient has another shape");
  same_shape<float, 2>(out, weights.shape(0), weights.shape(1));
  const OthersMayRun others_may_run;
  bstdg::potential_gradient(spikes, latent_of(weights), gradient.data(), decay, out.data(), threads);
}

void potential_credit(const Bytes2& below, const Floats2& weights, const Floats3& gradient,
                      const Out<float, 2>& out, int threads) {
  const std::size_t batch = below.shape(0);
  require(weights.shape(1) == below.shape(1), "the weights read another number of channels than there are");
  require(gradient.shape(0) == batch && gradient.shape(2) == weights.shape(0),
          "the gradient has another shape");
  require(gradient.shape(1) >= 1 && gradient.shape(1) <= bstdg::kMaxSteps, "num_steps is out of range");
  same_shape<float, 2>(out, batch, below.shape(1));
  const OthersMayRun others_may_run;
  bstdg::potential_credit(below.data(), below.shape(1), latent_of(weights), gradient.data(), batch,
                          gradient.shape(1), out.data(), threads);
}

void fired(const Bytes2& steps, std::int64_t num_steps, const Out<float, 2>& out, int threads) {
  require(num_steps >= 1 && num_steps <= bstdg::kMaxSteps, "num_steps is out of range");
  same_shape<float, 2>(out, steps.shape(0), steps.shape(1));
  const OthersMayRun others_may_run;
  bstdg::fired(steps.data(), static_cast<std::uint8_t>(num_steps), steps.size(), out.data(), threads);
}

void sensitive(const Floats2& margin, const Floats2& told, double width, const Out<float, 2>& out,
               int threads) {
  require(told.shape(0) == margin.shape(0) && told.shape(1) == margin.shape(1),
          "what neurons are told has another shape than their margins");
  same_shape<float, 2>(out, margin.shape(0), margin.shape(1));
  const OthersMayRun others_may_run;
  bstdg::sensitive(margin.data(), told.data(), static_cast<float>(width), margin.size(), out.data(), threads);
}

double spread(const Floats2& margin, int threads) {
  const OthersMayRun others_may_run;
  return bstdg::spread(margin.data(), margin.shape(0), margin.shape(1), threads);
}

void count_events(const bstdg::SpikeRows& spikes, const Out<float, 1>& out) {
  same_shape<float, 1>(out, spikes.channels(), spikes.channels());
  const OthersMayRun others_may_run;
  bstdg::count_events(spikes, out.data());
}

void shift(const Rows<std::uint8_t, 4>& steps, const ArrayIn<std::int64_t>& down,
           const ArrayIn<std::int64_t>& right, std::int64_t never, const Out<std::uint8_t, 4>& out,
           int threads) {
  require(never >= 0 && never <= 255, "what comes in from outside is a byte");
  for (std::size_t i = 0; i < 4; ++i)
    require(out.shape(i) == steps.shape(i), "a result has another shape than it needs");
  require(down.shape(0) == steps.shape(0) && right.shape(0) == steps.shape(0), "one move for each picture");
  const OthersMayRun others_may_run;
  bstdg::shift({steps.shape(0), steps.shape(1), steps.shape(2), steps.shape(3), steps.data()}, down.data(),
               right.data(), static_cast<std::uint8_t>(never), out.data(), threads);
}

using Numbers = Out<float, 1>;

void adam(const Numbers& weights, const Floats1& gradient, const Numbers& mean, const Numbers& square,
          const std::optional<Numbers>& average, double rate, double beta, double square_beta, double epsilon,
          double steps, double bound, double share, int threads) {
  const std::size_t count = weights.shape(0);
  require(gradient.shape(0) == count && mean.shape(0) == count && square.shape(0) == count &&
              (!average || average->shape(0) == count),
          "a gradient or mean has another shape than the weights");
  // As torch has it: numbers of the step in double, of weights in float.
  const bstdg::AdamStep step{static_cast<float>(1.0 - beta),
                             static_cast<float>(1.0 - square_beta),
                             static_cast<float>(square_beta),
                             static_cast<float>(rate / (1.0 - std::pow(beta, steps))),
                             static_cast<float>(std::sqrt(1.0 - std::pow(square_beta, steps))),
                             static_cast<float>(epsilon),
                             static_cast<float>(bound),
                             static_cast<float>(share)};
  const OthersMayRun others_may_run;
  bstdg::adam({count, weights.data(), gradient.data(), mean.data(), square.data(),
               average ? average->data() : nullptr},
              step, threads);
}

}  // namespace

void bind_training(nb::module_& module) {
  nb::class_<bstdg::SpikeRows>(module, "SpikeRows",
                               "The presynaptic events of a batch, for training.\n\n"
                               "Raises ValueError if a step or channel is out of range.")
      .def(nb::new_(&rows_of_steps), "steps"_a.noconvert(), "num_steps"_a, "threads"_a)
      .def_static("of_events", &rows_of_events, "offsets"_a.noconvert(), "channels"_a.noconvert(),
                  "steps"_a.noconvert(), "num_channels"_a, "num_steps"_a,
                  "The same of event streams, sorted by step within each sample.");
  module.def("crossing", &crossing, "spikes"_a, "weights"_a.noconvert(), "thresholds"_a.noconvert(),
             "steps"_a.noconvert(), "reach"_a.noconvert(), "margin"_a.noconvert(), "threads"_a,
             "Spike steps, judged steps and margins `[batch, neurons]`, written into the arrays given.");
  module.def("potentials", &potentials, "spikes"_a, "weights"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
             "V_k(t), written into `out` `[batch, steps, neurons]`.");
  module.def("impulse_gradient", &impulse_gradient, "spikes"_a, "weights"_a.noconvert(),
             "reach"_a.noconvert(), "local"_a.noconvert(), "decay"_a, "out"_a.noconvert(), "threads"_a,
             "dL/dw of a spiking layer, written into `out` `[neurons, channels]`.");
  module.def("impulse_credit", &impulse_credit, "below"_a.noconvert(), "weights"_a.noconvert(),
             "reach"_a.noconvert(), "local"_a.noconvert(), "num_steps"_a, "out"_a.noconvert(), "threads"_a,
             "What a spiking layer tells the one below, written into `out` `[batch, channels]`.");
  module.def("potential_gradient", &potential_gradient, "spikes"_a, "weights"_a.noconvert(),
             "gradient"_a.noconvert(), "decay"_a, "out"_a.noconvert(), "threads"_a,
             "dL/dw of the output layer, written into `out` `[neurons, channels]`.");
  module.def("potential_credit", &potential_credit, "below"_a.noconvert(), "weights"_a.noconvert(),
             "gradient"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
             "What the output layer tells the one below, written into `out` `[batch, channels]`.");
  module.def("fired", &fired, "steps"_a.noconvert(), "num_steps"_a, "out"_a.noconvert(), "threads"_a,
             "1 where a neuron fired, else 0, written into `out` `[batch, neurons]`.");
  module.def("sensitive", &sensitive, "margin"_a.noconvert(), "told"_a.noconvert(), "width"_a,
             "out"_a.noconvert(), "threads"_a,
             "What neurons answer for, told * max(0, 1 - |margin| / width), written into `out`.");
  module.def("spread", &spread, "margin"_a.noconvert(), "threads"_a,
             "Standard deviation of margins `[batch, neurons]`.");
  module.def("shift", &shift, "steps"_a.noconvert(), "down"_a.noconvert(), "right"_a.noconvert(), "never"_a,
             "out"_a.noconvert(), "threads"_a,
             "Pictures of steps `[batch, channels, rows, columns]` moved, written into `out`.\n\n"
             "Raises ValueError if one is moved by its side or more.");
  module.def(
      "adam", &adam, "weights"_a.noconvert(), "gradient"_a.noconvert(), "mean"_a.noconvert(),
      "square"_a.noconvert(), "average"_a.noconvert().none(), "rate"_a, "beta"_a, "square_beta"_a,
      "epsilon"_a, "steps"_a, "bound"_a, "share"_a, "threads"_a,
      "Adam's step number `steps`, then weights within the bound, then `share` of them in their average.");
  module.def("count_events", &count_events, "spikes"_a, "out"_a.noconvert(),
             "How many events each channel has, written into `out` `[channels]`.");
}
