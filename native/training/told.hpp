// Who tells those below what, by the step at which it is judged.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "training/training_kernels.hpp"

namespace bstdg {

// Of the neurons of one sample, those that have an error.
class ToldByStep {
 public:
  explicit ToldByStep(std::size_t num_steps) : begin_(num_steps + 2) {}

  // At one step neurons keep their order.
  void sort(const std::uint8_t* reach, const float* local, std::size_t neurons) {
    // First those that have an error, without a branch that nobody can foretell.
    some_.resize(neurons + 1);
    std::size_t count = 0;
    for (std::size_t j = 0; j < neurons; ++j) {
      some_[count] = static_cast<std::uint32_t>(j);
      count += local[j] != 0.0F;
    }
    told_.resize(std::max(told_.size(), count));
    // Counted two places ahead and placed one ahead, steps begin where they should once all are placed.
    std::fill(begin_.begin(), begin_.end(), 0U);
    for (std::size_t i = 0; i < count; ++i) ++begin_[reach[some_[i]] + std::size_t{2}];
    for (std::size_t t = 2; t < begin_.size(); ++t) begin_[t] += begin_[t - 1];
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t j = some_[i];
      told_[begin_[reach[j] + std::size_t{1}]++] = {j, local[j]};
    }
  }

  // Those of step t are from begin()[t] to the next.
  const std::uint32_t* begin() const { return begin_.data(); }
  const Told* told() const { return told_.data(); }

 private:
  std::vector<std::uint32_t> begin_, some_;
  std::vector<Told> told_;
};

}  // namespace bstdg
