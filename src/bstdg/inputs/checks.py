"""Does the latency code say what the user meant? One warning where it loses what the data hold, with the remedy."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import BstdgWarning
from bstdg.spikes.events import never

LOOKED_AT = 2000  # samples: enough to see every level that matters


class CodingWarning(BstdgWarning):
    """The input steps hold less than the data do, or more time than they need."""


def look(steps: NDArray[np.uint8], num_steps: int, white: int) -> None:
    """Warn (`CodingWarning`) of input that is silent, late, of one step only, or told apart finer than it can be.

    Args:
        steps: uint8 `[batch, channels]`, as `bstdg.latency` makes them.
        num_steps: T.
        white: the integer pixel value of full intensity, from which the steps were made.
    """
    num_steps = silent = never(num_steps)
    used = np.unique(steps[:LOOKED_AT])
    used = used[used < silent]
    said = ""
    if not used.size:
        said = "no input spikes at all: every value is at or below silent_below; scale the data, or lower it"
    elif used[0] > num_steps // 2:
        said = (
            f"the first input spike comes at step {used[0]} of {num_steps}: no value is near white ({white}); scale "
            f"the data to 0 … {white}"
        )
    elif used.size == 1 and num_steps > 1:
        said = (
            f"every input spike comes at step {used[0]}: the data have two levels, so T = 1 says as much as "
            f"T = {num_steps}; if they are spike trains, give bstdg.spikes_to_steps of them, or the values behind them"
        )
    elif num_steps > white:
        said = (
            f"T = {num_steps} steps for {white + 1} levels of the data: T = {white} tells as much apart, and decides "
            "sooner"
        )
    if said:
        warnings.warn(said, CodingWarning, stacklevel=3)
