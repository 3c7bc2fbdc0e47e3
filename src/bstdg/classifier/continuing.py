"""A training that goes on: by parameters that were changed meanwhile, and on another device than it began on."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from bstdg.classifier.pictures import image_shape_of
from bstdg.engine import choose
from bstdg.errors import InputError
from bstdg.fields import short
from bstdg.learning.recipe import Recipe
from bstdg.training import schedule
from bstdg.training.run import TrainingRun

# The network, or its draws.
MADE_WITH = ("layers", "image_shape", "num_steps", "scaling", "codes", "relative", "equalize", "random_state")
OF_FIT = ("epochs", "validation_fraction", "patience")  # partial_fit makes one pass, and holds nothing out


def remembered(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are now, whatever is done later to a list or table among them."""
    own = (list, dict, np.ndarray)
    return {name: copy.deepcopy(value) if isinstance(value, own) else value for name, value in params.items()}


def check(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `InputError` where a parameter was changed that more training cannot follow.

    All others act: rates, costs, noise, weights of classes, where and on how many threads it is computed.
    """
    for name in (*MADE_WITH, *OF_FIT):
        if _plain(name, before[name]) == _plain(name, now[name]):
            continue
        why = "what was learnt was made with" if name in MADE_WITH else "partial_fit makes no use of it, fit used"
        raise InputError(
            f"{name} was changed to {short(now[name])}, and {why} {short(before[name])}: set it back, or use fit"
        )


def _plain(name: str, value: Any) -> Any:
    """A parameter as it can be compared: numbers of NumPy as Python's, layers and shapes in any of their forms."""
    if name == "image_shape":
        return image_shape_of(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        flat = [_plain("", item) for item in value]
        return flat[0] if len(flat) == 1 else flat
    return value.item() if isinstance(value, np.generic) else value  # a source of random numbers is only itself


@contextmanager
def all_or_nothing(estimator: object) -> Iterator[None]:
    """Leave an estimator as it was where learning ends in an error."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def follow(run: TrainingRun, recipe: Recipe) -> None:
    """Let a run go on by another recipe of the same network: rates, rule, loss, noise, and samples a batch."""
    run.recipe, run.loss.config = recipe, recipe.loss
    schedule.set_start_rates(run.optimizer, recipe.train)
    run.network.set_rule(recipe.rule)
    run.drop_input.p, run.drop_hidden.p = recipe.train.input_dropout, recipe.train.spike_dropout


def move(run: TrainingRun, device: torch.device, engine: str | None) -> None:
    """Let a run go on elsewhere, or on another engine.

    Raises:
        InputError: the engine does not compute there; nothing was moved.
    """
    run_on = choose.training(engine, torch.empty(0, dtype=next(run.network.parameters()).dtype, device=device)).NAME
    run.network.to(device)
    run.loss.to(device)
    for state in run.optimizer.state.values():  # a fused optimiser counts its steps where its parameters are
        state.update({slot: value.to(device) for slot, value in state.items()})
    run.device, run.engine, run.network.engine = device, run_on, engine
    for layer in run.network.layers:
        vars(layer)["engine"] = engine


def on_cpu(run: TrainingRun) -> TrainingRun:
    """The run if all of it is on the CPU, else a copy that is."""
    if run.device.type == "cpu":
        return run
    twin = copy.deepcopy(run)
    move(twin, torch.device("cpu"), twin.network.engine)
    return twin
