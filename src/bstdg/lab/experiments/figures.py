"""Trade-off curves: accuracy against decision step and against synaptic operations, with the predecessors as points."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bstdg import files
from bstdg.drawing.lettering import lettering
from bstdg.lab.experiments import sweeps
from bstdg.lab.experiments.judge import figure_of
from bstdg.lab.experiments.published import RELEASED
from bstdg.lab.experiments.results import OURS, Run
from bstdg.lab.experiments.run import spread
from bstdg.lab.experiments.tables import Runs, short
from bstdg.model.figures import FIGURES
from bstdg.shown import LONGEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by the colour-blind; markers differ too.
LOOKS = {
    "base": ("#000000", "o"),
    "latency weight": ("#0072B2", "s"),
    "spike weight": ("#D55E00", "^"),
    "both weights": ("#009E73", "D"),
}
# Points of one kind share a colour, and each has a marker of its own.
RECIPE, PREDECESSOR, STATED = ("#CC79A7", "*pHd"), ("#56B4E9", "Pv<>h8"), ("#666666", "Xx")
OPERATIONS = FIGURES["synaptic_operations_to_decision"]
AXES = {
    "steps": ("decision step, counted from 1", "steps"),
    "operations": (OPERATIONS.caption, OPERATIONS.key),
}
Point = tuple[float, float, float, float]  # x, its spread, accuracy in percent, its spread


def tradeoff(data: str, axis: str, runs: Runs) -> Figure:
    """Accuracy against `axis`, a key of `AXES`."""
    from matplotlib.figure import Figure

    title, of = AXES[axis]
    figure = Figure(figsize=(8.6, 4.4))
    figure.subplots_adjust(left=0.08, right=0.66, bottom=0.13, top=0.93)
    axes = figure.add_subplot()
    for group, points in _curves(data, runs, of):
        color, marker = LOOKS[group]
        alone = group == "base"  # its point is also where the curves begin: drawn above them
        _draw(axes, points, color, marker, "no weight" if alone else group, "none" if alone else "-", 4 if alone else 3)
    used: dict[str, int] = {}
    others = list(_others(data, axis, runs, of))
    labels, font = lettering(figure, (label for _, label, _ in others), LONGEST)
    for label, ((color, markers), _, points) in zip(labels, others, strict=True):
        used[color] = used.get(color, -1) + 1
        _draw(axes, points, color, markers[used[color] % len(markers)], label, "none")
    axes.set(xscale="log", xlabel=title, ylabel="accuracy on the test set, % (strict rule)", title=data)
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in _ticks(low, high) if low <= tick <= high])
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.grid(alpha=0.3, lw=0.5)
    legend = axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    for text in legend.get_texts():
        text.set(**font)
    return figure


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, the fewer the more decades there are."""
    steps = (1, 2, 5) if high > 10 * low else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**decade for decade in decades for step in steps]


def _draw(axes, points: Sequence[Point], color: str, marker: str, label: str, line: str, z: int = 3) -> None:
    x, dx, y, dy = (list(column) for column in zip(*points, strict=True))
    size = 9 if marker in "*PXpHh8" else 6
    axes.errorbar(x, y, dy, dx, c=color, marker=marker, ms=size, ls=line, lw=1, elinewidth=0.8, label=label, zorder=z)


def _curves(data: str, runs: Runs, of: str) -> Iterator[tuple[str, list[Point]]]:
    variants = [v for v in sweeps.tradeoff(data) if runs.get(v.name)]
    for group in LOOKS:
        chain = (group,) if group in ("base", "both weights") else ("base", group)  # from no weight to the greatest
        points = [point for v in variants if v.group in chain for point in _points(runs[v.name], of)]
        if points:
            yield group, points


def _others(data: str, axis: str, runs: Runs, of: str):
    """The recipes of this project, the predecessors trained here, and what others' released networks are stated at."""
    for name, mine in runs.items():
        if not name.startswith("runs/") or mine[0].data != data or not (points := _points(mine, of)):
            continue
        ours = mine[0].method == OURS
        label = f"recipe {short(name)}" if ours else f"{short(name).removeprefix('baseline-')}, trained here"
        yield RECIPE if ours else PREDECESSOR, label, points
    for released in RELEASED:
        if released.data == data and (x := {"steps": released.steps, "operations": released.operations}[axis]):
            yield STATED, f"{released.what}, released weights", [(x, 0.0, 100 * released.accuracy, 0.0)]


def _points(runs: Sequence[Run], of: str) -> list[Point]:
    """The point of a setting, of those of its runs that hold the figure; none where none does."""
    held = [(value, 100 * run.test["accuracy"]) for run in runs if (value := figure_of(run, of)) is not None]
    if not held or "decision_step_mean" not in runs[0].test:
        return []
    x, y = zip(*held, strict=True)
    return [(*spread(x), *spread(y))]


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; the same runs give the same bytes."""
    import matplotlib

    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "bstdg"}):
        figure.savefig(content, format=path.suffix[1:], metadata={"Date": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, content.getvalue())
