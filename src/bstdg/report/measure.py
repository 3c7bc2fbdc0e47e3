"""One pass over a labelled data set, and everything a report tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import Dataset, EventDataset, StoredDataset
from bstdg.errors import InputError
from bstdg.model import samples as reading
from bstdg.model.metrics import Tally, fan_out, operations
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import BATCH, Model, Run
from bstdg.report.spread import Margins, Spread
from bstdg.shown import name

Samples = Dataset | StoredDataset | EventDataset
SATURATED = 0.9  # a neuron that fires at step 0 for this share of the samples tells nothing


@dataclass(frozen=True, eq=False)
class Measured:
    """What a model did on a data set.

    Attributes:
        name: what the model is called.
        model: the deployed network.
        data: the data set, and `split`, which part of it.
        figures: as `bstdg eval --json` prints them (see `bstdg.model.metrics.Tally`), the engine among them.
        truth: int64 `[samples]`, the labels; `label`, `step` and `silent`: what was decided, when, and whether no
            output fired.
        confusion: int64 `[classes, classes]`, samples by label (rows) and by class decided (columns).
        stopped: int64 `[T]`, right answers if the network is stopped at each step: who has decided by then keeps the
            decision, for the others the greatest V - theta of that step counts.
        fired: int64 `[neurons, T]` a hidden layer, samples for which a neuron fired at a step.
        operations: synaptic operations a sample of each layer: up to the decision, and `all_operations`, to the end.
        sent: spikes a sample of each hidden layer, up to the decision.
        margins: of each hidden layer how its neurons' margins lie (see `bstdg.report.spread`); None where it has no
            weights, so that the rule judges no margin.
    """

    name: str
    model: PackedModel
    data: str
    split: str
    figures: dict[str, Any]
    truth: NDArray[np.int64]
    label: NDArray[np.int64]
    step: NDArray[np.int64]
    silent: NDArray[np.bool_]
    confusion: NDArray[np.int64]
    stopped: NDArray[np.int64]
    fired: tuple[NDArray[np.int64], ...]
    operations: tuple[float, ...]
    all_operations: tuple[float, ...]
    sent: tuple[float, ...] = ()
    margins: tuple[Spread | None, ...] = ()

    @property
    def called(self) -> str:
        """The model's name, fit to be shown."""
        return name(self.name)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, fit to be shown; the model has them as they are."""
        return tuple(map(name, self.model.classes))

    @property
    def num_steps(self) -> int:
        """T."""
        return self.model.num_steps

    @property
    def samples(self) -> int:
        """How many samples were judged."""
        return len(self.truth)

    @property
    def dense_operations(self) -> tuple[int, ...]:
        """Multiply-accumulates of one pass through an ordinary network of the same structure, a layer each."""
        return tuple(int(layer.fan_out().sum()) for layer in self.model.layers)

    @property
    def decided(self) -> NDArray[np.int64]:
        """Samples decided at each step, int64 `[T]`."""
        return np.bincount(self.step, minlength=self.num_steps)

    @property
    def right(self) -> NDArray[np.int64]:
        """Those of them that were decided rightly."""
        return np.bincount(self.step[self.label == self.truth], minlength=self.num_steps)

    def dead(self) -> tuple[NDArray[np.int64], ...]:
        """Hidden neurons that fired for no sample, positions, a layer each."""
        return tuple(np.flatnonzero(fired.sum(axis=1) == 0) for fired in self.fired)

    def saturated(self) -> tuple[NDArray[np.int64], ...]:
        """Hidden neurons that fired at step 0 for 9 samples of 10 or more, positions, a layer each."""
        return tuple(np.flatnonzero(fired[:, 0] >= SATURATED * self.samples) for fired in self.fired)


def measure(
    model: Model,
    samples: Samples,
    *,
    name: str = "model",
    limit: int | None = None,
    advance: Callable[[int], object] = lambda step: None,
) -> Measured:
    """Run a model on labelled samples.

    Args:
        model: a deployed model.
        samples: a split of a data set that it reads.
        name: what the report calls the model.
        limit: judge the first so many samples only.
        advance: told how many samples were judged, after each batch.

    Raises:
        InputError: the samples do not fit the model.
    """
    reading.check(model.packed, samples, name)
    number = len(samples) if limit is None else min(limit, len(samples))
    if number < 1:
        raise InputError(f"at least 1 sample is judged, not {number}")
    counts = _Counts(model.packed, model.engine.NAME)
    for start in range(0, number, BATCH):
        part = slice(start, min(start + BATCH, number))
        counts.add(model.run(reading.encoded(model, samples, part)), samples.labels[part])
        advance(part.stop - part.start)
    return counts.measured(name, samples, number, model.engine.NAME)


class _Counts:
    """What is counted batch by batch."""

    def __init__(self, model: PackedModel, engine: str | None = None):
        self._model = model
        num_steps, widths, classes = model.num_steps, model.widths, len(model.classes)
        self._tally = Tally.of(model.layers, num_steps)
        self._confusion = np.zeros((classes, classes), np.int64)
        self._stopped = np.zeros(num_steps, np.int64)
        self._fired = [np.zeros((width, num_steps), np.int64) for width in widths[1:-1]]
        self._fan_outs = [fan_out(layer) for layer in model.layers]
        self._passed = np.zeros((2, len(widths) - 1), np.int64)  # operations of each layer: to the decision, all
        self._margins = Margins(model, engine)
        self._columns: list[tuple[NDArray, ...]] = []

    def add(self, run: Run, truth: NDArray[np.int64]) -> None:
        """Count a batch."""
        decision, last = run.decision, self._model.num_steps - 1
        self._tally.add(decision, truth, run.spikes, run.trace.hidden)
        np.add.at(self._confusion, (truth, decision.label), 1)
        lead = run.trace.potentials.astype(np.int64) - self._model.layers[-1].thresholds
        now = lead.argmax(axis=2)  # (batch, T): who leads at each step
        reached = decision.step[:, None] <= np.arange(last + 1)
        self._stopped += (np.where(reached, decision.label[:, None], now) == truth[:, None]).sum(axis=0)
        for fired, steps in zip(self._fired, run.trace.hidden, strict=True):
            sample, neuron = np.nonzero(steps <= last)
            np.add.at(fired, (neuron, steps[sample, neuron]), 1)
        ends = (decision.step, np.full_like(decision.step, last))
        for passed, end in zip(self._passed, ends, strict=True):
            below = (run.spikes, *run.trace.hidden)
            passed += [operations(steps, end, each) for steps, each in zip(below, self._fan_outs, strict=True)]
        self._margins.add(run)
        self._columns.append((truth, decision.label, decision.step, decision.silent))

    def measured(self, name: str, samples: Samples, number: int, engine: str) -> Measured:
        """What has been counted."""
        truth, label, step, silent = (np.concatenate(column) for column in zip(*self._columns, strict=True))
        passed, every = (self._passed / number).tolist()
        return Measured(
            name,
            self._model,
            samples.name,
            samples.split,
            {**self._tally.figures(), "engine": engine},
            truth,
            label,
            step,
            silent,
            self._confusion,
            self._stopped,
            tuple(self._fired),
            tuple(passed),
            tuple(every),
            tuple((self._tally.spikes_to_decision / number).tolist()),
            self._margins.spread(),
        )


def telling(measured: Measured, most: int = 6) -> list[int]:
    """Samples worth a look: the first of several kinds, in the order of the data set.

    Of those decided rightly the first, the earliest and the latest decision; of the wrong ones the first, the earliest
    and the first silent decision.
    """
    right = measured.label == measured.truth
    chosen: list[int] = []
    for kind in (right, ~right, ~right & measured.silent):
        rows = np.flatnonzero(kind)
        if len(rows):
            chosen.append(int(rows[0]))
    for kind in (right, ~right):
        rows = np.flatnonzero(kind)
        if len(rows):
            steps = measured.step[rows]
            chosen += [int(rows[steps.argmin()]), int(rows[steps.argmax()])]
    return sorted(dict.fromkeys(chosen))[:most]


def check_samples(chosen: Sequence[int], number: int) -> list[int]:
    """Positions of samples to draw, each once, in their order.

    Raises:
        InputError: one is not there.
    """
    for index in chosen:
        if not 0 <= index < number:
            raise InputError(f"--samples: {index} is not there: {number} samples are judged, counted from 0")
    return list(dict.fromkeys(chosen))
