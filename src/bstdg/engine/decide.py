"""Who fired first: the decision of the output layer, under one strict rule.

At the first step at which any output neuron is at or above threshold
the greatest V - theta wins, and between equals the lowest index. If none ever is, the greatest V - theta at the last
step wins: a silent decision, counted at step T-1. The run stops at the decision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Decision(NamedTuple):
    """The decisions of a batch.

    Attributes:
        label: int64 `[batch]`, the class decided.
        step: int64 `[batch]`, 0 … T-1.
        silent: bool `[batch]`, no output reached its threshold.
        tie: bool `[batch]`, several outputs had the greatest V - theta, so the lowest index decided.
        candidates: bool `[batch, classes]`, outputs at or above threshold at the decision (silent: those with the
            greatest V - theta). Papers that count a tie as correct count the label among these as correct.
    """

    label: NDArray[np.int64]
    step: NDArray[np.int64]
    silent: NDArray[np.bool_]
    tie: NDArray[np.bool_]
    candidates: NDArray[np.bool_]


def decide(potentials: NDArray[np.integer], thresholds: NDArray[np.integer]) -> Decision:
    """Decide from output potentials `[batch, T, classes]` and integer thresholds `[classes]`.

    >>> potentials = np.array([[[0, 0], [3, 1], [5, 9]]])
    >>> decision = decide(potentials, np.array([2, 4]))
    >>> int(decision.label[0]), int(decision.step[0])
    (0, 1)
    """
    lead = potentials.astype(np.int64) - thresholds.astype(np.int64)
    above = lead >= 0
    open_steps: NDArray[np.bool_] = np.any(above, axis=2)  # steps at which a decision can fall
    silent: NDArray[np.bool_] = ~np.any(open_steps, axis=1)
    step = np.where(silent, lead.shape[1] - 1, open_steps.argmax(axis=1))
    lead, above = lead[np.arange(len(lead)), step], above[np.arange(len(lead)), step]
    best = lead == lead.max(axis=1, keepdims=True)
    candidates = np.where(silent[:, None], best, above)
    return Decision(lead.argmax(axis=1), step, silent, best.sum(axis=1) > 1, candidates)
