"""Sums over ranks of one machine, through memory that they share: a fraction of the time that sockets take.

Each rank writes its values, adds up its part of those of all, and reads the sums of the others. Values are added in the
order of the ranks, and each sum once, so it is the same bits for all. Ranks meet by counters in that memory and look at
each other's in a loop, since waking up would take longer than the sum; who waits for long sleeps.
"""

from __future__ import annotations

import mmap
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bstdg.distributed.share import Share

if TYPE_CHECKING:
    from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

LINE = 64  # bytes of a cache line: counters that share one would slow each other down
IMPATIENT = 0.02  # seconds of looking without a pause
SHARED = "/dev/shm"  # noqa: S108  (where Linux keeps files in memory; a file has a name of its own there)


def can_be_shared() -> bool:
    """Whether this machine has such memory, and a processor whose stores others see in order."""
    return platform.system() == "Linux" and platform.machine() == "x86_64" and os.access(SHARED, os.W_OK)


def shared_sums(rank: int, size: int, store: Store, room: int) -> SharedSums | None:
    """Memory of all ranks of a machine, made by the first; None where there is not as much.

    Args:
        rank, size: of this process.
        store: where the first tells the others which file it is.
        room: bytes of one rank's values.
    """
    note, length = f"memory of {room}", size * LINE + (size + 1) * room
    if rank == 0:
        file, name = tempfile.mkstemp(prefix="bstdg-", dir=SHARED)
        path = Path(name)
        try:
            os.posix_fallocate(file, 0, length)  # memory that is full says so now, and does not end the process later
        except OSError:
            os.close(file)
            path.unlink()
            name = ""
        store.set(note, name)
    else:
        path = Path(name := store.get(note).decode())
        file = os.open(path, os.O_RDWR) if name else -1
    if not name:
        return None
    sums = SharedSums(rank, size, file, room)
    if rank == 0:
        path.unlink()  # it lasts as long as somebody has it open
    return sums


class SharedSums:
    """What `shared_sums` gives: an open `file`, of which each of `size` ranks has `room` bytes."""

    def __init__(self, rank: int, size: int, file: int, room: int):
        import fcntl

        self._rank, self._size, self._file, self.room = rank, size, file, room
        self._lock, self._turn = fcntl, 0
        self._lock.lockf(file, self._lock.LOCK_EX, 1, rank)  # until this process ends, however it does
        memory = mmap.mmap(file, size * LINE + (size + 1) * room)
        self._counters = np.frombuffer(memory, np.int64, size * LINE // 8).reshape(size, -1)[:, 0]
        self._values = torch.frombuffer(memory, dtype=torch.uint8, offset=size * LINE).view(size + 1, room)
        self._meet()

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Make each tensor, in place, the sum of what all ranks hold; of one type, and of `room` bytes at most."""
        number, of_rank = sum(t.numel() for t in tensors), self._values.view(tensors[0].dtype)
        lengths = [tensor.numel() for tensor in tensors]
        for tensor, mine in zip(tensors, of_rank[self._rank, :number].split(lengths), strict=True):
            mine.copy_(tensor.reshape(-1))
        self._meet()
        part = Share.of(number, self._rank, self._size).rows
        sums = of_rank[self._size, part]
        torch.add(of_rank[0, part], of_rank[1, part], out=sums)
        for other in range(2, self._size):
            sums += of_rank[other, part]
        self._meet()
        for tensor, total in zip(tensors, of_rank[self._size, :number].split(lengths), strict=True):
            tensor.copy_(total.view_as(tensor))

    def close(self) -> None:
        """Let the others know that this rank is gone."""
        with suppress(OSError):
            os.close(self._file)

    def _meet(self) -> None:
        """Go on when all ranks have come as far."""
        self._turn += 1
        self._counters[self._rank] = self._turn
        since, pause = time.monotonic(), 0.0
        while int(self._counters.min()) < self._turn:
            if time.monotonic() - since < IMPATIENT:
                os.sched_yield()
                continue
            pause = min(0.05, pause + 1e-4)
            time.sleep(pause)
            for rank in np.flatnonzero(self._counters < self._turn).tolist():
                self._look_for(rank)

    def _look_for(self, rank: int) -> None:
        if not self._counters[rank]:
            return  # it has not been here yet
        with suppress(OSError):  # it holds its lock, so it lives
            self._lock.lockf(self._file, self._lock.LOCK_EX | self._lock.LOCK_NB, 1, rank)
            if self._counters[rank] < self._turn:
                raise RuntimeError(f"rank {rank} is gone")
            self._lock.lockf(self._file, self._lock.LOCK_UN, 1, rank)
