"""How a report's figures look: one width that a phone can show, few lines, colours that the colour-blind tell apart."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import NDArray

from bstdg.drawing.style import INK, LATE, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE = "#2f6fb0"
WIDTH = 5.3  # inches: 380 units of the page, what a phone shows at nearly its full size
STYLE: dict[Any, Any] = {
    "font.size": 11.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 11.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.8,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "text.usetex": False,  # which would obey what stands in a text
}
LIKELY = 0.95  # of what chance leaves open, bounds hold so much

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in this style, and its layout come to rest."""

    @functools.wraps(draw)
    def drawn(*arguments: P.args, **keywords: P.kwargs) -> Figure:
        with style():
            figure = draw(*arguments, **keywords)
            settle(figure)
        return figure

    return drawn


@contextmanager
def style() -> Iterator[None]:
    """The style, for as long as a figure is drawn."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def panels(rows: int, height: float, *, columns: int = 1, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of the report's width with so many panels, row by row; `height` in inches."""
    from bstdg.drawing.figure import Drawing

    figure = Drawing(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    return figure, list(grid.ravel())


def whole(axis: Any) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=9))


def filling(layer: int) -> dict[str, Any]:
    """How the bars of a layer are filled, so that those of several tell each other apart without colour too."""
    hatch = (None, "////", "....", "xxxx")[layer % 4]
    return {"facecolor": LATE if hatch else BLUE, "edgecolor": INK, "lw": 0, "hatch": hatch}


def reach(hits: NDArray[np.integer], number: NDArray[np.integer]) -> NDArray[np.floating]:
    """How far `wilson` bounds lie below and above the shares themselves, `[2, …]`, as matplotlib takes error bars."""
    share, (low, high) = hits / number, wilson(hits, number)
    return np.clip([share - low, high - share], 0, None)


def wilson(hits: NDArray[np.integer], number: NDArray[np.integer]) -> tuple[NDArray, NDArray]:
    """Bounds of the shares that hits of a number leave likely, 95 % (Wilson, 1927).

    >>> low, high = wilson(np.array([9]), np.array([10]))
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.596, 0.982)
    """
    from scipy.stats import binomtest

    pairs = zip(hits.tolist(), number.tolist(), strict=True)
    bounds = [binomtest(hit, of).proportion_ci(LIKELY, method="wilson") for hit, of in pairs]
    low, high = np.array(bounds, float).reshape(-1, 2).T
    return low, high
