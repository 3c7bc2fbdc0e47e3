"""What a network decides, when, and how well: figures of a `Measured`.

Every function returns a matplotlib `Figure` of its own; see `bstdg.report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bstdg.drawing.lettering import lettering
from bstdg.drawing.style import INK, LATE, LIT
from bstdg.model.figures import FIGURES
from bstdg.report.looks import BLUE, panels, reach, styled, whole, wilson
from bstdg.report.measure import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERED = 12  # classes up to which a cell of the confusion matrix has room for its number
LONG_NAMES = 3  # letters from which class names are turned
DOTS: dict[str, Any] = {"color": LIT, "ls": "none", "marker": "o", "ms": 5, "elinewidth": 1.2}  # with error bars


@styled
def confusion(measured: Measured) -> Figure:
    """Labels against decisions: right ones pale blue, errors the redder the larger their share of the label's samples.

    The colour grows with the root of the share, so that rare errors are seen.
    """
    from matplotlib.patches import Rectangle

    counts, size = measured.confusion, len(measured.model.classes)
    figure, (axes,) = panels(1, 4.6)
    names, font = lettering(figure, measured.model.classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        right = row == column
        strength = 0.1 + 0.2 * share[row, column] if right else 0.08 + 0.55 * share[row, column] ** 0.5
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=BLUE if right else LIT, alpha=float(strength), lw=0))
        if size <= NUMBERED:
            weight = "bold" if right else "normal"
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=9, weight=weight)
    turned = 90 if max(map(len, names)) >= LONG_NAMES else 0
    font["fontsize"] = 10.5 if size <= NUMBERED else 9
    axes.set_xticks(range(size), names, rotation=turned, **font)
    axes.set_yticks(range(size), names, **font)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xlabel="decided", ylabel="label")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@styled
def anytime(measured: Measured) -> Figure:
    """Accuracy if the network were stopped at each step, and the share of samples decided by then."""
    figure, (axes,) = panels(1, 3.1)
    steps = np.arange(measured.num_steps)
    decided = 100 * np.cumsum(measured.decided) / measured.samples
    axes.bar(steps, decided, color=LATE, width=0.72, label="decided by itself by then")
    accuracy = 100 * measured.stopped / measured.samples
    marker = "o" if measured.num_steps <= 40 else None
    axes.plot(steps, accuracy, color=LIT, lw=1.8, marker=marker, ms=5, label="decided rightly if stopped here")
    axes.set(xlabel="stopped at step", ylabel="samples, %", ylim=(0, 104))
    whole(axes.xaxis)
    figure.legend(loc="outside upper left")
    return figure


@styled
def decision_steps(measured: Measured) -> Figure:
    """Samples decided at each step, and the accuracy among them with what 95 % of chance leaves open."""
    figure, (above, below) = panels(2, 4.0, sharex=True, height_ratios=[1, 1])
    steps, decided = np.arange(measured.num_steps), measured.decided
    some = decided > 0
    hits, number = measured.right[some], decided[some]
    low, _ = wilson(hits, number)
    above.errorbar(steps[some], 100 * (hits / number), 100 * reach(hits, number), **DOTS)
    above.set(
        title="accuracy among those decided at a step, %", ylim=(max(0, 10 * np.floor(10 * low.min() - 0.3)), 102)
    )
    silent = np.bincount(measured.step[measured.silent], minlength=measured.num_steps)
    below.bar(steps, 100 * (decided - silent) / measured.samples, color=INK, width=0.72, label="an output fired")
    below.bar(steps, 100 * silent / measured.samples, 0.72, 100 * (decided - silent) / measured.samples,
              facecolor=LATE, edgecolor=INK, hatch="////", lw=0, label="silent: none did")  # fmt: skip
    below.set(title="samples decided at a step, %", xlabel="step")
    if silent.any():
        below.legend(loc="best")
    whole(below.xaxis)
    return figure


@styled
def comparison(models: Sequence[Measured]) -> Figure:
    """Several models side by side: accuracy with its 95 % bounds, decision step, hidden spikes, operations."""
    figure, axes = panels(2, 1.5 + 0.62 * len(models), columns=2, sharey=True)
    rows = np.arange(len(models))
    names, font = lettering(figure, [one.name for one in models])
    number = np.array([one.samples for one in models])
    hits = np.array([(one.label == one.truth).sum() for one in models])
    axes[0].errorbar(100 * (hits / number), rows, xerr=100 * reach(hits, number), **DOTS)
    axes[0].set_title("accuracy, %")
    compared = {
        "decision_step_mean": FIGURES["decision_step_mean"].caption,
        "hidden_spikes_to_decision": FIGURES["hidden_spikes_to_decision"].name,
        "synaptic_operations_to_decision": FIGURES["synaptic_operations_to_decision"].name,
    }
    for axis, (key, title) in zip(axes[1:], compared.items(), strict=True):
        axis.barh(rows, [one.figures[key] for one in models], color=INK, height=0.5)
        axis.set_title(title)
    for axis in axes:
        axis.set_yticks(rows, names, **font)
        axis.set_ylim(len(models) - 0.5, -0.5)
        axis.locator_params(axis="x", nbins=4)
        axis.tick_params(axis="y", length=0)
    axes[3].xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")
    return figure
