"""Runs on a Dask cluster: a real one of two processes, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from support import needs

import bstdg as package
from bstdg.lab.experiments import catalogue, results, sent
from bstdg.lab.experiments import run as running
from bstdg.lab.experiments.variants import Variant
from bstdg.model import packed
from bstdg.training.train import train

distributed = needs.package("distributed")

EPOCHS = 15
SMALL = [word for field in ("limit=400", "epochs=8", "batch=32", "layers=[64]") for word in ("--set", field)]
CUT = (f"train.epochs={EPOCHS}", "network.layers=[64]", "data.limit=500")


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each a process that is started anew when it dies."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(host="127.0.0.1", **settings) as made:
        made.scheduler.add_plugin(Done(), name="done")
        yield made


class Done(distributed.SchedulerPlugin):
    """Counts how often each task came to its end."""

    def __init__(self):
        self.number: dict[str, int] = {}

    def transition(self, key, start, finish, *args, **more):
        if (start, finish) == ("processing", "memory"):
            self.number[key] = self.number.get(key, 0) + 1


class Killer(threading.Thread):
    """Kills a worker that has just been given something to do."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.killed, self.over = cluster, (), threading.Event()

    def run(self):
        nannies = {nanny.worker_address: nanny for nanny in self.cluster.workers.values()}
        while not self.over.wait(0.01):
            for address, state in list(self.cluster.scheduler.workers.items()):
                tasks = [task.key for task in tuple(state.processing) if not task.key.startswith("about")]
                if tasks:
                    os.kill(nannies[address].pid, signal.SIGKILL)
                    self.killed = (address, tasks[0])
                    return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


@pytest.fixture
def small(monkeypatch):
    """An experiment of a short run for each seed."""
    variants = (Variant("runs/digits", "digits", CUT, exits=True),)
    experiment = catalogue.replace(catalogue.find("digits"), variants=variants, predecessors=())
    monkeypatch.setattr(catalogue, "EXPERIMENTS", (experiment,))


def test_reproduce_with_a_worker_killed(bstdg, cluster, small, tmp_path):
    out, done = tmp_path / "r", cluster.scheduler.plugins["done"].number
    asked = (
        "reproduce",
        "digits",
        "--seeds",
        "0,1",
        "--out",
        out,
        "--scheduler",
        cluster.scheduler_address,
        "--json",
    )
    with Killer(cluster) as killer:
        status, shown, err = bstdg(*asked)
    assert status == 0, err
    address, lost = killer.killed
    assert len(done) == 2 and set(done.values()) == {1} and lost in done  # the lost one again, and none twice
    assert not [line for line in err if line.endswith(f"on {address}")]
    assert sum(line.endswith(": sent") for line in err) == 2
    runs = results.load_all(out)["runs/digits"]
    assert [run.seed for run in runs] == [0, 1]
    # the same as here, but for machine and time
    here = train(running.recipe_of(catalogue.find("digits").variants[0], 1), tmp_path / "here", seed=1)
    assert (runs[1].test, runs[1].validation, runs[1].config) == (here["test"], here["validation"], here["recipe"])
    assert len(runs[1].extra["exits"]) == 8
    folder = out / "training" / "runs" / "digits" / "seed1"
    mine, its = (packed.load(place / "model.bstdg") for place in (tmp_path / "here", folder))
    assert all(a.thresholds.tolist() == b.thresholds.tolist() for a, b in zip(mine.layers, its.layers, strict=True))
    assert len((folder / "log.jsonl").read_text().splitlines()) == EPOCHS
    # what is there is not run again
    before = {path: path.read_bytes() for path in out.rglob("seed*.json")}
    status, again, err = bstdg(*asked)
    assert (status, again) == (0, shown)
    assert all(line.endswith("there already") for line in err)
    assert len(done) == 2
    assert {path: path.read_bytes() for path in out.rglob("seed*.json")} == before


def test_search_with_a_worker_killed(bstdg, cluster, tmp_path, monkeypatch):
    needs.package("optuna")
    from bstdg.lab.search import study as studies
    from bstdg.lab.search.trial import Data
    from bstdg.lab.search.trial import train as train_trial
    from bstdg.learning.recipe_file import recipe_of

    space, out = tmp_path / "space.toml", tmp_path / "s"
    space.write_text("train.weight_rate = { low = 1e-9, high = 0.1, log = true }\n")
    monkeypatch.setattr(studies, "UNPRUNED", 1)
    asked = ("search", "digits", "--space", space, "--trials", 4, *SMALL)
    with Killer(cluster) as killer:
        status, _, err = bstdg(*asked, "--out", out, "--scheduler", cluster.scheduler_address)
    assert status == 0, err
    assert killer.killed
    table = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    assert [row["trial"] for row in table] == list(range(4))
    assert not any(row["lost"] for row in table)  # the cluster did it again, under the same number
    complete = [row for row in table if row["state"] == "complete" and row["same_as"] is None]
    assert all([epoch for epoch, _ in row["by_epoch"]] == list(range(1, 9)) for row in complete)
    stopped = [row for row in table if row["state"] == "pruned" and row["same_as"] is None]
    assert all(0 < row["epochs"] < 8 for row in stopped)
    assert len(complete) + len(stopped) == sum(row["same_as"] is None for row in table)
    row = complete[-1]  # it came to what it comes to here
    assert train_trial(recipe_of(row["recipe"]), row["seeds"], Data(), lambda *_: False).value == row["value"]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("nosuch://x", "no Dask scheduler answers at nosuch://x"),
        ("tcp://127.0.0.1:port", "no Dask scheduler answers at"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_one_line(bstdg, tmp_path, monkeypatch, address, said):
    from bstdg.lab import cluster as clusters

    monkeypatch.setattr(clusters, "CONNECTING", 0.5)
    status, _, err = bstdg("reproduce", "digits", "--quick", "--out", tmp_path / "r", "--scheduler", address)
    assert (status, len(err)) == (2, 1)
    assert said in err[0] and "dask scheduler" in err[0]
    assert not (tmp_path / "r").exists()


@pytest.fixture
def scheduler():
    """One without workers, in this process."""
    settings = {"n_workers": 0, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(protocol="tcp", processes=False, **settings) as made:
        yield made


def test_workers_that_are_not_fit_are_refused(bstdg, scheduler, tmp_path, monkeypatch):
    asked = ("reproduce", "digits", "--quick", "--out", tmp_path / "r", "--scheduler", scheduler.scheduler_address)
    preload = tmp_path / "older.py"
    preload.write_text("import bstdg\nbstdg.__version__ = '0.0.9'\n")
    words = ["-m", "distributed.cli.dask_worker", scheduler.scheduler_address, "--nthreads", "1", "--no-nanny"]
    process = subprocess.Popen(
        [sys.executable, *words, "--no-dashboard", "--preload", str(preload), "--local-directory", str(tmp_path)],
        stderr=subprocess.DEVNULL, env={**os.environ, "BSTDG_DATA": str(tmp_path)},
    )  # fmt: skip
    try:
        status, _, err = bstdg(*asked)
        assert (status, len(err)) == (2, 2)
        assert err[0].endswith("has no workers: waiting for one")
        assert f"has bstdg 0.0.9, and here is {package.__version__}" in err[1]
        # one that comes later is found out as a run begins on it
        with distributed.Client(scheduler.scheduler_address, set_as_default=False) as client:
            future = client.submit(sent.made, {"bstdg": package.__version__})
            with pytest.raises(Exception, match=r"has bstdg 0\.0\.9"):
                future.result(timeout=30)
        monkeypatch.setattr(package, "__version__", "0.0.9")
        status, _, err = bstdg("reproduce", "mnist", *asked[2:])
        assert (status, len(err)) == (2, 1)
        assert "lacks the data set mnist, which is not there: put its four idx files" in err[0]
        assert not (tmp_path / "r").exists()
    finally:
        process.kill()
        process.wait()


def test_workers_with_several_threads_are_refused(bstdg, tmp_path):
    settings = {"n_workers": 1, "threads_per_worker": 3, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(protocol="tcp", processes=False, **settings) as made:
        asked = ("reproduce", "digits", "--quick", "--out", tmp_path / "r", "--scheduler", made.scheduler_address)
        status, _, err = bstdg(*asked)
    assert (status, len(err)) == (2, 1)
    assert "takes 3 runs at once" in err[0] and "--nthreads 1" in err[0]


def test_a_run_that_fails_leaves_the_others_and_is_told(bstdg, cluster, tmp_path, monkeypatch):
    variants = (
        Variant("runs/broken", "digits", ("train.epochs=1", "train.shift=9", "data.limit=300")),
        Variant("runs/good", "digits", ("train.epochs=1", "data.limit=300")),
    )
    experiment = catalogue.replace(catalogue.find("digits"), variants=variants, predecessors=())
    monkeypatch.setattr(catalogue, "EXPERIMENTS", (experiment,))
    status, _, err = bstdg(
        "reproduce", "digits", "--seeds", "0", "--out", tmp_path, "--scheduler", cluster.scheduler_address
    )
    assert status == 2
    assert "out of sight" in err[-1] and "Traceback" not in "".join(err)
    assert list(results.load_all(tmp_path)) == ["runs/good"]


def test_the_scheduler_is_for_what_is_run(bstdg):
    for words in (("--list",), ("--report", "page.md")):
        status, _, err = bstdg("reproduce", *words, "--scheduler", "tcp://127.0.0.1:1")
        assert (status, len(err)) == (2, 1)
        assert "--scheduler is for an experiment that is run" in err[0]


def test_where_dask_is_wanting_it_is_named(tmp_path):
    program = "import sys; sys.modules['distributed'] = None; from bstdg.cli import app; app()"
    asked = ["reproduce", "digits", "--quick", "--out", str(tmp_path / "r"), "--scheduler", "tcp://127.0.0.1:1"]
    done = subprocess.run([sys.executable, "-c", program, *asked], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "bstdg: --scheduler needs Dask: pip install 'bstdg[cluster]'\n")
