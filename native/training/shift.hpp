// Pictures of steps moved, for augmentation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bstdg {

// Steps [batch x channels x rows x columns].
struct Pictures {
  std::size_t batch, channels, rows, columns;
  const std::uint8_t* steps;
};

// Each picture moved down and to the right by its own numbers of pixels; what comes in from outside is
// `never`. Throws std::invalid_argument if one is moved by its side or more.
void shift(const Pictures& pictures, const std::int64_t* down, const std::int64_t* right, std::uint8_t never,
           std::uint8_t* out, int threads);

}  // namespace bstdg
