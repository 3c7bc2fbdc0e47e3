"""Where thresholds start: from data, so that no layer begins silent or saturated."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bstdg.engine import dense, real
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.rule import Spikes


@torch.no_grad()
def calibrate(layer: BinaryLinear, below: Spikes, share: float) -> None:
    """Set the thresholds of `layer` so that a neuron fires for about `share` of the samples in `below`.

    Each neuron gets the integer threshold whose firing share comes nearest, from its own greatest potentials; with
    one threshold a layer it is the layer's share that counts. Thresholds are at least 1, so that a neuron
    which nothing excites waits. A threshold c is stored as c - 1/2, the middle of the values that are deployed as c.
    """
    peaks = peak_potentials(layer, below)  # (B, O)
    if layer.threshold_mode == "layer":
        peaks = peaks.reshape(-1, 1)
    units = real.GRID if layer.engine == real.NAME else 1  # potentials are whole numbers of 1/units
    layer.threshold.copy_((nearest_threshold(peaks * units, share) - 0.5) / units)


def peak_potentials(layer: BinaryLinear, below: Spikes) -> Tensor:
    """Greatest potential of every neuron over all steps, `[batch, neurons]`."""
    weights = real.weights(layer.synapses) if layer.engine == real.NAME else dense.signs(layer.synapses)
    rows = weights.t().contiguous()
    potential = weights.new_zeros(below.source.batch, len(weights))
    peak = torch.full_like(potential, -math.inf)
    for step in range(below.num_steps):
        arrived = below.source.into(step, rows)
        if arrived is not None:
            potential.add_(arrived)
        peak = torch.maximum(peak, potential)
    return peak


def nearest_threshold(peaks: Tensor, share: float) -> Tensor:
    """The integer c for which the share of samples with peak >= c is nearest to `share`, for each column.

    Args:
        peaks: integers `[samples, columns]` in a floating-point tensor.
        share: wanted share, between 0 and 1.
    """
    samples = len(peaks)
    rank = min(samples, max(1, round(share * samples)))
    falling = peaks.sort(dim=0, descending=True).values
    low = falling[rank - 1]  # at least `rank` samples reach this …
    high = low + 1.0  # … and fewer than `rank` reach the next integer
    share_low = (peaks >= low).double().mean(0)
    share_high = (peaks >= high).double().mean(0)
    take_high = (share_high > 0) & ((share_high - share).abs() < (share_low - share).abs())
    # A neuron that nothing excites peaks at 0; at threshold 1 it waits instead of firing at once.
    return torch.where(take_high, high, low).clamp(min=1.0)
