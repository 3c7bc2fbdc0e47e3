// What the native code says to whoever gave it something wrong; Python sees a ValueError.
#pragma once

#include <stdexcept>
#include <string>

namespace bstdg {

[[noreturn]] inline void refuse(const std::string& message) { throw std::invalid_argument(message); }

}  // namespace bstdg
