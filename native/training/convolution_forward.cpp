// The forward pass of a convolution; see convolution.hpp.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.hpp"
#include "dispatch.hpp"
#include "training/convolution_layout.hpp"

namespace bstdg {
namespace {

constexpr std::size_t kPiece = 8;  // samples a thread takes at a time

// For samples of more events than 16 bits count.
void crossing_long(const SampleEvents& events, const Layout& layout, const float* latent,
                   const float* thresholds, bool one_threshold, std::size_t num_steps, const Crossings& out) {
  const Convolution& shape = layout.convolution();
  std::vector<std::int64_t> sums(shape.neurons());
  std::vector<float> best(shape.neurons(), -INFINITY);
  const auto threshold = [&](std::size_t j) { return thresholds[one_threshold ? 0 : j / shape.places()]; };
  std::size_t at = 0;
  for (std::size_t t = 0; t < num_steps; ++t) {
    const std::size_t before = at;
    for (; at < events.count && events.steps[at] == t; ++at) {
      for_synapses(shape, layout.pixel(events.channels[at]),
                   [&](std::size_t j, std::size_t w) { sums[j] += latent[w] >= 0.0F ? 1 : -1; });
    }
    if (t > 0 && at == before) continue;
    for (std::size_t j = 0; j < sums.size(); ++j) {
      const auto potential = static_cast<float>(sums[j]);
      if (potential > best[j] && best[j] < threshold(j)) {
        best[j] = potential;
        out.reach[j] = static_cast<std::uint8_t>(t);
      }
    }
  }
  for (std::size_t j = 0; j < sums.size(); ++j) {
    out.margin[j] = best[j] - threshold(j);
    out.steps[j] = best[j] < threshold(j) ? static_cast<std::uint8_t>(num_steps) : out.reach[j];
  }
}

}  // namespace

void crossing(const SpikeRows& spikes, const Convolution& convolution, const float* latent,
              const float* thresholds, bool one_threshold, const Crossings& out, int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons(), places = convolution.places(), padded = layout.padded();
  const std::size_t wide = convolution.columns.places, row = rounded_up(wide * padded, kRowTile);
  const Buffer<std::int8_t> signs = layout.signs(latent);
  const auto threshold = [&](std::size_t k) { return thresholds[one_threshold ? 0 : k]; };
  const Buffer<std::int16_t> bars(row);
  const Buffer<std::int16_t> neuron_bars(neurons);
  const Buffer<float> neuron_thresholds(neurons);
  for (std::size_t k = 0; k < convolution.maps; ++k) {
    // As for layers without shared weights: beyond 16 bits a threshold is as good as the last.
    const float bar = std::ceil(threshold(k));
    const auto whole = static_cast<std::int16_t>(bar > 32767.0F    ? 32767.0F
                                                 : bar > -32767.0F ? bar
                                                                   : -32767.0F);
    for (std::size_t x = 0; x < wide; ++x) bars[x * padded + k] = whole;
    std::fill_n(neuron_bars.get() + k * places, places, whole);
    std::fill_n(neuron_thresholds.get() + k * places, places, threshold(k));
  }
  const Kernels& kernels = chosen_kernels();
  const auto num_steps = static_cast<std::uint32_t>(spikes.num_steps());
  const std::size_t framed = layout.wide().places() * padded + layout.run();
  for_pieces(spikes.batch(), kPiece, threads, [&](std::size_t begin, std::size_t end) {
    EventMemory memory;
    const Buffer<std::uint8_t> even(framed), odd(framed);
    const Buffer<std::int16_t> sums(row), row_best(row), row_at(row), best(layout.lanes()),
        at(layout.lanes());
    const Buffer<std::int16_t> most(neurons), when(neurons);
    for (std::size_t n = begin; n < end; ++n) {
      const SampleEvents events = spikes.sample(n);
      const Crossings mine{out.steps + n * neurons, out.reach + n * neurons, out.margin + n * neurons};
      if (events.count > kMostShortEvents) {
        crossing_long(events, layout, latent, thresholds, one_threshold, num_steps, mine);
        continue;
      }
      kernels.convolution.crossing({convolution.rows.side,
                                    convolution.rows.places,
                                    convolution.rows.kernel,
                                    convolution.rows.stride,
                                    convolution.rows.padding,
                                    memory.by_row(layout, events, num_steps),
                                    num_steps,
                                    signs.get(),
                                    layout.kernel_row(),
                                    layout.run(),
                                    wide * padded,
                                    layout.wide().before * padded,
                                    bars.get(),
                                    {even.get(), odd.get()},
                                    sums.get(),
                                    row_best.get(),
                                    row_at.get(),
                                    best.get(),
                                    at.get()});
      kernels.transpose.turn_shorts(best.get(), places, convolution.maps, padded, most.get(), places);
      kernels.transpose.turn_shorts(at.get(), places, convolution.maps, padded, when.get(), places);
      kernels.convolution.judge({most.get(), when.get(), neuron_bars.get(), neuron_thresholds.get(), neurons,
                                 static_cast<std::uint8_t>(num_steps), mine.steps, mine.reach, mine.margin});
    }
  });
}

void potentials(const SpikeRows& spikes, const Convolution& convolution, const float* latent, float* out,
                int threads) {
  check_inputs(spikes, convolution);
  const Layout layout(convolution);
  const std::size_t neurons = convolution.neurons(), num_steps = spikes.num_steps();
  for_pieces(spikes.batch(), kPiece, threads, [&](std::size_t begin, std::size_t end) {
    std::vector<std::int32_t> sums(neurons);
    for (std::size_t n = begin; n < end; ++n) {
      const SampleEvents events = spikes.sample(n);
      std::fill(sums.begin(), sums.end(), 0);
      std::size_t at = 0;
      for (std::size_t t = 0; t < num_steps; ++t) {
        for (; at < events.count && events.steps[at] == t; ++at) {
          for_synapses(convolution, layout.pixel(events.channels[at]),
                       [&](std::size_t j, std::size_t w) { sums[j] += latent[w] >= 0.0F ? 1 : -1; });
        }
        float* row = out + (n * num_steps + t) * neurons;
        for (std::size_t j = 0; j < neurons; ++j) row[j] = static_cast<float>(sums[j]);
      }
    }
  });
}

}  // namespace bstdg
