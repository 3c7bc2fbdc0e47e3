#include "inference/network.hpp"

#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "base/refuse.hpp"
#include "dispatch.hpp"
#include "events/timeline_memory.hpp"
#include "inference/run_kernels.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 32;  // samples a thread takes at a time

void check(const Layer& layer, std::int64_t channels, const std::string& name) {
  if (layer.channels() != channels) {
    refuse(name + " reads " + std::to_string(layer.channels()) + " channels, but " +
           std::to_string(channels) + " come in");
  }
  if (layer.neurons() < 1 || layer.neurons() > kMaxChannels) {
    refuse(name + " must have 1 to " + std::to_string(kMaxChannels) + " neurons, not " +
           std::to_string(layer.neurons()));
  }
  const std::string why = layer.refusal();
  if (!why.empty()) refuse(name + " " + why);
}

std::uint8_t greatest(const std::uint8_t* bytes, std::size_t count) {
  std::uint8_t found = 0;
  for (std::size_t i = 0; i < count; ++i) found = bytes[i] > found ? bytes[i] : found;
  return found;
}

// One thread's working memory.
struct StateMemory {
  std::vector<std::shared_ptr<void>> own;
  std::vector<Buffer<std::uint16_t>> fired;
  std::vector<LayerState> hidden;
  Buffer<std::int32_t> potential;
  TimelineMemory timeline;
  State view{};

  StateMemory(const Plan& plan, const std::vector<SpikingLayout>& layouts)
      : potential(plan.output.padded), timeline(plan.channels) {
    for (const SpikingLayout& layout : layouts) {
      own.push_back(layout.new_state());
      fired.emplace_back(layout.view.neurons + kSlack);
      hidden.push_back({own.back().get(), nullptr, fired.back().get(), 0});
    }
    view = {hidden.data(), potential.get()};
  }
};

}  // namespace

struct Network::Parts {
  std::vector<SpikingLayout> layouts;
  std::vector<SpikingLayer> hidden;
  OutputLayout output;
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
    return std::make_unique<StateMemory>(plan, layouts);
  }

  void give_back(std::unique_ptr<StateMemory> state) const {
    const std::lock_guard<std::mutex> lock(guard);
    idle.push_back(std::move(state));
  }

  template <typename MakeTimeline>
  void run(std::size_t batch, const Results& results, bool early_exit, int threads,
           const MakeTimeline& make) const;
};

Network::Network(const std::vector<const Layer*>& layers, std::int64_t num_steps)
    : parts_(std::make_unique<Parts>()) {
  if (num_steps < 1 || num_steps > kMaxSteps) {
    refuse("num_steps must be in 1 to " + std::to_string(kMaxSteps) + ", not " + std::to_string(num_steps));
  }
  if (layers.empty()) refuse("a network needs at least one layer");
  std::int64_t channels = layers.front()->channels();
  Names heard;  // the input's channels go by their numbers
  if (channels < 1 || channels > kMaxChannels) {
    refuse("a network reads 1 to " + std::to_string(kMaxChannels) + " channels, not " +
           std::to_string(channels));
  }
  Parts& parts = *parts_;
  parts.kernels = &chosen_kernels();
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const Layer& layer = *layers[l];
    check(layer, channels, "layer " + std::to_string(l));
    channels = layer.neurons();
    if (l + 1 == layers.size()) {
      parts.output = layer.output(*parts.kernels, heard);
    } else {
      parts.layouts.push_back(layer.spiking(*parts.kernels, heard));
      const SpikingLayout& layout = parts.layouts.back();
      heard = layout.names;
      parts.hidden.push_back(layout.view);
      parts.hidden.back().names = heard.empty() ? nullptr : layout.names.data();
    }
  }
  parts.plan = {static_cast<std::uint32_t>(num_steps), static_cast<std::uint32_t>(layers.front()->channels()),
                static_cast<std::uint32_t>(parts.hidden.size()), parts.hidden.data(), parts.output.view};
}

Network::~Network() = default;

std::int64_t Network::num_steps() const { return parts_->plan.num_steps; }
std::int64_t Network::channels() const { return parts_->plan.channels; }
std::int64_t Network::classes() const { return parts_->plan.output.classes; }

std::size_t Network::num_hidden() const { return parts_->hidden.size(); }

std::vector<std::int64_t> Network::hidden() const {
  std::vector<std::int64_t> neurons;
  for (const SpikingLayer& layer : parts_->hidden) neurons.push_back(layer.neurons);
  return neurons;
}

// Runs every sample by the timeline that `make` fills from its number.
template <typename MakeTimeline>
void Network::Parts::run(std::size_t batch, const Results& results, bool early_exit, int threads,
                         const MakeTimeline& make) const {
  if (early_exit && (!results.hidden_steps.empty() || results.potentials != nullptr)) {
    refuse("a run that stops at the decision has no steps or potentials after it");
  }
  const std::size_t classes = plan.output.classes, layers = plan.num_hidden, steps = plan.num_steps;
  const bool traced = !results.hidden_steps.empty();
  for_pieces(batch, kPiece, threads, [&](std::size_t begin, std::size_t end) {
    auto state = take_state();
    std::vector<std::uint8_t*> hidden_steps(traced ? layers : 0);
    const auto at = [](auto* base, std::size_t offset) { return base == nullptr ? nullptr : base + offset; };
    Timeline time;
    for (std::size_t n = begin; n < end; ++n) {
      for (std::size_t l = 0; l < hidden_steps.size(); ++l) {
        hidden_steps[l] = results.hidden_steps[l] + n * hidden[l].neurons;
        std::memset(hidden_steps[l], static_cast<int>(steps), hidden[l].neurons);
      }
      make(n, state->timeline.space(), time);
      kernels->run.run_sample(
          plan, state->view, time, early_exit,
          SampleResults{at(results.label, n), at(results.step, n), at(results.silent, n), at(results.tie, n),
                        at(results.candidates, n * classes), at(results.input_spikes, n),
                        at(results.hidden_spikes, n * layers), traced ? hidden_steps.data() : nullptr,
                        at(results.potentials, n * steps * classes)});
    }
    give_back(std::move(state));
  });
}

void Network::run(const ByteRows& input, const Results& results, bool early_exit, int threads) const {
  const Plan& plan = parts_->plan;
  const TimelineKernels& kernels = parts_->kernels->timeline;
  parts_->run(input.batch, results, early_exit, threads,
              [&](std::size_t n, const TimelineSpace& space, Timeline& time) {
                const std::uint8_t* bytes = input.bytes + n * plan.channels;
                const std::size_t table = input.by_greatest ? greatest(bytes, plan.channels) : 0;
                const std::uint8_t* step_of = input.step_of + 256 * table;
                if (!kernels.of_bytes({bytes, step_of, plan.channels, plan.num_steps}, space, time)) {
                  refuse("sample " + std::to_string(n) + " holds a value out of range");
                }
              });
}

void Network::run(const EventRows& input, const Results& results, bool early_exit, int threads) const {
  const Plan& plan = parts_->plan;
  check_ends(input);
  parts_->run(input.offsets.size - 1, results, early_exit, threads,
              [&](std::size_t n, const TimelineSpace&, Timeline& time) {
                timeline_of(checked_sample(input, n, plan.channels, plan.num_steps), time);
              });
}

}  // namespace bstdg
