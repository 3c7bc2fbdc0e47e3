"""Maps as small pictures, coloured by the step at which each of their neurons fires."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bstdg.drawing.style import LATE, LIT, NEVER, OWN_COLOURS, PALE, RAMP
from bstdg.layers import Shape

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from bstdg.drawing.scene import Layer

GAP = -1  # in a mosaic: between maps
NAMED = 6  # steps of a legend


def across(maps: int, most: int) -> int:
    """How many maps lie side by side, at most so many, so that the rows are alike.

    >>> across(32, 16), across(20, 16), across(3, 16)
    (16, 10, 3)
    """
    return math.ceil(maps / math.ceil(maps / max(1, most)))


def mosaic(steps: NDArray[np.integer], maps: Shape, wide: int) -> NDArray[np.integer]:
    """Steps of maps side by side, `wide` of them in a row, `GAP` between them; of one row each, one below the other.

    Args:
        steps: `[maps * rows * columns]`.
        maps: (maps, rows, columns).
        wide: maps in a row.

    >>> mosaic(np.arange(8), (2, 2, 2), 2)
    array([[ 0,  1, -1,  4,  5],
           [ 2,  3, -1,  6,  7]])
    """
    count, rows, columns = maps
    if rows == 1:
        return steps.reshape(count, columns)
    tiles = np.full((-(-count // wide) * wide, rows + 1, columns + 1), GAP, np.int64)
    tiles[:count, :rows, :columns] = steps.reshape(maps)
    laid = tiles.reshape(-1, wide, rows + 1, columns + 1).swapaxes(1, 2)
    return laid.reshape(-1, wide * (columns + 1))[:-1, :-1]


def palette(num_steps: int, decided: int, now: int | None = None) -> NDArray[np.floating]:
    """Colours by step, RGBA 0 … 1 `[T + 2, 4]`: 0 … T - 1, never, and last `GAP`, through which paper is seen.

    Args:
        num_steps: T.
        decided: the step of the decision; what comes later is pale.
        now: a step that is lit, in a film.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    ramp = LinearSegmentedColormap.from_list("steps", RAMP)
    colours = np.empty((num_steps + 2, 4))
    colours[: decided + 1] = ramp(np.linspace(0.0, 1.0, decided + 1) if decided else [0.0])
    colours[decided + 1 : num_steps] = to_rgba(PALE)
    colours[num_steps] = to_rgba(NEVER)
    colours[GAP] = (0.0, 0.0, 0.0, 0.0)
    if now is not None:
        colours[now] = to_rgba(LIT)
    return colours


class Maps:
    """A layer's maps in a panel; `show` colours them as far as they have fired.

    Args:
        axis: the panel.
        layer: one that has maps.
        num_steps: T.
        decided: the step of the decision.
        most: maps side by side.
    """

    def __init__(self, axis: Axes, layer: Layer, num_steps: int, decided: int, most: int):
        maps = layer.shape
        self._steps = mosaic(layer.first(num_steps), maps, across(maps[0], most))
        self._num_steps, self._decided = num_steps, decided
        aspect = "auto" if maps[1] == 1 else "equal"
        blank, gid = np.zeros((*self._steps.shape, 4)), f"{OWN_COLOURS} of {layer.name}".replace(" ", "-")
        self.image = axis.imshow(blank, interpolation="none", aspect=aspect, gid=gid)
        axis.spines[:].set_visible(False)
        if maps[1] == 1:
            axis.set(yticks=[], ylabel="map")
        else:
            axis.set(xticks=[], yticks=[], anchor="W")

    def show(self, until: int, now: int | None = None) -> list[Artist]:
        """Colour what fires up to step `until`, and light step `now`; returns what changed."""
        known = np.where(self._steps <= until, self._steps, self._num_steps)
        self.image.set_data(palette(self._num_steps, self._decided, now)[known])
        return [self.image]


class Curve:
    """A signal and the spikes of its values, as `Maps` of other inputs.

    Args:
        axis: the panel.
        values: `[columns]`, as the network reads them.
        layer: the input.
        num_steps: T.
        decided: the step of the decision.
    """

    def __init__(self, axis: Axes, values: NDArray, layer: Layer, num_steps: int, decided: int):
        self._steps = layer.first(num_steps)
        self._num_steps, self._decided = num_steps, decided
        axis.plot(values, color=LATE, lw=1, zorder=1)
        self.dots = axis.scatter(np.arange(len(values)), values, s=10, linewidths=0, zorder=2)
        axis.set(xlabel="position", ylabel="value", xlim=(-1, len(values)))

    def show(self, until: int, now: int | None = None) -> list[Artist]:
        """Colour what fires up to step `until`, and light step `now`; returns what changed."""
        seen = (self._steps <= until) & (self._steps < self._num_steps)
        colours = palette(self._num_steps, self._decided, now)
        colours[self._num_steps] = 0.0
        self.dots.set_facecolor(colours[np.where(seen, self._steps, self._num_steps)].tolist())
        return [self.dots]


def legend(num_steps: int, decided: int, film: bool) -> list[Any]:
    """What the colours stand for, as handles of a legend: some steps, what is later or now, what does not fire."""
    from matplotlib.patches import Patch

    colours = palette(num_steps, decided)
    steps = np.unique(np.linspace(0, decided, min(NAMED, decided + 1)).astype(int)).tolist()
    handles = [Patch(facecolor=colours[t].tolist(), label=f"step {t}" if t == 0 else str(t)) for t in steps]
    if film:
        return [*handles, Patch(facecolor=LIT, label="now"), Patch(facecolor=NEVER, label="not yet")]
    if decided + 1 < num_steps:
        handles.append(Patch(facecolor=PALE, label="after the decision"))
    return [*handles, Patch(facecolor=NEVER, label="never")]
