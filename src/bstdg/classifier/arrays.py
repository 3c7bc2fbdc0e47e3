"""Arrays that users bring, images or tables of features: what they are, and how they become steps.

Images `[samples, rows, columns]` of integers, or of floats 0 … 1, keep the latency code of this package's data sets.
All else gets a `bstdg.inputs.features.FeatureScaling`, made from the training samples.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import BstdgWarning, InputError
from bstdg.fields import short
from bstdg.inputs import FeatureCode, InputCode, LatencyCode, Shape
from bstdg.inputs.features import Codes, Spread
from bstdg.spikes.events import MAX_CHANNELS

AUTO = "auto"
BLANK_SHARE = 0.3  # of a table's values that are 0 and its least: then 0 means that there is nothing
MANY_PIXELS = 256  # above, a second channel for each dark pixel costs more spikes than it is worth
FEW_CHANNELS = 48  # up to which a table of few features is given more pairs of channels
WHITE = 255


def code_for(
    rows: NDArray,
    shape: Shape,
    num_steps: int,
    spread: Spread | str,
    codes: Codes | str | int,
    *,
    relative: bool = False,
    equalize: bool = False,
) -> LatencyCode | FeatureCode:
    """The input code for training samples `rows`, `[samples, features]`, of images or features of `shape`.

    With `equalize`, levels are still to be chosen, from those of the samples that are learnt from.

    Raises:
        InputError: the spread or code is unknown; or contrast is asked for, of what has none.
    """
    for name, asked in (("relative", relative), ("equalize", equalize)):
        if type(asked) is not bool:
            raise InputError(f"{name} must be True or False, not {short(asked)}")
        if asked and num_steps == 1:
            raise InputError(f"{name} does nothing where num_steps is 1: leave it out")
    code = _code_for(rows, shape, num_steps, spread, codes)
    if not (relative or equalize):
        return code
    if not isinstance(code, LatencyCode):
        raise InputError(
            f"{'relative' if relative else 'equalize'} is for pictures, [samples, rows, columns] of integers or of "
            "floats 0 … 1; these samples are scaled as features: leave it out"
        )
    return replace(code, relative=relative)


def _code_for(
    rows: NDArray, shape: Shape, num_steps: int, spread: Spread | str, codes: Codes | str | int
) -> LatencyCode | FeatureCode:
    if len(shape) == 3 and spread == codes == AUTO:
        if rows.dtype.kind in "ui" and rows.min() >= 0 and rows.max() <= 65_535:
            brightest = max(1, int(rows.max()))
            return LatencyCode(shape, WHITE if WHITE // 2 < brightest <= WHITE else brightest)
        if rows.min() >= 0 and rows.max() <= 1:
            return LatencyCode(shape, WHITE)
        if rows.min() >= 0 and rows.max() <= WHITE:
            warnings.warn(
                f"these images are floats up to {rows.max():g}; pixels are 0 … 255 as integers, 0 … 1 as floats: "
                "divide X by 255, or give it as uint8 (for now it is scaled by the greatest value seen)",
                BstdgWarning,
                stacklevel=5,
            )
    codes = int(codes) if isinstance(codes, np.integer) else codes
    picture = _like_pixels(rows)
    if spread == AUTO:
        spread = "shared" if picture else "standard"
    if codes == AUTO:
        features = rows.shape[1]
        pairs = max(1, FEW_CHANNELS // (2 * features))  # few features need several to be told apart finely
        one = (picture and features > MANY_PIXELS) or 2 * features > MAX_CHANNELS
        codes = "on" if one else "on-off" if pairs == 1 else pairs
    return FeatureCode.fit(rows, num_steps, spread=spread, codes=codes, reads=shape)  # pyright: ignore[reportArgumentType]


def encode(code: InputCode, rows: NDArray, num_steps: int) -> NDArray[np.uint8]:
    """Steps uint8 `[samples, channels]` of samples that are in range."""
    return cast("NDArray[np.uint8]", code.encode(rows, num_steps))  # an array of samples is no recording


def _like_pixels(rows: NDArray) -> bool:
    """Whether a table looks like flat images or counts: often 0, never less, and all features alike in magnitude."""
    if rows.min() != 0 or np.mean(rows == 0) < BLANK_SHARE:
        return False
    highest = rows.max(axis=0)
    highest = highest[highest > 0]
    return len(highest) > 0 and bool(np.quantile(highest, 0.25) >= highest.max() / 4)


def warn_of_idle_steps(rows: NDArray, steps: NDArray[np.uint8], num_steps: int) -> None:
    """Warn where T is greater than the different values of any feature: then there is little for time to tell."""
    present = np.zeros((num_steps + 1, steps.shape[1]), bool)
    present[steps, np.arange(steps.shape[1])] = True
    if present.sum(axis=0).max() >= num_steps:  # what counting in full would find as well
        return
    most = max(len(np.unique(column)) for column in rows.T)
    if most < min(num_steps, len(rows)):
        warnings.warn(
            f"num_steps={num_steps}, but no feature of X has more than {most} different values: "
            f"num_steps={max(1, most - 1)} tells as much, and sooner",
            BstdgWarning,
            stacklevel=4,
        )


def one_line(error: Exception) -> str:
    """scikit-learn's complaint, without the essay that follows the first line of it."""
    first = str(error).strip().splitlines()[0]
    if "Expected 2D array, got 1D" in first:
        return "X has one axis. Reshape your data: X.reshape(1, -1) is one sample, X.reshape(-1, 1) one feature"
    if "contains NaN" in first:
        return f"{first.rstrip('.')}. Drop these samples, or fill them in with sklearn.impute.SimpleImputer"
    if "could not convert string" in first:
        first = re.sub(r"np\.(?:str|bytes)_\((.*)\)", r"\1", first)
        return f"{first}. Make numbers of texts with sklearn.preprocessing.OneHotEncoder or OrdinalEncoder"
    return first


def labelled(y: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    """The classes of labels, sorted, and where each label stands among them."""
    classes, labels = np.unique(y, return_inverse=True)
    return several(classes), labels.astype(np.int64)


def several(classes: NDArray, of: str = "y") -> NDArray:
    """The classes, if there are two at least; else raises `InputError`, which says what they are `of`."""
    if len(classes) < 2:
        raise InputError(f"a classifier needs samples of at least 2 classes, {of} has 1 class: {classes.tolist()}")
    return classes
