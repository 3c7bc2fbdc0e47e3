"""The drawings of the method page, computed by the package itself:  python docs/drawings.py docs/figures"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import drawings_windows
import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from bstdg import latency
from bstdg.drawing.style import INK, LIT, SHADE
from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.learning.loss import first_to_fire
from bstdg.learning.rule import psi

PALE = "#9aa2ad"
T = 8


def code() -> Figure:
    """Pixel values and the steps they become; one small image as its spikes."""
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    line, picture, raster = figure.subplots(1, 3, width_ratios=[1.5, 0.8, 1.2])
    values = np.arange(256, dtype=np.uint8)
    steps = latency(values[None], T)[0]
    line.step(values, steps, color=INK, where="mid")
    line.scatter([0], [T], color=LIT, zorder=3)
    line.annotate("black: never (T)", (0, T), (30, T - 0.1), color=LIT, va="center")
    line.set(xlabel="pixel", ylabel="step", xlim=(-4, 256), ylim=(T + 0.7, -0.7))
    image = np.array([[0, 40, 0, 0], [0, 150, 90, 0], [0, 255, 200, 0], [0, 230, 0, 0]], np.uint8)
    picture.imshow(image, cmap="gray", vmin=0, vmax=255)
    picture.set(xticks=[], yticks=[], title="16 pixels")
    fired = latency(image[None], T)[0]
    raster.scatter(fired[fired < T], np.flatnonzero(fired < T), color=INK, s=20)
    raster.set(xlabel="step", ylabel="pixel", title="their spikes", xlim=(-0.5, T - 0.5), ylim=(15.5, -0.5))
    return figure


def neuron() -> Figure:
    """Two neurons that hear the same six spikes: one fires, one comes closest and stays silent."""
    spikes = np.array([[0, 1, 2, 3, 4, 6]], np.uint8)
    weights = np.array([[1, 1, 1, 1, -1, 1], [1, -1, 1, 1, -1, -1]], np.int8)
    threshold = np.array([3, 4])
    potential = oracle.potentials(spikes, weights, T)
    found = oracle.crossing(potential, threshold)
    figure = Figure(figsize=(8, 2.9), layout="constrained")
    for j, axis in enumerate(figure.subplots(1, 2, sharey=True)):
        reach = int(found.reach[0, j])
        axis.step(np.arange(T), potential[0, :, j], color=INK, where="post", label="potential V")
        axis.axhline(threshold[j], color=LIT, ls=":", label="threshold")
        axis.plot(reach, potential[0, reach, j], "o", color=LIT)
        for step, sign in zip(spikes[0], weights[j], strict=True):
            axis.annotate("+1" if sign > 0 else "-1", (step, -1.6), ha="center", color=INK if sign > 0 else PALE)
        fires = found.steps[0, j] < T
        what = f"fires at step {reach}" if fires else "never fires"
        axis.annotate(f"e = {reach}", (reach, potential[0, reach, j]), (6, 5), textcoords="offset points", color=LIT)
        margin = potential[0, reach, j] - threshold[j]
        axis.set(xlabel="step", title=f"{what}, margin {margin}", ylim=(-2.2, 5), xlim=(-0.5, T - 0.5))
    figure.axes[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.12), fontsize=8)
    return figure


def sensitivity() -> Figure:
    """psi, and what a hidden neuron's four spikes are credited with."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    margin = np.linspace(-30, 30, 241)
    for width, color in ((20.0, INK), (8.0, LIT)):
        left.plot(margin, psi(torch.tensor(margin), width).numpy(), color=color, label=f"width {width:.0f}")
    left.set(xlabel="margin m", ylabel="ψ(m)", title="how much a neuron answers for its spike")
    left.legend(frameon=False, fontsize=8)
    spikes, reach = np.array([[0, 2, 4, 6]], np.uint8), np.array([[4]], np.uint8)
    local = oracle.impulse(np.array([[1.0]]), reach, T)  # dL/dV at its one step
    for n, (kernel, color) in enumerate((("step", INK), ("exponential", LIT))):
        traces = oracle.trace(spikes, T, kernel, 4.0)
        credit = np.einsum("btj,bti->i", local, traces)
        right.bar(spikes[0] + 0.35 * (n - 0.5), credit, 0.33, color=color, label=kernel)
    right.axvline(4, color=PALE, ls=":")
    right.annotate("neuron j fires\nat e = 4", (4.75, 0.5), color=INK, fontsize=8)
    right.set(
        xlabel="step of a presynaptic spike",
        ylabel="credit",
        title="which spikes earn it",
        ylim=(0, 1.25),
        xticks=range(T),
    )
    right.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def loss() -> Figure:
    """Potentials of three outputs, and the probability of each to be the first, step by step."""
    lead = np.array([[-4, -3, -1, 0, 2, 4, 5, 5], [-4, -4, -2, -2, -1, -1, 0, 1], [-4, -5, -5, -4, -5, -6, -6, -6]])
    decision = decide(lead.T[None], np.zeros(3, np.int64))
    z = torch.tensor(lead.T[None], dtype=torch.float64)
    scale = torch.tensor(1.0, dtype=torch.float64)
    until = [first_to_fire(z[:, : t + 1], scale, silent_remainder=False)[0].exp()[0] for t in range(T)]
    at_step = np.diff(np.array([np.zeros(3), *(u.numpy() for u in until)]), axis=0)
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    below = np.zeros(T)
    for k, color in enumerate((LIT, INK, PALE)):
        left.step(np.arange(T), lead[k], color=color, where="post", label=f"output {k}")
        right.bar(np.arange(T), at_step[:, k], 0.8, bottom=below, color=color)
        below += at_step[:, k]
    left.axhline(0, color=INK, lw=0.8, ls=":")
    left.axvline(int(decision.step[0]), color=LIT, lw=0.8)
    left.set(
        xlabel="step", ylabel="V - threshold", title=f"decision: output {decision.label[0]} at step {decision.step[0]}"
    )
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel="step", ylabel="P(first at this step)", title="the same rule, smooth")
    return figure


DRAWINGS = {
    "method-code": code,
    "method-neuron": neuron,
    "method-sensitivity": sensitivity,
    "method-loss": loss,
    **drawings_windows.DRAWINGS,
}

# What each colour is where the reader's pages are dark.
DARK = {
    "#ffffff": "#16181b",
    SHADE: "#2b3037",
    INK: "#d9dde3",
    LIT: "#ff7b8c",
    PALE: "#7b8490",
    "#cccccc": "#454b54",
}


def page(figure: Figure) -> str:
    """The drawing as SVG, light or dark as the reader's pages are, with no more digits than are seen."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    rules = "".join(
        f'[style*="{part}: {light}"] {{ {part}: {dark} !important }}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    drawn = re.sub(r"\b([1-9]\d*\.\d\d)\d+", r"\1", file.getvalue())
    drawn = re.sub(r" *<metadata>.*?</metadata>\n", "", drawn, flags=re.DOTALL)
    return drawn.replace("</style>", f"@media (prefers-color-scheme: dark) {{ {rules} }}</style>", 1)


LOOK = {
    "svg.hashsalt": "bstdg",  # the same drawing is the same file
    "axes.titlesize": 10,
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(LOOK):
        for name, draw in DRAWINGS.items():
            (folder / f"{name}.svg").write_text(page(draw()), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/figures"))
