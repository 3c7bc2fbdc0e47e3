// The Python face of the native module: arrays in, arrays out, no arithmetic.
#include <nanobind/nanobind.h>

#include "bindings.hpp"

NB_MODULE(_native, module) {
  // What still lives when the interpreter ends is no leak worth a user's attention.
  nanobind::set_leak_warnings(false);
  module.doc() = "Native parts of bstdg; call them through the package, which checks what it is given.";
  // In all of these noconvert: an array of another type is an error, never a silent copy or a rounded number.
  bind_events(module);
  bind_inference(module);
  bind_convolution(module);
  bind_training(module);
  bind_loss(module);
  bind_predecessors(module);
}
