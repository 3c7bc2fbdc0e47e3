"""What a reader of some tables has to know beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from bstdg.datasets.caltech import SPLITS, next_to_training
from bstdg.lab.experiments.run import spread
from bstdg.lab.experiments.tables import Runs


def of(data: str, runs: Runs) -> Iterator[str]:
    """Paragraphs that stand before the table of a data set; most have none."""
    if data in SPLITS:
        yield textwrap.fill(" ".join(_caltech(data, runs)), 120) + "\n"


def _caltech(data: str, runs: Runs) -> Iterator[str]:
    face, motorbike = (100 * share for share in next_to_training(data).values())
    yield "Pictures of one person, and of one catalogue of motorbikes, have consecutive numbers."
    if face or motorbike:
        yield (
            f"In this split {face:.1f} % of the faces that are tested, and {motorbike:.1f} % of the motorbikes, have "
            "the picture before or after among those learnt from: it tells how well known people are found again."
        )
    else:
        yield (
            "In this split no picture that is tested has one of the 30 before or after among those learnt from, so "
            "that nobody is on both sides."
        )
    for name, mine in runs.items():
        if name.startswith("runs/baseline-logistic-caltech-edges") and mine[0].data == data:
            right = spread([100 * run.test["accuracy"] for run in mine])[0]
            yield (
                f"Logistic regression on the edges, without any hidden layer, reaches {right:.2f} %: next to it the "
                "rows on edges say little about networks."
            )
