// Pooling by the n-th spike of a window; see convolution.hpp.
#include <algorithm>
#include <vector>

#include "base/parallel.hpp"
#include "base/refuse.hpp"
#include "training/convolution.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 8;  // samples a thread takes at a time

}  // namespace

void pool(const std::uint8_t* steps, const float* margin, const Convolution& window, std::size_t count,
          std::size_t batch, std::size_t num_steps, std::uint8_t* out, std::int32_t* winner, int threads) {
  const Side &rows = window.rows, &columns = window.columns;
  const std::size_t inputs = window.inputs(), neurons = window.neurons();
  if (rows.padding != 0 || columns.padding != 0 || window.maps != window.channels ||
      window.groups != window.channels || count < 1 || count > window.taps()) {
    refuse("a pooling has no padding, and waits for a spike that its window can have");
  }
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    std::vector<std::pair<std::uint8_t, std::int32_t>> fired(window.taps());
    for (std::size_t n = begin; n < end; ++n) {
      const std::uint8_t* mine = steps + n * inputs;
      const float* near = margin == nullptr ? nullptr : margin + n * inputs;
      std::size_t j = n * neurons;
      for (std::size_t c = 0; c < window.channels; ++c) {
        for (std::size_t y = 0; y < rows.places; ++y) {
          for (std::size_t x = 0; x < columns.places; ++x, ++j) {
            std::size_t some = 0;
            std::int32_t closest = -1;
            for (std::size_t i = 0; i < rows.kernel; ++i) {
              const std::size_t first =
                  (c * rows.side + y * rows.stride + i) * columns.side + x * columns.stride;
              for (std::size_t at = first; at < first + columns.kernel; ++at) {
                const auto channel = static_cast<std::int32_t>(at);
                if (mine[at] < num_steps) {
                  fired[some++] = {mine[at], channel};
                } else if (closest < 0 || (near != nullptr && near[at] > near[closest])) {
                  closest = channel;
                }
              }
            }
            if (some < count) {
              out[j] = static_cast<std::uint8_t>(num_steps);
              winner[j] = closest;
              continue;
            }
            if (count == 1) {
              std::size_t least = 0;
              for (std::size_t i = 1; i < some; ++i) {
                if (fired[i].first < fired[least].first) least = i;
              }
              std::swap(fired[0], fired[least]);
            } else {
              std::partial_sort(fired.begin(), fired.begin() + static_cast<std::ptrdiff_t>(count),
                                fired.begin() + static_cast<std::ptrdiff_t>(some));
            }
            out[j] = fired[count - 1].first;
            winner[j] = fired[count - 1].second;
          }
        }
      }
    }
  });
}

template <typename T>
void take(const T* values, std::size_t inputs, const std::int32_t* winner, std::size_t neurons,
          std::size_t batch, T* out, int threads) {
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      const T* mine = values + n * inputs;
      for (std::size_t j = n * neurons; j < (n + 1) * neurons; ++j)
        out[j] = mine[static_cast<std::size_t>(winner[j])];
    }
  });
}

template void take(const float*, std::size_t, const std::int32_t*, std::size_t, std::size_t, float*, int);
template void take(const std::uint8_t*, std::size_t, const std::int32_t*, std::size_t, std::size_t,
                   std::uint8_t*, int);

void give(const float* values, const std::int32_t* winner, std::size_t neurons, std::size_t inputs,
          std::size_t batch, float* out, int threads) {
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    std::fill(out + begin * inputs, out + end * inputs, 0.0F);
    for (std::size_t n = begin; n < end; ++n) {
      for (std::size_t j = n * neurons; j < (n + 1) * neurons; ++j)
        out[n * inputs + static_cast<std::size_t>(winner[j])] += values[j];
    }
  });
}

}  // namespace bstdg
