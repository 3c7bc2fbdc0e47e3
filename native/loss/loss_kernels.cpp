// The likelihood of each class to fire first and its gradient, compiled once for each instruction set; see
// simd.hpp for what that forbids.
//
// With h_k(t) = softplus(z_k(t)), H = their sum over k, and S(t) = exp(-sum of H before t), P(k first) is the
// sum over t of w(t) h_k(t), w = S (1 - exp(-H)) / H. It is summed as it stands; only where a class is so
// unlikely that its sum would underflow, all is done once more in logarithms.
#include "loss/loss_kernels.hpp"

#include "base/vector_math.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

constexpr float kFar = -15.0F;            // below, softplus(z) and its slope are exp(z) in a float
constexpr float kLeastLogFirst = -60.0F;  // of classes whose likelihood is summed as it stands
constexpr float kFlush = 1e-30F;  // gradients below move nothing, but would make every sum over them slow

// z = (V - theta) / scale of one step and one vector of classes; far below in the padding.
inline Floats lead_of(const HazardJob& job, std::size_t t, std::size_t k) {
  const Floats potential = load_floats(job.potentials + t * job.classes + k);
  const Floats z = (potential - load_floats(job.thresholds + k)) * job.inverse_scale;
  return select(load_floats(job.there + k) > 0.0F, z, all(-1e30F));
}

struct Hazard {
  Floats h, rise;  // rise: the slope of softplus
};

inline Hazard hazard_of(Floats z) {
  const Floats e = exp_of(-absolute(z));
  return {greater(z, Floats{}) + log_one_plus(e), select(z >= 0.0F, all(1.0F), e) / (e + 1.0F)};
}

// log((1 - exp(-x)) / x), by its series near 0.
inline Floats log_one_minus_exp_over(Floats x) {
  const Floats far = greater(x, all(0.5F)), square = x * x;
  const Floats series = square * (1.0F / 24.0F) - square * square * (1.0F / 2880.0F) - x * 0.5F;
  return select(x < 0.5F, series, log_of((1.0F - exp_of(-far)) / far));
}

// Its slope, 1 / (exp(x) - 1) - 1 / x, by its series near 0.
inline Floats slope_of_log_one_minus_exp_over(Floats x) {
  const Floats far = greater(x, all(0.5F)), square = x * x;
  const Floats series =
      x * (1.0F / 12.0F) - x * square * (1.0F / 720.0F) + x * square * square * (1.0F / 30240.0F) - 0.5F;
  return select(x < 0.5F, series, 1.0F / (exp_of(far) - 1.0F) - 1.0F / far);
}

// Fills hazards, their totals and slopes, log w and w; log_after where it is wanted.
void look(const HazardJob& job, float* log_after) {
  const HazardSpace& space = job.space;
  for (std::size_t t = 0; t < job.num_steps; ++t) {
    ClassSum sum;
    for (std::size_t k = 0; k < job.padded; k += kLanes) {
      const Hazard hazard = hazard_of(lead_of(job, t, k));
      store_floats(space.hazards + t * job.padded + k, hazard.h);
      store_floats(space.rises + t * job.padded + k, hazard.rise);
      sum.add(k, hazard.h);
    }
    space.totals[t] = sum.total();
  }
  for (std::size_t t = 0; t < job.num_steps; t += kLanes)
    store_floats(space.log_w + t, log_one_minus_exp_over(load_floats(space.totals + t)));
  double before = 0.0;
  for (std::size_t t = 0; t < job.num_steps; ++t) {
    space.log_w[t] += static_cast<float>(-before);
    before += static_cast<double>(space.totals[t]);
    if (log_after != nullptr) log_after[t] = static_cast<float>(-before);
  }
  for (std::size_t t = 0; t < job.num_steps; t += kLanes)
    store_floats(space.w + t, exp_of(load_floats(space.log_w + t)));
}

// log(w(t) h_k(t)), in numbers that never underflow.
inline Floats log_share(const HazardJob& job, std::size_t t, std::size_t k) {
  const Floats z = lead_of(job, t, k);
  const Floats log_h = select(z < kFar, z, log_of(load_floats(job.space.hazards + t * job.padded + k)));
  return log_h + job.space.log_w[t];
}

Floats log_first_by_logarithms(const HazardJob& job, std::size_t k) {
  Floats most = all(-3e38F), sum{};
  for (std::size_t t = 0; t < job.num_steps; ++t) {
    const Floats share = log_share(job, t, k);
    most = select(most > share, most, share);  // a NaN wins
  }
  for (std::size_t t = 0; t < job.num_steps; ++t) sum += exp_of(log_share(job, t, k) - most);
  return most + log_of(sum);
}

// By z: what the hazards' own terms tell it, `direct`, and what it tells all through their total.
template <typename Direct>
inline __attribute__((always_inline)) void go_back(const HazardJob& job, const HazardGradients& given,
                                                   float* to_potentials, float* to_thresholds,
                                                   float* to_scale, const Direct& direct) {
  const HazardSpace& space = job.space;
  const std::size_t num_steps = job.num_steps, padded = job.padded, classes = job.classes;
  double later = 0.0;  // told to all hazards up to and including t
  ClassSum scale;
  for (std::size_t k = 0; k < padded; ++k) space.thresholds[k] = 0.0F;
  for (std::size_t t = num_steps; t-- > 0;) {
    later += static_cast<double>(given.to_after[t]);
    if (t + 1 < num_steps) later += static_cast<double>(space.at_step[t + 1]);
    const float to_hazard = space.at_step[t] * space.slopes[t] - static_cast<float>(later);
    for (std::size_t k = 0; k < padded; k += kLanes) {
      const Floats z = lead_of(job, t, k), rise = load_floats(space.rises + t * padded + k);
      Floats told = direct(t, k, z, rise) + rise * to_hazard;
      if (t + 1 == num_steps) told += load_floats(given.to_last + k);
      told = select(absolute(told) < kFlush, Floats{}, told);
      store_floats(space.thresholds + k, load_floats(space.thresholds + k) + told);
      scale.add(k, told * z);
      store_floats(space.row + k, told * job.inverse_scale);
    }
    for (std::size_t k = 0; k < classes; ++k) to_potentials[t * classes + k] = space.row[k];
  }
  for (std::size_t k = 0; k < classes; ++k) to_thresholds[k] = -space.thresholds[k] * job.inverse_scale;
  *to_scale = -scale.total() * job.inverse_scale;
}

void first_to_fire(const HazardJob& job, float* log_first, float* log_after, float* last) {
  const FlushTiny flush;
  look(job, log_after);
  for (std::size_t k = 0; k < job.padded; k += kLanes) {
    Floats sum{};
    for (std::size_t t = 0; t < job.num_steps; ++t)
      sum += load_floats(job.space.hazards + t * job.padded + k) * job.space.w[t];
    Floats first = log_of(sum);
    bool unlikely = false;
    for (std::size_t i = 0; i < kLanes && k + i < job.classes; ++i)
      unlikely |= !(sum[i] > 0.0F) || first[i] < kLeastLogFirst;
    if (unlikely) first = log_first_by_logarithms(job, k);
    const Floats z = lead_of(job, job.num_steps - 1, k);
    for (std::size_t i = 0; i < kLanes && k + i < job.classes; ++i) {
      log_first[k + i] = first[i];
      last[k + i] = z[i];
    }
  }
}

void first_to_fire_back(const HazardJob& job, const HazardGradients& given, float* to_potentials,
                        float* to_thresholds, float* to_scale) {
  const FlushTiny flush;
  look(job, nullptr);
  const HazardSpace& space = job.space;
  const std::size_t num_steps = job.num_steps, padded = job.padded;
  for (std::size_t t = 0; t < num_steps; t += kLanes)
    store_floats(space.slopes + t, slope_of_log_one_minus_exp_over(load_floats(space.totals + t)));
  bool unlikely = false;
  for (std::size_t k = 0; k < job.classes; ++k) unlikely |= !(given.log_first[k] >= kLeastLogFirst);
  if (!unlikely) {
    // Of w(t) h_k(t) / P(k first), times what P's logarithm is told.
    for (std::size_t k = 0; k < padded; k += kLanes)
      store_floats(space.told + k,
                   exp_of(-load_floats(given.log_first + k)) * load_floats(given.to_first + k));
    for (std::size_t t = 0; t < num_steps; ++t) {
      ClassSum sum;
      for (std::size_t k = 0; k < padded; k += kLanes)
        sum.add(k, load_floats(space.hazards + t * padded + k) * load_floats(space.told + k));
      space.at_step[t] = sum.total() * space.w[t];
    }
    go_back(job, given, to_potentials, to_thresholds, to_scale,
            [&](std::size_t t, std::size_t k, Floats, Floats rise) {
              return rise * (load_floats(space.told + k) * space.w[t]);
            });
    return;
  }
  const auto share_told = [&](std::size_t t, std::size_t k) {
    return exp_of(log_share(job, t, k) - load_floats(given.log_first + k)) * load_floats(given.to_first + k);
  };
  for (std::size_t t = 0; t < num_steps; ++t) {
    ClassSum sum;
    for (std::size_t k = 0; k < padded; k += kLanes) sum.add(k, share_told(t, k));
    space.at_step[t] = sum.total();
  }
  go_back(job, given, to_potentials, to_thresholds, to_scale,
          [&](std::size_t t, std::size_t k, Floats z, Floats rise) {
            const Floats h = load_floats(space.hazards + t * padded + k);
            return share_told(t, k) * select(z < kFar, all(1.0F), rise / h);
          });
}

}  // namespace

extern const LossKernels loss_kernels;
const LossKernels loss_kernels{&first_to_fire, &first_to_fire_back};

}  // namespace BSTDG_ISA
}  // namespace bstdg
