"""How much each sample counts in the loss: by its class, by a weight of its own, or by both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg.errors import InputError
from bstdg.fields import short, suggest
from bstdg.learning.recipe import ClassWeight

Weights = NDArray[np.float64]


def balanced(labels: NDArray[np.int64], classes: int, own: Weights | None = None) -> Weights:
    """What a sample of each class counts where all classes that are there are to weigh alike, `[classes]`.

    That is N / (K N_k), as scikit-learn has it, so the mean over all samples is 1. A class without samples gets 1.

    Args:
        labels: int64 `[N]`.
        classes: how many there may be.
        own: of each sample, 0 or more; a sample of weight 2 counts as two.

    >>> balanced(np.array([0, 0, 0, 1]), 2).round(3)
    array([0.667, 2.   ])
    """
    counts = np.bincount(labels, own, minlength=classes).astype(np.float64)
    there = counts > 0
    return np.divide(counts.sum(), there.sum() * counts, out=np.ones(classes), where=there)


def by_class(asked: ClassWeight, labels: NDArray[np.int64], classes: Sequence[str]) -> Weights | None:
    """What a recipe's `train.class_weight` lets a sample of each class count, `[classes]`; None where all count alike.

    Args:
        asked: "none", "balanced" or a weight for each class that is named; the others have 1.
        labels: int64, of the samples to learn from.
        classes: their names.

    Raises:
        InputError: a class is unknown, no sample would count, or all would count alike.
    """
    if asked == "none":
        return None
    if isinstance(asked, Mapping):
        table = np.ones(len(classes))
        for name, weight in asked.items():
            if name not in classes:
                raise InputError(f"train.class_weight names the class {short(name)}{suggest(name, classes)}")
            table[classes.index(name)] = weight
        which = "the table"
    else:
        table, which = balanced(labels, len(classes)), repr(asked)
    present = table[np.unique(labels)]
    if not present.any():
        raise InputError("train.class_weight is 0 for every class that there are training samples of")
    if (present == present[0]).all():
        raise InputError(
            f"train.class_weight: {which} does nothing for these data, whose classes it lets weigh alike: leave it out"
        )
    return table


def of_samples(labels: NDArray[np.int64], table: Weights | None, own: Weights | None) -> Weights | None:
    """The weight of each sample, `[N]`, by its class and its own; None where neither is there."""
    if table is None:
        return own
    return table[labels] if own is None else table[labels] * own


def unless_one(weights: Weights | None) -> Tensor | None:
    """Weights as the loss takes them, float32 `[N]`; None where all are 1.

    Raises:
        InputError: one is too great for float32.
    """
    if weights is None:
        return None
    with np.errstate(over="ignore"):
        narrow = weights.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise InputError(f"a sample weighs {weights.max():g} times as much as the first did on average: too much")
    return None if (narrow == 1).all() else torch.from_numpy(narrow)
