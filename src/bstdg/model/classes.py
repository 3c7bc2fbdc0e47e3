"""Figures of each class, which accuracy alone hides where classes are unequal: sensitivity, predictive value and F1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES, SENSITIVITY, PREDICTIVE_VALUE, F1 = BY_CLASS = (
    "samples_by_class",
    "sensitivity_by_class",
    "predictive_value_by_class",
    "f1_by_class",
)


def figures(there: NDArray[np.int64], decided: NDArray[np.int64], right: NDArray[np.int64]) -> dict[str, Any]:
    """`macro_f1`, and a list of each of `BY_CLASS`, one entry a class.

    Sensitivity (recall) is the share of a class's samples that was decided rightly, predictive value (precision) that
    of its decisions; F1 = 2 right / (samples + decisions). What would be 0 / 0 is None. Macro F1 is the mean of all F1
    that are there.

    Args:
        there: int64 `[classes]`, samples of each class; at least one in all.
        decided: how many samples it was decided for.
        right: of how many rightly.

    >>> figures(np.array([3, 1, 0]), np.array([4, 0, 0]), np.array([3, 0, 0]))["f1_by_class"]
    [0.8571428571428571, 0.0, None]
    """
    f1 = _shares(2 * right, there + decided)
    known = [share for share in f1 if share is not None]
    return {
        "macro_f1": math.fsum(known) / len(known),
        SAMPLES: there.tolist(),
        SENSITIVITY: _shares(right, there),
        PREDICTIVE_VALUE: _shares(right, decided),
        F1: f1,
    }


def of_labels(labels: NDArray[np.integer], decided: NDArray[np.integer], classes: int) -> dict[str, Any]:
    """The same of labels and decisions `[N]`, for networks that are judged at once."""
    counts = (labels, decided, labels[labels == decided])
    return figures(*(np.bincount(part, minlength=classes).astype(np.int64) for part in counts))


def rows(names: Sequence[str], told: Any) -> list[tuple[str, ...]]:
    """A row of texts for each class: its name, samples, sensitivity, predictive value and F1."""
    columns = [told[key] for key in BY_CLASS]
    return [
        (name, f"{samples:,}", *("none" if share is None else f"{share:.2%}" for share in shares))
        for name, samples, *shares in zip(names, *columns, strict=True)
    ]


HEAD = ("class", "samples", "sensitivity", "predictive value", "F1")


def _shares(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> list[float | None]:
    return [part / whole if whole else None for part, whole in zip(parts.tolist(), wholes.tolist(), strict=True)]
