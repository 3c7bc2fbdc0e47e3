"""Figures of what hidden neurons do, what they look for, and how training made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bstdg.drawing.style import INK, LATE, LIT, SHADE, show_picture
from bstdg.errors import InputError
from bstdg.layers import Conv2dLayer, FullLayer
from bstdg.model.summary import layer_name
from bstdg.report.history import History
from bstdg.report.looks import BLUE, filling, panels, styled, whole
from bstdg.report.measure import Measured
from bstdg.report.spread import width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS, COLUMNS = 8, 6  # of receptive fields
LINES = ("-", "--", ":", "-.")


@styled
def firing(measured: Measured) -> Figure:
    """For how many samples each hidden neuron fires, the busiest first, a line a layer.

    Raises:
        InputError: there are no hidden neurons.
    """
    _need_hidden(measured)
    figure, (axes,) = panels(1, 2.9)
    for i, fired in enumerate(measured.fired):
        share = 100 * np.sort(fired.sum(axis=1))[::-1] / measured.samples
        axes.plot(np.arange(1, len(share) + 1), share, color=BLUE, ls=LINES[i % 4], lw=1.8, label=f"hidden {i + 1}")
    axes.set(xlabel="hidden neurons, the busiest first", ylabel="fires for, % of samples")
    axes.set_ylim(bottom=0)
    if len(measured.fired) > 1:
        axes.legend()
    return figure


@styled
def firing_steps(measured: Measured) -> Figure:
    """Hidden spikes at each step, means a sample, were the network not stopped by its decision.

    Raises:
        InputError: there are no hidden neurons.
    """
    _need_hidden(measured)
    figure, (axes,) = panels(1, 2.7)
    steps, floor = np.arange(measured.num_steps), np.zeros(measured.num_steps)
    for i, fired in enumerate(measured.fired):
        share = fired.sum(axis=0) / measured.samples
        axes.bar(steps, share, 0.72, floor, label=f"hidden {i + 1}", **filling(i))
        floor = floor + share
    axes.set(xlabel="step", ylabel="hidden spikes a sample")
    whole(axes.xaxis)
    if len(measured.fired) > 1:
        axes.legend()
    return figure


@styled
def margins(measured: Measured) -> Figure:
    """Each hidden layer: the share of its neurons that fire for a sample, and where their margins lie.

    Left, of all neurons: blue those that fire up to the decision, pale those that would have fired after it. Right, the
    mean margin with a standard deviation either way (see `bstdg.report.spread`); the band is the width of the rule.

    Raises:
        InputError: there are no hidden neurons.
    """
    _need_hidden(measured)
    figure, (left, right) = panels(1, 1.15 + 0.34 * len(measured.fired), columns=2, sharey=True)
    rows = np.arange(len(measured.fired))
    neurons = np.array([len(fired) for fired in measured.fired])
    every = 100 * np.array([fired.sum() for fired in measured.fired]) / measured.samples / neurons
    left.barh(rows, every, 0.56, color=LATE, label="to the end")
    left.barh(rows, 100 * np.array(measured.sent) / neurons, 0.56, color=BLUE, label="to the decision")
    left.set_title("neurons that fire, %")
    width = width_of(measured.model.trained)
    if width is not None:
        right.axvspan(-width, width, color=SHADE, zorder=0)
    right.axvline(0, color=LATE, lw=1, zorder=1)
    for row, found in zip(rows, measured.margins, strict=True):
        if found is not None:
            right.errorbar(found.mean, row, xerr=found.deviation, color=LIT, marker="o", ms=5, elinewidth=1.2)
    right.set_title("margins")
    left.set_yticks(rows, [layer_name(i, len(rows) + 1) for i in rows.tolist()])
    for axis in (left, right):
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.locator_params(axis="x", nbins=4)
    return figure


@styled
def thresholds(measured: Measured, history: History | None = None) -> Figure:
    """Thresholds of every layer, after training and, where they are known, before it."""
    layers = measured.model.layers
    start = history.start if history is not None else None
    figure, axes = panels(len(layers), 0.9 + 1.35 * len(layers))
    for i, (axis, layer) in enumerate(zip(axes, layers, strict=True)):
        after = np.asarray(layer.thresholds, float)
        before = None if start is None else np.asarray(start[i], float)
        every = after if before is None else np.concatenate([after, before])
        edges = integer_edges(every)
        axis.hist(after, edges.tolist(), color=BLUE, label="after training")
        if before is not None:
            axis.hist(before, edges.tolist(), histtype="step", color=INK, lw=1.4, label="before")
        axis.set(title=layer_name(i, len(layers)), ylabel="neurons")
        whole(axis.yaxis)
        axis.locator_params(axis="y", nbins=4)
    axes[-1].set_xlabel("threshold, in units of potential")
    if start is not None:
        axes[0].legend(loc="best")
    return figure


def integer_edges(values: NDArray[np.floating], most: int = 36) -> NDArray[np.floating]:
    """Edges of at most so many bins that hold equally many whole numbers each.

    >>> integer_edges(np.array([3.0, 5.0])).tolist()
    [2.5, 3.5, 4.5, 5.5]
    """
    low, high = np.floor(values.min()), np.ceil(values.max())
    width = max(1.0, np.ceil((high - low + 1) / most))
    return np.arange(low - 0.5, high + width + 0.5 - 1e-6, width)


@styled
def training(history: History) -> Figure:
    """Validation accuracy, share of weights flipped an epoch, and share of silent hidden neurons, through training.

    Raises:
        InputError: there is no log of it.
    """
    if not history.epochs:
        raise InputError("there is no log of the training beside the model")
    figure, (above, middle, below) = panels(3, 4.7, sharex=True)
    epochs = [row["epoch"] for row in history.epochs]
    mark = {"marker": "o", "ms": 4} if len(epochs) <= 30 else {}
    above.plot(epochs, [100 * row["accuracy"] for row in history.epochs], color=LIT, lw=1.6, **mark)
    above.set_title("accuracy on the validation part, %")
    middle.plot(epochs, [100 * row["flip_ratio"] for row in history.epochs], color=INK, lw=1.6, **mark)
    middle.set(title="weights whose bit flipped in the epoch, %", ylim=(0, None))
    shares = np.array([row["silent_share"] for row in history.epochs], float).reshape(len(epochs), -1)
    for i, share in enumerate(shares.T):
        below.plot(epochs, 100 * share, color=BLUE, ls=LINES[i % 4], lw=1.6, label=f"hidden {i + 1}", **mark)
    below.set(title="hidden neurons that fire for no validation sample, %", xlabel="epoch", ylim=(0, None))
    if shares.shape[1] > 1:
        below.legend()
    if history.best_epoch is not None:
        for axis in (above, middle, below):
            axis.axvline(history.best_epoch, color=LATE, lw=1, zorder=0)
    whole(below.xaxis)
    return figure


@styled
def fields(measured: Measured) -> Figure:
    """Signs of the weights of first-layer neurons, as images, in rows by the median step at which a neuron fires.

    A pixel is inked where its weight is +1; edge maps lie two by two. Of each row the neurons that fire for the most
    samples. Of a convolution these are the windows of its maps.

    Raises:
        InputError: the input is no image, or there are no hidden neurons.
    """
    _need_hidden(measured)
    if not has_pictures(measured):
        raise InputError("the input is no image, so weights have no picture")
    if not has_fields(measured):
        raise InputError("no neuron of the first layer fired, or it has no weights: none is worth a picture")
    rows = chosen_fields(measured)
    signs, _ = _seekers(measured)
    maps, rows_of_map, columns_of_map = signs.shape[1:]
    wide = 2 if maps % 2 == 0 else 1  # several maps lie side by side, two by two where they can
    height, width = maps // wide * rows_of_map, wide * columns_of_map
    signs = signs.reshape(-1, maps // wide, wide, rows_of_map, columns_of_map).transpose(0, 1, 3, 2, 4)
    mosaic = np.zeros((len(rows) * (height + 2) - 2, COLUMNS * (width + 2) - 2))
    figure, (axes,) = panels(1, 0.2 + 4.5 * mosaic.shape[0] / mosaic.shape[1])
    for i, (_, neurons) in enumerate(rows):
        for j, neuron in enumerate(neurons):
            top, left = i * (height + 2), j * (width + 2)
            mosaic[top : top + height, left : left + width] = (signs[neuron] > 0).reshape(height, width)
    show_picture(axes, mosaic)
    axes.set_yticks([i * (height + 2) + height / 2 for i in range(len(rows))], [f"step {step}" for step, _ in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def chosen_fields(measured: Measured) -> list[tuple[int, NDArray[np.intp]]]:
    """The steps that `fields` shows, each with its neurons, or with its maps."""
    _, fired = _seekers(measured)
    usual = usual_steps(fired)
    steps = np.unique(usual[usual >= 0])
    if len(steps) > ROWS:
        steps = steps[np.linspace(0, len(steps) - 1, ROWS).round().astype(int)]
    rows = []
    for step in steps.tolist():
        neurons = np.flatnonzero(usual == step)
        order = np.argsort(-fired[neurons].sum(axis=1), kind="stable")
        rows.append((step, neurons[order[:COLUMNS]]))
    return rows


def _seekers(measured: Measured) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Signs of the first layer `[neurons, channels, rows, columns]` and its spikes by step `[neurons, T]`.

    A convolution has its maps in the place of neurons.
    """
    first, fired = measured.model.layers[0], measured.fired[0]
    if isinstance(first, Conv2dLayer):
        return first.signs, fired.reshape(first.convolution.maps, first.convolution.places, -1).sum(axis=1)
    if isinstance(first, FullLayer):
        return first.signs.reshape(-1, *measured.model.input.gives), fired
    raise InputError(f"the first layer is of kind {first.kind!r}, and has no weights to draw")


def usual_steps(fired: NDArray[np.int64]) -> NDArray[np.int64]:
    """The median step of each neuron's spikes, from counts `[neurons, T]`; -1 where it never fires.

    >>> usual_steps(np.array([[1, 0, 2], [0, 0, 0]])).tolist()
    [2, -1]
    """
    climbed, total = fired.cumsum(axis=1), fired.sum(axis=1)
    median = (2 * climbed >= total[:, None]).argmax(axis=1)
    return np.where(total > 0, median, -1)


def has_pictures(measured: Measured) -> bool:
    """Whether the input is an image worth the name, of two pixels a side or more."""
    code = measured.model.input
    return code.samples == "images" and len(code.reads) == 3 and min(code.reads[1:]) > 1


def has_fields(measured: Measured) -> bool:
    """Whether there are receptive fields to draw: of an image, and of a first layer with weights that ever fired."""
    weights = isinstance(measured.model.layers[0], (FullLayer, Conv2dLayer))
    return weights and has_pictures(measured) and bool(measured.fired) and bool(measured.fired[0].any())


def _need_hidden(measured: Measured) -> None:
    if not measured.fired:
        raise InputError("the network has no hidden neurons")
