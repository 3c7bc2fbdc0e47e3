"""Drawings of windows that slide, of poolings, and of what lets both learn; `docs/drawings.py` writes them."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from bstdg.drawing.style import INK, LIT, SHADE
from bstdg.engine import oracle
from bstdg.layers.conv2d import Conv2dLayer
from bstdg.layers.convolution import Convolution
from bstdg.layers.pool2d import Pool2dLayer
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.recipe import RuleConfig
from bstdg.learning.rule import Spikes, psi

PALE = "#9aa2ad"
PAPER = "#ffffff"
T = 8
SIDE = 5
SIGNS = np.array([[1, -1, 1], [1, 1, -1], [-1, 1, 1]], np.int8)


def windows() -> Figure:
    """A kernel, a spike, the counters it moves, and how many it moves with other strides and paddings."""
    figure = Figure(figsize=(8, 4.3), layout="constrained")
    above, below = figure.subplots(2, 4)
    layer = _map(padding=1)
    written = np.vectorize("{:+d}".format)
    _cells(above[0], written(SIGNS), SIGNS > 0)
    above[0].set_title("a map's window, 3 x 3")

    one = np.full((SIDE, SIDE), T, np.uint8)
    one[1, 3] = 0
    _spikes(above[1], one)
    above[1].add_patch(Rectangle((-1.5, -1.5), SIDE + 2, SIDE + 2, fill=False, ec=PALE, ls=":"))
    above[1].set(xlim=(-1.7, SIDE + 0.7), ylim=(SIDE + 0.7, -1.7))
    above[1].set_title("one spike, padding 1")

    moved = _counters(layer, one)[0]
    _cells(above[2], np.where(moved != 0, written(moved), ""), moved > 0, moved == 0, stacked=True)
    above[2].set_title("what it adds to C maps")

    many = np.full((SIDE, SIDE), T, np.uint8)
    many[[0, 1, 1, 2, 3, 4], [2, 1, 3, 2, 0, 4]] = [0, 2, 0, 1, 4, 6]
    count = _counters(layer, many)
    fired = oracle.crossing(count.reshape(1, T, -1), layer.thresholds).steps.reshape(SIDE, SIDE)
    _cells(above[3], count[-1].astype(str), fired < T)
    above[3].set_title("after 6 spikes; threshold 2")

    for axis, (stride, padding) in zip(below, ((1, 1), (1, 0), (2, 1), (2, 0)), strict=True):
        reached = _map(stride, padding).convolution.covers()
        _cells(axis, reached.astype(str), reached == reached.max(), reached < reached.max())
        axis.set_title(f"stride {stride}, padding {padding}")
    below[0].set_ylabel("windows reached", color=INK)
    return figure


def pooling() -> Figure:
    """A map of steps, one window of it over time, and what poolings make of all windows."""
    steps = np.array([[1, 4, T, T], [3, T, 6, T], [0, 0, 2, 5], [1, 7, 2, 3]], np.uint8)
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    before, time, *after = figure.subplots(1, 4, width_ratios=[1, 1.6, 0.62, 0.62])
    _steps(before, steps)
    before.add_patch(Rectangle((-0.5, -0.5), 2, 2, fill=False, ec=LIT, lw=2.5))
    before.plot([-0.5, 3.5, np.nan, 1.5, 1.5], [1.5, 1.5, np.nan, -0.5, 3.5], color=INK, lw=1.2)
    before.set_title("steps of 4 x 4 neurons")

    pools = [Pool2dLayer((1, 4, 4), (2, 2), (2, 2), n) for n in (1, 2)]
    count = oracle.layer_potentials(pools[0], steps.reshape(1, -1), T)
    time.step(np.arange(T), count[0, :, 0], color=INK, where="post")
    for pool, axis in zip(pools, after, strict=True):
        given = oracle.crossing(count, pool.thresholds).steps.reshape(2, 2)
        first = int(given[0, 0])
        time.axhline(pool.count, color=LIT, ls=":")
        time.plot(first, pool.count, "o", color=LIT)
        time.annotate(f"{pool}: step {first}", (7.3, pool.count + 0.08), ha="right", color=LIT)
        _steps(axis, given)
        axis.set_title(str(pool))
    time.set(xlabel="step", ylim=(0, 3.4), xlim=(-0.5, T - 0.5), xticks=range(T), yticks=range(4))
    time.set_title("spikes so far in the window marked")
    return figure


def following() -> Figure:
    """A weight that flips takes a neuron's potential from its threshold; a threshold that follows goes with it."""
    random = np.random.default_rng(3)
    often = random.uniform(0.05, 0.95, 60)  # p_i
    weights = np.where(random.random(60) < 0.5, -1, 1)
    spikes = (random.random((20_000, 60)) < often).astype(np.int64)
    flips = np.flatnonzero(weights > 0)[:6]
    flipped = weights.copy()
    flipped[flips] *= -1
    own = 3.0  # a_j
    before, after = spikes @ weights, spikes @ flipped
    stood, followed = own + weights @ often, own + flipped @ often

    figure = Figure(figsize=(8, 2.7), layout="constrained")
    for axis, potential, threshold, title in zip(
        figure.subplots(1, 3, sharex=True, sharey=True),
        (before, after, after),
        (stood, stood, followed),
        ("before", "6 weights flip, the threshold stays", "and it follows: θ = a + Σ b p"),
        strict=True,
    ):
        values, counts = np.unique(potential, return_counts=True)
        fires = values >= threshold
        share = counts / len(potential)
        axis.bar(values[~fires], share[~fires], 0.85, color=PALE)
        axis.bar(values[fires], share[fires], 0.85, color=LIT)
        axis.axvline(threshold, color=INK, lw=1.2, ls=":")
        axis.set_title(title)
        axis.annotate(f"fires for {100 * share[fires].sum():.0f} %", (0.97, 0.9), xycoords="axes fraction", ha="right")
        axis.set(xlabel="potential", yticks=[])
    figure.axes[0].set_ylabel("samples")
    return figure


def credit() -> Figure:
    """What weights are credited with on one sample, and a width in each layer's own measure."""
    steps = torch.tensor([[1, 2, 0, 6, T]], dtype=torch.uint8)
    often = torch.tensor([0.1, 0.5, 0.95, 0.5, 0.95])
    figure = Figure(figsize=(8, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for n, (centre, color, label) in enumerate(((0.0, PALE, "[s ≤ e]"), (0.99, LIT, "[s ≤ e] - p"))):
        layer = BinaryLinear(5, 1, threshold=3.0, rule=RuleConfig(centre=centre)).eval()
        with torch.no_grad():
            layer.weight.fill_(0.5)
            if centre:
                layer.presynaptic.copy_(often)
                layer.threshold.sub_(often.sum())  # so that it fires at the same step
        heard = layer(Spikes.of_input(steps, T))
        heard.fired.sum().backward()
        reach = int(heard.reach)
        given = layer.weight.grad[0].numpy() / -layer.threshold.grad.item()
        left.bar(np.arange(5) + 0.38 * (n - 0.5), given, 0.36, color=color, label=label)
    left.axhline(0, color=INK, lw=0.8)
    said = [f"s = {'never' if s == T else int(s)}\np = {p:.2g}" for s, p in zip(steps[0], often, strict=True)]
    left.set_xticks(range(5), said)
    left.set(ylim=(-1.15, 1.45), title=f"credit of five weights, neuron judged at e = {reach}")
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")

    random = np.random.default_rng(0)
    margin = np.linspace(-70, 70, 561)
    for fan_in, color in ((25, LIT), (800, INK)):
        found = random.choice([-1, 1], (4000, fan_in)).sum(1)
        width = float(found.std())
        right.hist(found, bins=np.arange(-70, 71, 4), weights=np.full(4000, 1 / 1500), color=color, alpha=0.25)
        right.plot(margin, psi(torch.tensor(margin), width), color=color, label=f"{fan_in} inputs, spread {width:.0f}")
    right.set(xlabel="margin m, units of potential", ylim=(0, 1.45), xlim=(-70, 70), title="ψ(m), width one spread")
    right.legend(frameon=False, fontsize=8, ncols=1, loc="upper right")
    return figure


# --- parts -----------------------------------------------------------------------------------------------------------


def _map(stride: int = 1, padding: int = 0) -> Conv2dLayer:
    """One map with the kernel that is drawn, and a threshold of 2."""
    convolution = Convolution((1, SIDE, SIDE), 1, (3, 3), (stride, stride), (padding, padding))
    return Conv2dLayer(SIGNS[None, None], np.array([2]), convolution)


def _counters(layer: Conv2dLayer, steps: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Potentials of its map, `[T, rows, columns]`."""
    return oracle.layer_potentials(layer, steps.reshape(1, -1), T).reshape(T, *layer.gives[1:])


def _cells(axis: Axes, texts: NDArray, lit: NDArray, pale: NDArray | None = None, stacked: bool = False) -> None:
    """A grid of cells with a text each; some stand out, some step back."""
    rows, columns = texts.shape
    for back in (2, 1) if stacked else ():
        shift = 0.35 * back
        axis.add_patch(Rectangle((-0.5 + shift, -0.5 - shift), columns, rows, fc=PAPER, ec=PALE))
    axis.add_patch(Rectangle((-0.5, -0.5), columns, rows, fc=PAPER, ec="none"))
    for row, column in np.argwhere(lit):
        axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fc=SHADE, ec="none"))
    across, down = (np.arange(n + 1) - 0.5 for n in (columns, rows))
    lines = [[(x, -0.5), (x, rows - 0.5)] for x in across] + [[(-0.5, y), (columns - 0.5, y)] for y in down]
    axis.add_patch(PathPatch(Path.make_compound_path(*map(Path, lines)), fc="none", ec=PALE, lw=0.8))
    for (row, column), text in np.ndenumerate(texts):
        faint = pale is not None and bool(pale[row, column])
        color = PALE if faint else LIT if lit[row, column] else INK
        axis.text(column, row, text, ha="center", va="center_baseline", color=color, fontsize=8)
    edge = 1.7 if stacked else 0.6
    axis.set(xlim=(-edge, columns + edge - 1), ylim=(rows + edge - 1, -edge), xticks=[], yticks=[], aspect="equal")
    axis.spines[:].set_visible(False)


def _spikes(axis: Axes, steps: NDArray[np.uint8]) -> None:
    """A grid with a dot where there is a spike."""
    _cells(axis, np.full(steps.shape, ""), np.zeros(steps.shape, bool))
    rows, columns = np.nonzero(steps < T)
    axis.plot(columns, rows, "o", color=LIT)


def _steps(axis: Axes, steps: NDArray[np.uint8]) -> None:
    """A grid of steps; the sooner, the more it stands out."""
    texts = np.where(steps < T, steps.astype(str), "-")
    _cells(axis, texts, steps < 3, steps == T)


DRAWINGS = {
    "method-windows": windows,
    "method-pooling": pooling,
    "method-following": following,
    "method-credit": credit,
}
