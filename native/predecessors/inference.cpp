#include <algorithm>
#include <stdexcept>

#include "predecessors/firing.hpp"

namespace bstdg {

namespace {

// One image's stamps and, of the output, its potentials at the step that decides.
BSTDG_INLINE void answer(const PredecessorNetwork& network, Scratch& scratch, const std::int16_t* steps,
                         std::int32_t silent_step, const PredecessorAnswers& answers, std::size_t image) {
  sort_spikes(steps, network.inputs, kNever - 1, scratch.spikes);
  fire_both(network, scratch);
  const std::int32_t earliest = *std::min_element(scratch.output.begin(), scratch.output.end());
  const std::int32_t decided = earliest < kNever ? earliest - 1 : silent_step;
  float* potential = answers.potential + image * network.classes;
  std::fill(potential, potential + network.classes, 0.0F);
  for (const Spike& spike : scratch.sent) {
    if (spike.step > decided) break;
    const std::size_t row = spike.channel * network.classes;
    if (network.binary)
      add_row(potential, scratch.signs_above.data() + row, network.classes);
    else
      add_row(potential, network.above + row, network.classes);
  }
  for (std::size_t j = 0; j < network.hidden; ++j)
    answers.hidden[image * network.hidden + j] = static_cast<std::int16_t>(scratch.hidden[j]);
  for (std::size_t k = 0; k < network.classes; ++k)
    answers.output[image * network.classes + k] = static_cast<std::int16_t>(scratch.output[k]);
}

BSTDG_INLINE void answer_all(const PredecessorNetwork& network, Scratch& scratch, const std::int16_t* steps,
                             std::size_t images, std::int32_t silent_step,
                             const PredecessorAnswers& answers) {
  for (std::size_t n = 0; n < images; ++n)
    answer(network, scratch, steps + n * network.inputs, silent_step, answers, n);
}

#ifdef BSTDG_HAS_AVX2
__attribute__((target("avx2"))) void answer_all_avx2(const PredecessorNetwork& network, Scratch& scratch,
                                                     const std::int16_t* steps, std::size_t images,
                                                     std::int32_t silent_step,
                                                     const PredecessorAnswers& answers) {
  answer_all(network, scratch, steps, images, silent_step, answers);
}
#endif

}  // namespace

void run_predecessor(const PredecessorNetwork& network, const std::int16_t* steps, std::size_t images,
                     std::int32_t silent_step, const PredecessorAnswers& answers) {
  if (network.classes < 1) throw std::invalid_argument("there is no output to decide");
  check_steps(steps, images * network.inputs);
  Scratch scratch = scratch_of(network);
#ifdef BSTDG_HAS_AVX2
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2"))
    return answer_all_avx2(network, scratch, steps, images, silent_step, answers);
#endif
  answer_all(network, scratch, steps, images, silent_step, answers);
}

}  // namespace bstdg
