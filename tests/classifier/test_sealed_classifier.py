"""Classifiers' files whose checksum is right and whose content is not: one line, or a classifier that works."""

from __future__ import annotations

import functools
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.model_files import resealed
from support.paths import GOLDEN
from support.strange import changed

from bstdg.classifier import saving
from bstdg.classifier.estimator import BSTDGClassifier
from bstdg.errors import FileFormatError
from bstdg.model import packed


@functools.cache
def written(texts: bool = False) -> bytes:
    """A small fitted classifier's file."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 3
    labels = np.array(["a", "bb", "c"], dtype=object)[y] if texts else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BSTDGClassifier(layers=(5,), epochs=2, random_state=0).fit(X, labels)
    return packed.to_bytes(saving.packed_model(model))


def trained_of(data: bytes):
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["config"])["trained"]


def with_trained(data: bytes, trained) -> bytes:
    def change(header, metadata, payload):
        metadata["config"] = json.dumps({**json.loads(metadata["config"]), "trained": trained})
        return payload

    return resealed(data, change)


def refused_or_works(data: bytes, path) -> str | None:
    path.write_bytes(data)
    try:
        model = BSTDGClassifier.load(path)
    except FileFormatError as error:
        said = str(error)
        assert "\n" not in said and len(said) < 600, said
        return said
    X = np.random.default_rng(1).normal(size=(4, 3))
    assert set(model.predict(X)) <= set(model.classes_.tolist())
    assert model.predict_proba(X).shape == (4, 3)
    model.decision_steps(X), model.spikes(X), model.model_.summary(), model.loss_curve_
    assert model.score(X, model.predict(X)) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
        again = BSTDGClassifier.load(path)
    assert (again.classes_ == model.classes_).all()
    return None


@given(data=st.data(), texts=st.booleans())
@settings(max_examples=200)
def test_any_part_of_the_description_may_be_anything(data, texts, tmp_path_factory):
    trained = trained_of(written(texts))
    trained["estimator"] = changed(data.draw, trained["estimator"])
    refused_or_works(with_trained(written(texts), trained), tmp_path_factory.mktemp("m") / "m.bstdg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["classes"].update(values=[2, 1, 0]), "labels that do not fit"),
        (lambda t: t["classes"].update(values=[0, 1, 1]), "labels that do not fit"),
        (lambda t: t["classes"].update(values=[0, 1, 1.5]), "labels that do not fit"),
        (lambda t: t["classes"].update(values=[[0], [1], [2]]), "labels that do not fit"),
        (lambda t: t["classes"].update(values="012"), "labels that do not fit"),
        (lambda t: t["classes"].update(dtype="<U1", values=["a", "bc", "bd"]), "labels that do not fit"),
        (lambda t: t["classes"].update(dtype="<f8,<f8"), "labels of type"),
        (lambda t: t["classes"].update(dtype=[["a", "<i8"]]), "labels of type"),
        (lambda t: t["classes"].update(dtype="(1,2"), "labels of type"),
        (lambda t: t.update(n_iter="2"), "'2' epochs"),
        (lambda t: t.update(best_iter=-1), "-1 epochs"),
        (lambda t: t.update(n_iter=1.5), "1.5 epochs"),
        (lambda t: t.update(history={"loss": 1}), "a history that is none"),
        (lambda t: t["history"][0].update(loss="low"), "a history that is none"),
        (lambda t: t.update(feature_names="abc"), "names of features that are no texts"),
        (lambda t: t.update(feature_names=[1, 2, 3]), "names of features that are no texts"),
    ],
)
def test_nonsense_is_refused(change, message, tmp_path):
    trained = trained_of(written())
    change(trained["estimator"])
    assert message in (refused_or_works(with_trained(written(), trained), tmp_path / "m.bstdg") or "")


def test_a_network_of_recordings_is_no_classifier(tmp_path):
    data = (GOLDEN / "model-recordings-v2.bstdg").read_bytes()
    path = tmp_path / "m.bstdg"
    path.write_bytes(with_trained(data, trained_of(written())))
    with pytest.raises(FileFormatError, match="reads features or images, not recordings"):
        BSTDGClassifier.load(path)
