// The loss of what fires first and its gradients, compiled once for each instruction set; see
// simd.hpp for what that forbids.
//
// With h_k(t) = softplus(z_k(t)), H = their sum over k, and S(t) = exp(-sum of H before t), P(k first) is the
// sum over t of w(t) h_k(t), w = S (1 - exp(-H)) / H. It is summed as it stands; only where a class is so
// unlikely that its sum would underflow, all is done once more in logarithms. What only depends on potentials
// is computed once for each run of steps that have the same.
#include "loss/loss_kernels.hpp"

#include <cstring>

#include "base/vector_math.hpp"

namespace bstdg {
namespace BSTDG_ISA {
namespace {

constexpr float kFar = -15.0F;            // below, softplus(z) and its slope are exp(z) in a float
constexpr float kLeastLogFirst = -60.0F;  // of classes whose likelihood is summed as it stands
constexpr float kFlush = 1e-30F;  // gradients below move nothing, but would make every sum over them slow

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

// All ones for a class, 0 in the padding.
inline Ints there(const HazardJob& job, std::size_t k) {
  Ints mask;
  read(job.there + k, mask);
  return mask;
}

// Where there is a class, what it says, else in the padding 0: a row is followed by the next.
inline Floats where_there(const HazardJob& job, std::size_t k, Floats values) {
  return (Floats)((Ints)values & there(job, k));
}

// Fills run_of and begins; the number of runs.
inline std::size_t find_runs(const HazardJob& job) {
  const HazardSpace& space = job.space;
  std::size_t run = 0;
  space.run_of[0] = space.begins[0] = 0;
  space.begins[1] = 1;
  for (std::size_t t = 1; t < job.num_steps; ++t) {
    const float* const now = job.potentials + t * job.classes;
    Ints other{};
    for (std::size_t k = 0; k < job.padded; k += kLanes) {
      const Ints differ = (Ints)load_floats(now + k) ^ (Ints)load_floats(now + k - job.classes);
      other |= (Ints)where_there(job, k, (Floats)differ);
    }
    run += std::size_t{any(other)};
    space.run_of[t] = run;
    space.begins[run + 1] = t + 1;
  }
  space.begins[run + 1] = job.num_steps;
  return run + 1;
}

// Fills leads z = (V - theta) / scale and, of every run, hazards, their slopes and totals.
inline void find_hazards(const HazardJob& job, std::size_t runs) {
  const HazardSpace& space = job.space;
  for (std::size_t r = 0; r < runs; ++r) {
    for (std::size_t k = 0; k < job.padded; k += kLanes) {
      const Floats potential = load_floats(job.potentials + space.begins[r] * job.classes + k);
      store_floats(space.leads + r * job.classes + k,
                   (potential - load_floats(job.thresholds + k)) * job.inverse_scale);
    }
  }
  for (std::size_t i = 0; i < runs * job.classes; i += kLanes) {
    const Hazard hazard = hazard_of(load_floats(space.leads + i));
    store_floats(space.hazards + i, hazard.h);
    store_floats(space.rises + i, hazard.rise);
  }
  for (std::size_t r = 0; r < runs; ++r) {
    ClassSum sum;
    for (std::size_t k = 0; k < job.padded; k += kLanes)
      sum.add(k, where_there(job, k, load_floats(space.hazards + r * job.classes + k)));
    space.totals[r] = sum.total();
  }
}

// Fills what totals alone make: of every run the sum of its w, in `whole`; of every step w and log_after.
inline void survive(const HazardJob& job, std::size_t runs) {
  const HazardSpace& space = job.space;
  double before = 0.0;
  for (std::size_t r = 0; r < runs; ++r) {
    space.befores[r] = static_cast<float>(before);
    space.lengths[r] = static_cast<float>(space.begins[r + 1] - space.begins[r]);
    before += static_cast<double>(space.lengths[r]) * static_cast<double>(space.totals[r]);
  }
  for (std::size_t r = 0; r < runs; r += kLanes) {
    const Floats totals = load_floats(space.totals + r), lengths = load_floats(space.lengths + r);
    store_floats(space.shapes + r, log_one_minus_exp_over(totals));
    store_floats(space.slopes + r, slope_of_log_one_minus_exp_over(totals));
    // A geometric series.
    const Floats log_mean = log_one_minus_exp_over(totals * lengths) - load_floats(space.befores + r);
    store_floats(space.whole + r, exp_of(log_mean) * lengths);
  }
  Floats places{};
  for (std::size_t i = 0; i < kLanes; ++i) places[i] = static_cast<float>(i);
  for (std::size_t r = 0; r < runs; ++r) {
    // Whole vectors, each run over what the one before it had too much.
    for (std::size_t i = 0; i < space.begins[r + 1] - space.begins[r]; i += kLanes) {
      const std::size_t t = space.begins[r] + i;
      const Floats gone = (places + static_cast<float>(i)) * space.totals[r];
      store_floats(space.log_w + t, all(space.shapes[r] - space.befores[r]) - gone);
      store_floats(space.log_after + t, all(-space.befores[r] - space.totals[r]) - gone);
    }
  }
  for (std::size_t t = 0; t < job.num_steps; t += kLanes)
    store_floats(space.w + t, exp_of(load_floats(space.log_w + t)));
}

// log(w(t) h_k(t)), in numbers that never underflow.
inline Floats log_share(const HazardJob& job, std::size_t t, std::size_t k) {
  const HazardSpace& space = job.space;
  const std::size_t row = space.run_of[t] * job.classes + k;
  const Floats z = load_floats(space.leads + row);
  return select(z < kFar, z, log_of(load_floats(space.hazards + row))) + space.log_w[t];
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
inline bool likelihoods(const HazardJob& job, std::size_t runs) {
  const HazardSpace& space = job.space;
  bool any_unlikely = false;
  for (std::size_t k = 0; k < job.padded; k += kLanes) {
    Floats sum{};
    for (std::size_t r = 0; r < runs; ++r)
      sum += load_floats(space.hazards + r * job.classes + k) * space.whole[r];
    Floats first = log_of(sum);
    bool unlikely = false;
    for (std::size_t i = 0; i < kLanes && k + i < job.classes; ++i)
      unlikely |= !(sum[i] > 0.0F) || !(first[i] >= kLeastLogFirst);
    if (unlikely) first = log_first_by_logarithms(job, k);
    any_unlikely |= unlikely;
    store_floats(space.log_first + k, where_there(job, k, first));
  }
  return any_unlikely;
}

// The loss, and what it tells log P(k first), log P(undecided after t) and the last z: to_first, to_after,
// to_last.
inline float judge(const HazardJob& job, std::size_t runs) {
  const HazardSpace& space = job.space;
  const std::size_t last = job.num_steps - 1, classes = job.classes;
  for (std::size_t t = 0; t < job.num_steps; ++t) space.to_after[t] = 0.0F;
  float* const z = space.row;
  float most = -3e38F;
  for (std::size_t k = 0; k < job.padded; k += kLanes) {
    store_floats(space.to_first + k, load_floats(job.target + k) * -job.weight);
    store_floats(space.to_last + k, Floats{});
    const Floats lead = load_floats(space.leads + (runs - 1) * classes + k);
    store_floats(z + k, select(there(job, k), lead, all(-1e30F)));
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
      loss.add(k, where_there(job, k, told * both));
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
      loss.add(k, where_there(job, k, told));
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

// `told(t, k, z, rise)`: what the hazards' own terms and, by to_after, all that come later tell z, in units
// of potential.
template <typename Told>
inline __attribute__((always_inline)) void go_back(const HazardJob& job, float* to_potentials,
                                                   float* to_thresholds, float* to_scale, const Told& told) {
  const HazardSpace& space = job.space;
  const std::size_t num_steps = job.num_steps, padded = job.padded, classes = job.classes;
  double later = 0.0;  // told to all hazards up to and including t
  float at_next = 0.0F;
  for (std::size_t t = num_steps; t-- > 0;) {
    later += static_cast<double>(space.to_after[t] + at_next);
    at_next = space.at_step[t];
    const float by_total = at_next * space.slopes[space.run_of[t]] - static_cast<float>(later);
    space.to_after[t] = by_total * job.inverse_scale;
  }
  // Rows of whole vectors: those that end within the sample, and the others.
  const std::size_t all_of_it = num_steps * classes;
  const std::size_t within = all_of_it < padded ? 0 : (all_of_it - padded) / classes + 1;
  ClassSum scale;
  for (std::size_t k = padded; k > 0;) {
    k -= kLanes;  // from the last: each row overwrites what those before it had too much
    Floats sum{}, of_scale{};
    const auto tell = [&](std::size_t t, float* rows) {
      const std::size_t run = space.run_of[t] * classes + k;
      const Floats z = load_floats(space.leads + run), rise = load_floats(space.rises + run);
      Floats whole = told(t, k, z, rise);
      if (t + 1 == num_steps) whole += load_floats(space.to_last + k) * job.inverse_scale;
      const Floats felt = select(absolute(whole) < kFlush, Floats{}, whole);
      sum -= felt;
      of_scale -= felt * z;
      store_floats(rows + t * classes + k, felt);
    };
    for (std::size_t t = 0; t < within; ++t) tell(t, to_potentials);
    for (std::size_t t = within; t < num_steps; ++t) tell(t, space.tail);
    store_floats(space.row + k, sum);
    scale.add(k, where_there(job, k, of_scale));
  }
  std::memcpy(to_thresholds, space.row, sizeof(float) * classes);
  *to_scale = scale.total();
  if (within < num_steps) {
    std::memcpy(to_potentials + within * classes, space.tail + within * classes,
                sizeof(float) * (all_of_it - within * classes));
  }
}

float first_to_fire(const HazardJob& given, float* to_potentials, float* to_thresholds, float* to_scale) {
  const FlushTiny flush;
  const HazardJob job = given;  // which no store can change
  const HazardSpace& space = job.space;
  const std::size_t num_steps = job.num_steps, classes = job.classes, padded = job.padded;
  const std::size_t runs = find_runs(job);
  find_hazards(job, runs);
  survive(job, runs);
  const bool unlikely = likelihoods(job, runs);
  const float loss = judge(job, runs);
  if (!unlikely) {
    // Of w(t) h_k(t) / P(k first), times what P's logarithm is told.
    for (std::size_t k = 0; k < padded; k += kLanes) {
      const Floats told = exp_of(-load_floats(space.log_first + k)) * load_floats(space.to_first + k);
      store_floats(space.told + k, where_there(job, k, told));
    }
    for (std::size_t r = 0; r < runs; ++r) {
      ClassSum sum;
      for (std::size_t k = 0; k < padded; k += kLanes)
        sum.add(k, load_floats(space.hazards + r * classes + k) * load_floats(space.told + k));
      space.whole[r] = sum.total();
    }
    for (std::size_t t = 0; t < num_steps; ++t) space.at_step[t] = space.whole[space.run_of[t]] * space.w[t];
    for (std::size_t k = 0; k < padded; k += kLanes)
      store_floats(space.told + k, load_floats(space.told + k) * job.inverse_scale);
    go_back(job, to_potentials, to_thresholds, to_scale,
            [&](std::size_t t, std::size_t k, Floats, Floats rise) {
              return rise * (load_floats(space.told + k) * space.w[t] + space.to_after[t]);
            });
    return loss;
  }
  const auto share_told = [&](std::size_t t, std::size_t k) {
    return exp_of(log_share(job, t, k) - load_floats(space.log_first + k)) * load_floats(space.to_first + k);
  };
  for (std::size_t t = 0; t < num_steps; ++t) {
    ClassSum sum;
    for (std::size_t k = 0; k < padded; k += kLanes) sum.add(k, where_there(job, k, share_told(t, k)));
    space.at_step[t] = sum.total();
  }
  go_back(job, to_potentials, to_thresholds, to_scale,
          [&](std::size_t t, std::size_t k, Floats z, Floats rise) {
            const Floats h = load_floats(space.hazards + space.run_of[t] * classes + k);
            const Floats own = share_told(t, k) * select(z < kFar, all(1.0F), rise / h);
            return own * job.inverse_scale + rise * space.to_after[t];
          });
  return loss;
}

}  // namespace

extern const LossKernels loss_kernels;
const LossKernels loss_kernels{&first_to_fire};

}  // namespace BSTDG_ISA
}  // namespace bstdg
