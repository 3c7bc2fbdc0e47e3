"""Which samples of a batch a process computes, where several share it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Share(NamedTuple):
    """The samples `start` … `stop` - 1 of a batch of `whole`.

    >>> Share.of(7, 0, 2), Share.of(7, 1, 2)
    (Share(start=0, stop=3, whole=7), Share(start=3, stop=7, whole=7))
    """

    start: int
    stop: int
    whole: int

    @classmethod
    def of(cls, whole: int, rank: int, size: int) -> Share:
        """That of a rank: shares follow each other and differ by one sample at most."""
        return cls(whole * rank // size, whole * (rank + 1) // size, whole)

    @property
    def rows(self) -> slice:
        """Where its samples stand in the batch."""
        return slice(self.start, self.stop)

    @property
    def part(self) -> float:
        """Of the batch, 0 … 1."""
        return (self.stop - self.start) / self.whole


def drawn(draw: Callable[[int], T], samples: int, share: Share | None) -> T:
    """What `draw` gives for a batch, cut to a share: a sample's draws are the same, however many processes there are.

    Args:
        draw: gives a row for each of so many samples.
        samples: how many there are here.
        share: of the batch that they are; None: they are the batch.
    """
    return draw(samples) if share is None else draw(share.whole)[share.rows]  # pyright: ignore[reportIndexIssue]
