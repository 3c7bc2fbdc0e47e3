"""Levels chosen from training samples, some at a time: the same share of what fires for each step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from bstdg.inputs.contrast import equal_shares
from bstdg.inputs.edges import EdgeCode
from bstdg.inputs.latency import LatencyCode


def equalized(code: LatencyCode | EdgeCode, parts: Iterable[Any], num_steps: int) -> LatencyCode | EdgeCode:
    """The code with levels chosen by `bstdg.inputs.contrast.equal_shares`, which its `silent_below` has gone into.

    Args:
        code: which has no levels.
        parts: the samples, some in each; only how often each value comes is kept of them.
        num_steps: T.

    Raises:
        InputError: nothing in the samples fires.

    >>> images = np.array([[[0, 10, 10, 10, 200, 255]]], np.uint8)
    >>> equalized(LatencyCode((1, 1, 6)), [images], num_steps=2).levels
    (10, 1)
    """
    latency = code.latency if isinstance(code, EdgeCode) else code
    counts = np.zeros(latency.white + 1, np.int64)
    for samples in parts:
        counts += np.bincount(code.values(samples).ravel(), minlength=len(counts))
    levels = equal_shares(counts, num_steps, latency.silent_below)
    return dataclasses.replace(code, levels=levels, silent_below=0.0)
