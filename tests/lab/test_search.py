"""`bstdg search`: real small searches on digits, by several workers, killed and gone on with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import pytest
from support import needs
from support.paths import ROOT

from bstdg import datasets
from bstdg.errors import InputError
from bstdg.learning.recipe_file import load_recipe, recipe_of

optuna = needs.package("optuna")

from bstdg.lab.search import space as spaces  # noqa: E402
from bstdg.lab.search import storage as storages  # noqa: E402
from bstdg.lab.search import study as studies  # noqa: E402
from bstdg.lab.search import worker as workers  # noqa: E402
from bstdg.lab.search.trial import Data, Outcome, train  # noqa: E402

SPACE = """
train.weight_rate = { low = 0.003, high = 0.1, log = true }
"rule.width" = { low = 4, high = 40 }
train.batch = { low = 32, high = 128, step = 32 }
network.layers = { choices = [[16], [12, 8]] }
"""
SMALL = ("--set", "limit=200", "--set", "epochs=2")


@pytest.fixture
def space(tmp_path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "trials.jsonl").read_text(encoding="utf-8").splitlines()]


def study_of(out: Path, name: str = "digits"):
    return optuna.load_study(study_name=name, storage=f"sqlite:///{out / 'trials.db'}")


def test_a_search_leaves_table_page_and_the_best_recipe(bstdg, space, tmp_path, monkeypatch):
    read, load = [], datasets.load
    monkeypatch.setattr(datasets, "load", lambda name, split, *a, **k: read.append(split) or load(name, split, *a, **k))
    out = tmp_path / "s"
    asked = ("search", "digits", "--space", space, *SMALL, "--seeds", "0,1", "--out", out)
    status, shown, err = bstdg(*asked, "--trials", 3)
    assert status == 0, err
    assert read == ["train"]
    table = rows(out)
    assert [row["trial"] for row in table] == [0, 1, 2]
    assert all(row["state"] == "complete" and row["seeds"] == [0, 1] and row["epochs"] == 4 for row in table)
    for row in table:
        assert row["recipe"]["train"]["weight_rate"] == row["point"]["train.weight_rate"]
        assert row["recipe"]["network"]["layers"] in ([16], [12, 8])
        assert row["point"]["train.batch"] in (32, 64, 96, 128)
    best = max(table, key=lambda row: row["value"])
    assert load_recipe(out / "best.toml") == recipe_of(best["recipe"])
    assert f"{100 * best['value']:.2f}" in shown
    page = (out / "search.html").read_text(encoding="utf-8")
    assert "<script" not in page and 'id="fig-history"' in page and 'id="fig-rule-width"' in page
    assert f"{best['value']:.2%}" in page
    # the value is what training such a recipe finds: the mean of the validation figure of the epochs to be deployed
    again = train(recipe_of(best["recipe"]), [0, 1], Data(), lambda epoch, value: False)
    assert again.value == best["value"]
    assert again.figures == best["figures"]
    # more trials go on, and those that are there are not made again
    before = (out / "trials.jsonl").read_text()
    status, _, err = bstdg(*asked, "--trials", 4)
    assert (status, len(err)) == (0, 1)
    assert err[0].startswith("[4/4] trial 3: ")
    assert (out / "trials.jsonl").read_text().startswith(before)
    status, shown, err = bstdg(*asked, "--trials", 4, "--json", "--report")
    assert (status, err) == (0, [])
    assert json.loads(shown) == rows(out)


def test_a_trial_that_is_behind_is_stopped(bstdg, tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "UNPRUNED", 1)
    space, out = tmp_path / "space.toml", tmp_path / "s"
    space.write_text("train.weight_rate = { low = 1e-9, high = 0.1, log = true }\n")
    small = [word for field in ("limit=300", "epochs=4", "batch=32", "layers=[32]") for word in ("--set", field)]
    asked = ("search", "digits", "--space", space, *small, "--trials", 4)
    assert bstdg(*asked, "--out", out)[0] == 0
    table = rows(out)
    stopped = [row for row in table if row["state"] == "pruned"]
    assert stopped and all(row["epochs"] < 4 for row in stopped)
    for row in stopped:  # behind the median of earlier ones at that epoch
        last, value = row["by_epoch"][-1]
        others = [dict(map(tuple, other["by_epoch"])) for other in table if other["trial"] < row["trial"]]
        reached = sorted(other[last] for other in others if last in other)
        assert value <= reached[len(reached) // 2]
    assert bstdg(*asked, "--no-pruning", "--name", "whole", "--out", out)[0] == 0
    assert {row["state"] for row in rows(out)} == {"complete"}


def command(space: Path, out: Path, *more: str) -> list[str]:
    words = ["search", "digits", "--space", str(space), "--out", str(out), "--set", "limit=600", *more]
    return [sys.executable, "-m", "bstdg", *words]


def until(holds, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(out: Path) -> list:
    if not (out / "trials.db").is_file():
        return []
    try:
        trials = study_of(out).get_trials(deepcopy=False)
    except Exception:  # its tables are being made
        return []
    return [t for t in trials if t.state == optuna.trial.TrialState.RUNNING and storages.WORKER in t.user_attrs]


def paused_in_a_trial(worker: subprocess.Popen, out: Path) -> bool:
    """Stop a worker for a while; not where it has not drawn a point yet, or where it holds the storage."""
    if not [trial for trial in running(out) if len(trial.params) == 4]:
        return False
    worker.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WNOWAIT)
    storage = sqlite3.connect(out / "trials.db", timeout=0)
    with contextlib.closing(storage), contextlib.suppress(sqlite3.OperationalError):
        storage.execute("begin immediate")
        storage.rollback()
        if [trial for trial in running(out) if len(trial.params) == 4]:
            return True
    worker.send_signal(signal.SIGCONT)
    return False


def test_two_workers_one_of_them_killed(bstdg, space, tmp_path):
    out, more = tmp_path / "s", ("--set", "epochs=60", "--trials", "3", "--no-pruning")
    locked = out / ".trials.db.workers"
    victim = subprocess.Popen(command(space, out, *more), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until(lambda: paused_in_a_trial(victim, out))
        lost = running(out)[0]
        killer = threading.Thread(target=lambda: (until(lambda: len(list(locked.iterdir())) > 1), victim.kill()))
        killer.start()
        status, _, err = bstdg(*command(space, out, *more)[3:])
        killer.join()
    finally:
        victim.kill()
        victim.wait()
    assert victim.returncode == -signal.SIGKILL
    assert status == 0, err
    table = rows(out)
    assert len(table) == 3
    assert {row["state"] for row in table} == {"complete"}
    taken_up = [row for row in table if row["lost"]]
    assert len(taken_up) == 1
    number = taken_up[0]["lost"][0]
    assert number == lost.number
    failed = study_of(out).trials[number]
    assert failed.state == optuna.trial.TrialState.FAIL
    assert failed.user_attrs[storages.WORKER] == lost.user_attrs[storages.WORKER]
    assert {**taken_up[0]["point"], "network.layers": ""} == {**failed.params, "network.layers": ""}
    assert number not in [row["trial"] for row in table]
    assert [path.name for path in (out / ".trials.db.workers").iterdir()] in ([], [lost.user_attrs[storages.WORKER]])


def test_stopped_by_hand_its_trial_is_tried_again(bstdg, space, tmp_path):
    out, more = tmp_path / "s", ("--trials", "1", "--set", "epochs=300")
    program = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # as from a terminal
    program += "; runpy.run_module('bstdg', run_name='__main__', alter_sys=True)"
    words = command(space, out, *more)[3:]
    process = subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True)
    until(lambda: running(out) and running(out)[0].intermediate_values)  # while modules are loaded it ends at once
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].splitlines()
    assert process.returncode == 130
    assert said[-1].startswith("bstdg: stopped; trials that are done are kept"), said
    first, second = study_of(out).trials
    assert (first.state, second.state) == (optuna.trial.TrialState.FAIL, optuna.trial.TrialState.WAITING)
    assert second.user_attrs == {studies.AGAIN: [0]}
    assert bstdg(*words, "--report")[0] == 0
    assert [row["state"] for row in rows(out)] == ["waiting"]


# --- what counts ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "journal"])
def search(request, space, tmp_path):
    base = load_recipe(ROOT / "recipes" / "digits.toml", ["limit=200", "epochs=1"])
    drawn_from = spaces.load(space, base)
    opened = storages.open_at(f"{request.param}:///{tmp_path / 'trials'}", studies.again)
    study = studies.open_study(opened, "digits", drawn_from, (0,), 0, True)
    return workers.Search(study, opened, drawn_from, 3, (0,), tmp_path)


def test_the_same_seed_draws_the_same_points_also_where_it_was_interrupted(space, tmp_path):
    base, points = load_recipe(ROOT / "recipes" / "digits.toml"), []
    for name, counts, seed in (("a", (14,), 0), ("b", (3, 12, 14), 0), ("c", (14,), 1)):
        drawn_from = spaces.load(space, base)
        for count in counts:  # each by a worker of its own
            opened = storages.open_at(f"journal:///{tmp_path / name}", studies.again)
            study = studies.open_study(opened, "digits", drawn_from, (0,), seed, True)
            whole = workers.Search(study, opened, drawn_from, count, (0,), tmp_path)
            run = lambda recipe, report: Outcome(recipe.train.weight_rate, False, 1, 1.0)  # noqa: E731
            workers.take(whole, "me", run, lambda line: None, lambda: None)
        points.append([drawn_from.point(trial.params) for trial in study.trials])
    assert points[0] == points[1] != points[2]
    assert len({str(point) for point in points[0]}) == 14


def test_of_several_who_take_the_last_trial_the_first_has_it(search):
    for _ in range(5):
        search.study.ask()
    assert [workers.surplus(search, number) for number in range(5)] == [False] * 3 + [True] * 2
    search.study.tell(1, state=optuna.trial.TrialState.FAIL)  # its worker died: another may have its place
    assert [workers.surplus(search, number) for number in (0, 2, 3, 4)] == [False, False, False, True]


def test_a_point_that_kills_its_workers_is_given_up(search):
    deaths, folder = 0, search.storage.folder
    folder.mkdir(exist_ok=True)
    search.study.enqueue_trial({"rule.width": 5.0})
    while search.standing().trials[0].state == optuna.trial.TrialState.WAITING:
        trial = search.study.ask()
        assert trial.suggest_float("rule.width", 4, 40) == 5.0
        trial.set_user_attr(storages.WORKER, f"dead{deaths}")
        with_lock = deaths % 2 == 0  # a lock that nobody holds, or none at all
        if with_lock:
            (folder / f"dead{deaths}").touch()
        search.storage.clear(search.study)
        search.storage.clear(search.study)  # once only
        deaths += 1
        assert deaths < 9
    assert deaths == studies.MOST_DEATHS + 1
    assert {trial.state.name for trial in search.study.trials} == {"FAIL"}  # nobody waits to try it once more
    assert search.standing().ended == 1
    assert search.standing().open == 2


def test_who_lives_keeps_a_trial_and_who_died_unsigned_is_found_out(search, monkeypatch):
    with search.storage.working() as name:
        mine, unsigned = search.study.ask(), search.study.ask()
        mine.set_user_attr(storages.WORKER, name)
        search.storage.clear(search.study)
        states = [trial.state.name for trial in search.study.trials]
        assert states == ["RUNNING", "RUNNING"]
        monkeypatch.setattr(storages, "GRACE", 0)
        time.sleep(0.01)
        search.storage.clear(search.study)
        assert [trial.state.name for trial in search.study.trials] == ["RUNNING", "FAIL", "WAITING"]
        assert unsigned.number == 1


def test_a_trial_that_cannot_be_trained_fails_with_its_reason(search):
    calls = []

    def run(recipe, report):
        calls.append(recipe)
        if len(calls) == 2:
            raise InputError("it does not fit")
        return Outcome(0.5, False, 1, 1.0)

    said = []
    workers.take(search, "me", run, said.append, lambda: None)
    assert [trial.state.name for trial in search.study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert said[1].startswith("[2/3] trial 1: failed with ")
    assert said[1].endswith(": it does not fit")


def test_a_point_that_was_tried_is_not_trained_again(search):
    for _ in range(2):
        search.study.enqueue_trial(
            {"train.weight_rate": 0.01, "rule.width": 9.0, "train.batch": 32, "network.layers": "[12, 8]"}
        )
    calls = []

    def run(recipe, report):
        calls.append(recipe)
        return Outcome(0.5 + len(calls) / 8, False, 1, 1.0)

    workers.take(search, "me", run, lambda line: None, lambda: None)
    assert [(trial.value, trial.user_attrs.get("same_as")) for trial in search.study.trials] == [
        (0.625, None), (0.625, 0), (0.75, None),
    ]  # fmt: skip
    assert (calls[0].network.layers, calls[0].rule.width) == ((12, 8), 9.0)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train.weight_rat = { low = 1, high = 2 }", "'train.weight_rat'; did you mean 'train.weight_rate'?"),
        ("weight_rat = { low = 1, high = 2 }", "'weight_rat'; did you mean 'train.weight_rate'?"),
        ('"tain.batch" = { low = 1, high = 2 }', "'tain.batch'; did you mean 'train.batch'?"),
        ("name = { choices = ['mnist'] }", "'name' is in several sections: say which of data.name, loss.name"),
        ("train.batch = { low = 9, high = 2 }", "train.batch: low = 9 is above high = 2"),
        ("train.weight_rate = { low = 0, high = 2, log = true }", "needs low above 0"),
        ("train.weight_rate = { low = -1, high = 2 }", "train.weight_rate must be in 0 … 1000, not -1.0"),
        ("train.weight_rate = { low = 1, high = 2, stpe = 1 }", "unknown key 'stpe'; did you mean 'step'?"),
        ("train.weight_rate = { low = 1 }", "train.weight_rate lacks high"),
        ("train.weight_rate = { low = 1, high = inf }", "high must be a number, not inf"),
        ("train.weight_rate = { low = '1', high = 2 }", "low must be a number, not '1'"),
        ("train.batch = { low = 1.5, high = 2 }", "low must be a whole number"),
        ("train.batch = { low = 1, high = 9, step = 0 }", "step must be above 0"),
        ("train.batch = { low = 1, high = 9, step = 2, log = true }", "exclude each other"),
        ("train.batch = { choices = [] }", "choices is a list of values"),
        ("train.batch = { choices = [4, 4] }", "a choice is there twice"),
        ("train.batch = { choices = [4, 0] }", "train.batch must be in 1"),
        ("train.batch = { choices = [2020-01-01] }", "choices are numbers, texts"),
        ("train.batch = { choices = [4], low = 2 }", "choices stand alone, without low"),
        ("train.batch = [1, 2]", "train.batch must be { low ="),
        ("rule.kernel = { low = 1, high = 2 }", "rule.kernel is no number"),
        ("rule.kernel = { choices = ['stop'] }", "did you mean 'step'?"),
        ("network.layers = { choices = [['32c']] }", "network.layers[0]"),
        ("batch = { choices = [1] }\ntrain.batch = { choices = [2] }", "train.batch is there twice"),
        ("data.name = { choices = ['mnist'] }", "trials would not be judged on the same samples"),
        ("data.validation = { low = 0.1, high = 0.2 }", "on which samples trials are judged"),
        ("train.choose = { choices = ['accuracy'] }", "by which figure trials are judged"),
        ("train.class_weight = { choices = ['none', 'balanced'] }", "--set train.choose=macro_f1"),
        ("train.epochs = { low = 1, high = 3 }", "add --no-pruning"),
        ("", "the space names no field"),
        ("train.batch", "is no valid TOML"),
    ],
)
def test_a_space_that_is_none_is_one_line(bstdg, tmp_path, line, said):
    path = tmp_path / "space.toml"
    path.write_text(line)
    status, _, err = bstdg("search", "digits", "--space", path, "--out", tmp_path / "s")
    assert (status, len(err)) == (2, 1)
    assert said in err[0]
    assert not (tmp_path / "s").exists()


def test_what_a_space_holds_is_drawn_from_it(space):
    base = load_recipe(ROOT / "recipes" / "digits.toml")
    found = spaces.load(space, base)
    assert {one.field for one in found.dimensions} == {
        "train.weight_rate", "rule.width", "train.batch", "network.layers",
    }  # fmt: skip
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [found.draw(study.ask()) for _ in range(200)]
    assert {point["train.batch"] for point in points} == {32, 64, 96, 128}
    assert {str(point["network.layers"]) for point in points} == {"[16]", "[12, 8]"}
    rates = sorted(point["train.weight_rate"] for point in points)
    assert 0.003 <= rates[0] < 0.004 and 0.09 < rates[-1] <= 0.1
    assert 0.012 < rates[100] < 0.025  # the middle of the logarithms is 0.017, that of the rates 0.05
    made = found.recipe(points[0])
    assert made.train.weight_rate == points[0]["train.weight_rate"]
    assert list(made.network.layers) == points[0]["network.layers"]
    assert made.loss == base.loss


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("trials.db", "--storage takes a URL, such as sqlite:///FILE.db"),
        ("nosuch://host/trials", "cannot open the storage nosuch://host/trials"),
        ("sqlite:////proc/no/trials.db", "cannot open the storage"),
        ("sqlite://", "names no file; give sqlite:///FILE"),
        ("sqlite:///{here}/space.toml", "file is not a database"),
        ("sqlite:///{here}", "is a folder"),
        ("journal:///{here}/space.toml", "cannot open the storage"),
        ("journal:///", "names no file"),
        ("mysql+pymysql://me:secret@127.0.0.1:1/trials", "mysql+pymysql://me:***@127.0.0.1:1/trials"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_one_line(bstdg, space, tmp_path, url, said):
    asked = ("search", "digits", "--space", space, "--out", tmp_path / "s")
    status, _, err = bstdg(*asked, "--storage", url.format(here=tmp_path))
    assert (status, len(err)) == (2, 1)
    assert said in err[0]
    assert "secret" not in err[0]


def test_another_search_is_not_joined(bstdg, space, tmp_path):
    asked = ("search", "digits", "--space", space, "--trials", 1, "--out", tmp_path / "s")
    assert bstdg(*asked, *SMALL)[0] == 0
    for other, said in (
        (("--set", "limit=200", "--set", "epochs=3"), "recipe.train.epochs was 2, now 3"),
        ((*SMALL, "--seeds", "1"), "seeds was [0], now [1]"),
    ):
        status, _, err = bstdg(*asked, *other)
        assert (status, len(err)) == (2, 1)
        assert said in err[0]
    space.write_text(SPACE.replace("high = 40", "high = 50"))
    assert "space.rule.width.high was 40.0, now 50.0" in bstdg(*asked, *SMALL)[2][0]
    assert bstdg(*asked, *SMALL, "--name", "other")[0] == 0


def test_a_storage_that_breaks_meanwhile_is_one_line(bstdg, space, tmp_path, monkeypatch):
    out, real = tmp_path / "s", workers.told

    def broken(search, trial):
        (out / "trials.db").write_bytes(b"no database" * 1000)
        return real(search, trial)

    monkeypatch.setattr(workers, "told", broken)
    status, _, err = bstdg("search", "digits", "--space", space, *SMALL, "--trials", 2, "--out", out)
    assert status == 1
    assert f"the storage sqlite:///{out / 'trials.db'} fails: " in err[-1]


def test_where_optuna_is_wanting_it_is_named(space, tmp_path):
    program = "import sys; sys.modules['optuna'] = None; from bstdg.cli import app; app()"
    asked = ["search", "digits", "--space", str(space), "--out", str(tmp_path / "s")]
    done = subprocess.run([sys.executable, "-c", program, *asked], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "bstdg: a search needs Optuna: pip install 'bstdg[search]'\n")


def test_the_help_shows_a_space_that_is_one(tmp_path, bstdg):
    text = bstdg("search", "--help")[1]
    lines = [line.strip() for line in text.splitlines() if " = {" in line]
    assert len(lines) == 4
    path = tmp_path / "space.toml"
    path.write_text("\n".join(lines))
    assert len(spaces.load(path, load_recipe(ROOT / "recipes" / "mnist.toml")).dimensions) == 4
    assert tomllib.loads(path.read_text())["train"]["batch"]["step"] == 64
