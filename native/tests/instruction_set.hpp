// For tests of kernels, which CTest runs once for each instruction set that was built.
#pragma once

#include <cstdio>
#include <exception>

#include "dispatch.hpp"

namespace {

constexpr int kSkipped = 77;  // the exit status that CTest counts as skipped

// Whether this CPU has the instruction set that BSTDG_ISA names.
inline bool instruction_set_is_there() {
  try {
    std::printf("%s ", bstdg::chosen_kernels().name);
    return true;
  } catch (const std::exception& error) {
    std::puts(error.what());
    return false;
  }
}

}  // namespace
