// The kernels of each instruction set, and the choice of one.
#pragma once

#include <cstddef>

#include "events/timeline.hpp"
#include "inference/conv_kernels.hpp"
#include "inference/full_kernels.hpp"
#include "inference/run_kernels.hpp"
#include "loss/loss_kernels.hpp"
#include "training/adam_kernels.hpp"
#include "training/convolution_kernels.hpp"
#include "training/measure_kernels.hpp"
#include "training/training_kernels.hpp"

namespace bstdg {

// A table for each file of kernels.
struct Kernels {
  const char* name;
  const TimelineKernels& timeline;
  const RunKernels& run;
  const FullKernels& full;
  const ConvKernels& conv;
  const ForwardKernels& forward;
  const BackwardKernels& backward;
  const TransposeKernels& transpose;
  const LossKernels& loss;
  const MeasureKernels& measure;
  const AdamKernels& adam;
  const ConvolutionKernels& convolution;
  const ConvolutionBackwardKernels& convolution_backward;
};

// Those that this build has and this CPU can run, the fastest first.
const Kernels* const* available_kernels(std::size_t& count);

// The one named by BSTDG_ISA, else the fastest. Throws std::invalid_argument if the name is not available.
const Kernels& chosen_kernels();

}  // namespace bstdg
