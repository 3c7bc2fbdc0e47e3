#include "loss/loss.hpp"

#include <cstring>
#include <limits>
#include <string>
#include <utility>

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
        steps_(whole_vectors(leads.num_steps) + kWidestFloats),
        last_(size_ + padded_),
        thresholds_(padded_),
        target_(padded_),
        there_(padded_),
        runs_(2 * (leads.num_steps + 1)),
        by_class_(4 * (size_ + padded_)),
        by_step_(11 * steps_),
        rows_(5 * padded_) {
    for (std::size_t k = 0; k < leads.classes; ++k) {
      thresholds_[k] = leads.thresholds[leads.one_threshold ? 0 : k];
      there_[k] = -1;
    }
  }

  HazardJob job(std::size_t sample) const {
    const float* potentials = leads_.potentials + sample * size_;
    if ((leads_.batch - 1 - sample) * size_ < padded_) {  // else whole vectors would be read beyond the end
      std::memcpy(last_.get(), potentials, sizeof(float) * size_);
      potentials = last_.get();
    }
    aim(sample);
    const float counts = wanted_.weights == nullptr ? 1.0F : wanted_.weights[sample];
    return {leads_.num_steps,
            leads_.classes,
            padded_,
            potentials,
            thresholds_.get(),
            there_.get(),
            1.0F / leads_.scale,
            target_.get(),
            counts / static_cast<float>(leads_.batch),
            wanted_.latency_weight,
            wanted_.silent_remainder,
            space()};
  }

 private:
  HazardSpace space() const {
    const auto pieces_of = [](const auto& buffer, std::size_t size) {
      return [next = buffer.get(), size]() mutable { return std::exchange(next, next + size); };
    };
    auto index = pieces_of(runs_, leads_.num_steps + 1);
    auto by_class = pieces_of(by_class_, size_ + padded_);
    auto by_step = pieces_of(by_step_, steps_);
    auto row = pieces_of(rows_, padded_);
    return {by_class(), index(),   index(),   by_class(), by_class(), by_class(), by_step(), by_step(),
            by_step(),  by_step(), by_step(), by_step(),  by_step(),  by_step(),  by_step(), by_step(),
            by_step(),  row(),     row(),     row(),      row(),      row()};
  }

  // How much each class is wanted.
  void aim(std::size_t sample) const {
    const std::size_t classes = leads_.classes;
    float* const target = target_.get();
    for (std::size_t k = 0; k < classes; ++k) target[k] = wanted_.smoothing / static_cast<float>(classes);
    target[wanted_.labels[sample]] += 1.0F - wanted_.smoothing;
    if (wanted_.taught == nullptr) return;
    const float* const taught = wanted_.taught + sample * classes;
    for (std::size_t k = 0; k < classes; ++k)
      target[k] = (1.0F - wanted_.share) * target[k] + wanted_.share * taught[k];
  }

  const Leads& leads_;
  const Wanted& wanted_;
  std::size_t size_, padded_, steps_;
  Buffer<float> last_, thresholds_, target_;
  Buffer<std::int32_t> there_;
  Buffer<std::size_t> runs_;
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
