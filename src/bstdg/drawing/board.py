"""The panels of a decision: side by side; or, where a network has maps, strips of pictures over the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bstdg.drawing import maps, style
from bstdg.drawing.lettering import gap
from bstdg.drawing.scene import Layer, Scene
from bstdg.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

WIDTH, PANEL = 8.0, 2.65  # inches: of a figure, and of a panel where it is told how many lie side by side
TITLE = 0.38  # … of a panel's title
TILE, LEAST = 0.85, 0.48  # … of a map: at most, and at least while they still lie in one row
PICTURE = 1.5  # … of the input


class Board(NamedTuple):
    """The panels: of the `picture` (None: there is none), a panel a layer, and that of the output.

    `shown` are layers that have maps, by their number, as they are drawn.
    """

    figure: Figure
    picture: Axes | None
    layers: list[Axes]
    output: Axes
    shown: dict[int, maps.Maps | maps.Curve]

    @property
    def over_steps(self) -> list[Axes]:
        """Panels that have steps along the bottom."""
        return [*(axis for i, axis in enumerate(self.layers) if i not in self.shown), self.output]


def board(what: Scene, columns: int | None, film: bool = False) -> Board:
    """Panels for a decision; `columns` of them side by side, where some have maps of those that have steps below.

    Raises:
        InputError: `columns` is less than 1.
    """
    if not what.has_maps:
        pictures = 0 if what.picture is None else 1
        figure, axes = style.panels(pictures + len(what.layers) + 1, columns, pictures)
        return Board(figure, axes[0] if pictures else None, axes[pictures:-1], axes[-1], {})
    return _with_maps(what, columns, film)


def called(layer: Layer) -> str:
    """What a layer's panel is called: hidden 1, 32c5s2p2."""
    return f"{layer.name}, {layer.written}" if layer.written else layer.name


def entitle(what: Scene, parts: Board, truth: str, font: dict[str, Any]) -> None:
    """Draw the picture, if there is one, and say of which class the sample is; `truth`: "" where that is not known."""
    if parts.picture is not None and what.picture is not None:
        said = "image" if not truth else f"image of{gap(truth)}{truth}"
        style.show_picture(parts.picture, what.picture, said, **font)
    elif what.has_maps and truth:
        kind = "sample" if what.signal is None else "signal"
        parts.layers[0].set_title(f"{kind} of {truth}", loc="left", **font)


def _with_maps(what: Scene, columns: int | None, film: bool) -> Board:
    from bstdg.drawing.figure import Drawing

    if columns is not None and columns < 1:
        raise InputError(f"columns must be 1 or more, not {columns}")
    width = WIDTH if columns is None else max(2, columns) * PANEL
    most = int(width / LEAST)
    plain = [i for i, layer in enumerate(what.layers) if layer.maps is None]
    strips = [i for i, layer in enumerate(what.layers) if layer.maps is not None]
    wide = min(columns or len(plain) + 1, len(plain) + 1)
    lines = -(-(len(plain) + 1) // wide)
    heights = [_height(what, what.layers[i], width, most) for i in strips]
    heights.append(2.5 * lines)
    figure = Drawing(figsize=(width, sum(heights) + 0.4), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    num_steps = len(what.lead)
    axes: dict[int, Axes] = {}
    shown: dict[int, maps.Maps | maps.Curve] = {}
    picture = None
    for row, i in enumerate(strips):
        layer = what.layers[i]
        if i == 0 and what.signal is not None:
            axes[i] = figure.add_subplot(grid[row])
            shown[i] = maps.Curve(axes[i], what.signal, layer, num_steps, what.step)
            continue
        if i == 0 and _pictured(what):
            picture, axes[i] = _beside(figure, grid[row], layer)
        else:
            axes[i] = figure.add_subplot(grid[row])
        shown[i] = maps.Maps(axes[i], layer, num_steps, what.step, most)
    below = grid[len(strips)].subgridspec(lines, wide)
    for n, i in enumerate(plain):
        axes[i] = figure.add_subplot(below[n // wide, n % wide])
    output = figure.add_subplot(below[lines - 1, len(plain) % wide :])
    style.settled_legend(figure, maps.legend(num_steps, what.step, film))
    return Board(figure, picture, [axes[i] for i in range(len(what.layers))], output, shown)


def _pictured(what: Scene) -> bool:
    """Whether the input has a picture of its own: of rows and columns, in grey or in red, green and blue."""
    first = what.layers[0].maps
    return what.picture is not None and first is not None and first[0] in (1, 3) and first[1] > 1


def _beside(figure: Figure, place: SubplotSpec, layer: Layer) -> tuple[Axes, Axes]:
    """The picture, and right of it what the network reads of it."""
    shares = place.subgridspec(1, 2, width_ratios=[1, min(4, layer.shape[0] + 1)])
    left, right = figure.add_subplot(shares[0]), figure.add_subplot(shares[1])
    return left, right


def _height(what: Scene, layer: Layer, width: float, most: int) -> float:
    """Inches that a strip needs."""
    count, rows, columns = layer.shape
    if layer is what.layers[0] and (what.signal is not None or _pictured(what)):
        return PICTURE + TITLE
    if rows == 1:
        return max(0.4, min(1.3, 0.08 * count)) + 1.5 * TITLE
    wide = maps.across(count, most)
    tile = min(TILE, width / wide)
    return -(-count // wide) * tile * rows / columns + TITLE
