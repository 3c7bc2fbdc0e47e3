"""What figures have in common: colours, panels, the frame of steps, and a layout that comes to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LIT, SHADE, LATE = "#30343b", "#d1495b", "#e9ecef", "#b8bec6"
# Of neurons in a picture: from the first step to the decision's, after it, and those that never fire.
RAMP, PALE, NEVER = ("#14233f", "#3b6ea5", "#a3cbe6"), "#e2d9ce", "#f4f5f6"
OWN_COLOURS = "colours"  # begins the gid of pictures whose colours say something; of others, ink and paper do
DOT = 5  # area of a spike's dot, in square points


def panels(number: int, columns: int | None, pictures: int = 0) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, the first `pictures` of them for images."""
    from bstdg.drawing.figure import Drawing

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
        axes[number - 1].set_subplotspec(axes[0].get_gridspec()[rows - 1, (number - 1) % wide :])
    return figure, axes[:number]


def show_picture(axis: Axes, picture: NDArray, title: str = "", **font: Any) -> None:
    """Draw a grey image, ink where it is bright; paper shows through where it is dark. `font` is of the title.

    Three channels are red, green and blue; the maps of any other number lie side by side.
    """
    from matplotlib.colors import to_rgb

    shade = np.asarray(picture, float)
    if shade.ndim == 3 and len(shade) == 3:
        axis.imshow(np.moveaxis(shade, 0, -1) / max(shade.max(), 1e-9), interpolation="none", gid=OWN_COLOURS)
        axis.set(xticks=[], yticks=[])
        axis.set_title(title, **font)
        return
    if shade.ndim == 3:
        shade = np.concatenate(list(shade), axis=1)
    rgba = np.empty((*shade.shape, 4))
    rgba[..., :3] = to_rgb(INK)
    rgba[..., 3] = shade / max(shade.max(), 1e-9)
    axis.imshow(rgba, interpolation="none")
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, **font)
    axis.spines[:].set(visible=True, color=LATE)


def settled_legend(figure: Figure, handles: list[Any]) -> None:
    """A row of what colours stand for, below all panels."""
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, handlelength=1.0)


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
