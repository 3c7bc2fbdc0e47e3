"""What ranks must see alike before the first step, and what a batch must be to be shared."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import Any

import numpy as np
import torch

import bstdg
from bstdg.distributed.ranks import Ranks
from bstdg.errors import InputError

MOST = 1 << 30  # bytes of an array that are all looked at; of a greater one, rows at even distances
ROWS, FEW = 4096, 256  # of samples in memory, and of those on disk


def reach(ranks: Ranks, data: Any, **seen: Any) -> None:
    """Go on only if all ranks are of one version, and see the same data and what else is `seen`.

    Raises:
        InputError: one sees something else; says which and what.
    """
    if ranks.size > 1:
        ranks.agree(bstdg=bstdg.__version__, torch=torch.__version__, data=fingerprints(data), **seen)


def fingerprints(data: Any) -> dict[str, str]:
    """What each array and word of a data set is, in short."""
    each = {field.name: getattr(data, field.name) for field in fields(data)}
    if hasattr(data, "read"):  # samples that stay on disk
        each |= {"images": data.read(np.linspace(0, len(data) - 1, min(len(data), FEW), dtype=np.int64))}
    return {name: _fingerprint(value) for name, value in each.items()}


def _fingerprint(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return str(value)[:100] if isinstance(value, (str, int, float, tuple)) else type(value).__name__
    every = 1 if value.nbytes <= MOST else -(-len(value) // ROWS)
    digest = hashlib.sha256(np.ascontiguousarray(value[::every]).view(np.uint8).data).hexdigest()
    return f"{value.dtype} {list(value.shape)} {digest[:12]}"


def check_batch(ranks: Ranks, batch: int, samples: int) -> None:
    """Raise `InputError` where there is not a sample of every batch for every rank."""
    if batch < ranks.size:
        raise InputError(
            f"train.batch = {batch} is the batch of all {ranks.size} ranks together, and leaves some without a sample: "
            "raise it, or start fewer ranks"
        )
    if samples < ranks.size:
        raise InputError(f"{samples} training samples are too few for {ranks.size} ranks: start fewer")
