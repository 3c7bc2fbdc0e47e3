"""The method in NumPy, written to be read: every faster engine is held to these functions.

Whole spike trains and potentials are laid out over time here, which the fast engines never do. Potentials are
integers; they pass through float64 products only because NumPy multiplies those quickly, and float64 holds every
integer below 2^53 exactly.

Symbols, as in the documentation: s_i presynaptic step, b_ij binary weight, V_j(t) potential, theta_j threshold,
e_j the step at which neuron j is judged, m_j its margin there, T the number of steps and "never fired".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.base import Trace
from bstdg.engine.oracle_events import bin_events
from bstdg.errors import InputError
from bstdg.layers import FullLayer, Layer
from bstdg.spikes.events import Events, never

__all__ = ["backward", "bin_events", "crossing", "decide_one", "forward", "potentials", "signs", "spike_train", "trace"]

NAME = "oracle"


def signs(latent: NDArray) -> NDArray[np.int8]:
    """b = +1 where the latent weight w >= 0, else -1."""
    return np.where(latent >= 0, 1, -1).astype(np.int8)


def spike_train(spikes: NDArray[np.uint8] | Events, num_steps: int) -> NDArray[np.float64]:
    """How many events each channel has at each step, `[batch, T, channels]`."""
    events = spikes if isinstance(spikes, Events) else Events.from_steps(spikes, num_steps)
    train = np.zeros((len(events), num_steps, events.num_channels))
    np.add.at(train, (events.samples(), events.steps, events.channels), 1.0)
    return train


def potentials(spikes: NDArray[np.uint8] | Events, weights: NDArray[np.int8], num_steps: int) -> NDArray[np.int64]:
    """V_j(t) = sum of b_ij over all events with s_i <= t, `[batch, T, neurons]`."""
    arrived = np.cumsum(spike_train(spikes, num_steps), axis=1)
    return (arrived @ weights.T.astype(np.float64)).astype(np.int64)


@dataclass(frozen=True)
class Crossing:
    """Where each neuron fired or came closest, `[batch, neurons]`: `steps` s_j, `reach` e_j (uint8), `margin` m_j."""

    steps: NDArray[np.uint8]
    reach: NDArray[np.uint8]
    margin: NDArray[np.float64]


def crossing(potential: NDArray[np.int64], threshold: NDArray) -> Crossing:
    """The first step with V_j(t) >= theta_j, else T; and the step and margin by which neuron j is judged.

    e_j is s_j where the neuron fired, else the first step at which V_j was greatest.
    """
    num_steps = potential.shape[1]
    above = potential >= threshold
    fired = above.any(axis=1)
    first, peak = above.argmax(axis=1), potential.argmax(axis=1)  # argmax takes the first of equals
    reach = np.where(fired, first, peak)
    at_reach = np.take_along_axis(potential, reach[:, None, :], axis=1)[:, 0, :]
    steps = np.where(fired, first, num_steps)
    return Crossing(steps.astype(np.uint8), reach.astype(np.uint8), at_reach - np.asarray(threshold, np.float64))


def forward(layers: Sequence[Layer], spikes: NDArray[np.uint8] | Events, num_steps: int) -> Trace:
    """Run a whole network: hidden spike steps of every layer and the potentials of the output layer."""
    hidden, num_steps = [], never(num_steps)
    for layer in layers[:-1]:
        spikes = crossing(layer_potentials(layer, spikes, num_steps), layer.thresholds).steps
        hidden.append(spikes)
    return Trace(tuple(hidden), layer_potentials(layers[-1], spikes, num_steps))


def layer_potentials(layer: Layer, spikes: NDArray[np.uint8] | Events, num_steps: int) -> NDArray[np.int64]:
    """V_j(t) of every neuron of a layer, `[batch, T, neurons]`.

    A layer of a kind of one's own gives its reference itself, `potentials(spikes, num_steps)`, slow and obvious.
    """
    if isinstance(layer, FullLayer):
        return potentials(spikes, layer.signs, num_steps)
    if isinstance(layer, OwnReference):
        return layer.potentials(spikes, num_steps)
    raise InputError(f"engine 'oracle': {refuses(layer)}")


@runtime_checkable
class OwnReference(Protocol):
    """A layer that brings its reference along."""

    def potentials(self, spikes: NDArray[np.uint8] | Events, num_steps: int, /) -> NDArray[np.int64]: ...


def refuses(layer: Layer) -> str | None:
    """Why there is no reference for a layer; None where there is one."""
    if isinstance(layer, (FullLayer, OwnReference)):
        return None
    return f"layers of kind {layer.kind!r} have no reference here, and bring none along (`potentials`)"


def decide_one(potential: NDArray[np.int64], threshold: NDArray[np.int64]) -> tuple[int, int, bool, bool]:
    """Decide one sample from its output potentials `[T, classes]`: (class, step, silent, tie).

    At the first step at which any output is at or above threshold the greatest V - theta wins, then the lowest
    index. If none ever is, the greatest V - theta at the last step wins: a silent decision. `tie` says that the
    lowest index had to decide.
    """
    lead = [[int(v) - int(theta) for v, theta in zip(row, threshold, strict=True)] for row in potential]
    reached = [step for step, row in enumerate(lead) if max(row) >= 0]
    step = reached[0] if reached else len(lead) - 1
    best = max(lead[step])
    return lead[step].index(best), step, not reached, lead[step].count(best) > 1


def trace(spikes: NDArray[np.uint8] | Events, num_steps: int, kernel: str, tau: float) -> NDArray[np.float64]:
    """What each presynaptic channel is credited with at step t, `[batch, T, channels]`.

    The sum over its events with s_i <= t of 1 (kernel "step") or exp(-(t - s_i) / tau) ("exponential"); or over all of
    them, whenever they are, of 1 ("none").
    """
    train = spike_train(spikes, num_steps)
    lag = np.arange(num_steps)[:, None] - np.arange(num_steps)[None, :]  # t - s
    if kernel == "none":
        credit = np.ones((num_steps, num_steps))
    else:
        credit = np.where(lag >= 0, 1.0 if kernel == "step" else np.exp(-np.maximum(lag, 0) / tau), 0.0)
    return np.einsum("ts,bsi->bti", credit, train)


def backward(
    presynaptic_trace: NDArray[np.float64],
    presynaptic_reach: NDArray[np.uint8],
    latent: NDArray[np.float64],
    potential_gradient: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The spike-timing-dependent gradient of one layer, from G_j(t) = dL/dV_j(t) `[batch, T, neurons]`.

    For a hidden layer G_j(t) = d_j where t = e_j and 0 elsewhere, with d_j = psi(m_j) g_j; for the output layer it
    is the gradient of the loss.

        dL/dw_ij = sum over the batch and t of G_j(t) * trace_i(t), where |w_ij| <= 1
        g_i      = sum over j and t >= e_i of b_ij G_j(t)

    Returns:
        dL/dw `[neurons, channels]`, and g `[batch, channels]` for the layer below.
    """
    weight = np.einsum("btj,bti->ji", potential_gradient, presynaptic_trace)
    weight = np.where(np.abs(latent) <= 1.0, weight, 0.0)
    num_steps = potential_gradient.shape[1]
    heard = np.arange(num_steps)[None, :, None] >= presynaptic_reach[:, None, :]  # t >= e_i
    below = np.einsum("btj,ji,bti->bi", potential_gradient, signs(latent).astype(np.float64), heard)
    return weight, below


def local_error(margin: NDArray[np.float64], credit: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """d_j = psi(m_j) g_j with psi(m) = max(0, 1 - |m| / width)."""
    return np.maximum(0.0, 1.0 - np.abs(margin) / width) * credit


def impulse(local: NDArray[np.float64], reach: NDArray[np.uint8], num_steps: int) -> NDArray[np.float64]:
    """G_j(t) of a hidden layer: d_j at t = e_j, 0 elsewhere, `[batch, T, neurons]`."""
    return np.where(np.arange(num_steps)[None, :, None] == reach[:, None, :], local[:, None, :], 0.0)
