// The loss of what fires first and its gradients, compiled once for each instruction set; see
// simd.hpp for what that forbids.
//
// With h_k(t) = softplus(z_k(t)), H = their sum over k, and S(t) = exp(-sum of H before t), P(k first) is the
// sum over t of w(t) h_k(t), w = S (1 - exp(-H)) / H. It is summed as it stands; only where a class is so
// unlikely that its sum would underflow, all is done once more in logarithms.
#include "loss/loss_kernels.hpp"

#include <cstring>

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

// Whether the potentials of a step are those of the step before: between events they do not change.
inline bool as_before(const HazardJob& job, std::size_t t) {
  if (t == 0) return false;
  const float* const now = job.potentials + t * job.classes;
  Ints other{};
  for (std::size_t k = 0; k < job.padded; k += kLanes) {
    other |=
        (load_floats(now + k) != load_floats(now + k - job.classes)) & (load_floats(job.there + k) > 0.0F);
  }
  return !any(other);
}

// Fills hazards, their totals and slopes, log w, w and log_after.
inline void look(const HazardJob& job) {
  const HazardSpace& space = job.space;
  for (std::size_t t = 0; t < job.num_steps; ++t) {
    float *const hazards = space.hazards + t * job.padded, *const rises = space.rises + t * job.padded;
    space.same[t] = as_before(job, t);
    if (space.same[t]) {
      for (std::size_t k = 0; k < job.padded; k += kLanes) {
        store_floats(hazards + k, load_floats(hazards + k - job.padded));
        store_floats(rises + k, load_floats(rises + k - job.padded));
      }
      space.totals[t] = space.totals[t - 1];
      continue;
    }
    ClassSum sum;
    for (std::size_t k = 0; k < job.padded; k += kLanes) {
      const Hazard hazard = hazard_of(lead_of(job, t, k));
      store_floats(hazards + k, hazard.h);
      store_floats(rises + k, hazard.rise);
      sum.add(k, hazard.h);
    }
    space.totals[t] = sum.total();
  }
  for (std::size_t t = 0; t < job.num_steps; t += kLanes) {
    const Floats totals = load_floats(space.totals + t);
    store_floats(space.log_w + t, log_one_minus_exp_over(totals));
    store_floats(space.slopes + t, slope_of_log_one_minus_exp_over(totals));
  }
  double before = 0.0;
  for (std::size_t t = 0; t < job.num_steps; ++t) {
    space.log_w[t] += static_cast<float>(-before);
    before += static_cast<double>(space.totals[t]);
    space.log_after[t] = static_cast<float>(-before);
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

// log P(k first), into the space; whether a sum of any would have underflown.
inline bool likelihoods(const HazardJob& job) {
  const HazardSpace& space = job.space;
  bool any_unlikely = false;
  for (std::size_t k = 0; k < job.padded; k += kLanes) {
    Floats sum{};
    for (std::size_t t = 0; t < job.num_steps; ++t)
      sum += load_floats(space.hazards + t * job.padded + k) * space.w[t];
    Floats first = log_of(sum);
    bool unlikely = false;
    for (std::size_t i = 0; i < kLanes && k + i < job.classes; ++i)
      unlikely |= !(sum[i] > 0.0F) || !(first[i] >= kLeastLogFirst);
    if (unlikely) first = log_first_by_logarithms(job, k);
    any_unlikely |= unlikely;
    store_floats(space.log_first + k, first);
  }
  return any_unlikely;
}

// The loss, and what it tells log P(k first), log P(undecided after t) and the last z: to_first, to_after,
// to_last.
inline float judge(const HazardJob& job) {
  const HazardSpace& space = job.space;
  const std::size_t last = job.num_steps - 1, classes = job.classes;
  for (std::size_t t = 0; t < job.num_steps; ++t) space.to_after[t] = 0.0F;
  float* const z = space.row;
  float most = -3e38F;
  for (std::size_t k = 0; k < job.padded; k += kLanes) {
    store_floats(space.to_first + k, load_floats(job.target + k) * -job.weight);
    store_floats(space.to_last + k, Floats{});
    store_floats(z + k, lead_of(job, last, k));
  }
  ClassSum loss;
  if (job.silent_remainder) {
    for (std::size_t k = 0; k < classes; ++k) most = most > z[k] ? most : z[k];
    ClassSum sum, of_rest;
    for (std::size_t k = 0; k < job.padded; k += kLanes) sum.add(k, exp_of(load_floats(z + k) - most));
    const float log_sum = most + log_of(all(sum.total()))[0];
    for (std::size_t k = 0; k < job.padded; k += kLanes) {
      const Floats first = load_floats(space.log_first + k), told = load_floats(space.to_first + k);
      const Floats rest = load_floats(z + k) - log_sum + space.log_after[last];
      const Floats apart = exp_of(-absolute(rest - first));
      const Floats both = select(first > rest, first, rest) + log_one_plus(apart);
      const Floats share = select(rest > first, all(1.0F), apart) / (apart + 1.0F);  // of the rest
      loss.add(k, select(load_floats(job.there + k) > 0.0F, told * both, Floats{}));
      of_rest.add(k, told * share);
      store_floats(space.to_last + k, told * share);
      store_floats(space.to_first + k, told - told * share);
    }
    const float rest = of_rest.total();
    space.to_after[last] = rest;
    for (std::size_t k = 0; k < job.padded; k += kLanes)
      store_floats(space.to_last + k,
                   load_floats(space.to_last + k) - exp_of(load_floats(z + k) - log_sum) * rest);
  } else {
    for (std::size_t k = 0; k < job.padded; k += kLanes) {
      const Floats told = load_floats(space.to_first + k) * load_floats(space.log_first + k);
      loss.add(k, select(load_floats(job.there + k) > 0.0F, told, Floats{}));
    }
  }
  if (job.latency_weight == 0.0F) return loss.total();
  double waited = 0.0;
  const float price = job.latency_weight * job.weight;
  for (std::size_t t = 0; t < last; t += kLanes) {
    const Floats undecided = exp_of(load_floats(space.log_after + t)) * price;
    for (std::size_t i = 0; i < kLanes && t + i < last; ++i) {
      space.to_after[t + i] += undecided[i];
      waited += static_cast<double>(undecided[i]);
    }
  }
  return loss.total() + static_cast<float>(waited);
}

// By z: what the hazards' own terms tell it, `direct`, and what it tells all through their total.
template <typename Direct>
inline __attribute__((always_inline)) void go_back(const HazardJob& job, float* to_potentials,
                                                   float* to_thresholds, float* to_scale,
                                                   const Direct& direct) {
  const HazardSpace& space = job.space;
  const std::size_t num_steps = job.num_steps, padded = job.padded, classes = job.classes;
  float* const rows = space.hazards;  // which are not needed once a step is done
  double later = 0.0;                 // told to all hazards up to and including t
  ClassSum scale;
  for (std::size_t t = num_steps; t-- > 0;) {
    later += static_cast<double>(space.to_after[t]);
    if (t + 1 < num_steps) later += static_cast<double>(space.at_step[t + 1]);
    const float to_hazard = space.at_step[t] * space.slopes[t] - static_cast<float>(later);
    for (std::size_t k = 0; k < padded; k += kLanes) {
      const Floats z = lead_of(job, t, k), rise = load_floats(space.rises + t * padded + k);
      Floats told = direct(t, k, z, rise) + rise * to_hazard;
      if (t + 1 == num_steps) told += load_floats(space.to_last + k);
      told = select(absolute(told) < kFlush, Floats{}, told);
      scale.add(k, told * z);
      store_floats(rows + t * padded + k, told * job.inverse_scale);
    }
  }
  for (std::size_t k = 0; k < padded; k += kLanes) {
    Floats sum{};
    for (std::size_t t = 0; t < num_steps; ++t) sum -= load_floats(rows + t * padded + k);
    store_floats(space.row + k, sum);
  }
  std::memcpy(to_thresholds, space.row, sizeof(float) * classes);
  *to_scale = -scale.total() * job.inverse_scale;
  // Rows of whole vectors, each of which overwrites what the one before it had too much.
  for (std::size_t t = 0; t < num_steps; ++t) {
    for (std::size_t k = 0; k < padded; k += kLanes)
      store_floats(space.potentials + t * classes + k, load_floats(rows + t * padded + k));
  }
  std::memcpy(to_potentials, space.potentials, sizeof(float) * num_steps * classes);
}

float first_to_fire(const HazardJob& given, float* to_potentials, float* to_thresholds, float* to_scale) {
  const FlushTiny flush;
  const HazardJob job = given;  // which no store can change
  const HazardSpace& space = job.space;
  const std::size_t num_steps = job.num_steps, padded = job.padded;
  look(job);
  const bool unlikely = likelihoods(job);
  const float loss = judge(job);
  if (!unlikely) {
    // Of w(t) h_k(t) / P(k first), times what P's logarithm is told.
    for (std::size_t k = 0; k < padded; k += kLanes) {
      const Floats told = exp_of(-load_floats(space.log_first + k)) * load_floats(space.to_first + k);
      store_floats(space.told + k, select(load_floats(job.there + k) > 0.0F, told, Floats{}));
    }
    float whole = 0.0F;
    for (std::size_t t = 0; t < num_steps; ++t) {
      if (!space.same[t]) {
        ClassSum sum;
        for (std::size_t k = 0; k < padded; k += kLanes)
          sum.add(k, load_floats(space.hazards + t * padded + k) * load_floats(space.told + k));
        whole = sum.total();
      }
      space.at_step[t] = whole * space.w[t];
    }
    go_back(job, to_potentials, to_thresholds, to_scale,
            [&](std::size_t t, std::size_t k, Floats, Floats rise) {
              return rise * (load_floats(space.told + k) * space.w[t]);
            });
    return loss;
  }
  const auto share_told = [&](std::size_t t, std::size_t k) {
    return exp_of(log_share(job, t, k) - load_floats(space.log_first + k)) * load_floats(space.to_first + k);
  };
  for (std::size_t t = 0; t < num_steps; ++t) {
    ClassSum sum;
    for (std::size_t k = 0; k < padded; k += kLanes) {
      const Floats told = share_told(t, k);
      sum.add(k, select(load_floats(job.there + k) > 0.0F, told, Floats{}));
    }
    space.at_step[t] = sum.total();
  }
  go_back(job, to_potentials, to_thresholds, to_scale,
          [&](std::size_t t, std::size_t k, Floats z, Floats rise) {
            const Floats h = load_floats(space.hazards + t * padded + k);
            return select(load_floats(job.there + k) > 0.0F,
                          share_told(t, k) * select(z < kFar, all(1.0F), rise / h), Floats{});
          });
  return loss;
}

}  // namespace

extern const LossKernels loss_kernels;
const LossKernels loss_kernels{&first_to_fire};

}  // namespace BSTDG_ISA
}  // namespace bstdg
