"""Runs on a Dask cluster: who may work there, what is sent, and what comes back.

A run is a function of this package and plain values; nothing of it is sent as code. Each has a worker to itself. When a
worker dies, Dask gives its run to another.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bstdg
from bstdg.errors import BstdgError, InputError

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECTING = 10  # seconds in which a scheduler answers
WAITING = 600  # seconds in which the first worker comes
NEED = "pip install 'bstdg[cluster]'"

Say = Callable[[str], None]


class ClusterError(BstdgError):
    """A cluster does not do what it was asked: its scheduler went away, or a worker is another than it should be."""


class WorkersDied(ClusterError):
    """A run took too many workers with it."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that one is connected to.

    Attributes:
        client: the connection.
        address: as it was given.
        data: the data sets that every run needs one of.
        data_dir: the folder with them, by the same name on every worker; None: where each looks by itself.
    """

    client: Client
    address: str
    data: tuple[str, ...]
    data_dir: str | None

    @property
    def size(self) -> int:
        """How many workers there are now."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    def send(self, run: Callable[[Mapping[str, Any]], dict[str, Any]], what: Mapping[str, Any], name: str) -> Future:
        """Have a function of this package called by a worker with plain values; what is sent twice is run once."""
        sent = {**what, "bstdg": bstdg.__version__, "data_dir": self.data_dir}
        mark = hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()[:16]
        return self.client.submit(run, sent, key=f"{name}-{mark}", pure=False)


@contextlib.contextmanager
def connected(address: str, data: Sequence[str], data_dir: Path | None, say: Say) -> Iterator[Cluster]:
    """Be connected to a cluster whose workers are all fit.

    Args:
        address: of its scheduler, such as tcp://host:8786.
        data: the data sets that runs need.
        data_dir: folder with them, on every worker; None leaves it to theirs.
        say: given a line where one has to wait.

    Raises:
        InputError: Dask is not installed, no scheduler answers, no worker comes, or one has another version of bstdg,
            several threads, or not the data; says which.
        ClusterError: the scheduler went away.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(f"--scheduler needs Dask: {NEED}") from None
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is said here
    try:
        client = Client(address, timeout=CONNECTING, set_as_default=False, name="bstdg")
    except (OSError, ValueError, TypeError, ImportError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"no Dask scheduler answers at {address}: {said}; start one with  dask scheduler  and give the address "
            "that it prints, such as tcp://HOST:8786"
        ) from None
    with client:
        folder = None if data_dir is None else str(data_dir.resolve())
        cluster = Cluster(client, address, tuple(dict.fromkeys(data)), folder)
        with answering(address):
            _meet(cluster, say)
            yield cluster


@contextlib.contextmanager
def answering(address: str) -> Iterator[None]:
    """A scheduler that goes away inside is one line."""
    from concurrent.futures import CancelledError

    from distributed.comm.core import CommClosedError

    try:
        yield
    except (CancelledError, CommClosedError):
        raise ClusterError(
            f"the Dask scheduler at {address} went away; what is done is kept, and the same command goes on"
        ) from None


def _meet(cluster: Cluster, say: Say) -> None:
    """Wait for a worker, and see that all there are fit."""
    from distributed import TimeoutError as Late

    if not cluster.size:
        say(f"the cluster at {cluster.address} has no workers: waiting for one")
        try:
            cluster.client.wait_for_workers(1, timeout=WAITING)
        except (Late, TimeoutError):
            raise InputError(
                f"no worker came to the Dask scheduler at {cluster.address} in {WAITING} s; start some with  "
                f"dask worker {cluster.address} --nthreads 1"
            ) from None
    asked: Any = cluster.client.run(about_worker, list(cluster.data), cluster.data_dir, on_error="return")
    for worker, told in sorted(asked.items()):
        if isinstance(told, BaseException):
            raise InputError(f"the worker {worker} cannot run bstdg ({told}): install bstdg {bstdg.__version__} there")
        if lacking := unfit(worker, told, bstdg.__version__):
            raise InputError(lacking)


def about_worker(data: Sequence[str] = (), data_dir: str | None = None, dask_worker: Any = None) -> dict[str, Any]:
    """What a worker says of itself: version, threads, and of data sets that it lacks, where it looked.

    `dask_worker` is filled in by Dask.
    """
    from bstdg import datasets

    found = {name: datasets.source(name).present(data_dir) for name in data}
    lacks = {name: place.said for name, place in found.items() if not place.usable}
    return {"bstdg": bstdg.__version__, "threads": dask_worker.state.nthreads, "lacks": lacks}


def unfit(worker: str, told: Mapping[str, Any], version: str) -> str:
    """What is wrong with a worker for whom another version sends; nothing of one that fits."""
    if told["bstdg"] != version:
        return f"the worker {worker} has bstdg {told['bstdg']}, and here is {version}: install the same there"
    if told["threads"] != 1:
        return (
            f"the worker {worker} takes {told['threads']} runs at once, which share its memory and threads: start it "
            "with --nthreads 1, and --nworkers for several"
        )
    for name, said in told["lacks"].items():
        return f"the worker {worker} lacks the data set {name}, which is {said}"
    return ""


def check_here(what: Mapping[str, Any]) -> str:
    """Called on a worker as a run begins, for those that came later; gives the worker's address.

    Raises:
        ClusterError: this worker is not fit.
    """
    from distributed import get_worker

    worker = get_worker()
    if lacking := unfit(worker.address, about_worker(dask_worker=worker), what["bstdg"]):
        raise ClusterError(lacking)
    return worker.address


def outcome(future: Future, what: str) -> Any:
    """What a run came to.

    Raises:
        WorkersDied: it took too many workers with it.
        ClusterError: none of them fits.
        Whatever the run raised.
    """
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise WorkersDied(
            f"{what} was begun by {error.allowed_failures + 1} workers, and all of them died: they may lack memory"
        ) from None
