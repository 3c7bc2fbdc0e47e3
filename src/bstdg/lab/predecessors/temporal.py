"""What S4NN and BS4NN share: their time, their neurons, their decision and the gradient of a spike's time.

Steps t = 0 … 255; the stamp 256 means "never fired". A neuron integrates the weights of the inputs that have fired,

    V_j(t) = sum over i with s_i <= t of w_ij

fires when V_j > theta (strictly), and its spike is stamped one step after the crossing, capped at 256. The next layer
sees it at that stamp. The output with the smallest stamp decides.

Potentials change only when an input fires, so time is walked from spike to spike: the inputs are sorted by their steps
and the weights summed up in that order. Weights lie as `[inputs, neurons]`, an input's own in one row.

Source: Kheradpisheh and Masquelier, "S4NN: temporal backpropagation for spiking neural networks with one spike per
neuron", IJNS 30(6), 2020; Kheradpisheh, Mirsadeghi and Masquelier, "BS4NN: Binarized spiking neural networks with
temporal coding and learning", Neural Processing Letters 54, 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_STEPS = 256  # T
NEVER = NUM_STEPS  # the stamp of a neuron that did not fire
SILENT_STEP = 253  # at which the greatest potential decides when no output fired
WIDE = 64  # neurons; below, a cumsum in one call is faster


class Arrivals(NamedTuple):
    """The inputs that fire before `NEVER`, first come first: `order` their numbers, `times` their steps."""

    order: NDArray[np.intp]
    times: NDArray[np.int16]


class Trajectory(NamedTuple):
    """Potentials of a layer wherever they change: at `times` `[moments]`, `values` `[moments, neurons]`."""

    times: NDArray[np.int16]
    values: NDArray[np.floating]


class Rule(NamedTuple):
    """How the native module is to learn, and from what state; see `native/predecessors/predecessors.hpp`."""

    binary: bool
    gamma: int
    silent_lead: int
    rates: tuple[float, float]
    keeps: tuple[float, float]
    scale_rate: float
    scales: tuple[float, float]
    shrunk: float


def arrivals(steps: NDArray[np.int16], horizon: int = NEVER) -> Arrivals:
    """Inputs with a step below `horizon`, sorted by step.

    An input at step 255 cannot make a neuron fire (its stamp would be 256, which is never): where only spikes are
    asked for, a horizon of 255 leaves them out.
    """
    heard = np.flatnonzero(steps < horizon)
    order = heard[np.argsort(steps[heard], kind="stable")]
    return Arrivals(order, steps[order])


def integrate(times: NDArray[np.int16], weights: NDArray[np.floating]) -> Trajectory:
    """Potentials after all spikes of each moment, from the weights `[spikes, neurons]` in the order of `times`.

    >>> integrate(np.array([2, 2, 5], np.int16), np.array([[1.0], [2.0], [-4.0]])).values.tolist()
    [[3.0], [-1.0]]
    """
    if len(times) == 0:
        return Trajectory(np.zeros(1, np.int16), np.zeros((1, weights.shape[1]), weights.dtype))
    potential = _running_sums(weights) if weights.shape[1] >= WIDE else np.cumsum(weights, axis=0)
    last = np.flatnonzero(np.append(times[1:] != times[:-1], True))
    return Trajectory(times[last], potential[last])


def _running_sums(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """A cumsum along the first axis, thrice as fast as NumPy's where rows are long."""
    sums = np.empty_like(rows)
    sums[0] = rows[0]
    so_far = sums[0]
    for row, place in zip(rows[1:], sums[1:], strict=True):
        so_far = np.add(so_far, row, out=place)
    return sums


def stamps(path: Trajectory, threshold: float) -> NDArray[np.int16]:
    """When each neuron's spike is stamped, `[neurons]`: a step after the first moment above threshold, at most 256.

    >>> stamps(Trajectory(np.array([2, 9], np.int16), np.array([[3.0, 0.0], [-1.0, 4.0]])), 2.0).tolist()
    [3, 10]
    """
    above = path.values > threshold
    first = above.argmax(axis=0)
    fired = above[first, np.arange(above.shape[1])]
    return np.where(fired, path.times[first] + 1, NEVER).astype(np.int16)


def in_blocks(steps: NDArray[np.int16], blocks: int) -> NDArray[np.int16]:
    """Steps of inputs, each moved to the first step of its block; what came too late to tell, never.

    >>> in_blocks(np.array([0, 31, 32, 254, 255, 256], np.int16), 8).tolist()
    [0, 0, 32, 224, 256, 256]
    """
    width = NUM_STEPS // blocks
    return np.where(steps < NEVER - 1, steps // width * width, NEVER).astype(np.int16)


def potential_at(path: Trajectory, step: int) -> NDArray[np.floating]:
    """Potentials `[neurons]` at a step, 0 before anything arrived."""
    moment = int(np.searchsorted(path.times, step, side="right")) - 1
    return path.values[moment] if moment >= 0 else np.zeros_like(path.values[0])


def errors(
    output: NDArray[np.int16], label: int, gamma: int, silent_lead: int, dtype: type = np.float64
) -> NDArray[np.floating]:
    """What is wrong with the output stamps, e_k = (target_k - stamp_k) / 256, brought to unit length.

    With m the smallest stamp, the label's target is m; another output that trails m by fewer than `gamma` steps is
    to trail by `gamma` (capped at 256); one that is later is left alone. If none fired, the others are to stay silent
    and the label to fire at 256 - `silent_lead`.
    """
    earliest = int(output.min())
    if earliest == NEVER:
        target = np.full(len(output), NEVER)
        target[label] = NEVER - silent_lead
    else:
        target = np.where(output - earliest < gamma, min(earliest + gamma, NEVER), output)
        target[label] = earliest
    return unit_length(((target - output) / NUM_STEPS).astype(dtype))


def unit_length(error: NDArray[np.floating]) -> NDArray[np.floating]:
    """`error` divided by its Euclidean length; zeros stay."""
    length = np.linalg.norm(error)
    return error / length if length else error


def causal_mask(inputs: NDArray[np.int16], outputs: NDArray[np.int16]) -> NDArray[np.bool_]:
    """[s_i < s_j] `[inputs, neurons]`: which inputs came before a neuron's spike, or at all if it stayed silent."""
    return inputs[:, None] < outputs[None, :]
