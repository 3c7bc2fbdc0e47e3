// The table of Adam's kernels.
#pragma once

#include "training/adam.hpp"

namespace bstdg {

struct AdamKernels {
  void (*step)(const Moved&, const AdamStep&);
};

}  // namespace bstdg
