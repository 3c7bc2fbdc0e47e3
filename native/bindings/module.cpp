// The Python face of the native module: arrays in, arrays out, no arithmetic.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "events.hpp"
#include "inference.hpp"
#include "kernels.hpp"
#include "temporal.hpp"
#include "training.hpp"

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

template <typename T, int kDimensions>
using Rows = nb::ndarray<const T, nb::ndim<kDimensions>, nb::c_contig, nb::device::cpu>;
template <typename T, int kDimensions>
using Out = nb::ndarray<T, nb::ndim<kDimensions>, nb::c_contig, nb::device::cpu>;

std::unique_ptr<bstdg::Network> make_network(
    const std::vector<std::pair<Rows<std::int8_t, 2>, Rows<std::int64_t, 1>>>& layers,
    std::int64_t num_steps) {
  std::vector<bstdg::LayerBits> views;
  for (const auto& [signs, thresholds] : layers) {
    if (signs.shape(0) != thresholds.shape(0))
      throw std::invalid_argument("a layer needs a threshold for each neuron");
    views.push_back({static_cast<std::int64_t>(signs.shape(1)), static_cast<std::int64_t>(signs.shape(0)),
                     signs.data(), thresholds.data()});
  }
  return std::make_unique<bstdg::Network>(views, num_steps);
}

// Where results go, checked against the network: arrays of the caller's, or nothing.
struct ResultArrays {
  std::size_t batch, classes, layers, steps;
  std::vector<std::int64_t> hidden;
  bstdg::Results results;

  ResultArrays(const bstdg::Network& network, std::size_t samples)
      : batch(samples),
        classes(static_cast<std::size_t>(network.classes())),
        layers(network.hidden().size()),
        steps(static_cast<std::size_t>(network.num_steps())),
        hidden(network.hidden()) {}

  template <typename T, int kDimensions>
  T* checked(const nb::handle& given, const char* name, const std::vector<std::size_t>& shape) {
    const auto array = nb::cast<Out<T, kDimensions>>(given, false);
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (array.shape(d) != shape[d])
        throw std::invalid_argument(std::string(name) + " has another shape than the results");
    }
    return array.data();
  }

  bstdg::Results& fill(const nb::dict& wanted) {
    for (const auto& [key, value] : wanted) {
      const auto name = nb::cast<std::string>(key);
      if (name == "label")
        results.label = checked<std::int64_t, 1>(value, "label", {batch});
      else if (name == "step")
        results.step = checked<std::uint8_t, 1>(value, "step", {batch});
      else if (name == "silent")
        results.silent = checked<bool, 1>(value, "silent", {batch});
      else if (name == "tie")
        results.tie = checked<bool, 1>(value, "tie", {batch});
      else if (name == "candidates")
        results.candidates = checked<bool, 2>(value, "candidates", {batch, classes});
      else if (name == "input_spikes")
        results.input_spikes = checked<std::int64_t, 1>(value, "input_spikes", {batch});
      else if (name == "hidden_spikes")
        results.hidden_spikes = checked<std::int64_t, 2>(value, "hidden_spikes", {batch, layers});
      else if (name == "potentials")
        results.potentials = checked<std::int32_t, 3>(value, "potentials", {batch, steps, classes});
      else if (name == "hidden_steps") {
        const auto list = nb::cast<nb::list>(value);
        if (list.size() != layers)
          throw std::invalid_argument("hidden_steps needs an array for each hidden layer");
        for (std::size_t l = 0; l < layers; ++l) {
          results.hidden_steps.push_back(checked<std::uint8_t, 2>(
              list[l], "hidden_steps", {batch, static_cast<std::size_t>(hidden[l])}));
        }
      } else {
        throw std::invalid_argument("there is no result called " + name);
      }
    }
    return results;
  }
};

void run_bytes(const bstdg::Network& network, const Rows<std::uint8_t, 2>& bytes,
               const Rows<std::uint8_t, 1>& step_of, const nb::dict& wanted, bool early_exit, int threads) {
  if (static_cast<std::int64_t>(bytes.shape(1)) != network.channels()) {
    throw std::invalid_argument("the network reads " + std::to_string(network.channels()) +
                                " channels, not " + std::to_string(bytes.shape(1)));
  }
  if (step_of.shape(0) != 256) throw std::invalid_argument("step_of must name the step of each of 256 bytes");
  ResultArrays arrays(network, bytes.shape(0));
  const bstdg::Results& results = arrays.fill(wanted);
  const nb::gil_scoped_release others_may_run;
  network.run(bstdg::ByteRows{bytes.data(), bytes.shape(0), step_of.data()}, results, early_exit, threads);
}

void run_events(const bstdg::Network& network, const ArrayIn<std::int64_t>& offsets,
                const ArrayIn<std::uint16_t>& channels, const ArrayIn<std::uint8_t>& steps,
                const nb::dict& wanted, bool early_exit, int threads) {
  if (offsets.size() < 1) throw std::invalid_argument("offsets must hold at least the 0 it starts from");
  ResultArrays arrays(network, offsets.size() - 1);
  const bstdg::Results& results = arrays.fill(wanted);
  const nb::gil_scoped_release others_may_run;
  network.run(bstdg::EventRows{view(offsets), view(channels), view(steps)}, results, early_exit, threads);
}

std::vector<std::string> instruction_sets() {
  std::size_t count = 0;
  const bstdg::Kernels* const* kernels = bstdg::available_kernels(count);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.emplace_back(kernels[i]->name);
  return names;
}

// --- training

using Floats1 = Rows<float, 1>;
using Floats2 = Rows<float, 2>;
using Floats3 = Rows<float, 3>;
using Bytes2 = Rows<std::uint8_t, 2>;

void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

bstdg::Latent latent_of(const Floats2& weights) { return {weights.data(), weights.shape(0)}; }

std::unique_ptr<bstdg::SpikeRows> rows_of_steps(const Bytes2& steps, std::int64_t num_steps, int threads) {
  const nb::gil_scoped_release others_may_run;
  return std::make_unique<bstdg::SpikeRows>(steps.data(), steps.shape(0),
                                            static_cast<std::int64_t>(steps.shape(1)), num_steps, threads);
}

std::unique_ptr<bstdg::SpikeRows> rows_of_events(const ArrayIn<std::int64_t>& offsets,
                                                 const ArrayIn<std::uint16_t>& channels,
                                                 const ArrayIn<std::uint8_t>& steps,
                                                 std::int64_t num_channels, std::int64_t num_steps) {
  const nb::gil_scoped_release others_may_run;
  return std::make_unique<bstdg::SpikeRows>(bstdg::EventRows{view(offsets), view(channels), view(steps)},
                                            num_channels, num_steps);
}

template <typename T, int kDimensions>
void same_shape(const Out<T, kDimensions>& out, std::size_t rows, std::size_t columns) {
  require(out.shape(0) == rows && out.shape(kDimensions - 1) == columns,
          "a result has another shape than it needs");
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
  const nb::gil_scoped_release others_may_run;
  bstdg::crossing(spikes, latent_of(weights), thresholds.data(), thresholds.shape(0) == 1,
                  {steps.data(), reach.data(), margin.data()}, threads);
}

void potentials(const bstdg::SpikeRows& spikes, const Floats2& weights, const Out<float, 3>& out,
                int threads) {
  require(weights.shape(1) == spikes.channels(),
          "the weights read another number of channels than there are");
  same_shape<float, 3>(out, spikes.batch(), weights.shape(0));
  require(out.shape(1) == spikes.num_steps(), "a result has another shape than it needs");
  const nb::gil_scoped_release others_may_run;
  bstdg::potentials(spikes, latent_of(weights), out.data(), threads);
}

void impulse_gradient(const bstdg::SpikeRows& spikes, const Floats2& weights, const Bytes2& reach,
                      const Floats2& local, double decay, const Out<float, 2>& out, int threads) {
  require(weights.shape(1) == spikes.channels(),
          "the weights read another number of channels than there are");
  require(reach.shape(0) == spikes.batch() && reach.shape(1) == weights.shape(0), "reach has another shape");
  require(local.shape(0) == spikes.batch() && local.shape(1) == weights.shape(0), "local has another shape");
  same_shape<float, 2>(out, weights.shape(0), weights.shape(1));
  const nb::gil_scoped_release others_may_run;
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
  const nb::gil_scoped_release others_may_run;
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
  const nb::gil_scoped_release others_may_run;
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
  const nb::gil_scoped_release others_may_run;
  bstdg::potential_credit(below.data(), below.shape(1), latent_of(weights), gradient.data(), batch,
                          gradient.shape(1), out.data(), threads);
}

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
  const nb::gil_scoped_release others_may_run;
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
  const nb::gil_scoped_release others_may_run;
  bstdg::first_to_fire_back(leads, {log_first.data(), to_first.data(), to_after.data(), to_last.data()},
                            {to_potentials.data(), to_thresholds.data(), to_scale.data()}, threads);
}

auto learn_temporal(const Out<float, 2>& below, const Out<float, 2>& above, const Out<std::int64_t, 1>& fired,
                    const Rows<std::int16_t, 2>& steps, const ArrayIn<std::int64_t>& labels,
                    const ArrayIn<std::int64_t>& order, double threshold, double rate, bool binary,
                    std::int32_t gamma, std::int32_t silent_lead, double keep, double scale_rate,
                    std::pair<double, double> scales, double shrunk) {
  require(above.shape(0) == below.shape(1) && fired.shape(0) == below.shape(1), "the layers do not fit");
  require(steps.shape(1) == below.shape(0) && labels.size() == steps.shape(0),
          "the images have another shape");
  const bstdg::TemporalRule rule{binary, gamma, silent_lead, threshold, rate, keep, scale_rate};
  bstdg::TemporalState state{below.shape(0), below.shape(1), above.shape(1),
                             below.data(),   above.data(),   {scales.first, scales.second},
                             shrunk,         fired.data()};
  std::int64_t right = 0;
  {
    const nb::gil_scoped_release others_may_run;
    right = bstdg::learn_temporal(rule, state,
                                  {steps.data(), labels.data(), labels.size(), order.data(), order.size()});
  }
  return std::make_tuple(right, state.scales[0], state.scales[1], state.shrunk);
}

}  // namespace

NB_MODULE(_native, module) {
  nb::set_leak_warnings(
      false);  // what still lives when the interpreter ends is no leak worth a user's attention
  module.doc() = "Native parts of bstdg; call them through the package, which checks what it is given.";
  // noconvert: an array of another type is an error, never a silent copy or a rounded number.
  module.def(
      "bin_events", &bin_events, "offsets"_a.noconvert(), "channels"_a.noconvert(), "times"_a.noconvert(),
      "num_channels"_a, "num_steps"_a, "duration"_a, "start"_a, "keep"_a,
      "Timed events become steps, sorted by step, then channel: (offsets, channels, steps).\n\n"
      "Raises ValueError if anything given is out of range, TypeError if an array is of another type.");

  nb::class_<bstdg::Network>(module, "Network", "A deployed network, ready to run.")
      .def(nb::new_(&make_network), "layers"_a, "num_steps"_a)
      .def("run_bytes", &run_bytes, "bytes"_a.noconvert(), "step_of"_a.noconvert(), "results"_a,
           "early_exit"_a, "threads"_a)
      .def("run_events", &run_events, "offsets"_a.noconvert(), "channels"_a.noconvert(),
           "steps"_a.noconvert(), "results"_a, "early_exit"_a, "threads"_a);
  module.def("instruction_sets", &instruction_sets,
             "Instruction sets that this build and this CPU have, fastest first.");

  nb::class_<bstdg::SpikeRows>(module, "SpikeRows", "The presynaptic events of a batch, for training.")
      .def(nb::new_(&rows_of_steps), "steps"_a.noconvert(), "num_steps"_a, "threads"_a)
      .def_static("of_events", &rows_of_events, "offsets"_a.noconvert(), "channels"_a.noconvert(),
                  "steps"_a.noconvert(), "num_channels"_a, "num_steps"_a);
  module.def("crossing", &crossing, "spikes"_a, "weights"_a.noconvert(), "thresholds"_a.noconvert(),
             "steps"_a.noconvert(), "reach"_a.noconvert(), "margin"_a.noconvert(), "threads"_a);
  module.def("potentials", &potentials, "spikes"_a, "weights"_a.noconvert(), "out"_a.noconvert(),
             "threads"_a);
  module.def("impulse_gradient", &impulse_gradient, "spikes"_a, "weights"_a.noconvert(),
             "reach"_a.noconvert(), "local"_a.noconvert(), "decay"_a, "out"_a.noconvert(), "threads"_a);
  module.def("impulse_credit", &impulse_credit, "below"_a.noconvert(), "weights"_a.noconvert(),
             "reach"_a.noconvert(), "local"_a.noconvert(), "num_steps"_a, "out"_a.noconvert(), "threads"_a);
  module.def("potential_gradient", &potential_gradient, "spikes"_a, "weights"_a.noconvert(),
             "gradient"_a.noconvert(), "decay"_a, "out"_a.noconvert(), "threads"_a);
  module.def("potential_credit", &potential_credit, "below"_a.noconvert(), "weights"_a.noconvert(),
             "gradient"_a.noconvert(), "out"_a.noconvert(), "threads"_a);
  module.def("first_to_fire", &first_to_fire, "potentials"_a.noconvert(), "thresholds"_a.noconvert(),
             "scale"_a, "log_first"_a.noconvert(), "log_after"_a.noconvert(), "last"_a.noconvert(),
             "threads"_a);
  module.def("first_to_fire_back", &first_to_fire_back, "potentials"_a.noconvert(),
             "thresholds"_a.noconvert(), "scale"_a, "log_first"_a.noconvert(), "to_first"_a.noconvert(),
             "to_after"_a.noconvert(), "to_last"_a.noconvert(), "to_potentials"_a.noconvert(),
             "to_thresholds"_a.noconvert(), "to_scale"_a.noconvert(), "threads"_a);
  module.def("learn_temporal", &learn_temporal, "below"_a.noconvert(), "above"_a.noconvert(),
             "fired"_a.noconvert(), "steps"_a.noconvert(), "labels"_a.noconvert(), "order"_a.noconvert(),
             "threshold"_a, "rate"_a, "binary"_a, "gamma"_a, "silent_lead"_a, "keep"_a, "scale_rate"_a,
             "scales"_a, "shrunk"_a,
             "S4NN's and BS4NN's learning of some images: (right, scale, scale, shrunk) after it.");
}
