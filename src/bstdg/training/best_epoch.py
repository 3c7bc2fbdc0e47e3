"""Which epoch is deployed: the latest that validation cannot tell from the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class BestEpoch:
    """The latest epoch whose validation accuracy is within one standard error of the highest so far.

    The highest alone is often a lucky early epoch, the more so the smaller the validation part; epochs that it
    cannot tell apart are told apart by the schedule, whose later ones have come to rest.

    Attributes:
        epoch: the one to be deployed; 0 while there is none.
        figures: of it.
        highest: the highest accuracy of any epoch.
        stale: epochs since that rose.
    """

    epoch: int = 0
    figures: dict[str, Any] | None = field(default=None)
    highest: float = -1.0
    stale: int = 0

    def look(self, epoch: int, figures: Mapping[str, Any], weighted: tuple[float, float] | None = None) -> bool:
        """Whether this epoch is the one to be kept now.

        Where samples have weights, what counts is `weighted`, see `bstdg.model.metrics.Tally.weighted_accuracy`.
        """
        accuracy, samples = weighted or (figures["accuracy"], figures["samples"])
        self.stale = 0 if accuracy > self.highest else self.stale + 1
        self.highest = max(accuracy, self.highest)
        if accuracy < self.highest - standard_error(self.highest, samples):
            return False
        self.epoch, self.figures = epoch, dict(figures)
        return True

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"epoch": self.epoch, "figures": self.figures, "highest": self.highest}

    @classmethod
    def of(cls, state: Mapping[str, Any], stale: int) -> BestEpoch:
        """What `state` gave, read back, with `stale`, which a checkpoint holds beside it."""
        return cls(state["epoch"], state["figures"], state["highest"], stale)


def standard_error(share: float, samples: float) -> float:
    """How far a share counted over `samples` is likely off, with two hits and two misses added (Agresti and Coull).

    Without those a perfect score of a few samples would count as certain.

    >>> round(standard_error(0.99, 144), 4), round(standard_error(1.0, 144), 4)
    (0.0124, 0.0095)
    """
    likely = (share * samples + 2) / (samples + 4)
    return math.sqrt(likely * (1.0 - likely) / (samples + 4))
