"""A trained network laid open: figures for a paper, and one self-contained page that holds them all.

`measure` runs a model over labelled samples once and gives a `Measured`; every figure below takes it and returns a
matplotlib `Figure` that is nobody else's. `write` makes the page, as `bstdg report` does.

    of a Measured        anytime, confusion, decision_steps, energy, fields, firing, firing_steps, kernels, maps,
                         margins, operations
    of several           comparison
    with a History       thresholds, training
    of one sample        bstdg.drawing.raster, bstdg.drawing.animate
    of several samples   positions

>>> import bstdg
>>> from bstdg import datasets, report
>>> model = bstdg.load("tests/golden/digits.bstdg")
>>> measured = report.measure(model, datasets.load("digits", "test"), limit=50)
>>> measured.samples, int(measured.confusion.sum())
(50, 50)
>>> report.confusion(measured).axes[0].get_xlabel()
'decided'
"""

from __future__ import annotations

from bstdg.report.costs import energy, operations
from bstdg.report.credit import positions
from bstdg.report.figures import anytime, comparison, confusion, decision_steps
from bstdg.report.history import History, beside
from bstdg.report.measure import Measured, measure
from bstdg.report.neurons import fields, firing, firing_steps, margins, thresholds, training
from bstdg.report.sliding import kernels, maps
from bstdg.report.write import write

__all__ = [
    "History",
    "Measured",
    "anytime",
    "beside",
    "comparison",
    "confusion",
    "decision_steps",
    "energy",
    "fields",
    "firing",
    "firing_steps",
    "kernels",
    "maps",
    "margins",
    "measure",
    "operations",
    "positions",
    "thresholds",
    "training",
    "write",
]
