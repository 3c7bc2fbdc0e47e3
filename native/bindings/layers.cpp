#include "layers.hpp"

#include <nanobind/stl/string.h>

#include <string>

#include "convolution.hpp"
#include "inference/conv.hpp"
#include "inference/full.hpp"
#include "inference/pool.hpp"

namespace {

// An entry of a description, as it is.
template <typename T>
T entry(const nb::tuple& description, std::size_t index, const char* form) {
  T value;
  if (!nb::try_cast<T>(description[index], value, false))
    throw nb::type_error((std::string("a layer is described by ") + form).c_str());
  return value;
}

void check_length(const nb::tuple& description, std::size_t length, const char* form) {
  if (description.size() != length)
    throw nb::type_error((std::string("a layer is described by ") + form).c_str());
}

std::unique_ptr<bstdg::Layer> full(const nb::tuple& description) {
  constexpr const char* kForm = R"(("full", signs int8 [neurons, channels], thresholds int64 [neurons]))";
  check_length(description, 3, kForm);
  const auto signs = entry<Rows<std::int8_t, 2>>(description, 1, kForm);
  const auto thresholds = entry<Rows<std::int64_t, 1>>(description, 2, kForm);
  require(signs.shape(0) == thresholds.shape(0), "a layer needs a threshold for each neuron");
  return std::make_unique<bstdg::FullLayer>(static_cast<std::int64_t>(signs.shape(1)),
                                            static_cast<std::int64_t>(signs.shape(0)), signs.data(),
                                            thresholds.data());
}

std::unique_ptr<bstdg::Layer> conv2d(const nb::tuple& description) {
  constexpr const char* kForm =
      R"(("conv2d", signs int8 [maps, channels, rows, columns], thresholds int64 [maps], shape))";
  check_length(description, 4, kForm);
  const auto signs = entry<Rows<std::int8_t, 4>>(description, 1, kForm);
  const auto thresholds = entry<Rows<std::int64_t, 1>>(description, 2, kForm);
  const bstdg::Convolution shape = convolution_of(entry<nb::tuple>(description, 3, kForm));
  require(signs.shape(0) == shape.maps && signs.shape(1) == shape.own_channels() &&
              signs.shape(2) == shape.rows.kernel && signs.shape(3) == shape.columns.kernel &&
              thresholds.shape(0) == shape.maps,
          "signs and thresholds have another shape than the convolution");
  return std::make_unique<bstdg::ConvLayer>(shape, signs.data(), thresholds.data());
}

std::unique_ptr<bstdg::Layer> pool2d(const nb::tuple& description) {
  constexpr const char* kForm = R"(("pool2d", shape, which spike))";
  check_length(description, 3, kForm);
  const bstdg::Convolution shape = convolution_of(entry<nb::tuple>(description, 1, kForm));
  return std::make_unique<bstdg::PoolLayer>(shape, entry<std::int64_t>(description, 2, kForm));
}

struct Kind {
  const char* name;
  std::unique_ptr<bstdg::Layer> (*make)(const nb::tuple&);
};

constexpr Kind kKinds[] = {{"full", &full}, {"conv2d", &conv2d}, {"pool2d", &pool2d}};

}  // namespace

std::unique_ptr<bstdg::Layer> layer_of(const nb::tuple& description) {
  std::string name;
  if (description.size() == 0 || !nb::try_cast<std::string>(description[0], name, false))
    throw nb::type_error("a layer is described by a tuple that begins with the name of its kind");
  std::string known;
  for (const Kind& kind : kKinds) {
    if (name == kind.name) return kind.make(description);
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw std::invalid_argument("there are no layers of kind '" + name + "' here, only " + known);
}
