"""A worker of a search: takes one trial after the other, until all that were asked for are done."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bstdg.errors import InputError, TrainingError
from bstdg.lab.search import study as studies
from bstdg.lab.search.space import Space
from bstdg.lab.search.storage import WORKER, Storage
from bstdg.lab.search.study import Standing
from bstdg.lab.search.trial import Data, Outcome, Report, train
from bstdg.learning.recipe import Recipe

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

PAUSE = 0.5  # seconds between looks at what other workers do

OUTCOME, SAME_AS = "outcome", "same_as"  # what a trial came to; the earlier trial of the same point

Say = Callable[[str], None]
Run = Callable[[Recipe, Report], Outcome]


@dataclass(frozen=True)
class Search:
    """What is searched, and how far.

    Attributes:
        study: the trials.
        storage: where they are kept.
        space: what points are drawn from.
        trials: how many, of all workers together.
        seeds: of the runs of each trial.
        data_dir, device, engine: see `bstdg.training.train.train`.
        out: folder of what is written beside the storage.
    """

    study: Study
    storage: Storage
    space: Space
    trials: int
    seeds: Sequence[int]
    out: Path
    data_dir: Path | None = None
    device: str = "auto"
    engine: str | None = None

    def standing(self) -> Standing:
        """How far it is."""
        return studies.standing(self.study, self.trials)


def work(search: Search, say: Say, after: Callable[[], None]) -> None:
    """Take trials until all are done, those too that other workers die of.

    Args:
        search: see there.
        say: given a line for each trial.
        after: called when a trial is done.

    Raises:
        InputError: recipe and data do not fit.
        BstdgError: the storage fails.
    """
    from bstdg.training import options
    from bstdg.training.train import find_device

    find_device(search.device)  # all of this before anybody counts on this worker
    data, base = Data(search.data_dir), search.space.base
    options.check(base, options.kind_of(data.training(base)))
    more: dict[str, Any] = {"device": search.device, "engine": search.engine, "watched": True}

    def run(recipe: Recipe, report: Report) -> Outcome:
        return train(recipe, search.seeds, data, report, teachers=search.out / "teachers", **more)

    with search.storage.answering(), search.storage.working() as name:
        take(search, name, run, say, after)


def take(search: Search, worker: str, run: Run, say: Say, after: Callable[[], None]) -> None:
    """Take trials under a worker's name until all are done; what `run` trains, and returns, is an outcome."""
    waited = False
    while True:
        search.storage.clear(search.study)
        now = search.standing()
        if now.done:
            return
        if now.open:
            waited = False
            one(search, worker, run, say)
            after()
            continue
        if not waited:
            say(f"waiting for {now.wanted - now.ended} that other workers train")
        waited = True
        time.sleep(PAUSE)


def one(search: Search, worker: str, run: Run, say: Say, began: Callable[[], None] = lambda: None) -> None:
    """Take one trial, say so by calling `began`, and bring it to an end, whatever that is."""
    from optuna.exceptions import TrialPruned

    taken: list[int] = []

    def objective(trial: Trial) -> float:
        taken.append(trial.number)
        try:
            trial.set_user_attr(WORKER, worker)
            trial.set_user_attr("host", platform.node())
            began()
            if surplus(search, trial.number):
                raise _Surplus
            recipe = search.space.recipe(search.space.draw(trial))
            outcome = _known(search, trial) or run(recipe, lambda epoch, value: _report(trial, epoch, value))
        except (InputError, TrainingError) as error:
            trial.set_user_attr(studies.ERROR, str(error))
            raise
        except _Surplus:
            raise
        except BaseException:
            studies.again(search.study, _frozen(search.study, trial.number))
            raise
        trial.set_user_attr(OUTCOME, dataclasses.asdict(outcome))
        if outcome.pruned:
            raise TrialPruned
        return outcome.value

    search.study.optimize(objective, n_trials=1, catch=(_Surplus, InputError, TrainingError))
    for number in taken:
        if line := told(search, _frozen(search.study, number)):
            say(line)


class _Surplus(Exception):
    """Another worker was sooner with the last trial."""


class Stopped(Exception):
    """This worker is to end: its trial is to be tried again."""


def surplus(search: Search, number: int) -> bool:
    """Whether a trial is one too many, since several workers took one at once: that with the higher number."""
    return number not in (trial.number for trial in search.standing().trials)


def _report(trial: Trial, epoch: int, value: float) -> bool:
    trial.report(value, epoch)
    return trial.should_prune()


def _known(search: Search, trial: Trial) -> Outcome | None:
    """What the same point came to in an earlier trial: the same recipe and seeds give the same again."""
    mine = search.space.point(trial.params)
    for other in search.study.get_trials(deepcopy=False):
        if other.state.is_finished() and OUTCOME in other.user_attrs and search.space.point(other.params) == mine:
            trial.set_user_attr(SAME_AS, other.number)
            return Outcome(**other.user_attrs[OUTCOME])
    return None


def _frozen(study: Study, number: int) -> FrozenTrial:
    return next(trial for trial in study.get_trials(deepcopy=False) if trial.number == number)


def told(search: Search, trial: FrozenTrial) -> str:
    """What a trial came to, in a line; nothing of one that does not count."""
    from optuna.trial import TrialState

    if not studies.counts(trial):
        return ""
    now = search.standing()
    point = ", ".join(f"{name} = {short(value)}" for name, value in search.space.point(trial.params).items())
    head = f"[{now.ended}/{now.wanted}] trial {trial.number}:"
    if trial.state == TrialState.FAIL:
        return f"{head} failed with {point}: {trial.user_attrs.get(studies.ERROR, 'its workers died')}"
    outcome = Outcome(**trial.user_attrs[OUTCOME])
    best = max((t.value for t in now.trials if t.state == TrialState.COMPLETE and t.value is not None), default=None)
    figure = f"{search.space.base.train.choose.replace('_', ' ')} {outcome.value:.2%}"
    so_far = "" if best is None else f", best {best:.2%}"
    if (same := trial.user_attrs.get(SAME_AS)) is not None:
        return f"{head} {figure} as in trial {same}{so_far}; {point}"
    stopped = f"stopped after {outcome.epochs} epochs, " if outcome.pruned else ""
    return f"{head} {stopped}{figure}{so_far}; {point}; {outcome.seconds:.0f} s"


def short(value: Any) -> str:
    """A value of a point, as far as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"
