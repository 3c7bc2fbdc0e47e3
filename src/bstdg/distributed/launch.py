"""How a process finds out that it is a rank: by what `torchrun` puts into its environment.

Other launchers work that set the same: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, and LOCAL_RANK and
LOCAL_WORLD_SIZE where several ranks are on a machine.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bstdg.errors import InputError

if TYPE_CHECKING:
    from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

    from bstdg.distributed.ranks import Ranks

PATIENCE = timedelta(seconds=60)  # for the first rank to be there, where no launcher answers for it
LINGER = 30.0  # seconds that it stays for the others to ask who speaks
SPOKEN = "spoken"
TORCHRUN, THREADS = "TORCHELASTIC_USE_AGENT_STORE", "OMP_NUM_THREADS"


class Place(NamedTuple):
    """Where this process stands: among all ranks, and among those of its machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    restarts: int

    @classmethod
    def here(cls) -> Place | None:
        """By the environment; None where it says nothing of ranks.

        Raises:
            InputError: what it says makes no sense.
        """
        if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
            return None
        rank, size = _number("RANK"), _number("WORLD_SIZE")
        local = _number("LOCAL_RANK", rank), _number("LOCAL_WORLD_SIZE", size)
        if rank >= size or local[0] >= local[1]:
            raise InputError(
                f"RANK={rank} of WORLD_SIZE={size}, LOCAL_RANK={local[0]} of {local[1]}: start by torchrun"
            )
        return cls(rank, size, *local, _number("TORCHELASTIC_RESTART_COUNT", 0))


def _number(name: str, default: int | None = None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{name} must be a whole number, as torchrun sets it, not {text!r}")
    return int(text)


def is_first() -> bool:
    """Whether this is the rank that speaks; a process that is none is."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """This process among the ranks it was started with, while the context lasts; alone, if it was not.

    Each rank has its share of the machine's cores, unless OMP_NUM_THREADS was set for torchrun.

    Args:
        device: as `device_of` gives it.
    """
    import torch
    from torch import distributed as dist
    from torch.distributed import PrefixStore  # pyright: ignore[reportPrivateImportUsage]

    from bstdg.distributed.ranks import ALONE, Ranks

    place = Place.here()
    if place is None or (place.size == 1 and not place.restarts and TORCHRUN not in os.environ):
        yield ALONE
        return
    start = _round(place)
    start += f" {_store().add(f'{start} {place.rank} joined', 1)}"  # once more for each training of a process
    store = PrefixStore(start, _store())
    ranks = ALONE
    threads, own_group = torch.get_num_threads(), place.size > 1 and not dist.is_initialized()
    if own_group:
        backend = "gloo"
        if device.startswith("cuda"):
            backend = "cpu:gloo,cuda:nccl"
            torch.cuda.set_device(device)  # which NCCL takes
        dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.size)
    try:
        if (own := _share_of_cores(place)) is not None:
            torch.set_num_threads(own)
        near = place.local_size == place.size and device == "cpu"
        more = {"beside": place.local_size, "ended": another_spoke}
        ranks = Ranks(place.rank, place.size, store, near=near, **more)
        yield ranks
    except BaseException as error:
        _let_go(error)
        raise
    finally:
        ranks.close()
        torch.set_num_threads(threads)
        if own_group:  # gloo's threads abort a process that ends while they run
            dist.destroy_process_group()


def _let_go(error: BaseException | None) -> None:
    """Of what was at hand where an error was raised: as long as a frame knows it, gloo keeps its threads, and these
    abort a process that ends while they free a tensor."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def device_of(name: str) -> str:
    """The device of this rank, of what was asked for: of a machine's GPUs, each rank there has its own.

    Raises:
        InputError: there are fewer GPUs than ranks on this machine, or one is named for several.
    """
    import torch

    place = Place.here()
    if place is None or place.size == 1 or (name != "auto" and not name.startswith("cuda")):
        return name
    if name == "auto" and not torch.cuda.is_available():
        return "cpu"
    if ":" in name and place.local_size > 1:
        raise InputError(f"{place.local_size} ranks cannot share {name}: give --device cuda, and each takes its own")
    if 0 < (there := torch.cuda.device_count()) < place.local_size:
        raise InputError(
            f"{place.local_size} ranks on a machine with {there} GPUs: give torchrun --nproc-per-node {there}, "
            "or --device cpu"
        )
    return name if ":" in name else f"cuda:{place.local_rank}"


def began(out: Path) -> bool:
    """Whether this launch of torchrun, before it started its ranks anew, had begun the run in this folder."""
    place = Place.here()
    return place is not None and place.restarts > 0 and _store().check([f"bstdg began {out}"])


def begin(out: Path) -> None:
    """Note for a restart that the run in this folder is that of this launch."""
    if TORCHRUN in os.environ and Place.here() is not None:
        _store().set(f"bstdg began {out}", "")


def starts_anew() -> bool:
    """Whether torchrun will start all ranks once more when one ends."""
    place, most = Place.here(), os.environ.get("TORCHELASTIC_MAX_RESTARTS", "")
    return place is not None and most.isdigit() and place.restarts < int(most)


def speaks_last() -> bool:
    """Whether this rank is the one to say why all end: the first that asks.

    The rank that keeps the store answers until all have asked, for a while: who finds nobody may speak.
    """
    place = Place.here()
    if place is None or place.size == 1:
        return True
    with suppress(Exception):
        asked = _store().add(note := f"{_round(place)} {SPOKEN}", 1)
        deadline = time.monotonic() + LINGER
        while _hosts() and _store().add(note, 0) < place.size and time.monotonic() < deadline:
            time.sleep(0.01)
        return asked == 1
    return True


def another_spoke() -> bool:
    """Whether a rank of this start has ended, with its reason."""
    place = Place.here()
    return place is not None and _store().check([f"{_round(place)} {SPOKEN}"])


@contextmanager
def heeding_torchrun() -> Iterator[None]:
    """While the context lasts, being stopped by torchrun, as all are when one rank ends, raises `Lost`."""
    if Place.here() is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        from bstdg.distributed.ranks import Lost

        raise Lost("stopped by its launcher, as all ranks are when one has ended")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _hosts() -> bool:
    """Whether the store is this process's own, and ends with it."""
    return is_first() and os.environ.get(TORCHRUN) != "True"


@cache
def _store() -> Store:
    """Where the ranks leave each other notes; torchrun keeps it, or else the first rank."""
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    address, port = os.environ.get("MASTER_ADDR", ""), _number("MASTER_PORT")
    try:
        return TCPStore(address, port, is_master=_hosts(), timeout=PATIENCE)
    except RuntimeError as error:
        raise InputError(
            f"the first rank cannot be reached at MASTER_ADDR={address}, MASTER_PORT={port}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None


def _round(place: Place) -> str:
    """What the notes of this start begin with; a store may outlive the ranks that it was made for."""
    return f"bstdg {place.restarts} {place.size}"


def _share_of_cores(place: Place) -> int | None:
    """Threads for this rank; None where the user has said how many.

    torchrun sets OMP_NUM_THREADS=1 where it is not set, so it is its own environment that tells what was asked for.
    """
    if TORCHRUN in os.environ:
        try:
            asked = Path(f"/proc/{os.getppid()}/environ").read_bytes().split(b"\0")
        except OSError:
            return None
        if any(setting.startswith(f"{THREADS}=".encode()) for setting in asked):
            return None
    elif THREADS in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // place.local_size)
