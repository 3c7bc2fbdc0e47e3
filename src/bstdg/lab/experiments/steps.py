"""Steps to the decision at equal T: predecessors of 256 steps with their input times put into fewer blocks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from bstdg.lab.experiments.claims import BLOCKS
from bstdg.lab.experiments.judge import figure_of
from bstdg.lab.experiments.published import RELEASED
from bstdg.lab.experiments.results import Run, energy
from bstdg.lab.experiments.run import spread
from bstdg.lab.experiments.tables import COLUMNS, Runs, Sheet, cell, head, short
from bstdg.lab.predecessors.temporal import NUM_STEPS

BLOCKS_OF = """\
The predecessors trained here, run as they are with their 256 input steps put into T equal blocks: the inputs of a block
arrive together, and steps are counted in blocks (`bstdg baseline bs4nn --blocks 8`). What an image then takes by the
clock is told in [baselines](baselines.md#at-fewer-steps).
"""


def sheet(named: Iterable[tuple[str, Sequence[Run]]]) -> Sheet:
    """A row for each number of blocks that runs were judged with, the setting at its own T first."""
    rows = []
    for name, runs in named:
        held = [run for run in runs if "blocks" in run.extra]
        numbers = sorted({row["blocks"] for run in held for row in run.extra["blocks"]}, reverse=True)
        tests = [(str(run.test.get("num_steps")), [run.test for run in held]) for run in held[:1]]
        for number in numbers:
            tests.append((str(number), [row for run in held for row in run.extra["blocks"] if row["blocks"] == number]))
        rows += [(short(name), t, str(len(mine)), *(cell(mine, figure) for figure in COLUMNS)) for t, mine in tests]
    return Sheet("steps in blocks", ("network", "T", "seeds", *map(head, COLUMNS)), tuple(rows))


def said(runs: Runs) -> Iterator[str]:
    """What the ratio of steps is made of, and what does not depend on T; nothing where a run is missing."""
    ours, bs4nn, stated = runs.get("runs/mnist", ()), runs.get("runs/baseline-bs4nn-mnist", ()), RELEASED[0]
    step, at_equal = _mean(ours, "steps"), _mean(bs4nn, "steps", BLOCKS)
    operations = _mean(ours, "synaptic_operations_to_decision")
    joules = [nano for run in ours if (nano := energy(run)) is not None]
    if step is None or at_equal is None or operations is None or not joules:
        return
    rows = [(row, run) for run in bs4nn for row in run.extra.get("blocks", ()) if row["blocks"] == BLOCKS]
    right, own = (
        spread(shares)[0] for shares in zip(*((a["accuracy"], b.test["accuracy"]) for a, b in rows), strict=True)
    )
    kept = f"has {100 * right:.2f} % there, {100 * own:.2f} % at its own {NUM_STEPS} steps, and decides at step"
    words = (
        f"Steps are those of a network's own clock; most of the ratio to BS4NN's is T, {NUM_STEPS} against {BLOCKS}.",
        f"With its input times put into {BLOCKS} blocks BS4NN, trained here, {kept} {at_equal - 1:.2f}; its released "
        f"weights decide at {stated.steps_in_blocks - 1:.1f}, the network here at {step - 1:.2f}. At equal T these are "
        f"{at_equal / step:.1f} and {stated.steps_in_blocks / step:.1f} times fewer steps, counted from 1, not "
        f"{stated.steps / step:.0f}. What does not depend on T stands before: {operations:,.0f} operations against "
        f"{stated.operations:,.0f}, and {spread(joules)[0]:,.0f} nJ against {stated.energy:,.0f} by the same estimate.",
    )
    yield textwrap.fill(" ".join(words), 120) + "\n"


def _mean(runs: Sequence[Run], figure: str, blocks: int = 0) -> float | None:
    values = [value for run in runs if (value := figure_of(run, figure, blocks)) is not None]
    return spread(values)[0] if values else None
