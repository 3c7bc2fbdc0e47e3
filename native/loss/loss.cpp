#include "loss/loss.hpp"

#include <cstring>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "dispatch.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 16;  // samples a thread takes at a time

std::size_t whole_vectors(std::size_t floats) { return rounded_up(floats, kWidestFloats); }

// One thread's working memory, and what needs room for whole vectors.
class Memory {
 public:
  explicit Memory(const Leads& leads)
      : leads_(leads),
        size_(leads.num_steps * leads.classes),
        padded_(whole_vectors(leads.classes)),
        potentials_(size_ + kWidestFloats),
        by_class_(2 * leads.num_steps * padded_),
        by_step_(5 * whole_vectors(leads.num_steps)),
        rows_(8 * padded_) {
    for (std::size_t k = 0; k < leads.classes; ++k) {
      rows_[k] = leads.thresholds[leads.one_threshold ? 0 : k];
      rows_[padded_ + k] = 1.0F;
    }
  }

  HazardJob job(std::size_t sample) const {
    std::memcpy(potentials_.get(), leads_.potentials + sample * size_, sizeof(float) * size_);
    float* const by_class = by_class_.get();
    const auto by_step = [&](std::size_t i) { return by_step_.get() + i * whole_vectors(leads_.num_steps); };
    return {leads_.num_steps,
            leads_.classes,
            padded_,
            potentials_.get(),
            row(0),
            row(1),
            1.0F / leads_.scale,
            {by_class, by_class + leads_.num_steps * padded_, by_step(0), by_step(1), by_step(2), by_step(3),
             by_step(4), row(2), row(3), row(4)}};
  }

  // One of three rows of classes with its padding.
  const float* given(std::size_t index, const float* from, std::size_t sample) const {
    std::memcpy(row(5 + index), from + sample * leads_.classes, sizeof(float) * leads_.classes);
    return row(5 + index);
  }

 private:
  float* row(std::size_t index) const { return rows_.get() + index * padded_; }

  const Leads& leads_;
  std::size_t size_, padded_;
  Buffer<float> potentials_, by_class_, by_step_, rows_;
};

}  // namespace

void first_to_fire(const Leads& leads, const Likelihood& out, int threads) {
  const LossKernels& kernels = chosen_kernels().loss;
  for_pieces(leads.batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Memory memory(leads);
    for (std::size_t n = begin; n < end; ++n) {
      kernels.first_to_fire(memory.job(n), out.log_first + n * leads.classes,
                            out.log_after + n * leads.num_steps, out.last + n * leads.classes);
    }
  });
}

void first_to_fire_back(const Leads& leads, const LikelihoodGradients& given, const LeadGradients& out,
                        int threads) {
  const LossKernels& kernels = chosen_kernels().loss;
  const std::size_t classes = leads.classes;
  for_pieces(leads.batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Memory memory(leads);
    for (std::size_t n = begin; n < end; ++n) {
      const HazardGradients gradients{memory.given(0, given.log_first, n), memory.given(1, given.to_first, n),
                                      memory.given(2, given.to_last, n),
                                      given.to_after + n * leads.num_steps};
      kernels.first_to_fire_back(memory.job(n), gradients, out.potentials + n * leads.num_steps * classes,
                                 out.thresholds + n * classes, out.scale + n);
    }
  });
}

}  // namespace bstdg
