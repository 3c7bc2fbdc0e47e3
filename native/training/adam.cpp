#include "training/adam.hpp"

#include "base/parallel.hpp"
#include "dispatch.hpp"

namespace bstdg {

void adam(const Moved& moved, const AdamStep& step, int threads) {
  constexpr std::size_t kPiece = 1 << 14;  // numbers a thread takes at a time
  const AdamKernels& kernels = chosen_kernels().adam;
  for_pieces(moved.count, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    kernels.step({end - begin, moved.weights + begin, moved.gradient + begin, moved.mean + begin,
                  moved.square + begin, moved.average == nullptr ? nullptr : moved.average + begin},
                 step);
  });
}

}  // namespace bstdg
