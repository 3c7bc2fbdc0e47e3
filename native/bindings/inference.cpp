// Deployed networks from Python.
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "dispatch.hpp"
#include "inference/network.hpp"
#include "layers.hpp"
#include "others_may_run.hpp"

namespace {

std::unique_ptr<bstdg::Network> make_network(const std::vector<nb::tuple>& layers, std::int64_t num_steps) {
  std::vector<std::unique_ptr<bstdg::Layer>> owned;
  std::vector<const bstdg::Layer*> pointers;
  for (const nb::tuple& description : layers) {
    owned.push_back(layer_of(description));
    pointers.push_back(owned.back().get());
  }
  return std::make_unique<bstdg::Network>(pointers, num_steps);
}

using WantedResults = nb::typed<nb::dict, nb::str, nb::any>;

// Where results go, checked against the network: arrays of the caller's, or nothing. Nothing is allocated but
// for `hidden_steps`: one image takes less than a microsecond.
struct ResultArrays {
  std::size_t batch, classes, layers, steps;
  const bstdg::Network& network;
  bstdg::Results results;

  ResultArrays(const bstdg::Network& from, std::size_t samples)
      : batch(samples),
        classes(static_cast<std::size_t>(from.classes())),
        layers(from.num_hidden()),
        steps(static_cast<std::size_t>(from.num_steps())),
        network(from) {}

  template <typename T, int kDimensions>
  T* checked(const nb::handle& given, const char* name, std::initializer_list<std::size_t> shape) {
    const auto array = nb::cast<Out<T, kDimensions>>(given, false);
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (array.shape(d) != shape.begin()[d])
        throw std::invalid_argument(std::string(name) + " has another shape than the results");
    }
    return array.data();
  }

  bstdg::Results& fill(const WantedResults& wanted) {
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
        const std::vector<std::int64_t> hidden = network.hidden();
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
               const Rows<std::uint8_t, 1>& step_of, const WantedResults& wanted, bool early_exit,
               int threads) {
  if (static_cast<std::int64_t>(bytes.shape(1)) != network.channels()) {
    throw std::invalid_argument("the network reads " + std::to_string(network.channels()) +
                                " channels, not " + std::to_string(bytes.shape(1)));
  }
  const bool by_greatest = step_of.shape(0) == 256 * 256;
  if (step_of.shape(0) != 256 && !by_greatest) {
    throw std::invalid_argument(
        "step_of must name the step of each of 256 bytes, once or for each greatest byte");
  }
  ResultArrays arrays(network, bytes.shape(0));
  const bstdg::Results& results = arrays.fill(wanted);
  const OthersMayRun others_may_run;
  network.run(bstdg::ByteRows{bytes.data(), bytes.shape(0), step_of.data(), by_greatest}, results, early_exit,
              threads);
}

void run_events(const bstdg::Network& network, const ArrayIn<std::int64_t>& offsets,
                const ArrayIn<std::uint16_t>& channels, const ArrayIn<std::uint8_t>& steps,
                const WantedResults& wanted, bool early_exit, int threads) {
  if (offsets.size() < 1) throw std::invalid_argument("offsets must hold at least the 0 it starts from");
  ResultArrays arrays(network, offsets.size() - 1);
  const bstdg::Results& results = arrays.fill(wanted);
  const OthersMayRun others_may_run;
  network.run(bstdg::EventRows{view(offsets), view(channels), view(steps)}, results, early_exit, threads);
}

std::vector<std::string> instruction_sets() {
  std::size_t count = 0;
  const bstdg::Kernels* const* kernels = bstdg::available_kernels(count);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.emplace_back(kernels[i]->name);
  return names;
}

}  // namespace

void bind_inference(nb::module_& module) {
  nb::class_<bstdg::Network>(
      module, "Network",
      "A deployed network, ready to run: layers, input side first, each a tuple.\n\n"
      "    (\"full\", signs int8 -1/+1 [neurons, channels], thresholds int64 [neurons])\n\n"
      "Raises ValueError if there is no such kind of layer, or the layers do not fit each "
      "other.")
      .def(nb::new_(&make_network), "layers"_a, "num_steps"_a)
      .def("run_bytes", &run_bytes, "bytes"_a.noconvert(), "step_of"_a.noconvert(), "results"_a,
           "early_exit"_a, "threads"_a,
           "Run `[batch, channels]` bytes into `results`: `step_of` names each byte's step, or so for each "
           "greatest byte.")
      .def("run_events", &run_events, "offsets"_a.noconvert(), "channels"_a.noconvert(),
           "steps"_a.noconvert(), "results"_a, "early_exit"_a, "threads"_a,
           "Run event streams, sorted by step within each sample, into the arrays of `results`.");
  module.def("instruction_sets", &instruction_sets,
             "Instruction sets that this build and this CPU have, the fastest first.");
}
