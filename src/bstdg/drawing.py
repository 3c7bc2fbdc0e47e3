"""The figures of this package: matplotlib's own, that a notebook shows without being told to."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Drawing(Figure):
    """A matplotlib `Figure`; in a notebook it is its picture, though pyplot knows nothing of it."""

    def _repr_png_(self) -> bytes:
        from bstdg.plot import save

        file = io.BytesIO()
        save(self, file, "png", dpi=100)
        return file.getvalue()
