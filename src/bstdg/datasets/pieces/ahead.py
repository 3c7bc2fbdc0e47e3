"""Work done ahead in threads, and handed over in order: reading and encoding the next samples while these are used."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

J = TypeVar("J")
R = TypeVar("R")

MOST_WORKERS = (
    4  # threads that read and encode: a disk answers so many well, and a decision takes less time than either
)


def workers() -> int:
    """Threads that read ahead: as many as the process has processors, four at most."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, own)


def ahead(
    jobs: Iterable[J],
    work: Callable[[J], R],
    window: int = 2 * MOST_WORKERS,
    ready: Callable[[], bool] = lambda: True,
) -> Iterator[R]:
    """What `work` makes of each job, in their order; up to `window` of them are worked on before they are asked for.

    An error comes where its result would have, and ends it. Jobs are taken by the thread that asks, which hands over
    what there is before it waits for a job that is not `ready`.

    >>> list(ahead(range(5), lambda n: n * n))
    [0, 1, 4, 9, 16]
    """
    pool = ThreadPoolExecutor(workers(), thread_name_prefix="bstdg-ahead")
    waiting: deque[Future[R]] = deque()
    try:
        source = iter(jobs)
        while True:
            while waiting and not ready():
                yield waiting.popleft().result()
            try:
                waiting.append(pool.submit(work, next(source)))
            except StopIteration:
                break
            if len(waiting) >= window:
                yield waiting.popleft().result()
        pool.shutdown(wait=False)  # its threads end with what is waiting, whether or not that is asked for
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def window(piece_bytes: int, memory: int = 1 << 26) -> int:
    """How many pieces of so many bytes may wait: so many as `memory` holds, one at least and eight at most."""
    return max(1, min(2 * MOST_WORKERS, memory // max(1, piece_bytes)))
