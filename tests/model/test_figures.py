"""The one table of figures: every figure is in it, and what is told of them in the documentation."""

from __future__ import annotations

import numpy as np
import pytest
from support.paths import ROOT
from support.strategies import random_model

from bstdg.model.classes import BY_CLASS
from bstdg.model.figures import FIGURES, SHARES, TOGETHER
from bstdg.model.runtime import Model

LISTS = {"hidden_spikes_by_layer", *BY_CLASS}  # not one number


def test_every_figure_of_a_network_is_in_the_table_once():
    images = np.random.default_rng(0).integers(0, 256, (9, 1, 20)).astype(np.uint8)
    told = Model(random_model((20, 30, 3), threshold=2)).evaluate(images, np.arange(9) % 3)
    assert set(FIGURES) == set(told) - LISTS
    for words in ("column", "name", "caption"):
        assert len({getattr(figure, words) for figure in FIGURES.values()}) == len(FIGURES)
    assert set(SHARES) == {key for key in told if key.startswith(("accuracy", "macro")) or key.endswith("_rate")}
    assert set(TOGETHER) < set(FIGURES)


@pytest.mark.parametrize(
    ("key", "value", "shown", "digits"),
    [
        ("accuracy", 0.97224, "97.22%", 2),
        ("decision_step_mean", 2.777, "2.78", 2),
        ("decision_step_median", 3.5, "3.5", 0),
        ("hidden_spikes", 1113.06, "1,113.1", 1),
        ("synaptic_operations_to_decision", 19776.9, "19,777", 0),
        ("engine", "native", "native", 0),
    ],
)
def test_how_a_figure_is_shown(key, value, shown, digits):
    assert (FIGURES[key].show(value), FIGURES[key].digits) == (shown, digits)


@pytest.mark.parametrize("key", SHARES)
def test_the_documentation_says_how_a_share_is_counted(key):
    assert f"*{key}*" in (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
