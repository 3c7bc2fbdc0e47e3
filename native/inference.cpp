#include "inference.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "buffer.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 32;  // samples a thread takes at a time

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

std::uint32_t rounded_up(std::int64_t value, std::int64_t multiple) {
  return static_cast<std::uint32_t>((value + multiple - 1) / multiple * multiple);
}

void check(const LayerBits& layer, std::int64_t channels, std::size_t index) {
  const std::string name = "layer " + std::to_string(index);
  if (layer.channels != channels) {
    refuse(name + " reads " + std::to_string(layer.channels) + " channels, but " + std::to_string(channels) +
           " come in");
  }
  if (layer.neurons < 1 || layer.neurons > kMaxChannels) {
    refuse(name + " must have 1 to " + std::to_string(kMaxChannels) + " neurons, not " +
           std::to_string(layer.neurons));
  }
  for (std::int64_t i = 0; i < layer.neurons * layer.channels; ++i) {
    if (layer.signs[i] != 1 && layer.signs[i] != -1) refuse(name + " has a weight that is neither -1 nor +1");
  }
  for (std::int64_t j = 0; j < layer.neurons; ++j) {
    if (layer.thresholds[j] >= std::int64_t{1} << 31 || layer.thresholds[j] < -(std::int64_t{1} << 31)) {
      refuse(name + " has a threshold that does not fit 32 bits");
    }
  }
}

// Words of one bit a neuron: whole blocks, and the narrowest vector that holds the rest.
std::size_t row_words(std::size_t neurons) {
  const std::size_t whole = neurons / 64 / kBlockWords * kBlockWords;
  std::size_t rest = neurons > whole * 64 ? 2 : 0;
  while ((whole + rest) * 64 < neurons) rest *= 2;
  return whole + rest;
}

// Owns what a HiddenLayer points to.
struct HiddenMemory {
  Buffer<std::uint64_t> rows, start, padding;
  HiddenLayer view{};

  explicit HiddenMemory(const LayerBits& layer) {
    const auto channels = static_cast<std::size_t>(layer.channels),
               neurons = static_cast<std::size_t>(layer.neurons);
    const std::size_t words = row_words(neurons);
    rows = Buffer<std::uint64_t>((channels + 1) * words);
    for (std::size_t j = 0; j < neurons; ++j) {
      const std::size_t block = j / 64 / kBlockWords * kBlockWords;  // its first word
      const std::size_t width = std::min<std::size_t>(kBlockWords, words - block);
      std::uint64_t* column = rows.get() + block * (channels + 1) + (j / 64 - block);
      for (std::size_t i = 0; i < channels; ++i) {
        if (layer.signs[j * channels + i] > 0) column[i * width] |= std::uint64_t{1} << j % 64;
      }
    }
    const auto [least, greatest] = std::minmax_element(layer.thresholds, layer.thresholds + neurons);
    const std::int64_t range = *greatest - *least;
    std::uint32_t planes = 1;
    while (range >> planes != 0) ++planes;
    start = Buffer<std::uint64_t>(planes * words);
    padding = Buffer<std::uint64_t>(words);
    for (std::size_t j = 0; j < words * 64; ++j) {
      const std::uint64_t bit = std::uint64_t{1} << j % 64;
      if (j >= neurons) {
        padding[j / 64] |= bit;
        continue;
      }
      const std::int64_t offset = *greatest - layer.thresholds[j];
      for (std::uint32_t p = 0; p < planes; ++p) {
        if (offset >> p & 1) start[p * words + j / 64] |= bit;
      }
    }
    view = {static_cast<std::uint32_t>(channels),
            static_cast<std::uint32_t>(neurons),
            static_cast<std::uint32_t>(words),
            rows.get(),
            start.get(),
            planes,
            padding.get(),
            *greatest,
            range};
  }
};

struct OutputMemory {
  Buffer<std::int8_t> rows;
  Buffer<std::int32_t> thresholds;
  OutputLayer view{};

  OutputMemory() = default;
  explicit OutputMemory(const LayerBits& layer) {
    const auto channels = static_cast<std::size_t>(layer.channels),
               classes = static_cast<std::size_t>(layer.neurons);
    const std::size_t padded = rounded_up(layer.neurons, 16);
    rows = Buffer<std::int8_t>((channels + 1) * padded);
    thresholds = Buffer<std::int32_t>(padded);
    for (std::size_t k = 0; k < padded; ++k) {
      thresholds[k] = k < classes ? static_cast<std::int32_t>(layer.thresholds[k])
                                  : std::numeric_limits<std::int32_t>::max();
      for (std::size_t i = 0; k < classes && i < channels; ++i)
        rows[i * padded + k] = layer.signs[k * channels + i];
    }
    view = {static_cast<std::uint32_t>(channels), static_cast<std::uint32_t>(classes),
            static_cast<std::uint32_t>(padded), rows.get(), thresholds.get()};
  }
};

// One thread's working memory.
struct StateMemory {
  std::vector<Buffer<std::uint64_t>> words;
  std::vector<Buffer<std::uint16_t>> fired;
  std::vector<LayerState> hidden;
  Buffer<std::int32_t> potential;
  Buffer<std::uint16_t> events, found;
  Buffer<std::uint8_t> found_steps;
  State view{};

  explicit StateMemory(const Plan& plan)
      : potential(plan.output.padded),
        events(plan.channels + kSlack),
        found(plan.channels + kSlack),
        found_steps(plan.channels + kSlack) {
    for (std::uint32_t l = 0; l < plan.num_hidden; ++l) {
      const HiddenLayer& layer = plan.hidden[l];
      words.emplace_back(std::size_t{kMaxPlanes} * layer.row_words);
      words.emplace_back(layer.row_words);
      fired.emplace_back(layer.neurons + kSlack);
      hidden.push_back({words[words.size() - 2].get(), words.back().get(), fired.back().get(), 0, 0, 0});
    }
    view = {hidden.data(), potential.get(), events.get(), found.get(), found_steps.get()};
  }
};

}  // namespace

struct Network::Parts {
  std::vector<HiddenMemory> hidden;
  std::vector<HiddenLayer> hidden_views;
  OutputMemory output;
  Plan plan{};
  const Kernels* kernels = nullptr;
  // States come back here after use, so that a single image needs no new memory.
  mutable std::mutex guard;
  mutable std::vector<std::unique_ptr<StateMemory>> idle;

  std::unique_ptr<StateMemory> take_state() const {
    {
      const std::lock_guard<std::mutex> lock(guard);
      if (!idle.empty()) {
        auto state = std::move(idle.back());
        idle.pop_back();
        return state;
      }
    }
    return std::make_unique<StateMemory>(plan);
  }

  void give_back(std::unique_ptr<StateMemory> state) const {
    const std::lock_guard<std::mutex> lock(guard);
    idle.push_back(std::move(state));
  }

  template <typename RunSample>
  void run(std::size_t batch, const Results& results, bool early_exit, int threads,
           const RunSample& run_sample) const;
};

Network::Network(const std::vector<LayerBits>& layers, std::int64_t num_steps)
    : parts_(std::make_unique<Parts>()) {
  if (num_steps < 1 || num_steps > kMaxSteps) {
    refuse("num_steps must be in 1 to " + std::to_string(kMaxSteps) + ", not " + std::to_string(num_steps));
  }
  if (layers.empty()) refuse("a network needs at least one layer");
  std::int64_t channels = layers.front().channels;
  if (channels < 1 || channels > kMaxChannels) {
    refuse("a network reads 1 to " + std::to_string(kMaxChannels) + " channels, not " +
           std::to_string(channels));
  }
  for (std::size_t l = 0; l < layers.size(); ++l) {
    check(layers[l], channels, l);
    channels = layers[l].neurons;
    if (l + 1 < layers.size()) parts_->hidden.emplace_back(layers[l]);
  }
  for (const HiddenMemory& layer : parts_->hidden) parts_->hidden_views.push_back(layer.view);
  parts_->output = OutputMemory(layers.back());
  parts_->plan = {static_cast<std::uint32_t>(num_steps), static_cast<std::uint32_t>(layers.front().channels),
                  static_cast<std::uint32_t>(parts_->hidden.size()), parts_->hidden_views.data(),
                  parts_->output.view};
  parts_->kernels = &chosen_kernels();
}

Network::~Network() = default;

std::int64_t Network::num_steps() const { return parts_->plan.num_steps; }
std::int64_t Network::channels() const { return parts_->plan.channels; }
std::int64_t Network::classes() const { return parts_->plan.output.classes; }

std::vector<std::int64_t> Network::hidden() const {
  std::vector<std::int64_t> neurons;
  for (const HiddenLayer& layer : parts_->hidden_views) neurons.push_back(layer.neurons);
  return neurons;
}

template <typename RunSample>
void Network::Parts::run(std::size_t batch, const Results& results, bool early_exit, int threads,
                         const RunSample& run_sample) const {
  if (early_exit && (!results.hidden_steps.empty() || results.potentials != nullptr)) {
    refuse("a run that stops at the decision has no steps or potentials after it");
  }
  const std::size_t classes = plan.output.classes, layers = plan.num_hidden, steps = plan.num_steps;
  const bool traced = !results.hidden_steps.empty();
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    auto state = take_state();
    std::vector<std::uint8_t*> hidden_steps(traced ? layers : 0);
    const auto at = [](auto* base, std::size_t offset) { return base == nullptr ? nullptr : base + offset; };
    for (std::size_t n = begin; n < end; ++n) {
      for (std::size_t l = 0; l < hidden_steps.size(); ++l) {
        hidden_steps[l] = results.hidden_steps[l] + n * plan.hidden[l].neurons;
        std::memset(hidden_steps[l], static_cast<int>(steps), plan.hidden[l].neurons);
      }
      run_sample(
          n, state->view,
          SampleResults{at(results.label, n), at(results.step, n), at(results.silent, n), at(results.tie, n),
                        at(results.candidates, n * classes), at(results.input_spikes, n),
                        at(results.hidden_spikes, n * layers), traced ? hidden_steps.data() : nullptr,
                        at(results.potentials, n * steps * classes)});
    }
    give_back(std::move(state));
  });
}

void Network::run(const ByteRows& input, const Results& results, bool early_exit, int threads) const {
  const Parts& parts = *parts_;
  parts.run(input.batch, results, early_exit, threads,
            [&](std::size_t n, State& state, const SampleResults& sample) {
              const std::uint8_t* bytes = input.bytes + n * parts.plan.channels;
              if (!parts.kernels->run_bytes(parts.plan, state, bytes, input.step_of, early_exit, sample)) {
                refuse("sample " + std::to_string(n) + " holds a value out of range");
              }
            });
}

void Network::run(const EventRows& input, const Results& results, bool early_exit, int threads) const {
  const Parts& parts = *parts_;
  const auto count = static_cast<std::int64_t>(input.channels.size);
  if (input.steps.size != input.channels.size) refuse("channels and steps must be equal in length");
  if (input.offsets.size < 1 || input.offsets.data[0] != 0 ||
      input.offsets.data[input.offsets.size - 1] != count) {
    refuse("offsets must rise from 0 to the number of events");
  }
  parts.run(
      input.offsets.size - 1, results, early_exit, threads,
      [&](std::size_t n, State& state, const SampleResults& sample) {
        const std::int64_t begin = input.offsets.data[n], end = input.offsets.data[n + 1];
        if (begin < 0 || end < begin || end > count)
          refuse("offsets must rise from 0 to the number of events");
        if (end - begin > kMaxEvents)
          refuse("sample " + std::to_string(n) + " has more events than 32 bits count");
        for (std::int64_t e = begin; e < end; ++e) {
          if (input.channels.data[e] >= parts.plan.channels || input.steps.data[e] >= parts.plan.num_steps) {
            refuse("event " + std::to_string(e) + " is out of range");
          }
          if (e > begin && input.steps.data[e] < input.steps.data[e - 1]) {
            refuse("events must be sorted by step within each sample; event " + std::to_string(e) +
                   " is not");
          }
        }
        const SampleEvents events{input.channels.data + begin, input.steps.data + begin,
                                  static_cast<std::size_t>(end - begin)};
        parts.kernels->run_events(parts.plan, state, events, early_exit, sample);
      });
}

}  // namespace bstdg
