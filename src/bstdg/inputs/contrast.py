"""Contrast: values become steps relative to the brightest of their sample, or by levels chosen from many samples.

With x a value 0 … white, and m the greatest value of its sample, of all its channels:

    as it is             step = T (white - x) // white
    relative             step = T (m - x) // m
    by levels            step = the first t with x >= levels[t]
    relative, by levels  step = the first t with x white // m >= levels[t]

All are integers. 0 never fires, and so a sample of zeros is silent; nor does what is below the last level. Levels, one
a step, never rise, so that no value fires later than a smaller one; where two are equal, nothing fires at the second.
Every monotone table from values to steps is such a row of levels.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.fields import short
from bstdg.spikes.events import MAX_STEPS

Levels = tuple[int, ...]
AT_ONCE = 1 << 20  # values: what bounds the memory


def check_levels(levels: Any, white: int, name: str = "levels") -> Levels:
    """Levels of values 0 … white, as a tuple; `name` is what errors call them.

    Raises:
        InputError: there are too many, one is no integer in 1 … white + 1 (which no value reaches), or one is above the
            one before it; says which.

    >>> check_levels([9, 5, 5, 1], 15)
    (9, 5, 5, 1)
    """
    if not isinstance(levels, (tuple, list)) or len(levels) > MAX_STEPS:
        what = f"{len(levels)} of them" if isinstance(levels, (tuple, list)) else type(levels).__name__
        raise InputError(f"{name} must be a list of the least value of each step, {MAX_STEPS} at most, not {what}")
    for step, level in enumerate(levels):
        if type(level) is not int or not 1 <= level <= white + 1:
            raise InputError(f"{name}[{step}] must be an integer in 1 … {white + 1}, not {short(level)}")
        if step and level > levels[step - 1]:
            raise InputError(
                f"{name}[{step}] = {level} is above {name}[{step - 1}] = {levels[step - 1]}: the later the step, the "
                "smaller the values that fire"
            )
    return tuple(levels)


def equal_shares(counts: NDArray[np.int64], num_steps: int, silent_below: float = 0.0) -> Levels:
    """Levels by which each step has an equal share of the values that fire: the histogram is equalised.

    Args:
        counts: int64 `[white + 1]`, how often each value was seen.
        num_steps: T.
        silent_below: values at or below this share of white never fire, nor does 0.

    Returns:
        levels[t] is the greatest value that, with all above it, makes up a share of (t + 1) / T of what fires, or more.
        The last is the least value that is not silent, seen or not.

    Raises:
        InputError: no value that was seen fires.

    >>> equal_shares(np.array([90, 2, 0, 2, 1, 3]), 4)
    (5, 4, 3, 1)
    """
    value = np.arange(len(counts))
    fires = (value > 0) & (value / (len(counts) - 1) > silent_below)
    seen = np.cumsum(np.where(fires, counts, 0)[::-1])[::-1]  # how many have a value or a greater one
    if not seen[0]:
        raise InputError(
            f"no value is above silent_below = {silent_below:g}, so there is nothing to choose levels from: lower it"
        )
    wanted = -(-np.arange(1, num_steps + 1) * int(seen[0]) // num_steps)
    levels = np.searchsorted(-seen, -wanted, side="right") - 1  # the last value of which so many are seen
    levels[-1] = np.flatnonzero(fires)[0]
    return tuple(levels.tolist())


def steps_by_contrast(
    values: NDArray[np.integer], num_steps: int, white: int, silent_below: float, relative: bool, levels: Levels
) -> NDArray[np.uint8]:
    """Steps uint8 `[samples, n]` of values 0 … white, `[samples, n]`.

    `silent_below` is a share of the greatest value of each sample, or of white where steps are not relative; where
    there are levels, it is 0.
    """
    few, given = max(1, AT_ONCE // max(1, values.shape[1])), (num_steps, white, silent_below, relative, levels)
    table = table_of_bytes(*given) if white <= 255 else None
    steps = np.empty(values.shape, np.uint8)
    for i in range(0, len(values), few):
        part = values[i : i + few]
        most = brightest(part, relative, white)
        steps[i : i + few] = _steps(part, most, *given) if table is None else table[most, part]
    return steps


def brightest(values: NDArray[np.integer], relative: bool, white: int) -> NDArray[np.int64]:
    """What the values of each sample are held against, `[samples, 1]`: the greatest of them, or white."""
    if not relative:
        return np.full((len(values), 1), white, np.int64)
    return values.max(axis=1, keepdims=True, initial=0).astype(np.int64)


def relative_values(values: NDArray[np.integer], white: int) -> NDArray[np.int64]:
    """Values `[samples, n]` as if the greatest of each sample were white, rounded down.

    >>> relative_values(np.array([[0, 1, 3], [0, 0, 0]]), 255).tolist()
    [[0, 85, 255], [0, 0, 0]]
    """
    return values.astype(np.int64) * white // np.maximum(brightest(values, True, white), 1)


@functools.lru_cache(maxsize=8)
def table_of_bytes(
    num_steps: int, white: int, silent_below: float, relative: bool, levels: Levels
) -> NDArray[np.uint8]:
    """The step of each value in a sample of each greatest value, `[white + 1, white + 1]`, white at most 255.

    What is above the greatest value cannot come, and has whatever step.
    """
    every = np.arange(white + 1)
    most, value = np.meshgrid(every, every, indexing="ij")
    table = _steps(np.minimum(value, most), most, num_steps, white, silent_below, relative, levels)
    table.flags.writeable = False
    return table


def _steps(
    values: NDArray[np.integer],
    most: NDArray[np.int64],
    num_steps: int,
    white: int,
    silent_below: float,
    relative: bool,
    levels: Levels,
) -> NDArray[np.uint8]:
    """The step of each value in a sample whose greatest value is `most`; not relative, `most` is not asked."""
    value = values.astype(np.int64)
    top = np.maximum(most, 1) if relative else np.int64(white)
    if levels:
        held = value * white // top if relative else value
        return np.searchsorted(-np.array(levels), -held, side="left").astype(np.uint8)
    steps = (top - value) * num_steps // top
    return np.where((value == 0) | (value / top <= silent_below), num_steps, steps).astype(np.uint8)
