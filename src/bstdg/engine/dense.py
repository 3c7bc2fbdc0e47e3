"""The torch engine: one dense product a step, on any device, holding nothing that grows with the number of steps.

Forward it equals the oracle bit for bit: events are counted in 0, 1, 2 … and weights are -1/+1, so every potential is
an integer that float32 holds exactly (below 2^24 events a sample). The steps are streamed: what a layer keeps of time
is one step and one margin a neuron.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg.engine.base import Trace
from bstdg.engine.base import knows_full_layers_alone as refuses
from bstdg.errors import InputError
from bstdg.layers import FullLayer, Layer
from bstdg.spikes.events import Events, never
from bstdg.spikes.source import EventSource, Source, StepSource

NAME = "dense"


def signs(latent: Tensor) -> Tensor:
    """b = +1 where the latent weight w >= 0, else -1, in the dtype of w, float32 where that is less precise."""
    # Potentials are sums in this dtype, and must be exact: bfloat16 rounds integers from 257 on.
    exact = torch.promote_types(latent.dtype, torch.float32)
    return (latent >= 0).to(exact).mul_(2).sub_(1)


Weights = Callable[[Tensor], Tensor]  # what a latent weight is in the forward pass


def crossing(
    source: Source, latent: Tensor, threshold: Tensor, *, weights_of: Weights = signs
) -> tuple[Tensor, Tensor, Tensor]:
    """Spike steps s_j (uint8), judged steps e_j (uint8) and margins m_j, all `[batch, neurons]`.

    One rule serves fired and silent neurons: e_j follows the greatest potential so far until that is at or above
    threshold. The first crossing exceeds every earlier potential, so the step it stops at is the spike step.
    """
    weights = weights_of(latent)
    potential = weights.new_zeros(source.batch, len(weights))
    best = torch.full_like(potential, -math.inf)
    reach = torch.zeros_like(potential, dtype=torch.uint8)
    rows = weights.t().contiguous()
    for step in range(source.num_steps):
        arrived = source.into(step, rows)
        if arrived is not None:
            potential.add_(arrived)
        elif step > 0:
            continue  # nothing arrived, so no potential rose
        rose = (potential > best).logical_and_(best < threshold)
        best = torch.where(rose, potential, best)
        reach.masked_fill_(rose, step)
    steps = reach.masked_fill(best < threshold, source.num_steps)
    return steps, reach, best.sub_(threshold)


def potentials(source: Source, latent: Tensor, *, weights_of: Weights = signs) -> Tensor:
    """V_k(t) at every step, `[batch, T, neurons]`; meant for the few neurons of an output layer."""
    weights = weights_of(latent)
    potential = weights.new_zeros(source.batch, len(weights))
    every = weights.new_empty(source.batch, source.num_steps, len(weights))
    rows = weights.t().contiguous()
    for step in range(source.num_steps):
        arrived = source.into(step, rows)
        if arrived is not None:
            potential.add_(arrived)
        every[:, step] = potential
    return every


def impulse_gradient(source: Source, latent: Tensor, reach: Tensor, local: Tensor, decay: float) -> Tensor:
    """dL/dw where neuron j is judged by one impulse: `local` d_j at step `reach` e_j, both `[batch, neurons]`."""
    return _weight_gradient(source, latent, lambda step: torch.where(reach == step, local, 0.0), decay)


def impulse_credit(
    below: Tensor, latent: Tensor, reach: Tensor, local: Tensor, num_steps: int, *, weights_of: Weights = signs
) -> Tensor:
    """What presynaptic neurons, judged at `below` e_i, are told: the sum of b_ij d_j [e_i <= e_j]."""
    weights = weights_of(latent)
    return _presynaptic_credit(below, weights, lambda step: torch.where(reach == step, local, 0.0), num_steps)


def potential_gradient(source: Source, latent: Tensor, gradient: Tensor, decay: float) -> Tensor:
    """dL/dw from `gradient` dL/dV_k(t) `[batch, T, neurons]`."""
    return _weight_gradient(source, latent, lambda step: gradient[:, step], decay)


def potential_credit(below: Tensor, latent: Tensor, gradient: Tensor, *, weights_of: Weights = signs) -> Tensor:
    """What presynaptic neurons are told from dL/dV_k(t): the sum of b_ik over all t >= e_i."""
    return _presynaptic_credit(below, weights_of(latent), lambda step: gradient[:, step], gradient.shape[1])


def _weight_gradient(source: Source, latent: Tensor, gradient_at: Callable[[int], Tensor], decay: float) -> Tensor:
    """dL/dw = sum over t of G(t)^T trace(t), `[neurons, channels]`, from G(t) = dL/dV(t) `[batch, neurons]`.

    Summed by presynaptic step instead, from the last to the first: an event at s is credited with
    R(s) = G(s) + decay * R(s + 1), so only one such error is kept. decay 1 is the step kernel. It passes straight
    through the sign where |w| <= 1.
    """
    total = latent.new_zeros(latent.shape[1], latent.shape[0])  # (channels, neurons)
    error = latent.new_zeros(source.batch, latent.shape[0])
    for step in reversed(range(source.num_steps)):
        error.mul_(decay).add_(gradient_at(step))
        credited = source.onto(step, error)
        if credited is not None:
            total.add_(credited)
    return total.t().contiguous().masked_fill_(latent.abs() > 1.0, 0.0)


def _presynaptic_credit(below: Tensor, weights: Tensor, gradient_at: Callable[[int], Tensor], num_steps: int) -> Tensor:
    """g_i = sum over j and t >= e_i of b_ij G_j(t), `[batch, channels]`, from the last step to the first."""
    heard = weights.new_zeros(below.shape)
    credit = torch.zeros_like(heard)
    for step in reversed(range(num_steps)):
        heard.addmm_(gradient_at(step), weights)
        credit = torch.where(below == step, heard, credit)
    return credit


@torch.no_grad()
def forward(
    layers: Sequence[Layer],
    spikes: NDArray[np.uint8] | Events,
    num_steps: int,
    device: torch.device | str | None = None,
    *,
    weights_of: Weights = signs,
) -> Trace:
    """Run a deployed network on `device`, NumPy in and out (see `bstdg.engine.base`)."""
    source: Source
    num_steps = never(num_steps)
    if isinstance(spikes, Events):
        source = EventSource(spikes, device)
    else:
        source = StepSource(_tensor(spikes).to(device), num_steps)
    hidden = []
    for layer in layers[:-1]:
        # float64 holds every 32-bit threshold; a potential in float32 would be compared with a rounded one
        threshold = _tensor(layer.thresholds.astype(np.float64)).to(device)
        steps, _, _ = crossing(source, _weights(layer, device), threshold, weights_of=weights_of)
        hidden.append(steps.cpu().numpy())
        source = StepSource(steps, num_steps)
    final = potentials(source, _weights(layers[-1], device), weights_of=weights_of)
    return Trace(tuple(hidden), final.to(torch.int32).cpu().numpy())


def _weights(layer: Layer, device: torch.device | str | None) -> Tensor:
    if not isinstance(layer, FullLayer):
        raise InputError(f"engine 'dense': {refuses(layer)}")
    return _tensor(layer.signs).to(device, torch.float32)


def _tensor(array: NDArray) -> Tensor:
    """A tensor of `array`, which may be read-only (torch warns of those, and we never write)."""
    return torch.from_numpy(np.require(array, requirements=("C", "W")))
