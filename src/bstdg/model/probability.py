"""How likely each class is, from the potentials of a deployed network: what a decision was worth.

The loss of training gives output k the hazard h_k = softplus((V_k - theta_k) / scale) at every step, and
P(k first at t) = S(t) (1 - exp(-H(t))) h_k(t) / H(t), with H the sum of all hazards (see `bstdg.learning.loss`). Once
it is known that the decision falls at step t, what is left of it is the share

    P(k | decision at t) = h_k(t) / H(t)

and for a silent decision, as in the loss, softmax((V(T-1) - theta) / scale). Both grow with V - theta, so the
most likely class is the decided one, and neither needs a step after the decision. NumPy alone.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.decide import Decision

FAR = -37.0  # below, softplus(z) and exp(z) are the same float64
WIDEST = 64.0  # how far calibration may move the scale, up or down, from that of training


def lead_at_decision(
    potentials: NDArray[np.integer], thresholds: NDArray[np.integer], decision: Decision
) -> NDArray[np.float64]:
    """V - theta of every output at the step of the decision, `[batch, classes]`."""
    at = potentials[np.arange(len(potentials)), decision.step].astype(np.float64)
    return at - thresholds


def probabilities(lead: NDArray[np.float64], silent: NDArray[np.bool_], scale: float) -> NDArray[np.float64]:
    """Probability of each class, `[batch, classes]`, from `lead_at_decision` and the silent decisions.

    >>> probabilities(np.array([[2.0, -3.0], [-1.0, -1.0]]), np.array([False, True]), scale=1.0).round(2)
    array([[0.98, 0.02],
           [0.5 , 0.5 ]])
    """
    return np.exp(log_probabilities(lead, silent, scale))


def log_probabilities(lead: NDArray[np.float64], silent: NDArray[np.bool_], scale: float) -> NDArray[np.float64]:
    """Logarithms of `probabilities`, finite where those underflow; differences of them are log odds."""
    z = lead / scale
    # Far below 0 softplus(z) is exp(z), which may underflow: its logarithm is z itself.
    hazards = np.where(z < FAR, z, np.log(np.logaddexp(0.0, np.maximum(z, FAR))))
    logs = np.where(silent[:, None], z, hazards)
    logs -= logs.max(axis=1, keepdims=True)
    return logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))


def calibrated_scale(
    lead: NDArray[np.float64],
    silent: NDArray[np.bool_],
    labels: NDArray[np.integer],
    start: float,
    weights: NDArray[np.float64] | None = None,
) -> float:
    """The scale under which the labels of samples that were not learnt from are the most likely.

    One number is fitted, by golden sections over its logarithm. As in Platt's scaling, each label counts as
    (n + 1) / (n + 2) of n samples, so that few samples, all of them right, do not make certain.

    Args:
        lead, silent: see `probabilities`.
        labels: int64 `[batch]`.
        start: the scale of training; the result is at most 64 times greater or less.
        weights: how much each sample counts, `[batch]`.
    """
    samples, classes = lead.shape
    rows, sure = np.arange(samples), (samples + 1) / (samples + 2)

    def cost(log_scale: float) -> float:
        logs = log_probabilities(lead, silent, math.exp(log_scale))
        label = logs[rows, labels]
        others = (logs.sum(axis=1) - label) / (classes - 1)
        return -float(np.average(sure * label + (1.0 - sure) * others, weights=weights))

    low, high = math.log(start / WIDEST), math.log(start * WIDEST)
    grid = np.linspace(low, high, 25)
    best = int(np.argmin([cost(x) for x in grid]))
    return math.exp(_least(cost, grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]))


def _least(cost, low: float, high: float) -> float:
    """Where a function with one valley between low and high is least."""
    share = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(25):
        left, right = high - share * (high - low), low + share * (high - low)
        low, high = (low, right) if cost(left) <= cost(right) else (left, high)
    return 0.5 * (low + high)
