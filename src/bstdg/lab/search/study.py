"""The trials of a search: which of them count, what there is left to do, and who may join.

A trial counts unless its worker died, in which case the same point waits to be tried again, or unless another worker
was sooner with the last one. So all workers together never finish more trials than were asked for.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import bstdg
from bstdg.errors import InputError
from bstdg.lab.search.space import Space
from bstdg.lab.search.storage import Storage

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

IDENTITY = "bstdg"  # what all workers of a search have in common
AGAIN, ERROR = "again", "error"  # numbers of the trials of this point whose workers died; why a trial failed
MOST_DEATHS = 3  # of workers at one point, until it counts as failed
UNPRUNED = 5  # trials that are trained to the end before any is stopped


@dataclass(frozen=True)
class Standing:
    """How far a search is.

    Attributes:
        trials: those that count, by number, at most as many as were asked for.
        wanted: how many were asked for.
    """

    trials: tuple[FrozenTrial, ...]
    wanted: int

    @property
    def ended(self) -> int:
        """Trials that are done, pruned and failed ones too."""
        return sum(trial.state.is_finished() for trial in self.trials)

    @property
    def done(self) -> bool:
        """All are."""
        return self.ended >= self.wanted

    @property
    def open(self) -> int:
        """Trials that nobody is at."""
        from optuna.trial import TrialState

        waiting = sum(trial.state == TrialState.WAITING for trial in self.trials)
        return waiting + self.wanted - len(self.trials)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for."""
    from optuna.trial import TrialState

    given_up = len(trial.user_attrs.get(AGAIN, ())) >= MOST_DEATHS
    return trial.state != TrialState.FAIL or ERROR in trial.user_attrs or given_up


def standing(study: Study, wanted: int) -> Standing:
    """How far a search is, of so many trials."""
    counted = sorted((t for t in study.get_trials(deepcopy=False) if counts(t)), key=lambda trial: trial.number)
    return Standing(tuple(counted[:wanted]), wanted)


def again(study: Study, trial: FrozenTrial) -> None:
    """Let the point of a trial that was lost be tried again, unless it has taken too many workers with it."""
    lost = [*trial.user_attrs.get(AGAIN, ()), trial.number]
    if len(lost) <= MOST_DEATHS:
        study.enqueue_trial(trial.params, user_attrs={AGAIN: lost})


def open_study(storage: Storage, name: str, space: Space, seeds: Sequence[int], draw_seed: int, prunes: bool) -> Study:
    """The search of that name, begun where there is none.

    Raises:
        InputError: a search of another recipe, space or version has that name; says what differs.
    """
    import optuna

    with storage.answering():
        study = optuna.create_study(
            study_name=name,
            storage=storage.optuna,
            direction="maximize",
            load_if_exists=True,
            sampler=sampler(draw_seed),
            pruner=pruner(space, seeds) if prunes else optuna.pruners.NopPruner(),
        )
        join(study, identity(space, seeds))
    return study


def identity(space: Space, seeds: Sequence[int]) -> dict[str, Any]:
    """What all workers of a search must agree on."""
    searched = {one.field for one in space.dimensions}
    recipe = {
        f"{section}.{key}" if isinstance(part, Mapping) else section: value
        for section, part in space.base.to_dict().items()
        for key, value in (part.items() if isinstance(part, Mapping) else [(section, part)])
    }
    fixed = {key: value for key, value in recipe.items() if key not in searched and key != "title"}
    told = {"bstdg": bstdg.__version__, "recipe": fixed, "space": space.told(), "seeds": list(seeds)}
    return json.loads(json.dumps(told))  # as a storage gives it back


def join(study: Study, mine: Mapping[str, Any]) -> None:
    """Raise `InputError` where the search is another than mine; says what differs."""
    from bstdg.training.checkpoint import differences

    found = study.user_attrs.get(IDENTITY)
    if found is None:
        study.set_user_attr(IDENTITY, dict(mine))
        found = study.user_attrs[IDENTITY]
    if other := differences(found, dict(mine)):
        raise InputError(
            f"the search {study.study_name!r} in this storage is another one ({'; '.join(other)}); give it the same "
            "recipe, space and seeds, or begin one with another --name"
        )


def pruner(space: Space, seeds: Sequence[int]) -> BasePruner:
    """Stops a trial that is worse than half of the others at the same epoch, after a quarter of the first run."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=1 + space.base.train.epochs // 4)


def sampler(draw_seed: int) -> BaseSampler:
    """Tree-structured Parzen estimators whose draws for a trial depend on its number and what is known by then.

    So workers draw different points, and one that goes on draws none again.
    """
    from optuna.samplers import BaseSampler, TPESampler

    class ByNumber(BaseSampler):
        def __init__(self) -> None:
            self._own = threading.local()  # threads draw at the same time

        @property
        def _inner(self) -> BaseSampler:
            return getattr(self._own, "sampler", None) or TPESampler(seed=draw_seed)

        def before_trial(self, study: Study, trial: FrozenTrial) -> None:
            seed = int(np.random.SeedSequence((draw_seed, trial.number)).generate_state(1)[0])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of options that Optuna calls experimental
                self._own.sampler = TPESampler(seed=seed, constant_liar=True)
            self._inner.before_trial(study, trial)

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Any:
            return self._inner.infer_relative_search_space(study, trial)

        def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Any) -> Any:
            return self._inner.sample_relative(study, trial, search_space)

        def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
            return self._inner.sample_independent(study, trial, param_name, param_distribution)

        def after_trial(self, study: Study, trial: FrozenTrial, state: Any, values: Any) -> None:
            self._inner.after_trial(study, trial, state, values)

    return ByNumber()
