"""Trials trained by the workers of a cluster; the study stays here, and so does every decision about a trial."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bstdg.errors import TrainingError
from bstdg.lab import cluster as clusters
from bstdg.lab.cluster import Cluster, WorkersDied
from bstdg.lab.search import trial as trials
from bstdg.lab.search.trial import Data, Outcome, Report
from bstdg.lab.search.worker import PAUSE, Say, Search, Stopped, one
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import recipe_of

LOOK = 0.2  # seconds between looks at a trial
ENDING = 30.0  # seconds in which trials that are stopped give themselves back


def work(search: Search, cluster: Cluster, say: Say, after: Callable[[], None]) -> None:
    """Have a cluster train trials until all are done, as many at once as it has workers.

    Args:
        search, say, after: see `bstdg.lab.search.worker.work`.
        cluster: see `bstdg.lab.cluster.connected`.

    Raises:
        BstdgError: the storage fails, or the cluster does.
    """
    with search.storage.answering(), search.storage.working() as name:
        _Conductor(search, cluster, name, say).conduct(after)


class _Conductor:
    """Has a thread for each trial that the cluster trains."""

    def __init__(self, search: Search, cluster: Cluster, name: str, say: Say):
        self._search, self._cluster, self._name, self._say = search, cluster, name, say
        self._stop = threading.Event()
        self._errors: list[BaseException] = []

    def conduct(self, after: Callable[[], None]) -> None:
        search, threads, told = self._search, [], False
        try:
            while True:
                search.storage.clear(search.study)
                now, before = search.standing(), len(threads)
                threads = [thread for thread in threads if thread.is_alive()]
                if len(threads) < before:
                    after()
                if self._errors:
                    raise self._errors[0]
                if now.done and not threads:
                    return
                if now.open and len(threads) < self._cluster.size:
                    threads.append(self._begin())
                    continue
                if not (threads or told):
                    self._say(f"waiting for {now.wanted - now.ended} that other workers train")
                    told = True
                time.sleep(PAUSE)
        finally:
            self._stop.set()
            deadline = time.monotonic() + ENDING
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _begin(self) -> threading.Thread:
        """A thread that has taken a trial, or has failed to."""
        began = threading.Event()
        thread = threading.Thread(target=self._one, args=(began,), name="bstdg-trial", daemon=True)
        thread.start()
        began.wait()
        return thread

    def _one(self, began: threading.Event) -> None:
        try:
            one(self._search, self._name, self._run, self._say, began.set)
        except Stopped:
            pass
        except BaseException as error:
            self._errors.append(error)
        finally:
            began.set()

    def _run(self, recipe: Recipe, report: Report) -> Outcome:
        """Send a trial, and report what comes back of it as if it were trained here."""
        from distributed import Event

        search, client = self._search, self._cluster.client
        what: dict[str, Any] = {"recipe": recipe.to_dict(), "seeds": list(search.seeds)}
        what |= {"device": search.device, "engine": search.engine, "study": search.study.study_name}
        topic = f"bstdg-{time.time_ns()}-{threading.get_ident()}"
        came: queue.Queue[tuple[int, float]] = queue.Queue()
        client.subscribe_topic(topic, lambda event: came.put((event[1]["epoch"], event[1]["value"])))
        stop, last = Event(topic, client=client), 0
        future = self._cluster.send(trained, {**what, "topic": topic}, "trial")
        try:
            while True:
                if self._stop.is_set():
                    stop.set()
                    raise Stopped
                done = future.done()
                while not came.empty():
                    epoch, value = came.get()
                    if epoch > last:  # one that another worker begins anew repeats itself
                        last = epoch
                        if report(epoch, value) and not done:
                            stop.set()
                if done:
                    return self._end(future, last, report)
                time.sleep(LOOK)
        finally:
            client.unsubscribe_topic(topic)
            future.cancel()

    def _end(self, future: Any, last: int, report: Report) -> Outcome:
        try:
            back = clusters.outcome(future, "a trial")
        except WorkersDied as error:  # the point's fault, as far as one can know
            raise TrainingError(str(error)) from None
        for epoch, value in back["by_epoch"]:
            if epoch > last:
                report(epoch, value)
        return Outcome(**back["outcome"])


def trained(what: Mapping[str, Any]) -> dict[str, Any]:
    """Train a trial; called on a worker, which tells of every epoch, and stops when it is told to."""
    from distributed import Event, get_worker

    clusters.check_here(what)
    worker, stop, told = get_worker(), Event(what["topic"]), []

    def report(epoch: int, value: float) -> bool:
        told.append([epoch, value])
        worker.log_event(what["topic"], {"epoch": epoch, "value": value})
        return bool(stop.is_set())

    data = _data(what["data_dir"])
    more: dict[str, Any] = {"device": what["device"], "engine": what["engine"]}
    outcome = trials.train(recipe_of(what["recipe"]), what["seeds"], data, report, **more)
    return {"outcome": dataclasses.asdict(outcome), "by_epoch": told}


_read: dict[str | None, Data] = {}


def _data(folder: str | None) -> Data:
    """The training set, which a worker reads once for all of its trials."""
    if folder not in _read:
        _read.clear()
        _read[folder] = Data(None if folder is None else Path(folder))
    return _read[folder]
