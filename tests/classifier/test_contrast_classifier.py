"""Classifiers of pictures with contrast: levels from what is learnt from, kept in the file, refused for tables."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import bstdg
from bstdg import BSTDGClassifier
from bstdg.classifier.training import _parts
from bstdg.errors import InputError
from bstdg.inputs.contrast import equal_shares


def dim(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of a bar in one of three places, some much darker than others."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 3
    light = rng.integers(20, 256, (count, 1, 1))
    shades = rng.random((count, 6, 6)) * 0.4
    for picture, label in zip(shades, labels, strict=True):
        picture[:, 2 * label] = 1
    return (shades * light).astype(np.uint8), labels


def classifier(**options) -> BSTDGClassifier:
    return BSTDGClassifier(layers=(16,), epochs=2, num_steps=4, random_state=0, **options)


def test_levels_come_from_the_samples_that_are_learnt_from():
    X, y = dim()
    model = classifier(equalize=True, relative=True, validation_fraction=0.2).fit(X, y)
    learner = model._learner_
    learnt = _parts(y, 0.2, learner.seed)[0][0]
    flat = X[learnt].reshape(len(learnt), -1).astype(int)
    shares = np.bincount((flat * 255 // flat.max(axis=1, keepdims=True)).ravel(), minlength=256)
    assert model.model_.packed.input.levels == equal_shares(shares, 4)
    assert 0 < len(learnt) < len(X)


def test_a_dimmed_picture_is_the_same_picture():
    X, y = dim()
    X = X // 4 * 4
    model = classifier(relative=True).fit(X, y)
    assert np.array_equal(model.predict(X), model.predict(X // 4))
    floats = classifier(relative=True).fit(X / 255, y)
    assert np.array_equal(floats.predict(X / 255), model.predict(X))


def test_it_is_saved_and_read_back(tmp_path):
    X, y = dim()
    model = classifier(equalize=True).fit(X, y)
    model.save(tmp_path / "model.bstdg")
    again = BSTDGClassifier.load(tmp_path / "model.bstdg")
    assert again.model_.packed.input == model.model_.packed.input == model._reading.code
    assert again.get_params() == model.get_params() and again.equalize is True
    assert np.array_equal(again.predict(X), model.predict(X))
    assert np.array_equal(bstdg.load(tmp_path / "model.bstdg").predict(X), model.model_.predict(X))
    assert clone(model).get_params() == model.get_params()


def test_the_first_batch_sets_the_levels_and_later_ones_keep_them():
    X, y = dim()
    model = classifier(equalize=True)
    model.partial_fit(X[:60], y[:60], classes=[0, 1, 2])
    levels = model.model_.packed.input.levels
    assert levels == equal_shares(np.bincount(X[:60].ravel(), minlength=256), 4)
    model.partial_fit(X[60:] // 2, y[60:])
    assert model.model_.packed.input.levels == levels
    model.equalize = False
    with pytest.raises(InputError, match="equalize was changed to False"):
        model.partial_fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relative": 1}, "relative must be True or False, not 1"),
        ({"equalize": "yes"}, "equalize must be True or False"),
        ({"relative": True, "num_steps": 1}, "relative does nothing where num_steps is 1"),
        ({"relative": True, "scaling": "rank"}, "relative is for pictures"),
    ],
)
def test_what_will_not_do_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        BSTDGClassifier(**{"epochs": 1, **options}).fit(*dim(30))


def test_a_table_has_no_contrast():
    X, y = dim(30)
    with pytest.raises(InputError, match=r"equalize is for pictures, \[samples, rows, columns\]"):
        BSTDGClassifier(epochs=1, equalize=True).fit(X.reshape(30, -1), y)
