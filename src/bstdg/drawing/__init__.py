"""Figures and films of spikes, drawn with matplotlib. Everything returned is a plain `Figure` or animation.

    raster, decision    spikes over steps: of a model deciding one sample, or of arrays of steps
    animate             one decision as a film
    save_decision       either into a file

Nothing here touches pyplot, so no window opens, nothing is kept, and a notebook shows each figure once. Functions are
loaded when first used, matplotlib with them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {  # held equal to what type checkers read below by tests/test_house.py
    "animate": "bstdg.drawing.films",
    "decision": "bstdg.drawing.rasters",
    "raster": "bstdg.drawing.rasters",
    "save_decision": "bstdg.drawing.rasters",
}
__all__ = ["animate", "decision", "raster", "save_decision"]

if TYPE_CHECKING:
    from bstdg.drawing.films import animate as animate
    from bstdg.drawing.rasters import decision as decision
    from bstdg.drawing.rasters import raster as raster
    from bstdg.drawing.rasters import save_decision as save_decision


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'bstdg.drawing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
