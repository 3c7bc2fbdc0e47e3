"""Figures of each class are those of scikit-learn, and stand wherever figures are told."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score
from support.strategies import random_model

from bstdg.errors import InputError
from bstdg.lab.predecessors.batches import figures_of_scores
from bstdg.model import classes, figures
from bstdg.model.runtime import Model

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


@given(PAIRS)
def test_they_are_those_of_scikit_learn(pairs):
    labels, decided = (np.array(column) for column in zip(*pairs, strict=True))
    told = classes.of_labels(labels, decided, 5)
    assert told["macro_f1"] == pytest.approx(f1_score(labels, decided, average="macro"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, score in (("sensitivity_by_class", recall_score), ("predictive_value_by_class", precision_score)):
            theirs = score(labels, decided, labels=range(5), average=None, zero_division=np.nan)
            ours = [np.nan if share is None else share for share in told[key]]
            assert ours == pytest.approx(theirs.tolist(), nan_ok=True), key
    assert told["samples_by_class"] == np.bincount(labels, minlength=5).tolist()


def test_a_model_tells_them_of_all_batches_together():
    model = Model(random_model((20, 30, 3), threshold=2))
    images = np.random.default_rng(0).integers(0, 256, (1100, 1, 20)).astype(np.uint8)
    labels = np.arange(1100) % 3
    told = model.evaluate(images, labels)
    expected = classes.of_labels(labels, model.predict(images), 3)
    assert {key: told[key] for key in expected} == expected
    figures.check(told, "test")


def test_networks_without_spikes_have_them_too():
    told = figures_of_scores(np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 1.0]]), np.array([0, 1, 1]), 4)
    assert (told["sensitivity_by_class"], told["predictive_value_by_class"]) == ([1.0, 0.5], [0.5, 1.0])
    assert told["macro_f1"] == pytest.approx(2 / 3)


def test_rows_for_people():
    told = classes.of_labels(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert classes.rows(("a", "b", "c"), told) == [
        ("a", "2", "50.00%", "100.00%", "66.67%"),
        ("b", "1", "100.00%", "50.00%", "66.67%"),
        ("c", "0", "none", "none", "none"),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"macro_f1": 1.5}, "test.macro_f1 is a share"),
        ({"f1_by_class": 0.5}, "test.f1_by_class should be shares, or null, one a class"),
        ({"f1_by_class": [1.5]}, "should be shares"),
        ({"sensitivity_by_class": ["1"]}, "should be shares"),
        ({"samples_by_class": [None]}, "should be numbers of 0 or more"),
        ({"samples_by_class": [-1]}, "should be numbers of 0 or more"),
    ],
)
def test_figures_that_make_no_sense_are_refused(changes, said):
    with pytest.raises(InputError, match=said):
        figures.check(changes, "test")
