"""What training needs of torch, whatever its caller has set there: gradients, whole precision, living threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

LOADED_IN = os.getpid()  # a forked process has another number


@contextmanager
def undisturbed() -> Iterator[None]:
    """Gradients are recorded and nothing is rounded while the context lasts, also within `torch.no_grad`,
    `torch.inference_mode` or `torch.autocast`.

    In a forked process torch computes with one thread: it waits for ever for others, which the fork left behind.
    """
    threads = torch.get_num_threads()
    if os.getpid() != LOADED_IN:
        torch.set_num_threads(1)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False) if torch.is_autocast_enabled() else nullcontext(),
        ):
            yield
    finally:
        if os.getpid() != LOADED_IN:
            torch.set_num_threads(threads)
