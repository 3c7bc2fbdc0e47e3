#include "loss/loss.hpp"

#include <cstring>
#include <limits>
#include <string>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "base/refuse.hpp"
#include "dispatch.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 16;  // samples a thread takes at a time

std::size_t whole_vectors(std::size_t floats) { return rounded_up(floats, kWidestFloats); }

// One thread's working memory, and what needs room for whole vectors.
class Memory {
 public:
  Memory(const Leads& leads, const Wanted& wanted)
      : leads_(leads),
        wanted_(wanted),
        size_(leads.num_steps * leads.classes),
        padded_(whole_vectors(leads.classes)),
        potentials_(size_ + padded_),
        same_(leads.num_steps),
        by_class_(2 * leads.num_steps * padded_),
        by_step_(7 * whole_vectors(leads.num_steps)),
        rows_(8 * padded_) {
    for (std::size_t k = 0; k < leads.classes; ++k) {
      row(0)[k] = leads.thresholds[leads.one_threshold ? 0 : k];
      row(1)[k] = 1.0F;
    }
  }

  HazardJob job(std::size_t sample) const {
    std::memcpy(potentials_.get(), leads_.potentials + sample * size_, sizeof(float) * size_);
    aim(sample);
    float* const by_class = by_class_.get();
    const auto by_step = [&](std::size_t i) { return by_step_.get() + i * whole_vectors(leads_.num_steps); };
    const float counts = wanted_.weights == nullptr ? 1.0F : wanted_.weights[sample];
    return {leads_.num_steps,
            leads_.classes,
            padded_,
            potentials_.get(),
            row(0),
            row(1),
            1.0F / leads_.scale,
            row(2),
            counts / static_cast<float>(leads_.batch),
            wanted_.latency_weight,
            wanted_.silent_remainder,
            {potentials_.get(), same_.get(), by_class, by_class + leads_.num_steps * padded_, by_step(0),
             by_step(1), by_step(2), by_step(3), by_step(4), by_step(5), by_step(6), row(3), row(4), row(5),
             row(6), row(7)}};
  }

 private:
  float* row(std::size_t index) const { return rows_.get() + index * padded_; }

  // How much each class is wanted.
  void aim(std::size_t sample) const {
    const std::size_t classes = leads_.classes;
    float* const target = row(2);
    for (std::size_t k = 0; k < classes; ++k) target[k] = wanted_.smoothing / static_cast<float>(classes);
    target[wanted_.labels[sample]] += 1.0F - wanted_.smoothing;
    if (wanted_.taught == nullptr) return;
    const float* const taught = wanted_.taught + sample * classes;
    for (std::size_t k = 0; k < classes; ++k)
      target[k] = (1.0F - wanted_.share) * target[k] + wanted_.share * taught[k];
  }

  const Leads& leads_;
  const Wanted& wanted_;
  std::size_t size_, padded_;
  Buffer<float> potentials_;
  Buffer<bool> same_;
  Buffer<float> by_class_, by_step_, rows_;
};

}  // namespace

float first_to_fire_loss(const Leads& leads, const Wanted& wanted, const LeadGradients& out, int threads) {
  const std::size_t classes = leads.classes, batch = leads.batch;
  for (std::size_t n = 0; n < batch; ++n) {
    if (wanted.labels[n] < 0 || wanted.labels[n] >= static_cast<std::int64_t>(classes)) {
      refuse("label " + std::to_string(wanted.labels[n]) + " of sample " + std::to_string(n) +
             " is none of " + std::to_string(classes) + " classes");
    }
  }
  const std::size_t told = classes + 2;  // by each threshold, by the scale, and the loss itself
  const Buffer<float> samples(batch * told);
  const LossKernels& kernels = chosen_kernels().loss;
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    const Memory memory(leads, wanted);
    for (std::size_t n = begin; n < end; ++n) {
      float* const own = samples.get() + n * told;
      own[classes + 1] = kernels.first_to_fire(memory.job(n), out.potentials + n * leads.num_steps * classes,
                                               own, own + classes);
    }
  });
  const auto sum = [&](std::size_t what) {
    double total = 0.0;
    for (std::size_t n = 0; n < batch; ++n) total += static_cast<double>(samples[n * told + what]);
    return total;
  };
  double of_all = 0.0;
  for (std::size_t k = 0; k < classes; ++k) {
    const double total = sum(k);
    of_all += total;
    if (!leads.one_threshold) out.thresholds[k] = static_cast<float>(total);
  }
  if (leads.one_threshold) out.thresholds[0] = static_cast<float>(of_all);
  *out.scale = static_cast<float>(sum(classes));
  return batch == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(sum(classes + 1));
}

}  // namespace bstdg
