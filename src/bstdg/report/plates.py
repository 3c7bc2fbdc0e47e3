"""The figures of a report with their words: caption, description, and the numbers behind them as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bstdg.drawing.rasters import raster
from bstdg.drawing.scene import Scene, scene
from bstdg.model import samples as reading
from bstdg.report import credit, figures
from bstdg.report.history import History
from bstdg.report.looks import style
from bstdg.report.measure import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bstdg.datasets import Dataset, EventDataset, StoredDataset
    from bstdg.model.runtime import Model

CONFUSIONS = 8  # most frequent errors that are named


class Table(NamedTuple):
    """Numbers as rows under their names; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Plate(NamedTuple):
    """A figure of the report.

    Attributes:
        key: its name in files and addresses.
        figure: as matplotlib has it.
        caption: below it.
        says: what it shows, for those who do not see it.
        table: the numbers, where a table of them helps.
    """

    key: str
    figure: Figure
    caption: str
    says: str
    table: Table | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A model of the report: what it is, what it did, and where it comes from."""

    model: Model
    measured: Measured
    samples: Dataset | StoredDataset | EventDataset
    chosen: Sequence[int]
    history: History
    file: str
    file_bytes: int
    file_version: str
    sha256: str

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.measured.called

    @cached_property
    def scenes(self) -> dict[int, Scene]:
        """What is drawn of each chosen sample."""
        return {i: scene(self.model, reading.one(self.model, self.samples, i)) for i in self.chosen}


def decisions(subject: Subject) -> Iterator[Plate]:
    """The chosen samples, each from input to decision."""
    measured, classes, names = subject.measured, subject.measured.model.classes, subject.measured.classes
    for index in subject.chosen:
        truth, label = names[measured.truth[index]], names[measured.label[index]]
        step = int(measured.step[index])
        shown = subject.scenes[index]
        counts = [(layer.name, int((layer.steps <= step).sum())) for layer in shown.layers]
        right = "rightly" if measured.truth[index] == measured.label[index] else "wrongly"
        how = ", silently: no output reached its threshold" if measured.silent[index] else ""
        spikes = ", ".join(f"{number:,} spikes of {name}" for name, number in counts)
        with style():
            figure = raster(shown, label=classes[measured.truth[index]], columns=2)
        caption = f"Sample {index}, {truth}: decided {right} as {label} at step {step}{how}."
        yield Plate(f"sample-{index}", figure, caption, f"{caption} Up to the decision: {spikes}.")


def where(subject: Subject) -> Iterator[Plate]:
    """Which positions decided of the chosen samples."""
    model = subject.measured.model
    if not subject.scenes or not credit.can_be_credited(model):
        return
    rows = []
    for index, shown in subject.scenes.items():
        told = credit.credits_of(model, shown)
        ways = ((f"{one[one > 0].sum():,.0f}", f"{-one[one < 0].sum():,.0f}") for one in told)
        rows.append((index, subject.measured.classes[shown.label], *(number for pair in ways for number in pair)))
    layers = ("input", *hidden_names(subject.measured))
    yield Plate(
        "positions",
        credit.positions(model, subject.scenes),
        "Which positions decide: the spikes up to the decision, credited back from the output that won through the "
        "weights that they passed in time. Red spoke for it, blue against it, all channels of a position together; "
        "each panel has its own scale.",
        "Pictures of the samples, of the pixels and of the hidden positions that spoke for and against the decision.",
        Table(("sample", "decided", *(f"{name}, {way}" for name in layers for way in ("for", "against"))), tuple(rows)),
    )


def decision_table(subject: Subject) -> Table:
    """The chosen samples in numbers."""
    measured, classes = subject.measured, subject.measured.classes
    rows = []
    for index in subject.chosen:
        shown = subject.scenes[index]
        spikes = [f"{int((layer.steps <= shown.step).sum()):,}" for layer in shown.layers]
        ends = (shown.step, "yes" if measured.silent[index] else "no", *spikes)
        rows.append((index, classes[measured.truth[index]], classes[shown.label], *ends))
    layers = [f"{name} spikes" for name in ("input", *hidden_names(measured))]
    return Table(("sample", "label", "decided", "step", "silent", *layers), tuple(rows))


def hidden_names(measured: Measured) -> list[str]:
    """What the hidden layers are called."""
    return [f"hidden {i + 1}" for i in range(len(measured.fired))]


def behaviour(subject: Subject) -> Iterator[Plate]:
    """When decisions fall, what stopping earlier would give, and which classes are taken for which."""
    yield from _time(subject.measured)
    yield _errors(subject.measured)


def _time(measured: Measured) -> Iterator[Plate]:
    decided, right = measured.decided, measured.right
    share = decided / measured.samples
    by_then = np.cumsum(decided) / measured.samples
    accuracy = measured.stopped / measured.samples
    rows = tuple(
        (step, f"{decided[step]:,}", f"{share[step]:.2%}", _percent(right[step], decided[step]))
        for step in range(measured.num_steps)
    )
    yield Plate(
        "decision-steps",
        figures.decision_steps(measured),
        "When decisions fall, and how good they are. Below: the share of samples decided at each step; hatched, those "
        "that the last step decided because no output fired. Above: the accuracy among them, with 95% bounds (Wilson).",
        f"Share of samples decided at each step, and the accuracy among them. The mean step is "
        f"{measured.figures['decision_step_mean']:.2f}.",
        Table(("step", "samples decided", "share", "accuracy among them"), rows),
    )
    rows = tuple((t, f"{accuracy[t]:.2%}", f"{by_then[t]:.2%}") for t in range(measured.num_steps))
    yield Plate(
        "anytime",
        figures.anytime(measured),
        "The network as an anytime classifier: accuracy if it were stopped at each step, when the greatest potential "
        "minus threshold decides for those that have not decided by then; and the share that has.",
        f"Accuracy if stopped at each step rises from {accuracy[0]:.2%} at step 0 to {accuracy[-1]:.2%} at the last; "
        f"the share decided by then from {by_then[0]:.2%} to {by_then[-1]:.2%}.",
        Table(("stopped at step", "accuracy", "decided by then"), rows),
    )


def _errors(measured: Measured) -> Plate:
    counts, classes = measured.confusion, measured.classes
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [(int(flat) // len(classes), int(flat) % len(classes)) for flat in order]
    worst = ", ".join(f"{classes[a]} as {classes[b]} ({wrong[a, b]})" for a, b in pairs[:3] if wrong[a, b])
    totals = counts.sum(axis=1)
    rows = tuple(
        (name, *(f"{n:,}" for n in counts[i]), _percent(counts[i, i], totals[i])) for i, name in enumerate(classes)
    )
    frequent = f"The most frequent errors: {worst}." if worst else "There are no errors."
    return Plate(
        "confusion",
        figures.confusion(measured),
        "Labels (rows) against decisions (columns), in samples. Blue is right; red is wrong, the stronger the larger "
        f"its share of the row (colour grows with the root of it). {frequent}",
        f"Confusion matrix of {len(classes)} classes. {frequent}",
        Table(("label", *(f"as {name}" for name in classes), "right"), rows),
    )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "none"


def comparison(subjects: Sequence[Subject]) -> Plate:
    """Several models side by side."""
    measured = [subject.measured for subject in subjects]
    return Plate(
        "comparison",
        figures.comparison(measured),
        "The models side by side, on the same samples: accuracy with 95% bounds (Wilson); means a sample, up to the "
        "decision.",
        "Accuracy, decision step, hidden spikes and synaptic operations of "
        + ", ".join(m.called for m in measured)
        + ".",
    )
