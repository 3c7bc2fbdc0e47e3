"""Figures and films of spikes, drawn with matplotlib. Everything returned is a plain `Figure` or animation.

Nothing here touches pyplot, so no window opens, nothing is kept, and a notebook shows each figure once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bstdg.encode import Events
from bstdg.errors import InputError
from bstdg.runtime import Model
from bstdg.scene import Layer, Sample, Scene, Steps, layer_of, scene

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LIT, SHADE, LATE = "#30343b", "#d1495b", "#e9ecef", "#b8bec6"
KINDS, FILM = ("svg", "png", "pdf"), "gif"
DOT = 5  # area of a spike's dot, in square points
FRAMES_A_SECOND = 2


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
    the network has stopped by then.

    Args:
        source: a deployed model; or what it did (`bstdg.scene.scene`); or the steps of one sample, uint8 `[channels]`,
            or `Events` of one; or several of these by name.
        sample: with a model, an image `[rows, columns]` as it reads them, or `Events` of one sample.
        label: the true class, for the title.
        num_steps: T, which arrays of steps alone do not tell.
        columns: panels side by side; all by default.

    Raises:
        InputError: the sample does not fit the model, or something is missing.

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
    for axis, (name, steps) in zip(axes, named.items(), strict=True):
        last = steps.num_steps if isinstance(steps, Events) else num_steps
        if last is None:
            raise InputError("arrays of steps do not tell T: give num_steps")
        layer = layer_of(name, steps)
        _scatter(axis, layer, last - 1, last)
        frame(axis, last)
        axis.set_title(f"{name}: {layer.fired(last - 1)} of {layer.width} fired")
    settle(figure)
    return figure


def _draw(what: Scene, label: str | None, columns: int | None) -> Figure:
    pictures = 0 if what.picture is None else 1
    figure, axes = panels(pictures + len(what.layers) + 1, columns, pictures)
    if what.picture is not None:
        show_picture(axes[0], what.picture, f"image{'' if label is None else f' of {label}'}")
    num_steps = len(what.lead)
    for axis, layer in zip(axes[pictures:-1], what.layers, strict=True):
        _scatter(axis, layer, what.step, num_steps)
        axis.set_title(f"{layer.name}: {layer.fired(what.step)} of {layer.width} fired")
    output = axes[-1]
    for k, row in enumerate(what.lead.T):
        chosen = k == what.label
        marker = "o" if num_steps == 1 else None
        color, alpha, width = (LIT, 1.0, 2) if chosen else (INK, 0.35, 1)
        output.plot(row, color=color, alpha=alpha, lw=width, marker=marker, ms=3)
    race(output, what.lead)
    output.set_title(f"output: {what.classes[what.label]} at step {what.step}")
    for axis in axes[pictures:]:
        axis.axvspan(what.step + 0.5, num_steps - 0.5, color=SHADE, lw=0, zorder=0)
        axis.axvline(what.step, color=LIT, lw=1, zorder=0.5)
        frame(axis, num_steps)
    settle(figure)
    return figure


def panels(number: int, columns: int | None, pictures: int = 0) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, the first `pictures` of them for images."""
    from bstdg.drawing import Drawing

    if columns is not None and columns < 1:
        raise InputError(f"columns must be 1 or more, not {columns}")
    wide = min(columns or number, number)
    rows = -(-number // wide)
    size = (1.7 * pictures + 2.7 * (number - pictures), 3.4) if rows == 1 else (2.65 * wide, 2.5 * rows)
    figure = Drawing(figsize=size, layout="constrained")
    shares = [1.2 if rows == 1 and i < pictures else 1.5 for i in range(wide)]
    grid = figure.subplots(rows, wide, squeeze=False, gridspec_kw={"width_ratios": shares})
    axes = list(grid.ravel())
    for spare in axes[number:]:
        spare.remove()
    if number < len(axes):  # the last panel takes what is left of its row
        axes[number - 1].set_subplotspec(figure.add_gridspec(rows, wide)[rows - 1, (number - 1) % wide :])
    return figure, axes[:number]


def show_picture(axis: Axes, picture: NDArray, title: str = "") -> None:
    """Draw a grey image, ink where it is bright; paper shows through where it is dark."""
    from matplotlib.colors import to_rgb

    shade = np.asarray(picture, float)
    rgba = np.empty((*shade.shape, 4))
    rgba[..., :3] = to_rgb(INK)
    rgba[..., 3] = shade / max(shade.max(), 1e-9)
    axis.imshow(rgba, interpolation="none")
    axis.set(title=title, xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color=LATE)


def _scatter(axis: Axes, layer: Layer, decided: int, num_steps: int) -> None:
    fired, sent = layer.steps < num_steps, layer.steps <= decided
    for chosen, color in ((fired & sent, INK), (fired & ~sent, LATE)):
        axis.scatter(layer.steps[chosen], layer.channels[chosen], s=DOT, color=color, linewidths=0)
    axis.set(ylabel=layer.rows, ylim=(layer.width, -1))


def race(output: Axes, lead: NDArray[np.integer]) -> None:
    """Set up the panel in which the outputs run to their thresholds."""
    output.axhline(0, color=INK, lw=0.8, ls=":")
    low, high = max(min(int(lead.min()), 0), -60) - 1, min(max(int(lead.max()), 3), 60) + 1
    output.set(ylim=(low, high), ylabel="potential - threshold")


def frame(axis: Axes, num_steps: int) -> None:
    """Steps along the bottom, whole ones."""
    axis.set(xlabel="step", xlim=(-0.5, num_steps - 0.5))
    axis.locator_params(axis="x", integer=True)


def settle(figure: Figure) -> None:
    """Keep the layout as it is now, rounded: the solver's last digits differ from run to run, and files with them."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        left, bottom, width, height = (round(edge, 4) for edge in axis.get_position().bounds)
        axis.set_position((left, bottom, width, height))


def animate(model: Model, sample: Sample, *, label: str | None = None) -> FuncAnimation:
    """One decision as a film: a frame for each layer of each step, until the first output is at its threshold.

    Within a step the layers follow each other so that the eye can; to the network it is one step. Spikes of the
    present step are lit. In a notebook, `IPython.display.HTML(animate(model, image).to_jshtml())` plays it; its
    `save` makes a GIF. Arguments and errors as for `raster`.
    """
    from matplotlib.animation import FuncAnimation

    from bstdg.film import Film

    film = Film(scene(model, sample), label)
    return FuncAnimation(film.figure, film.show, frames=film.frames, interval=1000 // FRAMES_A_SECOND, repeat=False)


def save_decision(model: Model, image: Sample, path: Path, label: str | None = None) -> None:
    """Draw a decision into a file; its ending tells the format: svg, png or pdf for `raster`, gif for `animate`.

    The same decision gives the same file.

    Raises:
        InputError: matplotlib does not write that format.
        OSError: the file cannot be written.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in (*KINDS, FILM):
        raise InputError(f"a figure ends in .svg, .png or .pdf, a film in .gif, not {path.name!r}")
    if kind == FILM:
        animate(model, image, label=label).save(path, writer="pillow", fps=FRAMES_A_SECOND, dpi=100)
    else:
        save(raster(model, image, label=label), path, kind)


def save(figure: Figure, file: Any, kind: str, dpi: int = 150) -> None:
    """Write a figure to a path or an open file, as svg, png or pdf; the same figure always gives the same bytes."""
    import matplotlib

    metadata = {"svg": {"Date": None, "Creator": "bstdg"}, "pdf": {"CreationDate": None}, "png": {"Software": "bstdg"}}
    # A fixed salt and no date.
    with matplotlib.rc_context({"svg.hashsalt": "bstdg"}):
        figure.savefig(file, format=kind, dpi=dpi, metadata=metadata[kind])
