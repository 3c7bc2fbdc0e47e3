"""What a classifier takes: tables of any numbers, and pictures of the kind it learnt from and no other."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import bstdg
from bstdg import BSTDGClassifier, BstdgWarning
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import FeatureCode
from bstdg.model import packed

SMALL = {"layers": (32,), "epochs": 3, "random_state": 0}
PIXELS, DIGITS = load_digits(return_X_y=True)
PIXELS, DIGITS = PIXELS[:300], DIGITS[:300]
PICTURES = PIXELS.reshape(-1, 8, 8)[:, 1:7]  # 6 x 8, so that rows and columns can be told apart

LEARNT = {
    "uint8": PICTURES.astype(np.uint8),
    "int64": PICTURES.astype(np.int64),
    "bytes to 255": (PICTURES * 15).astype(np.uint8),
    "unit floats": PICTURES / 16,
    "truth values": PICTURES > 8,
    "standardised": (PICTURES - 5) / 6,
}


def fitted(pictures: np.ndarray, how: str, tmp_path, **params) -> BSTDGClassifier:
    """A classifier that learnt from pictures by `fit` or `partial_fit`, or that was saved and loaded."""
    model = BSTDGClassifier(**SMALL, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)  # of truth values, which may be trains, and tell little apart
        if how == "partial_fit":
            return model.partial_fit(pictures, DIGITS, classes=range(10))
        model.fit(pictures, DIGITS)
    if how == "loaded":
        model.save(tmp_path / "m.bstdg")
        return BSTDGClassifier.load(tmp_path / "m.bstdg")
    return model


def refused(model: BSTDGClassifier, pictures, message: str) -> None:
    """By everything that takes samples; and nothing of the model is changed by it."""
    before = packed.to_bytes(model.model_.packed)
    learning = [] if model._learner_ is None else [lambda X: model.partial_fit(X, DIGITS[: len(X)])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        for ask in (model.predict, model.predict_proba, model.decision_steps, model.spikes, *learning):
            with pytest.raises(InputError, match=message) as raised:
                ask(pictures)
            assert "\n" not in str(raised.value)
    assert packed.to_bytes(model.model_.packed) == before


HOW = pytest.mark.parametrize("how", ["fit", "partial_fit", "loaded"])


@HOW
@pytest.mark.parametrize("kind", ["uint8", "unit floats", "standardised"])
def test_pictures_of_another_shape_are_refused(kind, how, tmp_path):
    model, pictures = fitted(LEARNT[kind], how, tmp_path), LEARNT[kind]
    refused(model, pictures.transpose(0, 2, 1), "pictures of 8 x 6, .* learnt from pictures of 6 x 8, ")
    refused(model, pictures.reshape(-1, 4, 12), "pictures of 4 x 12, .* of 6 x 8")
    refused(model, pictures[:, :5], "pictures of 5 x 8, .* of 6 x 8")
    refused(model, [picture.T.tolist() for picture in pictures], "pictures of 8 x 6")
    refused(model, np.stack([pictures] * 3, axis=-1), r"X is \[300, 6, 8, 3\]: .* channels stand last")
    refused(model, np.stack([pictures] * 3, axis=1), r"pictures of 3 x 6 x 8, .* of 6 x 8")
    refused(model, pictures.reshape(-1, 48)[:, :40], "X has 40 features")


@HOW
@pytest.mark.parametrize("kind", LEARNT)
def test_rows_of_as_many_pixels_are_pictures(kind, how, tmp_path):
    model, pictures = fitted(LEARNT[kind], how, tmp_path), LEARNT[kind]
    flat = pictures.reshape(-1, 48)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.predict(flat), model.predict_proba(flat).argmax(axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        np.testing.assert_array_equal(model.predict(pictures), model.predict(flat))


@HOW
@pytest.mark.parametrize("scaling", ["auto", "minmax"])
@pytest.mark.parametrize(
    ("learnt", "given", "message"),
    [
        ("uint8", PICTURES / 16, "X holds floats 0 … 1, .* integers 0 … 16: .* give integers"),
        ("uint8", PICTURES, "floats 0 … 16, .* integers 0 … 16"),
        ("uint8", PICTURES > 8, "truth values 0 … 1, .* integers 0 … 16"),
        ("uint8", (PICTURES * 15).astype(np.uint8), "integers 0 … 240, .* integers 0 … 16: .* X.clip"),
        ("uint8", PICTURES.astype(int) - 300, "integers -300 … -284, .* integers 0 … 16"),
        ("bytes to 255", PICTURES / 16, "floats 0 … 1, .* integers 0 … 2(55|40)"),
        ("bytes to 255", PICTURES * 15.0, "floats 0 … 240, .* integers 0 … 2(55|40)"),
        ("bytes to 255", (PICTURES * 4000).astype(np.uint16), "integers 0 … 64000, .* integers 0 … 2(55|40)"),
        ("unit floats", PICTURES * 15.0, "floats 0 … 240, .* floats 0 … 1: .* X.clip"),
        ("unit floats", (PICTURES * 15).astype(np.uint8), "integers 0 … 240, .* floats 0 … 1"),
        ("unit floats", (PICTURES > 8).astype(int), "integers 0 … 1, .* floats 0 … 1: .* give floats"),
        ("unit floats", PICTURES > 8, "truth values 0 … 1, .* floats 0 … 1"),
        ("truth values", PICTURES.astype(np.uint8), "integers 0 … 16, .* truth values 0 … 1"),
        ("truth values", PICTURES / 16, "floats 0 … 1, .* truth values 0 … 1: .* give truth values"),
        ("standardised", PICTURES * 15.0, "floats 0 … 240, .* floats -0.8"),
        ("standardised", PICTURES.astype(np.uint8), "integers 0 … 16, .* floats -0.8"),
    ],
)
def test_pixels_of_another_type_or_range_are_refused(learnt, given, message, how, scaling, tmp_path):
    refused(fitted(LEARNT[learnt], how, tmp_path, scaling=scaling), given, message)


@HOW
@pytest.mark.parametrize(
    ("learnt", "given"),
    [
        ("uint8", PICTURES.astype(np.int32)),
        ("int64", PICTURES.astype(np.uint16)),
        ("unit floats", (PICTURES / 16).astype(np.float32)),
        ("truth values", (PICTURES > 8).astype(int)),
        ("standardised", np.asfortranarray(LEARNT["standardised"])),
    ],
)
def test_the_width_of_a_type_does_not_matter(learnt, given, how, tmp_path):
    model = fitted(LEARNT[learnt], how, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        np.testing.assert_array_equal(model.predict_proba(given), model.predict_proba(LEARNT[learnt]))


def test_white_is_the_end_of_the_range():
    model = BSTDGClassifier(**SMALL).fit(LEARNT["uint8"], DIGITS)
    one_too_bright = LEARNT["uint8"].copy()
    one_too_bright[7, 3, 3] = 17
    with pytest.raises(InputError, match=r"integers 0 … 17, .* integers 0 … 16"):
        model.predict(one_too_bright)
    with pytest.raises(InputError, match=r"floats 0 … 1\.01"):
        BSTDGClassifier(**SMALL).fit(LEARNT["unit floats"], DIGITS).predict(LEARNT["unit floats"] * 1.01)


def test_pictures_that_are_scaled_may_go_a_little_beyond_what_was_seen():
    model = BSTDGClassifier(**SMALL).fit(LEARNT["standardised"], DIGITS)
    bright = LEARNT["standardised"].copy()
    bright[7, 3, 3] = 2.4
    assert bright.max() > LEARNT["standardised"].max()
    model.predict(bright)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["unit floats", "standardised"])
def test_pixels_that_are_no_numbers(kind, value, tmp_path):
    model, pictures = fitted(LEARNT[kind], "fit", tmp_path), LEARNT[kind].copy()
    pictures[3, 2, 1] = value
    refused(model, pictures, "contains (NaN|infinity)")


def test_pictures_are_no_table():
    model = BSTDGClassifier(**SMALL).fit(PIXELS, DIGITS)
    refused(model, PIXELS.reshape(-1, 8, 8), r"X holds pictures of 8 x 8, .* a table of 64 features: give rows")


def test_what_the_runtime_refuses_the_classifier_refuses_too(tmp_path):
    model = fitted(LEARNT["bytes to 255"], "fit", tmp_path)
    model.save(tmp_path / "m.bstdg")
    runtime, turned = bstdg.load(tmp_path / "m.bstdg"), LEARNT["bytes to 255"].transpose(0, 2, 1)
    for reader in (runtime, model):
        with pytest.raises(InputError):
            reader.predict(turned)


def test_a_file_that_does_not_say_what_values_were_learnt(tmp_path):
    """As version 0.1 wrote it: integers up to white are read, and floats up to 1."""
    model = fitted(LEARNT["uint8"], "fit", tmp_path)
    model.save(tmp_path / "m.bstdg")
    stored = packed.load(tmp_path / "m.bstdg")
    del stored.trained["estimator"]["values"]
    packed.save(stored, tmp_path / "old.bstdg")
    old = BSTDGClassifier.load(tmp_path / "old.bstdg")
    np.testing.assert_array_equal(old.predict(LEARNT["uint8"]), model.predict(LEARNT["uint8"]))
    old.predict(LEARNT["unit floats"])
    for beyond in (LEARNT["bytes to 255"], PICTURES):
        with pytest.raises(InputError, match="learnt from pictures of 6 x 8"):
            old.predict(beyond)
    stored.trained["estimator"]["values"] = "colours"
    packed.save(stored, tmp_path / "odd.bstdg")
    with pytest.raises(FileFormatError, match="samples of 'colours'"):
        BSTDGClassifier.load(tmp_path / "odd.bstdg")


def test_a_table_in_another_unit_is_said():
    model = BSTDGClassifier(**SMALL).fit(PIXELS.astype(np.uint8), DIGITS)
    with pytest.warns(BstdgWarning, match="fractions up to 1, .* integers up to 16: scale X as it was scaled for fit"):
        model.predict(PIXELS / 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(PIXELS)
        model.predict(PIXELS[:1] / 16)


# Truth values, and what is no number

Y = np.arange(60) % 2
TRUTH = np.random.default_rng(0).random((60, 5)) < np.where(Y, 0.8, 0.2)[:, None]
COLOURS = pd.DataFrame({"colour": np.where(Y, "red", "blue"), "size": np.where(TRUTH[:, 0], "s", "m")})


@pytest.mark.filterwarnings("ignore:num_steps=8, but no feature")  # truth values are two
@pytest.mark.parametrize(
    "X",
    [
        TRUTH,
        TRUTH.tolist(),
        pd.DataFrame(TRUTH, columns=list("abcde")),
        pd.DataFrame(TRUTH, columns=list("abcde")).astype("boolean"),
        pd.get_dummies(COLOURS),
        TRUTH.astype(object),
        np.repeat(TRUTH, 60, axis=1),
        np.zeros((60, 4), bool) | TRUTH[:, :1],
    ],
    ids=["array", "list", "frame", "nullable", "dummies", "objects", "wide", "all alike"],
)
@pytest.mark.parametrize("params", [{}, {"scaling": "rank", "codes": "on"}, {"scaling": "minmax", "codes": 2}])
def test_tables_of_truth_values(X, params, tmp_path):
    model = BSTDGClassifier(**SMALL, **params).fit(X, Y)
    number = np.asarray(X, dtype=float)
    if isinstance(X, pd.DataFrame):
        number = pd.DataFrame(number, columns=X.columns)
    as_numbers = BSTDGClassifier(**SMALL, **params).fit(number, Y)
    assert packed.to_bytes(model.model_.packed) == packed.to_bytes(as_numbers.model_.packed)
    np.testing.assert_array_equal(model.predict_proba(X), as_numbers.predict_proba(number))
    model.partial_fit(X, Y)
    model.save(tmp_path / "m.bstdg")
    np.testing.assert_array_equal(BSTDGClassifier.load(tmp_path / "m.bstdg").predict(X), model.predict(X))


def test_truth_values_beside_numbers():
    X = pd.DataFrame({"a": TRUTH[:, 0], "b": np.arange(60) / 7, "c": TRUTH[:, 1], "d": np.arange(60)})
    model = BSTDGClassifier(**SMALL).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.astype(float)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        BSTDGClassifier(**SMALL).fit(X[["a", "c"]], Y).predict(X[["a", "c"]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (COLOURS.astype("category"), "^could not convert string to float: '(red|blue)'. .*OneHotEncoder"),
        (COLOURS, "^could not convert string to float: '(red|blue)'"),
        (COLOURS.astype("string"), "^could not convert string to float: '(red|blue)'"),
        (COLOURS.assign(n=np.arange(60)).astype({"colour": "category"}), "^could not convert string to float"),
        (COLOURS.to_numpy(object), "^could not convert string to float: '(red|blue)'"),
        (COLOURS.to_numpy(str), "^could not convert string to float: '(red|blue)'"),
        (COLOURS.to_numpy(str).tolist(), "^could not convert string to float: '(red|blue)'"),
        (COLOURS.to_numpy("S4"), "^could not convert string to float: b'(red|blue)'"),
        (COLOURS.to_numpy(str)[:, None], "^could not convert string to float: '(red|blue)'"),
        (pd.DataFrame({"c": pd.Categorical([None, 1.0] * 30)}), "NaN"),
        (pd.DataFrame({"c": pd.Categorical([np.inf, 1.0] * 30)}), "infinity"),
        (pd.DataFrame({"day": pd.date_range("2020", periods=60)}), "datetime64.* no numbers"),
        (pd.DataFrame({"day": pd.date_range("2020", periods=60), "n": np.arange(60)}), "DateTime64"),
        (pd.DataFrame({"day": pd.period_range("2020", periods=60, freq="D")}), "no number: .*'Period'"),
        (pd.DataFrame({"part": pd.cut(np.arange(60), 4)}), "no number: .*Interval'"),
        ([[1.0, 2.0], [3.0]] * 30, "inhomogeneous"),
    ],
)
def test_what_is_no_number_is_said_in_one_line(X, message):
    with pytest.raises(InputError, match=message) as raised:
        BSTDGClassifier(**SMALL).fit(X, Y)
    assert "\n" not in str(raised.value)
    numbers = pd.DataFrame(np.zeros(np.shape(X)), columns=X.columns) if isinstance(X, pd.DataFrame) else None
    if numbers is not None:  # and of a column that was a number in training
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BstdgWarning)
            model = BSTDGClassifier(**SMALL).fit(numbers, Y)
        for ask in (model.predict, lambda X: model.partial_fit(X, Y)):
            with pytest.raises(InputError, match=message):
                ask(X)


@pytest.mark.filterwarnings("ignore:num_steps=8, but no feature")
def test_categories_that_are_numbers_are_numbers():
    X = pd.DataFrame({"c": pd.Categorical(np.arange(60) % 3), "d": pd.Categorical(Y)})
    model = BSTDGClassifier(**SMALL).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X.astype(float)))


# Many columns


@pytest.mark.parametrize(("columns", "channels"), [(32_767, 2), (32_768, 1), (40_000, 1), (65_535, 1)])
def test_auto_takes_as_many_channels_as_there_is_room_for(columns, channels):
    X = np.random.default_rng(0).normal(size=(24, columns)).astype(np.float32)
    X[:, :200] += 3 * (Y[:24, None] == 1)
    model = BSTDGClassifier(layers=(4,), epochs=1, random_state=0).fit(X, Y[:24])
    assert isinstance(model._reading.code, FeatureCode)
    assert model.model_.packed.widths[0] == channels * columns
    assert model.predict(X).shape == (24,)


@pytest.mark.parametrize(
    ("columns", "params", "message"),
    [
        (40_000, {"codes": "on-off"}, "40000 features on 2 channels each are more than 65535 .*: codes='on' takes one"),
        (40_000, {"codes": 3}, "40000 features on 6 channels each .*: codes='on' takes one for each"),
        (65_536, {}, "65536 features on 1 channels each .*: choose among them"),
    ],
)
def test_more_channels_than_there_is_room_for(columns, params, message):
    with pytest.raises(InputError, match=message):
        BSTDGClassifier(**SMALL, **params).fit(np.random.default_rng(0).normal(size=(24, columns)), Y[:24])
