"""Which epoch is deployed: the latest that validation cannot tell from the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bstdg.learning.recipe import Choice
from bstdg.model.classes import F1, SAMPLES


@dataclass
class BestEpoch:
    """The latest epoch whose validation accuracy, or macro F1, is within one standard error of the highest so far.

    The highest alone is often a lucky early epoch, the more so the smaller the validation part; epochs that it
    cannot tell apart are told apart by the schedule, whose later ones have come to rest.

    Attributes:
        epoch: the one to be deployed; 0 while there is none.
        figures: of it.
        highest: the highest accuracy, or macro F1, of any epoch.
        stale: epochs since that rose.
        by: what epochs are chosen by.
        margin: the standard error of `highest`; None where a checkpoint of version 0.1 did not keep it.
    """

    epoch: int = 0
    figures: dict[str, Any] | None = field(default=None)
    highest: float = -1.0
    stale: int = 0
    by: Choice = "accuracy"
    margin: float | None = 0.0

    def look(self, epoch: int, figures: Mapping[str, Any], weighted: tuple[float, float] | None = None) -> bool:
        """Whether this epoch is the one to be kept now.

        Where samples have weights, what counts in place of the accuracy is `weighted`, see
        `bstdg.model.metrics.Tally.weighted_accuracy`.
        """
        if self.by == "macro_f1":
            reached, error = figures["macro_f1"], error_of_macro_f1(figures)
        else:
            reached, samples = weighted or (figures["accuracy"], figures["samples"])
            error = standard_error(reached, samples)
        self.stale = 0 if reached > self.highest else self.stale + 1
        if reached > self.highest:
            self.highest, self.margin = reached, error
        if self.margin is None:  # accuracies were all that epochs were chosen by
            self.margin = standard_error(min(max(self.highest, 0.0), 1.0), figures["samples"])
        if reached < self.highest - self.margin:
            return False
        self.epoch, self.figures = epoch, dict(figures)
        return True

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"epoch": self.epoch, "figures": self.figures, "highest": self.highest, "margin": self.margin}

    @classmethod
    def of(cls, state: Mapping[str, Any], stale: int, by: Choice = "accuracy") -> BestEpoch:
        """What `state` gave, read back, with `stale`, which a checkpoint holds beside it."""
        return cls(state["epoch"], state["figures"], state["highest"], stale, by, state.get("margin"))


def standard_error(share: float, samples: float) -> float:
    """How far a share counted over `samples` is likely off, with two hits and two misses added (Agresti and Coull).

    Without those a perfect score of a few samples would count as certain.

    >>> round(standard_error(0.99, 144), 4), round(standard_error(1.0, 144), 4)
    (0.0124, 0.0095)
    """
    likely = (share * samples + 2) / (samples + 4)
    return math.sqrt(likely * (1.0 - likely) / (samples + 4))


def error_of_macro_f1(figures: Mapping[str, Any]) -> float:
    """How far a macro F1 is likely off: each F1 taken for a share counted over the samples of its class.

    >>> told = {"f1_by_class": [0.9, None, 0.5], "samples_by_class": [96, 0, 96]}
    >>> round(error_of_macro_f1(told), 4)
    0.0293
    """
    each = [standard_error(f1, n) for f1, n in zip(figures[F1], figures[SAMPLES], strict=True) if f1 is not None]
    return math.hypot(*each) / len(each)
