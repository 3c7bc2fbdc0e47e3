// Layers that share weights, in training, from Python.
#include "training/convolution.hpp"

#include <nanobind/stl/optional.h>

#include <array>
#include <optional>

#include "arrays.hpp"
#include "bindings.hpp"
#include "convolution.hpp"
#include "others_may_run.hpp"

bstdg::Convolution convolution_of(const nb::tuple& given) {
  std::array<std::int64_t, 11> shape{};
  require(given.size() == shape.size(), "a convolution is described by eleven integers");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    require(nb::try_cast<std::int64_t>(given[i], shape[i], false),
            "a convolution is described by eleven integers");
    const bool padding = i == 8 || i == 9;
    require(shape[i] >= (padding ? 0 : 1) && shape[i] <= bstdg::kMaxChannels,
            "a size of the convolution is out of range");
  }
  const auto at = [&](std::size_t i) { return static_cast<std::size_t>(shape[i]); };
  const auto side = [&](std::size_t size, std::size_t kernel, std::size_t stride, std::size_t padding) {
    require(padding < kernel && kernel <= size + 2 * padding, "the kernel does not fit what it reads");
    return bstdg::Side{size, (size + 2 * padding - kernel) / stride + 1, kernel, stride, padding};
  };
  const bstdg::Convolution convolution{at(0), at(3), at(10), side(at(1), at(4), at(6), at(8)),
                                       side(at(2), at(5), at(7), at(9))};
  require(convolution.channels % convolution.groups == 0 && convolution.maps % convolution.groups == 0,
          "groups do not divide channels and maps");
  const auto most = static_cast<std::size_t>(bstdg::kMaxChannels);
  require(convolution.rows.side * convolution.columns.side <= most && convolution.inputs() <= most &&
              convolution.rows.places * convolution.columns.places <= most && convolution.neurons() <= most,
          "a convolution reads and has at most 65535 neurons");
  require(convolution.rows.kernel * convolution.columns.kernel <= (std::size_t{1} << 20) &&
              convolution.weights() <= (std::size_t{1} << 31),
          "the convolution has too many weights");
  return convolution;
}

namespace {

using Floats4 = Rows<float, 4>;
using Winners = Rows<std::int32_t, 2>;
void check_weights(const Floats4& weights, const bstdg::Convolution& shape) {
  require(weights.shape(0) == shape.maps && weights.shape(1) == shape.own_channels() &&
              weights.shape(2) == shape.rows.kernel && weights.shape(3) == shape.columns.kernel,
          "the weights have another shape than the convolution");
}

template <typename Array>
void check_rows(const Array& array, std::size_t rows, std::size_t columns) {
  require(array.shape(0) == rows && array.shape(1) == columns,
          "an array has another shape than the convolution");
}

void crossing(const bstdg::SpikeRows& spikes, const nb::tuple& given, const Floats4& weights,
              const Floats1& thresholds, const Out<std::uint8_t, 2>& steps, const Out<std::uint8_t, 2>& reach,
              const Out<float, 2>& margin, int threads) {
  const bstdg::Convolution shape = convolution_of(given);
  check_weights(weights, shape);
  require(thresholds.shape(0) == shape.maps || thresholds.shape(0) == 1,
          "one threshold for each map, or one for all");
  check_rows(steps, spikes.batch(), shape.neurons());
  check_rows(reach, spikes.batch(), shape.neurons());
  check_rows(margin, spikes.batch(), shape.neurons());
  const OthersMayRun others_may_run;
  bstdg::crossing(spikes, shape, weights.data(), thresholds.data(), thresholds.shape(0) == 1,
                  {steps.data(), reach.data(), margin.data()}, threads);
}

void potentials(const bstdg::SpikeRows& spikes, const nb::tuple& given, const Floats4& weights,
                const Out<float, 3>& out, int threads) {
  const bstdg::Convolution shape = convolution_of(given);
  check_weights(weights, shape);
  same_shape<float, 3>(out, spikes.batch(), shape.neurons());
  require(out.shape(1) == spikes.num_steps(), "a result has another shape than it needs");
  const OthersMayRun others_may_run;
  bstdg::potentials(spikes, shape, weights.data(), out.data(), threads);
}

void impulse_gradient(const bstdg::SpikeRows& spikes, const nb::tuple& given, const Floats4& weights,
                      const Bytes2& reach, const Floats2& local, double decay, const Out<float, 4>& out,
                      int threads) {
  const bstdg::Convolution shape = convolution_of(given);
  check_weights(weights, shape);
  check_weights(Floats4(out), shape);
  check_rows(reach, spikes.batch(), shape.neurons());
  check_rows(local, spikes.batch(), shape.neurons());
  const OthersMayRun others_may_run;
  bstdg::impulse_gradient(spikes, shape, weights.data(), reach.data(), local.data(), decay, out.data(),
                          threads);
}

void impulse_credit(const Bytes2& below, const nb::tuple& given, const Floats4& weights, const Bytes2& reach,
                    const Floats2& local, std::int64_t num_steps, const Out<float, 2>& out, int threads) {
  const bstdg::Convolution shape = convolution_of(given);
  const std::size_t batch = below.shape(0);
  check_weights(weights, shape);
  check_rows(below, batch, shape.inputs());
  check_rows(reach, batch, shape.neurons());
  check_rows(local, batch, shape.neurons());
  require(num_steps >= 1 && num_steps <= bstdg::kMaxSteps, "num_steps is out of range");
  same_shape<float, 2>(out, batch, shape.inputs());
  const OthersMayRun others_may_run;
  bstdg::impulse_credit(below.data(), shape, weights.data(), reach.data(), local.data(), batch,
                        static_cast<std::size_t>(num_steps), out.data(), threads);
}

void potential_gradient(const bstdg::SpikeRows& spikes, const nb::tuple& given, const Floats4& weights,
                        const Floats3& gradient, double decay, const Out<float, 4>& out, int threads) {
  const bstdg::Convolution shape = convolution_of(given);
  check_weights(weights, shape);
  check_weights(Floats4(out), shape);
  require(gradient.shape(0) == spikes.batch() && gradient.shape(1) == spikes.num_steps() &&
              gradient.shape(2) == shape.neurons(),
          "the gradient has another shape");
  const OthersMayRun others_may_run;
  bstdg::potential_gradient(spikes, shape, weights.data(), gradient.data(), decay, out.data(), threads);
}

void potential_credit(const Bytes2& below, const nb::tuple& given, const Floats4& weights,
                      const Floats3& gradient, const Out<float, 2>& out, int threads) {
  const bstdg::Convolution shape = convolution_of(given);
  const std::size_t batch = below.shape(0);
  check_weights(weights, shape);
  check_rows(below, batch, shape.inputs());
  require(gradient.shape(0) == batch && gradient.shape(2) == shape.neurons(),
          "the gradient has another shape");
  require(gradient.shape(1) >= 1 && gradient.shape(1) <= bstdg::kMaxSteps, "num_steps is out of range");
  same_shape<float, 2>(out, batch, shape.inputs());
  const OthersMayRun others_may_run;
  bstdg::potential_credit(below.data(), shape, weights.data(), gradient.data(), batch, gradient.shape(1),
                          out.data(), threads);
}

void pool(const Bytes2& steps, const std::optional<Floats2>& margin, const nb::tuple& given,
          std::int64_t count, std::int64_t num_steps, const Out<std::uint8_t, 2>& out,
          const Out<std::int32_t, 2>& winner, int threads) {
  const bstdg::Convolution shape = convolution_of(given);
  const std::size_t batch = steps.shape(0);
  check_rows(steps, batch, shape.inputs());
  if (margin) check_rows(*margin, batch, shape.inputs());
  check_rows(out, batch, shape.neurons());
  check_rows(winner, batch, shape.neurons());
  require(count >= 1 && num_steps >= 1 && num_steps <= bstdg::kMaxSteps,
          "count or num_steps is out of range");
  const OthersMayRun others_may_run;
  bstdg::pool(steps.data(), margin ? margin->data() : nullptr, shape, static_cast<std::size_t>(count), batch,
              static_cast<std::size_t>(num_steps), out.data(), winner.data(), threads);
}

void check_winners(const Winners& winner, std::size_t batch, std::size_t inputs) {
  require(winner.shape(0) == batch, "there is another number of samples");
  std::int32_t least = 0, most = 0;
  for (std::size_t i = 0; i < winner.size(); ++i) {
    const std::int32_t value = winner.data()[i];
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  require(winner.size() == 0 || (least >= 0 && static_cast<std::size_t>(most) < inputs),
          "there is no such channel");
}

template <typename T>
void take(const Rows<T, 2>& values, const Winners& winner, const Out<T, 2>& out, int threads) {
  check_winners(winner, values.shape(0), values.shape(1));
  check_rows(out, winner.shape(0), winner.shape(1));
  const OthersMayRun others_may_run;
  bstdg::take(values.data(), values.shape(1), winner.data(), winner.shape(1), winner.shape(0), out.data(),
              threads);
}

void give(const Floats2& values, const Winners& winner, const Out<float, 2>& out, int threads) {
  check_winners(winner, out.shape(0), out.shape(1));
  check_rows(values, winner.shape(0), winner.shape(1));
  const OthersMayRun others_may_run;
  bstdg::give(values.data(), winner.data(), winner.shape(1), out.shape(1), winner.shape(0), out.data(),
              threads);
}

}  // namespace

void bind_convolution(nb::module_& module) {
  module.def("conv_crossing", &crossing, "spikes"_a, "convolution"_a, "weights"_a.noconvert(),
             "thresholds"_a.noconvert(), "steps"_a.noconvert(), "reach"_a.noconvert(), "margin"_a.noconvert(),
             "threads"_a, "`crossing` of a convolution, with one threshold a map or one for all.");
  module.def("conv_potentials", &potentials, "spikes"_a, "convolution"_a, "weights"_a.noconvert(),
             "out"_a.noconvert(), "threads"_a, "`potentials` of a convolution.");
  module.def("conv_impulse_gradient", &impulse_gradient, "spikes"_a, "convolution"_a, "weights"_a.noconvert(),
             "reach"_a.noconvert(), "local"_a.noconvert(), "decay"_a, "out"_a.noconvert(), "threads"_a,
             "`impulse_gradient` of a convolution.");
  module.def("conv_impulse_credit", &impulse_credit, "below"_a.noconvert(), "convolution"_a,
             "weights"_a.noconvert(), "reach"_a.noconvert(), "local"_a.noconvert(), "num_steps"_a,
             "out"_a.noconvert(), "threads"_a, "`impulse_credit` of a convolution.");
  module.def("conv_potential_gradient", &potential_gradient, "spikes"_a, "convolution"_a,
             "weights"_a.noconvert(), "gradient"_a.noconvert(), "decay"_a, "out"_a.noconvert(), "threads"_a,
             "`potential_gradient` of a convolution.");
  module.def("conv_potential_credit", &potential_credit, "below"_a.noconvert(), "convolution"_a,
             "weights"_a.noconvert(), "gradient"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
             "`potential_credit` of a convolution.");
  module.def("pool", &pool, "steps"_a.noconvert(), "margin"_a.noconvert().none(), "window"_a, "count"_a,
             "num_steps"_a, "out"_a.noconvert(), "winner"_a.noconvert(), "threads"_a,
             "The step of the n-th spike in each window, and the channel that it stands for.");
  module.def("take", &take<float>, "values"_a.noconvert(), "winner"_a.noconvert(), "out"_a.noconvert(),
             "threads"_a, "What the winners have, `[batch, neurons]`.");
  module.def("take", &take<std::uint8_t>, "values"_a.noconvert(), "winner"_a.noconvert(), "out"_a.noconvert(),
             "threads"_a);
  module.def("give", &give, "values"_a.noconvert(), "winner"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
             "What the winners are told, `[batch, channels]`.");
}
