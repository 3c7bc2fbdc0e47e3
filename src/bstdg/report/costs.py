"""Figures and counts of what a decision costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bstdg.drawing.style import INK, LATE, LIT
from bstdg.model import energy as model_of_energy
from bstdg.model.sizes import sizes_of
from bstdg.model.summary import layer_name
from bstdg.report.looks import filling, panels, styled
from bstdg.report.measure import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDINARY = {"binary": "one-bit weights, no spikes", "mlp": "float32, no spikes"}  # kinds of `bstdg.model.energy`


class Cost(NamedTuple):
    """An estimate of one decision in nanojoules: `arithmetic`, memory of `weights`, memory of `sums`."""

    name: str
    arithmetic: float
    weights: float
    sums: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.arithmetic + self.weights + self.sums


def costs(measured: Measured) -> list[Cost]:
    """Estimates for the network up to its decision, and for ordinary networks of the same structure."""
    sizes = sizes_of(measured.model.layers)
    layers = [("this network, to its decision", model_of_energy.count("bstdg", sizes, measured.figures))]
    layers += [(name, model_of_energy.count(kind, sizes, {})) for kind, name in ORDINARY.items()]
    rows = []
    for name, counts in layers:
        guess = model_of_energy.estimate(counts)
        rows.append(Cost(name, guess.arithmetic / 1000, guess.sram_weights / 1000, guess.sram_state / 1000))
    return rows


def nanojoules(value: float) -> str:
    """Three digits at least.

    >>> nanojoules(5613.2), nanojoules(0.51234)
    ('5,613', '0.512')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@styled
def operations(measured: Measured) -> Figure:
    """Synaptic operations a sample, by layer: to the decision, to the end, and of a dense pass."""
    figure, (axes,) = panels(1, 2.5)
    rows = (
        ("to the decision", measured.operations),
        ("run to the end", measured.all_operations),
        ("dense pass", measured.dense_operations),
    )
    total = [sum(values) for _, values in rows]
    left = np.zeros(len(rows))
    layers = len(measured.model.layers)
    for layer in range(layers):
        width = np.array([values[layer] for _, values in rows], float)
        axes.barh(range(len(rows)), width, 0.6, left, label=layer_name(layer, layers), **filling(layer))
        left += width
    for row, value in enumerate(total):
        axes.annotate(f"{value:,.0f}", (value, row), (5, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 1.25 * max(total))
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="additions a sample (dense: multiply-accumulates)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=min(layers, 4), title="into", alignment="left")
    return figure


@styled
def energy(measured: Measured) -> Figure:
    """An estimate of a decision's energy, by the table of `bstdg.model.energy`, beside ordinary networks, log scale."""
    figure, (axes,) = panels(1, 2.2)
    rows = costs(measured)
    for row, cost in enumerate(rows):
        axes.plot([cost.total], [row], color=INK if row else LIT, marker="s" if row else "o", ms=7, ls="none")
        axes.annotate(
            f"{nanojoules(cost.total)} nJ", (cost.total, row), (9, 0), textcoords="offset points", va="center"
        )
    axes.set(xscale="log", xlabel="nJ a decision, an estimate", ylim=(len(rows) - 0.5, -0.5))
    decades = np.log10([max(cost.total, 1e-6) for cost in rows])
    axes.set_xlim(10 ** np.floor(decades.min() - 0.1), 10 ** (decades.max() + 0.8))
    axes.set_yticks(range(len(rows)), [cost.name.replace(", ", ",\n") for cost in rows])
    axes.tick_params(axis="y", length=0)
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.grid(axis="x", color=LATE, lw=0.6)
    axes.set_axisbelow(True)
    return figure
