"""Convolution and pooling in the scikit-learn classifier: layers as recipes write them, and the shape of pictures."""

from __future__ import annotations

import pickle
import warnings
from functools import cache

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import bstdg
from bstdg import BSTDGClassifier, BstdgWarning
from bstdg.errors import InputError
from bstdg.inputs import FeatureCode, LatencyCode
from bstdg.model import packed

PIXELS, DIGITS = load_digits(return_X_y=True)
PIXELS = PIXELS.astype(np.uint8)
LAYERS = ["8c3p1", "pool2n2", 32]
X, Y = PIXELS[:400], DIGITS[:400]
CONV = {"layers": LAYERS, "image_shape": (8, 8), "epochs": 2, "random_state": 0}


@cache
def fitted() -> BSTDGClassifier:
    """A classifier with every kind of layer; tests do not change it."""
    return BSTDGClassifier(**CONV).fit(X, Y)


def model_of(classifier: BSTDGClassifier) -> bytes:
    return packed.to_bytes(classifier.model_.packed)


def test_it_learns():
    model = BSTDGClassifier(["16c3p1", 128], image_shape=(8, 8), random_state=0).fit(PIXELS[:1300], DIGITS[:1300])
    assert model.model_.packed.structure == "1x8x8-16c3p1-128-10"
    assert model.score(PIXELS[1300:], DIGITS[1300:]) > 0.85


def test_rows_of_a_said_shape_are_pictures_of_that_shape():
    assert fitted().model_.packed.structure == "1x8x8-8c3p1-pool2n2-32-10"
    assert isinstance(fitted().model_.packed.input, LatencyCode)
    for pictures in (X.reshape(-1, 8, 8), X.reshape(-1, 1, 8, 8)):
        other = BSTDGClassifier(**{**CONV, "image_shape": None}).fit(pictures, Y)
        assert model_of(other) == model_of(fitted())
        np.testing.assert_array_equal(fitted().predict_proba(pictures), fitted().predict_proba(X))
    assert model_of(BSTDGClassifier(**{**CONV, "image_shape": [1, 8, 8]}).fit(X.tolist(), Y)) == model_of(fitted())


def test_pictures_in_colour():
    colour = np.stack([PIXELS[:300].reshape(-1, 8, 8), 16 - PIXELS[:300].reshape(-1, 8, 8)], axis=1)
    three = np.concatenate([colour, colour[:, :1]], axis=1)
    for pictures, sides in ((colour, (2, 8, 8)), (three, (3, 8, 8))):
        rows = pictures.reshape(len(pictures), -1)
        model = BSTDGClassifier(**{**CONV, "image_shape": sides}).fit(rows, DIGITS[:300])
        assert model.model_.packed.input.gives == sides
        assert model.coefs_[0].shape == (8, sides[0], 3, 3)
        np.testing.assert_array_equal(model.predict(pictures), model.predict(rows))
        assert model_of(BSTDGClassifier(**{**CONV, "image_shape": None}).fit(pictures, DIGITS[:300])) == model_of(model)


def test_a_signal_is_a_picture_of_one_row():
    model = BSTDGClassifier(**{**CONV, "layers": ["8c1x5p0x2s1x2", 16], "image_shape": (1, 64)}).fit(X, Y)
    assert model.model_.packed.structure == "1x1x64-8c1x5s1x2p0x2-16-10"


def test_pictures_that_are_scaled_keep_their_maps_apart():
    model = BSTDGClassifier(**{**CONV, "codes": "on-off"}).fit((X - 5.0) / 6, Y)
    assert isinstance(model.model_.packed.input, FeatureCode)
    assert model.model_.packed.layers[0].reads == (2, 8, 8)


def test_engines_learn_the_same_bits():
    dense = BSTDGClassifier(**CONV, engine="dense").fit(X, Y)
    native = BSTDGClassifier(**CONV, engine="native", n_jobs=2).fit(X, Y)
    assert model_of(dense) == model_of(native) == model_of(fitted())


def test_coefs_are_the_weights_that_decide():
    """The first map's neurons by hand, from the steps of the pixels, and the outputs from those of the last layer."""
    model, packed_model = fitted(), fitted().model_.packed
    assert [c.shape for c in model.coefs_] == [(8, 1, 3, 3), (128, 32), (32, 10)]
    assert [t.shape for t in model.thresholds_] == [(8,), (32,), (10,)]
    steps = packed_model.input.encode(X[:20], 8).reshape(-1, 8, 8)
    trace = model.model_.run(steps.reshape(20, 64)).trace
    padded = np.pad(steps, ((0, 0), (1, 1), (1, 1)), constant_values=8)
    for y, x in ((0, 0), (3, 5), (7, 2)):
        window, expected = padded[:, y : y + 3, x : x + 3], np.full(20, 8)
        for t in range(7, -1, -1):
            potential = ((window <= t) * model.coefs_[0][5, 0]).sum(axis=(1, 2))
            expected[potential >= model.thresholds_[0][5]] = t
        np.testing.assert_array_equal(trace.hidden[0].reshape(20, 8, 8, 8)[:, 5, y, x], expected)
    last = (trace.hidden[-1] <= 7).astype(int) @ model.coefs_[-1]
    np.testing.assert_array_equal(trace.potentials[:, 7], last)


def test_it_is_saved_and_loaded(tmp_path):
    fitted().save(tmp_path / "m.bstdg")
    again = BSTDGClassifier.load(tmp_path / "m.bstdg")
    assert again.get_params() == {**fitted().get_params(), "layers": tuple(LAYERS)}
    np.testing.assert_array_equal(again.predict_proba(X), fitted().predict_proba(X))
    np.testing.assert_array_equal(bstdg.load(tmp_path / "m.bstdg").predict(X.reshape(-1, 8, 8)), fitted().predict(X))
    assert model_of(again.fit(X, Y)) == model_of(fitted())
    copied = pickle.loads(pickle.dumps(fitted()))  # noqa: S301
    assert model_of(copied.partial_fit(X, Y)) == model_of(pickle.loads(pickle.dumps(fitted())).partial_fit(X, Y))  # noqa: S301


def test_a_file_of_version_0_1_says_hidden(tmp_path):
    small = BSTDGClassifier(layers=(8,), epochs=1, random_state=0).fit(X, Y)
    small.save(tmp_path / "m.bstdg")

    stored = packed.load(tmp_path / "m.bstdg")
    params = stored.trained["estimator"]["params"]
    params["hidden"] = params.pop("layers")
    del params["image_shape"]
    packed.save(stored, tmp_path / "old.bstdg")
    old = BSTDGClassifier.load(tmp_path / "old.bstdg")
    assert (old.layers, old.image_shape) == ((8,), None)
    np.testing.assert_array_equal(old.predict(X), small.predict(X))


def test_it_is_cloned_and_searched():
    assert clone(fitted()).get_params() == fitted().get_params()
    pipeline = make_pipeline(MinMaxScaler(clip=True), BSTDGClassifier(image_shape=(8, 8), epochs=1, random_state=0))
    search = GridSearchCV(pipeline, {"bstdgclassifier__layers": [[16], ["4c3", "pool2"]]}, cv=2).fit(X, Y)
    assert search.best_params_["bstdgclassifier__layers"] in ([16], ["4c3", "pool2"])


def test_batches_go_on_and_the_structure_stays():
    model = BSTDGClassifier(**CONV).partial_fit(X, Y, classes=range(10))
    before = model_of(model)
    assert model_of(model.set_params(image_shape=(1, 8, 8), layers=tuple(LAYERS)).partial_fit(X, Y)) != before
    for name, value in (("layers", ["8c3p1", "pool2", 32]), ("image_shape", (4, 16)), ("image_shape", None)):
        was = getattr(model, name)
        with pytest.raises(InputError, match=rf"^{name} was changed to .*: set it back, or use fit$"):
            model.set_params(**{name: value}).partial_fit(X, Y)
        model.set_params(**{name: was})


def test_pictures_of_0_and_1_that_are_said_to_be_pictures_raise_no_doubt():
    bits = (PIXELS[:300] > 8).reshape(-1, 4, 16)
    model = BSTDGClassifier(layers=[8], epochs=1, num_steps=1, random_state=0)
    with pytest.warns(BstdgWarning, match=r"say image_shape=\(4, 16\)"):
        clone(model).fit(bits, DIGITS[:300])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(image_shape=(4, 16)).fit(bits, DIGITS[:300]).predict(bits)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layers": ["16k3"]}, r"^layers\[0\]: '16k3' is no layer known here"),
        ({"layers": ["16c3", "pol2"]}, r"^layers\[1\]: 'pol2' is no layer known here.*'pool2'"),
        ({"layers": "16c3"}, r"^layers must be a list such as \[600\], not '16c3'"),
        ({"layers": ["16c9"]}, r"^layer 0 \(16c9\) has a kernel of 9 x 9, larger than the 8 x 8 that it reads"),
        ({"layers": ["16c3", "pool2x7"]}, r"^layer 1 \(pool2x7\) has a kernel of 2 x 7, larger than the 6 x 6"),
        ({"layers": ["16c3g3"]}, r"^layer 0 \(16c3g3\) cannot split 1 channels and 16 maps into 3 groups"),
        ({"layers": [100, "16c3"]}, r"^layer 1 \(16c3\) .* has to stand before the fully connected layers"),
        ({"image_shape": None}, r"^layers\[0\] = '8c3p1' reads pictures, .* 64 features: .* image_shape=\(8, 8\)$"),
        ({"image_shape": (8, 9)}, r"^X has 64 features, and pictures of image_shape 8 x 9 have 72 pixels"),
        ({"image_shape": (2, 8, 8)}, r"^X has 64 features, and pictures of image_shape 2 x 8 x 8 have 128 pixels"),
        ({"image_shape": 8}, r"^image_shape must be \(rows, columns\) or \(channels, rows, columns\), .* not 8$"),
        ({"image_shape": (8, 0)}, r"^image_shape must be .* not \(8, 0\)$"),
        ({"image_shape": (8.0, 8)}, r"^image_shape must be .* not \(8.0, 8\)$"),
        ({"image_shape": (1, 1, 8, 8)}, r"^image_shape must be "),
        ({"image_shape": "8x8"}, r"^image_shape must be .* not '8x8'$"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(params, message):
    with pytest.raises(InputError, match=message) as raised:
        BSTDGClassifier(**{**CONV, **params}).fit(X, Y)
    assert "\n" not in str(raised.value)


def test_pictures_of_another_shape_than_said_are_refused():
    with pytest.raises(InputError, match=r"^X holds pictures of 4 x 16, and image_shape says 8 x 8: leave image_shape"):
        BSTDGClassifier(**CONV).fit(X.reshape(-1, 4, 16), Y)
    with pytest.raises(InputError, match=r"^X holds pictures of 4 x 16, .* learnt from pictures of 8 x 8"):
        fitted().predict(X.reshape(-1, 4, 16))
    wide = BSTDGClassifier(layers=["4c3"], image_shape=None, epochs=1)
    with pytest.raises(InputError, match=r"image_shape=\(1, 60\)$"):
        wide.fit(X[:, :60], Y)
