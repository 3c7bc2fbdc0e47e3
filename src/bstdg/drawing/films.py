"""A decision as a film: a frame for each layer of each step."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg import disk, files
from bstdg.drawing import style
from bstdg.drawing.board import board, called, entitle
from bstdg.drawing.lettering import IN_TITLE, gap, lettering
from bstdg.drawing.maps import Curve, Maps
from bstdg.drawing.scene import Layer, Sample, Scene, scene
from bstdg.model.runtime import Model

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILM = "gif"
FRAMES_A_SECOND = 2
HOLD = 4  # frames for which the decision stays


class Spikes(NamedTuple):
    """One layer in the film: its spikes, and the dots that show them."""

    points: NDArray[np.integer]  # [spikes, 2]: step and neuron
    fired: Any  # dots of what has fired before this step
    firing: Any  # … and of what fires now

    def show(self, until: int, now: int) -> list[Any]:
        """Show what fires up to step `until`, step `now` as lit; returns what changed."""
        when = self.points[:, 0]
        self.fired.set_offsets(self.points[when < now])
        self.firing.set_offsets(self.points[(when == now) & (when <= until)])
        return [self.fired, self.firing]


class Film:
    """The frames of one decision.

    Attributes:
        figure: what is drawn on.
        frames: how many there are: one for each layer at each step up to the decision, then `HOLD` of it.

    Args:
        what: the decision.
        label: the true class, for the title.
    """

    def __init__(self, what: Scene, label: str | None):
        self._what = what
        self._turns = len(what.layers) + 1
        self.frames = (what.step + 1) * self._turns + HOLD
        parts = board(what, None, film=True)
        self.figure: Figure = parts.figure
        names = (what.classes[what.label], "" if label is None else label)
        (decided, truth), font = lettering(self.figure, names, IN_TITLE)
        entitle(what, parts, "" if label is None else truth, font)
        num_steps = len(what.lead)
        self._layers: list[Spikes | Maps | Curve] = []
        for i, (axis, layer) in enumerate(zip(parts.layers, what.layers, strict=True)):
            axis.set_title(called(layer))
            self._layers.append(parts.shown[i] if i in parts.shown else _dots(axis, layer, num_steps))
        self._output = parts.output
        self._lines = [self._output.plot([], [], color=style.INK, alpha=0.5, lw=1)[0] for _ in what.classes]
        style.race(self._output, what.lead)
        self._end = f"output: {decided}{gap(decided)}at step {what.step}"
        self._output.set_title("output" + "\n" * self._end.count("\n"), **font)  # room for all of its lines
        self._clocks = [axis.axvline(0, color=style.LIT, lw=1, zorder=0.5) for axis in parts.over_steps]
        for axis in parts.over_steps:
            style.frame(axis, num_steps)
        style.settle(self.figure)

    def when(self, frame: int) -> tuple[int, int]:
        """The step of a frame, and the last layer that has had its turn in it (0: the input)."""
        last = (self._what.step + 1) * self._turns - 1
        return divmod(min(frame, last), self._turns)

    def show(self, frame: int) -> list[Any]:
        """Draw a frame; returns what changed."""
        step, turn = self.when(frame)
        changed: list[Any] = []
        for i, layer in enumerate(self._layers):
            # Layers whose turn is to come are where the last step left them.
            changed += layer.show(step if i <= turn else step - 1, step)
        shown = step + 1 if turn == self._turns - 1 else step
        for line, lead in zip(self._lines, self._what.lead.T, strict=True):
            line.set_data(np.arange(shown), lead[:shown])
        for clock in self._clocks:
            clock.set_xdata([step, step])
        if shown > self._what.step:
            self._lines[self._what.label].set(color=style.LIT, alpha=1.0, lw=2)
            self._output.set_title(self._end)
        else:
            self._lines[self._what.label].set(color=style.INK, alpha=0.5, lw=1)
            self._output.set_title("output")
        return [*self._lines, *self._clocks, *changed]


def _dots(axis: Axes, layer: Layer, num_steps: int) -> Spikes:
    """The dots of a layer that is drawn over steps."""
    fired = axis.scatter([], [], s=style.DOT, color=style.INK, linewidths=0)
    firing = axis.scatter([], [], s=2 * style.DOT, color=style.LIT, linewidths=0)
    axis.set(ylabel=layer.rows, ylim=(layer.width, -1))
    return Spikes(np.column_stack([layer.steps, layer.channels])[layer.steps < num_steps], fired, firing)


def animate(model: Model, sample: Sample, *, label: str | None = None) -> FuncAnimation:
    """One decision as a film: a frame for each layer of each step, until the first output is at its threshold.

    Within a step the layers follow each other so that the eye can; to the network it is one step. Spikes of the
    present step are lit; maps fill step by step, in the colours of `raster`. In a notebook,
    `IPython.display.HTML(animate(model, image).to_jshtml())` plays it; its `save` makes a GIF. Arguments and errors as
    for `raster`.
    """
    from matplotlib.animation import FuncAnimation

    film = Film(scene(model, sample), label)
    return FuncAnimation(film.figure, film.show, frames=film.frames, interval=1000 // FRAMES_A_SECOND, repeat=False)


def save_film(film: FuncAnimation, path: Path) -> None:
    """Write a film as GIF, whole or not at all."""
    with disk.naming(path), tempfile.TemporaryDirectory(prefix="bstdg-") as scratch:
        made = Path(scratch) / f"film.{FILM}"  # matplotlib writes films to names alone
        film.save(made, writer="pillow", fps=FRAMES_A_SECOND, dpi=100)
        files.write_atomic(path, made.read_bytes())
