"""Where thresholds start: from data, so that no layer begins silent or saturated."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bstdg.errors import InputError
from bstdg.learning.rule import Spikes


def thresholds_for(weights: Tensor, below: Spikes, share: float, *, one_a_layer: bool, units: int = 1) -> Tensor:
    """Thresholds under which a neuron fires for about `share` of the samples in `below`, `[neurons]` or `[1]`.

    Each neuron gets the integer threshold whose firing share comes nearest, from its own greatest potentials; with
    one threshold a layer it is the layer's share that counts. Thresholds are at least 1, so that a neuron
    which nothing excites waits. A threshold c is given as c - 1/2, the middle of the values that are deployed as c.

    Args:
        weights: as they are in the forward pass, `[neurons, channels]`.
        below: what the layer reads.
        share: wanted share, between 0 and 1.
        one_a_layer: one threshold for all neurons.
        units: potentials are whole numbers of 1/units.

    Raises:
        InputError: there are no samples, a step is beyond T, or the share is out of range.
    """
    if below.source.batch == 0:
        raise InputError("thresholds start from samples, and there are none: calibrate with a batch of one or more")
    if not 0 < share < 1:
        raise InputError(f"the share of samples for which a neuron fires must be between 0 and 1, not {share}")
    below.source.check()
    peaks = peak_potentials(weights, below)  # (B, O)
    if one_a_layer:
        peaks = peaks.reshape(-1, 1)
    return (nearest_threshold(peaks * units, share) - 0.5) / units


def peak_potentials(weights: Tensor, below: Spikes) -> Tensor:
    """Greatest potential of every neuron over all steps, `[batch, neurons]`, from weights `[neurons, channels]`."""
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
