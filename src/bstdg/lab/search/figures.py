"""Figures of a search, from the rows of its table; every function returns a matplotlib `Figure` of its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bstdg.drawing.style import INK, LATE, LIT
from bstdg.report.looks import BLUE, panels, styled, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bstdg.lab.search.space import Dimension

Rows = Sequence[dict[str, Any]]
MOST_PICKED = 12  # choices up to which each has its name below the axis


@styled
def history(rows: Rows, figure_of: str) -> Figure:
    """The value of each trial by its number, and the best so far."""
    figure, (axes,) = panels(1, 3.1)
    ended = [row for row in rows if row["state"] in ("complete", "pruned")]
    for state, colour, marker in (("complete", BLUE, "o"), ("pruned", LATE, "x")):
        some = [row for row in ended if row["state"] == state]
        numbers, values = [row["trial"] for row in some], [100 * row["value"] for row in some]
        axes.plot(numbers, values, marker, color=colour, ms=5, label=state)
    complete = [row for row in ended if row["state"] == "complete"]
    so_far = list(itertools.accumulate((100 * row["value"] for row in complete), max))
    axes.step([row["trial"] for row in complete], so_far, where="post", color=LIT, lw=1.4, label="best so far")
    axes.set(xlabel="trial", ylabel=f"{figure_of}, %")
    axes.legend(loc="best")
    whole(axes.xaxis)
    return figure


@styled
def learning(rows: Rows, figure_of: str) -> Figure:
    """The value after every epoch of every trial; the best trial is red, those that were stopped are pale."""
    figure, (axes,) = panels(1, 3.1)
    complete = [row for row in rows if row["state"] == "complete"]
    top = max(complete, key=lambda row: row["value"], default=None)
    for row in sorted(rows, key=lambda row: row is top):
        if row["by_epoch"]:
            colour = LIT if row is top else BLUE if row["state"] == "complete" else LATE
            epochs, values = np.array(row["by_epoch"], float).T
            style = {"lw": 1.6 if row is top else 0.8, "marker": "." if len(epochs) == 1 else None}
            axes.plot(epochs, 100 * values, color=colour, **style)
    axes.set(xlabel="epoch", ylabel=f"{figure_of}, %")
    whole(axes.xaxis)
    return figure


@styled
def field(rows: Rows, figure_of: str, dimension: Dimension) -> Figure:
    """Values of trials by the value of one field."""
    figure, (axes,) = panels(1, 2.7)
    for state, colour, marker in (("pruned", LATE, "x"), ("complete", BLUE, "o")):
        some = [row for row in rows if row["state"] == state and dimension.field in row["point"]]
        at = [_position(dimension, row["point"][dimension.field]) for row in some]
        axes.plot(at, [100 * row["value"] for row in some], marker, color=colour, ms=5)
    axes.set(ylabel=f"{figure_of}, %")
    _name_axis(axes, dimension)
    return figure


def _position(dimension: Dimension, value: Any) -> float:
    return dimension.choices.index(value) if dimension.choices else value


def _name_axis(axes: Axes, dimension: Dimension) -> None:
    axes.set_xlabel(dimension.field, parse_math=False)
    if dimension.log:
        axes.set_xscale("log")
    if dimension.choices:
        few = len(dimension.choices) <= MOST_PICKED
        names = [str(value)[:24] if few else "" for value in dimension.choices]
        turned = 90 if max(map(len, names)) * len(names) > 40 else 0
        axes.set_xticks(range(len(names)), names, rotation=turned, parse_math=False)
        axes.set_xlim(-0.5, len(names) - 0.5)


@styled
def importance(shares: dict[str, float]) -> Figure:
    """How much of the variation of values each field explains."""
    figure, (axes,) = panels(1, 0.9 + 0.36 * len(shares))
    names = list(shares)[::-1]
    axes.barh(names, [100 * shares[name] for name in names], color=BLUE, height=0.6)
    axes.set(xlabel="share of the variation, %", xlim=(0, 100))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color(INK)
    return figure
