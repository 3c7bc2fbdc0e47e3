"""Figures of spikes, drawn with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.runtime import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, LIT, SHADE = "#30343b", "#d1495b", "#e9ecef"


def decision(model: Model, image: NDArray, label: str | None = None) -> Figure:
    """One image from its pixels to its decision: input, hidden and output spikes over steps.

    Spikes after the decision are drawn pale: the network has stopped by then.

    Args:
        model: a deployed model that reads images.
        image: `[rows, columns]`, as the model reads them.
        label: the true class, for the title.
    """
    from matplotlib.figure import Figure

    encoded = model.encode(image)
    run = model.run(encoded)
    decided, step = int(run.decision.label[0]), int(run.decision.step[0])
    num_steps, classes = model.packed.num_steps, model.packed.classes
    layers = [("input", encoded[0]), *((f"hidden {i + 1}", h[0]) for i, h in enumerate(run.trace.hidden))]
    figure = Figure(figsize=(4.4 + 2.7 * len(layers), 3.4), layout="constrained")
    picture, *axes, output = figure.subplots(
        1, len(layers) + 2, gridspec_kw={"width_ratios": [1.2, *[1.5] * len(layers), 1.5]}
    )
    picture.imshow(np.asarray(image).reshape(model.packed.image_shape), cmap="gray_r", interpolation="nearest")
    picture.set(title=f"image{'' if label is None else f' of {label}'}", xticks=[], yticks=[])
    for axis, (name, steps) in zip(axes, layers, strict=True):
        _raster(axis, steps, step, num_steps)
        axis.set_title(f"{name}: {int((steps <= step).sum())} of {len(steps)} fired")
    lead = run.trace.potentials[0] - model.packed.layers[-1].thresholds  # (T, classes)
    for k, row in enumerate(lead.T):
        chosen = k == decided
        output.plot(row, color=LIT if chosen else INK, alpha=1.0 if chosen else 0.35, lw=2 if chosen else 1)
    output.axhline(0, color=INK, lw=0.8, ls=":")
    low, high = max(min(int(lead.min()), 0), -60) - 1, min(max(int(lead.max()), 3), 60) + 1
    output.set(title=f"output: {classes[decided]} at step {step}", ylim=(low, high))
    output.set_ylabel("potential - threshold")
    for axis in (*axes, output):
        axis.axvspan(step + 0.5, num_steps - 0.5, color=SHADE, zorder=0)
        axis.axvline(step, color=LIT, lw=1, zorder=0.5)
        axis.set(xlabel="step", xlim=(-0.5, num_steps - 0.5))
        axis.xaxis.get_major_locator().set_params(integer=True)
    _settle(figure)
    return figure


def _settle(figure: Figure) -> None:
    """Keep the layout as it is now, rounded: the solver's last digits differ from run to run, and files with them."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        left, bottom, width, height = (round(edge, 4) for edge in axis.get_position().bounds)
        axis.set_position((left, bottom, width, height))


def _raster(axis, steps: NDArray[np.uint8], decided: int, num_steps: int) -> None:
    neuron = np.arange(len(steps))
    for chosen, color in ((steps <= decided, INK), ((steps > decided) & (steps < num_steps), "#b8bec6")):
        axis.scatter(steps[chosen], neuron[chosen], s=5, color=color, linewidths=0)
    axis.set(ylabel="neuron", ylim=(len(steps), -1))


def save_decision(model: Model, image: NDArray, path: Path, label: str | None = None) -> None:
    """Draw `decision` into a file; its ending tells the format (svg, png, pdf).

    Raises:
        InputError: matplotlib does not write that format.
        OSError: the file cannot be written.
    """
    import matplotlib

    kind = path.suffix.lstrip(".").lower()
    if kind not in ("svg", "png", "pdf"):
        raise InputError(f"a figure ends in .svg, .png or .pdf, not {path.name!r}")
    # A fixed salt and no date: the same decision gives the same file.
    with matplotlib.rc_context({"svg.hashsalt": "bstdg"}):
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        decision(model, image, label).savefig(path, dpi=150, metadata=metadata)
