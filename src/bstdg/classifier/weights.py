"""How much each sample counts: `sample_weight` as it was given, and `class_weight` as a weight of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.fields import short
from bstdg.learning.weights import Weights, balanced, of_samples

BALANCED = "balanced"
HEAVIEST = 1e30  # sums and squares of such weights are numbers still


def weights_of(
    labels: NDArray[np.int64], classes: NDArray, class_weight: Any, sample_weight: Any, *, balance: bool = True
) -> Weights | None:
    """The weight of each sample, `[samples]`, by its class and its own; None where all count alike.

    Args:
        labels: positions in `classes`.
        classes: the labels as the user has them.
        class_weight: the classifier's parameter.
        sample_weight: what came with the samples; None: 1 each.
        balance: the labels are all there are, so that classes can be balanced.

    Raises:
        InputError: a weight will not do, or all are 0.
    """
    own = _checked(sample_weight, len(labels))
    table = None
    if isinstance(class_weight, str) and class_weight == BALANCED:
        if not balance:
            raise InputError(
                "class_weight='balanced' is for fit, which sees all labels at once: give partial_fit a table of "
                "weights, such as sklearn.utils.class_weight.compute_class_weight finds"
            )
        table = balanced(labels, len(classes), own)
    elif class_weight is not None:
        table = _table(class_weight, classes)
    weights = of_samples(labels, table, own)
    if weights is not None and not weights.any():
        raise InputError("the weights of all samples are zero: there is nothing to learn from")
    return weights


def heard(
    rows: NDArray, labels: NDArray[np.int64], weights: Weights | None
) -> tuple[NDArray, NDArray[np.int64], Weights | None]:
    """Samples, labels and weights without those that weigh nothing: they count as if they had not come."""
    if weights is None or weights.all():
        return rows, labels, weights
    return rows[weights > 0], labels[weights > 0], weights[weights > 0]


def _checked(sample_weight: Any, samples: int) -> Weights | None:
    if sample_weight is None:
        return None
    given = np.asarray(sample_weight)
    if given.shape != (samples,):
        raise InputError(f"sample_weight must be a number for each of {samples} samples, not {list(given.shape)}")
    if given.dtype.kind not in "biuf" and not (given.dtype.kind == "O" and all(map(_is_number, given))):
        raise InputError(f"sample_weight must be numbers, not {given.dtype}")
    weights = given.astype(np.float64)
    off = ~((weights >= 0) & (weights <= HEAVIEST))
    if off.any():
        raise InputError(f"sample_weight must be in 0 … {HEAVIEST:g}, not {weights[off][0]:g}")
    return weights


def _table(class_weight: Any, classes: NDArray) -> Weights:
    """The weight of each class, `[classes]`; those that a table leaves out have 1.

    A class that did not come, as in a fold of a cross-validation, may stand in a table that names all others.
    """
    if not isinstance(class_weight, Mapping):
        raise InputError(
            f"class_weight must be None, 'balanced' or a table of weights by label, not {short(class_weight)}"
        )
    position = {label: i for i, label in enumerate(classes.tolist())}
    table, missing = np.ones(len(classes)), set(position.values())
    for label, weight in class_weight.items():
        if not _is_number(weight) or not 0 <= weight <= HEAVIEST:
            raise InputError(f"class_weight[{short(label)}] must be in 0 … {HEAVIEST:g}, not {short(weight)}")
        if label in position:
            table[position[label]] = weight
            missing.discard(position[label])
    unknown = [label for label in class_weight if label not in position]
    if unknown and missing:
        known = short(classes.tolist())
        raise InputError(f"class_weight names {short(unknown[0])}, which is not among the classes: {known}")
    return table


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, complex)
