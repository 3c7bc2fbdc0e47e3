"""What training needs of its surroundings, whatever its caller has set there: torch's modes and threads, and Python."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

LOADED_IN = os.getpid()  # a forked process has another number
LONGEST = 30.0  # seconds that the end of Python waits for a batch


@contextmanager
def undisturbed() -> Iterator[None]:
    """Gradients are recorded and nothing is rounded while the context lasts, also within `torch.no_grad`,
    `torch.inference_mode` or `torch.autocast`.

    In a forked process torch computes with one thread: it waits for ever for others, which the fork left behind. In a
    daemon thread, Python does not end before `between_batches` is called.
    """
    threads = torch.get_num_threads()
    if os.getpid() != LOADED_IN:
        torch.set_num_threads(1)
    try:
        with (
            at_work(),
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False) if torch.is_autocast_enabled() else nullcontext(),
        ):
            yield
    finally:
        if os.getpid() != LOADED_IN:
            torch.set_num_threads(threads)


_leaving = threading.Event()
_busy: dict[threading.Thread, threading.Event] = {}  # daemon threads that train, and whether each has come to rest


@contextmanager
def at_work() -> Iterator[None]:
    """While torch computes, or its tensors are given up, in a daemon thread: Python does not end meanwhile, and the
    thread rests here for good where Python is about to."""
    thread = threading.current_thread()
    if not thread.daemon or thread in _busy:
        yield
        return
    at_rest = _busy[thread] = threading.Event()
    try:
        between_batches()
        yield
    finally:
        del _busy[thread]
        at_rest.set()


def between_batches() -> None:
    """Called where a daemon thread may be left behind for good: Python that ends kills such threads, and torch aborts
    the process where that happens within its own code."""
    at_rest = _busy.get(threading.current_thread())
    if at_rest is not None and _leaving.is_set():
        at_rest.set()
        threading.Event().wait()


@atexit.register
def _leave() -> None:
    _leaving.set()
    for at_rest in list(_busy.values()) if os.getpid() == LOADED_IN else ():
        at_rest.wait(LONGEST)
