// What each file of bindings adds to the module.
#pragma once

#include <nanobind/nanobind.h>

void bind_events(nanobind::module_& module);
void bind_inference(nanobind::module_& module);
void bind_convolution(nanobind::module_& module);
void bind_training(nanobind::module_& module);
void bind_loss(nanobind::module_& module);
void bind_predecessors(nanobind::module_& module);
