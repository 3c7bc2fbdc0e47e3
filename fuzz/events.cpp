// A libFuzzer target: whatever bytes come in as events, times or steps, the native code answers with a result
// in range or with std::invalid_argument, and touches no memory that is not its own.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "events/binning.hpp"
#include "inference/full.hpp"
#include "inference/network.hpp"
#include "training/training.hpp"

namespace {

// Takes numbers from the front of the input; zeros when there is no more.
class Reader {
 public:
  Reader(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  template <typename T>
  T take() {
    T value{};
    const std::size_t count = sizeof value < size_ ? sizeof value : size_;
    std::memcpy(&value, data_, count);
    data_ += count;
    size_ -= count;
    return value;
  }

  template <typename T>
  std::vector<T> take_many(std::size_t count) {
    std::vector<T> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(take<T>());
    return values;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

template <typename T>
bstdg::Span<T> span(const std::vector<T>& values) {
  return {values.data(), values.size()};
}

void run_network(const bstdg::EventRows& events, const std::vector<std::uint8_t>& bytes,
                 std::int64_t num_steps, bool early_exit) {
  constexpr std::int64_t kChannels = 70, kHidden = 65, kClasses = 3;
  std::vector<std::int8_t> below(kChannels * kHidden), above(kHidden * kClasses);
  for (std::size_t i = 0; i < below.size(); ++i) below[i] = i % 3 == 0 ? -1 : 1;
  for (std::size_t i = 0; i < above.size(); ++i) above[i] = i % 2 == 0 ? -1 : 1;
  const std::vector<std::int64_t> hidden(kHidden, 2), output(kClasses, 3);
  const bstdg::FullLayer first(kChannels, kHidden, below.data(), hidden.data()),
      last(kHidden, kClasses, above.data(), output.data());
  const bstdg::Network network({&first, &last}, num_steps);
  const std::size_t batch = events.offsets.size == 0 ? 0 : events.offsets.size - 1;
  std::vector<std::int64_t> label(batch + 1, -1);
  std::vector<std::uint8_t> step(batch + 1, 255);
  bstdg::Results results;
  results.label = label.data();
  results.step = step.data();
  const auto check = [&](std::size_t count) {
    for (std::size_t n = 0; n < count; ++n) {
      require(label[n] >= 0 && label[n] < kClasses && step[n] < num_steps);
    }
  };
  try {
    network.run(events, results, early_exit, 1);
    check(batch);
  } catch (const std::invalid_argument&) {
  }
  std::vector<std::uint8_t> step_of(256, bstdg::kNotAllowed);
  for (std::size_t t = 0; t <= static_cast<std::size_t>(num_steps); ++t)
    step_of[t] = static_cast<std::uint8_t>(t);
  const std::size_t rows = bytes.size() / kChannels;
  label.resize(rows + 1);
  step.resize(rows + 1);
  results.label = label.data();
  results.step = step.data();
  try {
    network.run(bstdg::ByteRows{bytes.data(), rows, step_of.data()}, results, early_exit, 1);
    check(rows);
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader reader(data, size);
  const auto num_steps = static_cast<std::int64_t>(reader.take<std::int16_t>());
  const auto channels = static_cast<std::int64_t>(reader.take<std::uint8_t>());
  const std::size_t samples = reader.take<std::uint8_t>() % 8, count = reader.take<std::uint8_t>();
  const std::uint8_t options = reader.take<std::uint8_t>();
  std::vector<std::int64_t> offsets{0};
  for (std::size_t n = 0; n < samples; ++n) offsets.push_back(reader.take<std::int16_t>());
  if ((options & 1) != 0) offsets.back() = static_cast<std::int64_t>(count);
  std::vector<std::uint16_t> names;
  for (std::size_t e = 0; e < count; ++e) names.push_back(reader.take<std::uint8_t>());
  const auto steps = reader.take_many<std::uint8_t>(count);
  const bstdg::EventRows rows{span(offsets), span(names), span(steps)};
  try {
    const bstdg::SpikeRows sorted(rows, channels, num_steps);
    std::vector<float> weights(sorted.channels() * 5, 0.5F), out(sorted.batch() * sorted.num_steps() * 5);
    bstdg::potentials(sorted, {weights.data(), 5}, out.data(), 1);
    for (const float potential : out) {
      require(std::fabs(potential) <= static_cast<float>(count));
    }
  } catch (const std::invalid_argument&) {
  }
  if (num_steps >= 1 && num_steps <= bstdg::kMaxSteps)
    run_network(rows, steps, num_steps, (options & 2) != 0);
  const bstdg::Clock clock{num_steps, reader.take<double>(), reader.take<double>()};
  const auto times = reader.take_many<double>(count);
  try {
    const auto keep = static_cast<bstdg::Keep>((options >> 2) % 3);
    const bstdg::BinnedEvents binned =
        bin_events({span(offsets), span(names), span(times)}, channels, clock, keep);
    require(binned.channels.size() == binned.steps.size() && binned.channels.size() <= count);
    for (std::size_t e = 0; e < binned.steps.size(); ++e) {
      require(binned.steps[e] < num_steps && binned.channels[e] < channels);
    }
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
