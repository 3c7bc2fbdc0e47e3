"""The figures of this package: matplotlib's own, that a notebook shows without being told to."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

KINDS = ("svg", "png", "pdf")


class Drawing(Figure):
    """A matplotlib `Figure`; in a notebook it is its picture, though pyplot knows nothing of it.

    Attributes:
        spelled: names by how they were drawn, where no font had their letters (`bstdg.drawing.lettering`).
    """

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.spelled: dict[str, str] = {}

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        save(self, file, "png", dpi=100)
        return file.getvalue()


def save(figure: Figure, file: Any, kind: str, dpi: int = 150) -> None:
    """Write a figure to a path or an open file, as svg, png or pdf; the same figure always gives the same bytes."""
    import matplotlib

    metadata = {"svg": {"Date": None, "Creator": "bstdg"}, "pdf": {"CreationDate": None}, "png": {"Software": "bstdg"}}
    # A fixed salt and no date.
    with matplotlib.rc_context({"svg.hashsalt": "bstdg"}):
        figure.savefig(file, format=kind, dpi=dpi, metadata=metadata[kind])
