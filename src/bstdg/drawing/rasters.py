"""Spikes over steps as figures: of a model deciding one sample, or of arrays of steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bstdg.drawing.board import board, called, entitle
from bstdg.drawing.figure import KINDS, save
from bstdg.drawing.lettering import IN_TITLE, gap, lettering
from bstdg.drawing.scene import Layer, Sample, Scene, Steps, layer_of, scene
from bstdg.drawing.style import DOT, INK, LATE, LIT, SHADE, frame, panels, race, settle
from bstdg.errors import InputError
from bstdg.model.runtime import Model
from bstdg.spikes.events import Events

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def decision(model: Model, image: Sample, label: str | None = None) -> Figure:
    """One sample from its pixels to its decision; see `raster`."""
    return raster(model, image, label=label)


def raster(
    source: Model | Scene | Steps | Mapping[str, Steps],
    sample: Sample | None = None,
    *,
    label: str | None = None,
    num_steps: int | None = None,
    columns: int | None = None,
) -> Figure:
    """Spikes over steps: of a model deciding one sample, or of arrays of steps.

    Of a model, the picture, input, hidden and output spikes are drawn; what comes after the decision is pale, since
    the network has stopped by then. Layers that have maps are drawn as strips of small pictures, coloured by the step
    at which each neuron fires.

    Args:
        source: a deployed model; or what it did (`bstdg.drawing.scene.scene`); or the steps of one sample, uint8
            `[channels]`, or `Events` of one; or several of these by name.
        sample: with a model, an image `[rows, columns]` as it reads them, or `Events` of one sample.
        label: the true class, for the title.
        num_steps: T, which arrays of steps alone do not tell.
        columns: panels side by side, of those that have steps along the bottom; all by default.

    Raises:
        InputError: the sample does not fit the model, or something is missing.

    >>> import numpy as np
    >>> figure = raster({"retina": np.array([0, 2, 8, 1], np.uint8)}, num_steps=8)
    >>> figure.axes[0].get_title()
    'retina: 3 of 4 fired'
    """
    if isinstance(source, Model):
        if sample is None:
            raise InputError("a raster of a model needs a sample: an image, or Events of one recording")
        source = scene(source, sample)
    if isinstance(source, Scene):
        return _draw(source, label, columns)
    named = source if isinstance(source, Mapping) else {"spikes": source}
    if not named:
        raise InputError("there are no steps to draw")
    figure, axes = panels(len(named), columns)
    titles, font = lettering(figure, named, IN_TITLE)
    for axis, title, (name, steps) in zip(axes, titles, named.items(), strict=True):
        last = steps.num_steps if isinstance(steps, Events) else num_steps
        if last is None:
            raise InputError("arrays of steps do not tell T: give num_steps")
        layer = layer_of(name, steps)
        _scatter(axis, layer, last - 1, last)
        frame(axis, last)
        axis.set_title(f"{title}:{gap(title)}{layer.fired(last - 1)} of {layer.width} fired", **font)
    settle(figure)
    return figure


def _draw(what: Scene, label: str | None, columns: int | None) -> Figure:
    parts = board(what, columns)
    (decided, truth), font = lettering(
        parts.figure, (what.classes[what.label], "" if label is None else label), IN_TITLE
    )
    entitle(what, parts, "" if label is None else truth, font)
    num_steps = len(what.lead)
    for i, (axis, layer) in enumerate(zip(parts.layers, what.layers, strict=True)):
        if i in parts.shown:
            parts.shown[i].show(num_steps - 1)
        else:
            _scatter(axis, layer, what.step, num_steps)
        axis.set_title(f"{called(layer)}: {layer.fired(what.step)} of {layer.width} fired")
    output = parts.output
    for k, row in enumerate(what.lead.T):
        chosen = k == what.label
        marker = "o" if num_steps == 1 else None
        color, alpha, width = (LIT, 1.0, 2) if chosen else (INK, 0.35, 1)
        output.plot(row, color=color, alpha=alpha, lw=width, marker=marker, ms=3)
    race(output, what.lead)
    output.set_title(f"output: {decided}{gap(decided)}at step {what.step}", **font)
    for axis in parts.over_steps:
        axis.axvspan(what.step + 0.5, num_steps - 0.5, color=SHADE, lw=0, zorder=0)
        axis.axvline(what.step, color=LIT, lw=1, zorder=0.5)
        frame(axis, num_steps)
    settle(parts.figure)
    return parts.figure


def _scatter(axis: Axes, layer: Layer, decided: int, num_steps: int) -> None:
    fired, sent = layer.steps < num_steps, layer.steps <= decided
    for chosen, color in ((fired & sent, INK), (fired & ~sent, LATE)):
        axis.scatter(layer.steps[chosen], layer.channels[chosen], s=DOT, color=color, linewidths=0)
    axis.set(ylabel=layer.rows, ylim=(layer.width, -1))


def save_decision(model: Model, image: Sample, path: Path, label: str | None = None) -> None:
    """Draw a decision into a file; its ending tells the format: svg, png or pdf for `raster`, gif for `animate`.

    The same decision gives the same file, which is written whole or not at all.

    Raises:
        InputError: matplotlib does not write that format.
        OSError: the file cannot be written.
    """
    from bstdg.drawing.films import FILM, animate, save_film

    kind = path.suffix.lstrip(".").lower()
    if kind not in (*KINDS, FILM):
        raise InputError(f"a figure ends in .svg, .png or .pdf, a film in .gif, not {path.name!r}")
    if kind == FILM:
        save_film(animate(model, image, label=label), path)
    else:
        save(raster(model, image, label=label), path, kind)
