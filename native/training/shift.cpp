#include "training/shift.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/parallel.hpp"
#include "base/refuse.hpp"

namespace bstdg {

void shift(const Pictures& pictures, const std::int64_t* down, const std::int64_t* right, std::uint8_t never,
           std::uint8_t* out, int threads) {
  const auto rows = static_cast<std::ptrdiff_t>(pictures.rows),
             columns = static_cast<std::ptrdiff_t>(pictures.columns);
  for (std::size_t n = 0; n < pictures.batch; ++n) {
    if (down[n] <= -rows || down[n] >= rows || right[n] <= -columns || right[n] >= columns)
      refuse("picture " + std::to_string(n) + " is moved out of sight");
  }
  const std::size_t plane = pictures.rows * pictures.columns, picture = pictures.channels * plane;
  for_pieces(pictures.batch, 16, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      const auto y = static_cast<std::ptrdiff_t>(down[n]), x = static_cast<std::ptrdiff_t>(right[n]);
      const std::ptrdiff_t left = std::max<std::ptrdiff_t>(0, x), width = columns - std::abs(x);
      for (std::size_t c = 0; c < pictures.channels; ++c) {
        const std::uint8_t* const from = pictures.steps + n * picture + c * plane;
        std::uint8_t* const to = out + n * picture + c * plane;
        if (y == 0 && x == 0) {
          std::memcpy(to, from, plane);
          continue;
        }
        std::memset(to, never, plane);
        for (std::ptrdiff_t row = std::max<std::ptrdiff_t>(0, y); row < std::min(rows, rows + y); ++row)
          std::memcpy(to + row * columns + left, from + (row - y) * columns + left - x,
                      static_cast<std::size_t>(width));
      }
    }
  });
}

}  // namespace bstdg
