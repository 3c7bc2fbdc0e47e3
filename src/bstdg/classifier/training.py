"""What a classifier's parameters mean to `bstdg.training.train`, and how arrays are learnt from there."""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bstdg.classifier import continuing
from bstdg.classifier.arrays import encode, warn_of_idle_steps
from bstdg.datasets import StepDataset
from bstdg.datasets.pieces.base import pieces
from bstdg.engine import native_training
from bstdg.errors import BstdgWarning, InputError
from bstdg.fields import short
from bstdg.inputs import FeatureCode, LatencyCode
from bstdg.inputs.equalize import equalized
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.learning.surroundings import at_work
from bstdg.learning.weights import Weights
from bstdg.model import packed, runtime
from bstdg.model.metrics import Tally
from bstdg.model.probability import calibrated_scale, lead_at_decision
from bstdg.progress import Quiet, live
from bstdg.training.health import SILENT_ABOVE, HealthWatch
from bstdg.training.run import TrainingRun
from bstdg.training.split import Parts, stratified
from bstdg.training.train import find_device
from bstdg.whole import plain as own_number

FEWEST_HELD_OUT = 10
MOST_THREADS = 1024
WORK_A_THREAD = 1 << 30  # samples times synapses of an epoch, above which more threads pay
SECTIONS = {
    "network": ("layers", "num_steps"),
    "rule": ("width",),
    "loss": ("latency_weight", "spike_weight", "label_smoothing"),
    "train": ("epochs", "batch", "weight_rate", "threshold_rate", "spike_dropout", "jitter", "patience"),
}


@dataclass(frozen=True)
class Settings:
    """A classifier's parameters, checked: the recipe, and where it is computed."""

    recipe: Recipe
    engine: str | None
    device: str
    threads: int | None

    @classmethod
    def of(cls, params: Mapping[str, Any], samples: int) -> Settings:
        """From `get_params` and the number of samples to learn from.

        Raises:
            InputError: a parameter is of the wrong type or out of range; it is called by its own name.
        """
        plain = {name: own_number(value) for name, value in params.items()}
        layers = plain["layers"]
        if not isinstance(layers, str):  # which is no list of them
            plain["layers"] = [layers] if isinstance(layers, int) else _listed(layers)
        if plain["batch"] is None:
            plain["batch"] = min(256, max(32, samples // 24))
        if plain["epochs"] is None:
            whole = isinstance(plain["batch"], int) and plain["batch"] >= 1
            batches = math.ceil(samples / plain["batch"]) if whole else 1
            passes = min(20, max(16, 400 // batches))
            plain["epochs"] = max(min(passes, 3 * batches), math.ceil(80 / batches))
        if plain["num_steps"] == 1:
            plain["jitter"] = 0
        share, threads = plain["validation_fraction"], plain["n_jobs"]
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
            raise InputError(f"validation_fraction must be in [0, 1), not {share!r}")
        if threads is not None and (type(threads) is not int or threads not in (-1, *range(1, MOST_THREADS + 1))):
            raise InputError(
                f"n_jobs must be None, a number of threads up to {MOST_THREADS}, or -1 for all, not {short(threads)}"
            )
        if plain["engine"] not in (None, "native", "dense"):
            raise InputError(f"engine must be None, 'native' or 'dense', not {plain['engine']!r}")
        values = {section: {name: plain[name] for name in names} for section, names in SECTIONS.items()}
        try:
            recipe = from_dict(Recipe, values)
        except InputError as error:
            raise InputError(re.sub(rf"\b({'|'.join(SECTIONS)})\.", "", str(error))) from None  # by its own names
        return cls(recipe, plain["engine"], str(plain["device"]), threads)


class Learner:
    """One network learning from arrays; what it has come to is in its attributes.

    Args:
        settings: of the classifier.
        code: how samples become steps.
        classes: a name for each label 0 … n-1.
        seed: decides all draws.
        equalize: choose the code's levels from what is learnt from first.

    Attributes:
        model: the network as deployed.
        figures: of it, on the validation part, or on what was learnt from last.
        history: a row of figures for each epoch.
        scale: of its probabilities.
        epochs: how many were made; best_epoch: the one deployed.
        samples: how many it began with.
    """

    def __init__(
        self,
        settings: Settings,
        code: LatencyCode | FeatureCode,
        classes: Sequence[str],
        seed: int,
        *,
        equalize: bool = False,
    ):
        self.settings, self.code, self.classes, self.seed = settings, code, tuple(classes), seed
        self.equalize = equalize
        self.run: TrainingRun | None = None
        self.samples = 0
        self.model: Any = None
        self.figures: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.scale, self.epochs, self.best_epoch = 1.0, 0, 0

    def __del__(self) -> None:
        with at_work():  # torch lets other threads run while it frees a tensor, and the end of Python with them
            vars(self).clear()

    def __getstate__(self) -> dict[str, Any]:
        """All on the CPU: where a copy or a pickle goes there may be no other device."""
        return {**vars(self), "run": self.run and continuing.on_cpu(self.run)}

    def fit(
        self,
        rows: NDArray,
        labels: NDArray[np.int64],
        weights: Weights | None,
        *,
        validation_fraction: float,
        verbose: bool,
    ) -> None:
        """Train from the start, on all samples but those held out."""
        parts, held_out = _parts(labels, validation_fraction, self.seed)
        self._choose_levels(rows[parts[0]] if self.equalize else rows)
        data = self._data(rows, labels)
        warn_of_idle_steps(rows, data.steps, self.settings.recipe.network.num_steps)
        run = self.run = self._start(data, parts, weights)
        progress = live(self.settings.recipe.train.epochs, len(parts[0])) if verbose else Quiet()
        try:
            with self._threads(len(parts[0])):
                while not run.finished:
                    self.history.append(run.run_epoch(progress))
                    progress.epoch(self.history[-1])
        finally:
            progress.close()
        self.model = self._told(run.best_model())
        self.figures, self.epochs, self.best_epoch = run.best.figures or {}, run.epoch, run.best.epoch
        self.scale = _scale(run)
        if held_out:
            held, judged = parts[1], run.validation_weights
            self.scale = _calibrated(self.model, data.steps[held], labels[held], judged, self.scale)
        run.release()
        _warn_of_silence(self.history[-1]["silent_share"])

    def follow(self, settings: Settings) -> None:
        """Go on by other settings of the same network.

        Raises:
            InputError: the device is not there, or the engine does not compute on it; all is as it was.
        """
        if self.run is not None:
            continuing.move(self.run, find_device(settings.device), settings.engine)
            continuing.follow(self.run, settings.recipe)
        self.settings = settings

    def learn(self, rows: NDArray, labels: NDArray[np.int64], weights: Weights | None, *, verbose: bool) -> None:
        """One pass over a batch, at rates that do not fall."""
        if self.run is None:
            self._choose_levels(rows)
        data = self._data(rows, labels)
        if self.run is None:
            every = np.arange(len(rows))
            self.run = self._start(data, (every, every), weights)
        run = self.run
        progress = live(run.epoch + 1, len(rows), run.epoch) if verbose else Quiet()
        try:
            with self._threads(len(rows)):
                start = time.monotonic()
                loss, tally = run.learn_more(data, progress, weights)
                spent = time.monotonic() - start
            self.figures = tally.figures()
            progress.epoch({"epoch": run.epoch, "samples_per_second": len(rows) / spent, **self.figures})
        finally:
            progress.close()
        self.model = self._told(run.deployed())
        self.scale, self.epochs = _scale(run), run.epoch
        self.best_epoch = self.epochs
        self.history.append({"epoch": self.epochs, "loss": loss, **self.figures})
        run.release()

    def _choose_levels(self, rows: NDArray) -> None:
        """Choose the levels from the samples that are learnt from, where they are asked for."""
        if self.equalize and isinstance(self.code, LatencyCode):
            parts = (rows[few] for few in pieces(len(rows), rows.itemsize * rows.shape[1]))
            code = equalized(self.code, parts, self.settings.recipe.network.num_steps)
            self.code = replace(self.code, levels=code.levels)

    def _data(self, rows: NDArray, labels: NDArray[np.int64]) -> StepDataset:
        self.samples = self.samples or len(rows)
        steps = encode(self.code, rows, self.settings.recipe.network.num_steps)
        return StepDataset("X", steps, labels, self.classes, self.code)

    def _start(self, data: StepDataset, parts: Parts, weights: Weights | None) -> TrainingRun:
        settings, device = self.settings, find_device(self.settings.device)
        return TrainingRun(settings.recipe, data, self.seed, device, settings.engine, parts, Unwatched(), weights)

    def _told(self, model: packed.PackedModel) -> packed.PackedModel:
        """The model with what `bstdg info` says of it; it names no data set, since it comes from an array."""
        return replace(model, trained={"seed": self.seed, "recipe": model.trained["recipe"]})

    @contextmanager
    def _threads(self, samples: int) -> Iterator[None]:
        """As many threads as asked for, or as have work enough; torch has its own again afterwards."""
        run, before = self.run, torch.get_num_threads()
        assert run is not None  # noqa: S101  (there is a run before there is work)
        wanted = self.settings.threads
        if wanted is None:
            synapses = sum(int(layer.fan_out().sum()) for layer in run.network.deployed())
            wanted = before if samples * synapses > WORK_A_THREAD else 1
        torch.set_num_threads(before if wanted < 0 else wanted)
        try:
            with native_training.own_threads():
                yield
        finally:
            torch.set_num_threads(before)


def _listed(layers: Any) -> Any:
    """Layers as a list, whichever they came in; what is none is left to be refused."""
    return list(layers) if isinstance(layers, (list, tuple)) else np.asarray(layers).tolist()


class Unwatched(HealthWatch):
    """Looks at no epoch's tally: what it would say names fields that a classifier has not."""

    def look(self, tally: Tally) -> None: ...


def _parts(labels: NDArray[np.int64], share: float, seed: int) -> tuple[Parts, bool]:
    """Positions of what is learnt from and what is held out; all are both where that would be too few."""
    every, held_out = np.arange(len(labels)), round(share * len(labels))
    counts = np.bincount(labels)
    if held_out < max(FEWEST_HELD_OUT, len(counts)):
        return (every, every), False
    return stratified(every, labels, held_out, seed), True


def _warn_of_silence(shares: Sequence[float]) -> None:
    for i, share in enumerate(shares):
        if share > SILENT_ABOVE:
            warnings.warn(
                f"{share:.0%} of hidden layer {i} fire for no sample: lower spike_weight or threshold_rate",
                BstdgWarning,
                stacklevel=4,
            )


def _scale(run: TrainingRun) -> float:
    """The scale of the soft threshold that training came to."""
    return float(run.loss.log_scale.detach().exp())


def _calibrated(
    model: packed.PackedModel, steps: NDArray, labels: NDArray[np.int64], weights: Weights | None, start: float
) -> float:
    result = runtime.Model(model).run(steps)
    lead = lead_at_decision(result.trace.potentials, model.layers[-1].thresholds, result.decision)
    return calibrated_scale(lead, result.decision.silent, labels, start, weights)
