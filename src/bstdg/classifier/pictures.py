"""Pictures among the arrays that users bring: what shape they have, and how they become rows of pixels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from bstdg.errors import BstdgWarning, InputError
from bstdg.fields import short
from bstdg.inputs import Shape
from bstdg.inputs.base import by
from bstdg.layers import written
from bstdg.whole import whole

COLOURS = (1, 3, 4)  # what a last axis of so many is: the channels of pictures, where others expect them


def image_shape_of(given: Any) -> Shape | None:
    """The parameter `image_shape` as (channels, rows, columns); None where there is none.

    Raises:
        InputError: it is no such shape.

    >>> image_shape_of((28, 28)), image_shape_of([3, 32, 32])
    ((1, 28, 28), (3, 32, 32))
    """
    if given is None:
        return None
    sides = [whole(side) or 0 for side in given] if isinstance(given, (tuple, list, np.ndarray)) else []
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise InputError(
            "image_shape must be (rows, columns) or (channels, rows, columns), such as (28, 28), or None, "
            f"not {short(given)}"
        )
    return (1, *sides) if len(sides) == 2 else tuple(sides)


def flattened(X: object, samples: int | None = None, *, known: bool = False) -> tuple[object, Shape | None]:
    """A batch of pictures as rows of pixels, and (channels, rows, columns); what has two axes comes back, with None.

    Args:
        X: what the user gave.
        samples: how many labels came with it, if any did.
        known: it is known from elsewhere that these are pictures.

    Raises:
        InputError: it has more than four axes, its channels stand last, or its first axis is not that of the samples.
    """
    shape = getattr(X, "shape", None)
    if shape is None and isinstance(X, (list, tuple)):
        X = np.asarray(X) if np.ndim(X) > 2 else X  # pyright: ignore[reportArgumentType]
        shape = getattr(X, "shape", None)
    if shape is None or len(shape) < 3:
        return X, None
    if len(shape) > 4:
        raise InputError(
            f"X has {len(shape)} axes, {list(shape)}; give features [samples, features], grey pictures "
            "[samples, rows, columns], or pictures [samples, channels, rows, columns]"
        )
    images = np.asarray(X)
    if len(shape) == 4 and shape[3] in COLOURS and shape[1] not in COLOURS:
        raise InputError(
            f"X is {list(shape)}: that looks like pictures whose channels stand last, and here they stand before the "
            "rows: give X.transpose(0, 3, 1, 2)"
        )
    if samples is not None and shape[0] != samples == shape[1]:
        raise InputError(
            f"X is {list(shape)} with {samples} labels: that looks like spike trains [time, samples, features]. "
            "Samples come first, and values are given instead of trains: X.mean(axis=0) if they code by rate"
        )
    if not known and len(shape) == 3 and shape[1] != shape[2] and images.size and np.isin(images[:1000], (0, 1)).all():
        warnings.warn(
            f"X holds only 0 and 1 and is {list(shape)}: are these spike trains [samples, time, features]? Values are "
            "turned into spike times here: give X.mean(axis=1) if the trains code by rate; for pictures, say "
            f"image_shape=({shape[1]}, {shape[2]})",
            BstdgWarning,
            stacklevel=4,
        )
    if not images.size:
        raise InputError(f"X has no pixels: it is {list(shape)}")
    sides = tuple(map(int, shape[1:]))
    return images.reshape(len(images), -1), (1, *sides) if len(sides) == 2 else sides


def check_asked(asked: Shape | None, found: Shape | None, features: int) -> None:
    """Raise `InputError` where samples are not what `image_shape` says.

    Args:
        asked: by the parameter, as `image_shape_of` gives it.
        found: of pictures; None of rows, which have so many `features`.
    """
    if asked is None:
        return
    if found not in (None, asked):
        raise InputError(f"X holds pictures of {by(found)}, and image_shape says {by(asked)}: leave image_shape out")
    if features != math.prod(asked):
        raise InputError(
            f"X has {features} features, and pictures of image_shape {by(asked)} have {math.prod(asked)} pixels"
        )


def check_layers(layers: Sequence[int | str], shape: Shape) -> None:
    """Raise `InputError` where convolutions or poolings are to read a table.

    Args:
        layers: as a recipe holds them.
        shape: of a sample.
    """
    first = layers[0] if layers else 0
    if len(shape) == 3 or not isinstance(first, str) or isinstance(written.layer(first), written.Full):
        return
    (features,) = shape
    side = math.isqrt(features)
    sides = (side, side) if side * side == features else (1, features)
    raise InputError(
        f"layers[0] = {first!r} reads pictures, and X is a table of {features} features: say what shape these have, "
        f"such as image_shape={sides}"
    )
