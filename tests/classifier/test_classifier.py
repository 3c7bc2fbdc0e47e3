"""The scikit-learn classifier: scikit-learn's own checks, what users do with it, and what they get wrong."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from support.model_files import resealed
from support.strategies import cases, random_model

import bstdg
from bstdg import BSTDGClassifier, BstdgWarning
from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import LatencyCode
from bstdg.model import packed
from bstdg.model.probability import calibrated_scale, lead_at_decision, log_probabilities, probabilities

SMALL = {"layers": (32,), "epochs": 6, "random_state": 0}
# scikit-learn skips this check unless SCIPY_ARRAY_API is set before SciPy is imported: it runs in a process of its own.
ARRAY_API = "check_array_api_input"
# A sample that comes twice stands in two batches, one of weight 2 in one; what does hold is in test_sample_weight.
NOT_IN_BATCHES = "check_sample_weight_equivalence_on_dense_data"


def name_of(check) -> str:
    return getattr(check, "func", check).__name__


CHECKS = [c for _, c in estimator_checks_generator(BSTDGClassifier()) if name_of(c) not in (ARRAY_API, NOT_IN_BATCHES)]


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")  # some checks bring five values and no more
@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_scikit_learn_checks(check):
    check(BSTDGClassifier(layers=(64,)))


def test_the_checks_of_weights_are_among_them():
    assert {name_of(check) for check in CHECKS} >= {
        "check_all_zero_sample_weights_error",
        "check_class_weight_classifiers",
        "check_classifiers_one_label_sample_weights",
        "check_sample_weights_list",
        "check_sample_weights_not_an_array",
        "check_sample_weights_not_overwritten",
        "check_sample_weights_pandas_series",
        "check_sample_weights_shape",
    }


def test_the_check_of_array_apis():
    program = f"""
from sklearn.utils.estimator_checks import estimator_checks_generator
from bstdg import BSTDGClassifier
found = [(e, c) for e, c in estimator_checks_generator(BSTDGClassifier(layers=8, epochs=2)) if {ARRAY_API!r} in str(c)]
for estimator, check in found:
    check(estimator)
print(len(found))
"""
    env = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "1"


@cache
def wine():
    return load_wine(return_X_y=True)


@cache
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)


@cache
def fitted() -> BSTDGClassifier:
    """A classifier of wines; tests do not change it."""
    return BSTDGClassifier(layers=(64,), random_state=0).fit(*wine())


@cache
def fitted_digits() -> BSTDGClassifier:
    X, _, y, _ = digits()
    return BSTDGClassifier(layers=(200,), random_state=0).fit(X, y)


def test_it_learns_a_table_and_images():
    X, y = wine()
    assert cross_val_score(BSTDGClassifier(layers=(100,), random_state=0), X, y, cv=3).mean() > 0.9
    _, X, _, y = digits()
    assert fitted_digits().score(X, y) > 0.94


def test_fitted_attributes():
    model = fitted()
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_features_in_ == 13
    assert len(model.loss_curve_) == len(model.history_) == model.n_iter_ >= model.best_iter_ >= 1
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.figures_ == {k: model.history_[model.best_iter_ - 1][k] for k in model.figures_}
    assert model.figures_["samples"] == 18  # a tenth of 178
    assert 0 <= model.decision_step_ <= 7
    assert model.spikes_ == model.figures_["hidden_spikes_to_decision"] > 0


def test_steps_and_spikes_are_those_of_the_deployed_network():
    X, _ = wine()
    model = fitted()
    run = model.model_.run(model.model_.encode(X))
    assert model.decision_steps(X).tolist() == run.decision.step.tolist()
    counted = [int((run.trace.hidden[0][n] <= run.decision.step[n]).sum()) for n in range(len(X))]
    assert model.spikes(X).tolist() == counted
    assert BSTDGClassifier(layers=(), epochs=2, random_state=0).fit(*wine()).spikes(X).tolist() == [0] * len(X)


def test_the_same_seed_gives_the_same_model_on_any_number_of_threads():
    X, y = wine()
    models = [BSTDGClassifier(**SMALL, n_jobs=n).fit(X, y).model_.packed for n in (1, 2, None)]
    assert packed.to_bytes(models[0]) == packed.to_bytes(models[1]) == packed.to_bytes(models[2])
    other = BSTDGClassifier(**{**SMALL, "random_state": 1}).fit(X, y).model_.packed
    assert packed.to_bytes(models[0]) != packed.to_bytes(other)


def test_no_global_state_is_left():
    threads, state, numpy_state = torch.get_num_threads(), torch.get_rng_state(), np.random.get_state()[1].copy()
    BSTDGClassifier(**SMALL, n_jobs=2).fit(*wine())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()


def test_pipeline_grid_search_and_clone():
    X, y = wine()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), BSTDGClassifier(layers=(64,), random_state=0)),
        {"bstdgclassifier__num_steps": np.array([4, 8]), "bstdgclassifier__codes": np.array([1, 2])},
        cv=2,
    ).fit(X, y)
    assert search.best_score_ > 0.85
    assert search.best_estimator_[-1].model_.packed.num_steps in (4, 8)
    assert clone(fitted()).get_params() == fitted().get_params()
    assert not hasattr(clone(fitted()), "model_")


def test_data_frames():
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = BSTDGClassifier(**SMALL).fit(X, y)
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X.rename(columns={"ash": "dust"}))
    pipeline = make_pipeline(StandardScaler(), BSTDGClassifier(**SMALL)).set_output(transform="pandas").fit(X, y)
    assert pipeline[-1].feature_names_in_.tolist() == X.columns.tolist()
    np.testing.assert_array_equal(model.predict(X), BSTDGClassifier(**SMALL).fit(X.to_numpy(), y).predict(X.to_numpy()))


@pytest.mark.parametrize(
    "names",
    [["red", "rosé", "white"], [-5, 3, 10**12], [1.0, 2.0, 4.0], np.array(["a", "b", "c"], object)],
    ids=["texts", "integers", "floats", "objects"],
)
def test_labels_of_any_kind(names, tmp_path):
    X, y = wine()
    labels = np.asarray(names)[y]
    model = BSTDGClassifier(**SMALL).fit(X, labels)
    assert model.predict(X).dtype == labels.dtype
    assert model.score(X, labels) > 0.6
    model.save(tmp_path / "m.bstdg")
    again = BSTDGClassifier.load(tmp_path / "m.bstdg")
    assert again.classes_.dtype == model.classes_.dtype
    assert again.predict(X).tolist() == model.predict(X).tolist()


# Probabilities


@settings(max_examples=80)
@given(cases(max_layers=2, max_width=6), st.floats(0.05, 50))
def test_the_most_likely_class_is_the_decided_one(case, scale):
    trace = oracle.forward(case.layers, case.spikes, case.num_steps)
    thresholds = case.layers[-1].thresholds
    decision = decide(trace.potentials, thresholds)
    given_ = probabilities(lead_at_decision(trace.potentials, thresholds, decision), decision.silent, scale)
    assert np.isfinite(given_).all()
    np.testing.assert_allclose(given_.sum(axis=1), 1.0, atol=1e-12)
    assert given_.argmax(axis=1).tolist() == decision.label.tolist()


def test_probabilities_are_the_share_of_the_hazard_in_the_loss():
    """Of the loss's own first_to_fire, cut off at the decision, by its definition."""
    from bstdg.learning.loss import first_to_fire

    lead = torch.tensor([[[-3.0, -4.0, -9.0], [1.0, -1.0, 0.0]]], dtype=torch.float64)
    scale = torch.tensor(2.0, dtype=torch.float64)
    both = first_to_fire(lead, scale, silent_remainder=False)[0].exp()
    before = first_to_fire(lead[:, :1], scale, silent_remainder=False)[0].exp()
    at_decision = (both - before)[0]
    expected = (at_decision / at_decision.sum()).numpy()
    got = probabilities(lead[:, 1].numpy(), np.array([False]), 2.0)[0]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_probabilities_agree_with_decisions_and_are_calibrated():
    _, X, _, y = digits()
    model = fitted_digits()
    given_ = model.predict_proba(X)
    assert given_.shape == (len(X), 10)
    np.testing.assert_allclose(given_.sum(axis=1), 1.0)
    assert (model.classes_[given_.argmax(axis=1)] == model.predict(X)).all()
    assert (model.decision_function(X).argmax(axis=1) == given_.argmax(axis=1)).all()
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), given_)
    right, sure = given_.argmax(axis=1) == y, given_.max(axis=1)
    assert abs(right.mean() - sure.mean()) < 0.05
    assert right[sure > 0.9].mean() > right[sure <= 0.9].mean()


def test_two_classes():
    X, y = wine()
    X, y = X[y < 2], y[y < 2]
    model = BSTDGClassifier(**SMALL).fit(X, y)
    lead = model.decision_function(X)
    assert lead.shape == (len(X),)
    assert ((lead > 0) == model.predict(X)).all()


def test_log_odds_rank_as_probabilities_do_silent_or_not():
    """And go on where probabilities are 0 or 1 to the last digit."""
    rng = np.random.default_rng(0)
    lead, silent = rng.integers(-60, 60, (500, 2)).astype(float), rng.random(500) < 0.5
    lead[silent] = -np.abs(lead[silent]) - 1.0
    logs, given_ = log_probabilities(lead, silent, 3.0), probabilities(lead, silent, 3.0)
    odds = logs[:, 1] - logs[:, 0]
    np.testing.assert_allclose(1.0 / (1.0 + np.exp(-odds)), given_[:, 1], rtol=1e-9, atol=1e-300)
    far = log_probabilities(np.array([[-3000.0, 1.0], [-6000.0, 1.0]]), np.array([False, False]), 1.0)
    assert np.isfinite(far).all()
    assert far[1, 0] < far[0, 0] < -2999.0


def test_calibration_finds_the_scale_that_labels_were_drawn_with():
    rng = np.random.default_rng(0)
    lead = rng.integers(-20, 5, (4000, 3)).astype(float)
    silent = (lead < 0).all(axis=1)
    drawn = probabilities(lead, silent, 6.0)
    labels = np.array([rng.choice(3, p=row) for row in drawn])
    assert calibrated_scale(lead, silent, labels, start=1.0) == pytest.approx(6.0, rel=0.1)
    few = calibrated_scale(np.array([[1.0, -5.0]] * 4), np.zeros(4, bool), np.zeros(4, int), start=1.0)
    assert probabilities(np.array([[1.0, -5.0]]), np.array([False]), few)[0, 0] == pytest.approx(5 / 6, abs=0.02)


# Images


def test_the_model_of_a_table_says_that_it_reads_features():
    X, y = load_wine(return_X_y=True)
    model = BSTDGClassifier(**SMALL).fit(X, y).model_
    assert f"reads features of {X.shape[1]}" in repr(model)
    assert model.packed.input.describe().startswith(f"{X.shape[1]} features, scaled here")


@pytest.mark.parametrize("kind", ["uint8", "int64", "unit floats", "bool"])
def test_images_are_read_as_pixels(kind):
    X, _, y, _ = digits()
    images = X[:300].reshape(-1, 8, 8)
    images = {"uint8": images.astype(np.uint8), "int64": images.astype(int), "bool": images > 8}.get(kind, images / 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)  # of 0 and 1 alone
        model = BSTDGClassifier(**SMALL).fit(images, y[:300])
    described = model.model_.packed
    assert isinstance(described.input, LatencyCode) and described.input.reads == (1, 8, 8)
    assert described.input.white == {"uint8": 16, "int64": 16, "bool": 1}.get(kind, 255)
    assert model.n_features_in_ == 64
    flat = images.reshape(-1, 64)
    np.testing.assert_array_equal(model.predict(images), model.predict(flat))
    if kind != "bool":
        np.testing.assert_array_equal(model.predict(images), model.classes_[model.model_.predict(images)])


def test_photographs_keep_255_as_white():
    rng = np.random.default_rng(0)
    model = BSTDGClassifier(**SMALL).fit(rng.integers(0, 251, (40, 3, 4)).astype(np.uint8), np.arange(40) % 2)
    assert model.model_.packed.input.white == 255


def test_other_images_are_scaled():
    X, _, y, _ = digits()
    images = StandardScaler().fit_transform(X[:300]).reshape(-1, 8, 8)
    model = BSTDGClassifier(**SMALL).fit(images, y[:300])
    assert model.model_.packed.input.code.shape[1] == 2
    np.testing.assert_array_equal(model.predict(images), model.classes_[model.model_.predict(images)])


@pytest.mark.parametrize(
    ("features", "maximum", "spread_alike", "channels"),
    [(64, 16, True, 2), (300, 16, True, 1), (64, 16, False, 2)],
    ids=["small pictures", "large pictures", "one-hot beside amounts"],
)
def test_what_auto_scaling_takes(features, maximum, spread_alike, channels):
    rng = np.random.default_rng(0)
    X = rng.integers(0, maximum + 1, (50, features)) * (rng.random((50, features)) < 0.5)
    if not spread_alike:
        X[:, :-1] = X[:, :-1] > 0
        X[:, -1] *= 1000
    scaling = BSTDGClassifier(**SMALL).fit(X.astype(float), np.arange(50) % 2).model_.packed.input
    assert scaling.code.shape[1] == channels
    assert (len(np.unique(scaling.edges[:, -1])) == 1) == spread_alike


# Files and pickles


def same(a: BSTDGClassifier, b: BSTDGClassifier, X) -> None:
    for method in ("predict", "predict_proba", "decision_function", "decision_steps", "spikes"):
        np.testing.assert_array_equal(getattr(a, method)(X), getattr(b, method)(X))
    for name in ("n_iter_", "best_iter_", "scale_", "figures_", "history_", "loss_curve_", "decision_step_", "spikes_"):
        assert getattr(a, name) == getattr(b, name), name
    assert packed.to_bytes(a.model_.packed) == packed.to_bytes(b.model_.packed)


def test_saved_and_loaded_exactly(tmp_path):
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = BSTDGClassifier(layers=[32, 16], epochs=3, random_state=np.int64(4), spike_weight=0.001).fit(X, y)
    path = tmp_path / "wine.bstdg"
    assert model.save(path) == path.stat().st_size
    again = BSTDGClassifier.load(path)
    same(model, again, X)
    assert again.get_params() == {**model.get_params(), "layers": (32, 16), "random_state": 4}
    assert again.feature_names_in_.tolist() == X.columns.tolist()
    again.save(tmp_path / "again.bstdg")
    assert (tmp_path / "again.bstdg").read_bytes() == path.read_bytes()
    np.testing.assert_array_equal(clone(again).fit(X, y).predict(X), model.predict(X))
    with pytest.raises(InputError, match="loaded from a file, which holds bits"):
        again.partial_fit(X, y)


def test_a_saved_classifier_runs_with_numpy_alone(tmp_path, bstdg):
    X, _ = wine()
    path = tmp_path / "wine.bstdg"
    fitted().save(path)
    np.save(tmp_path / "X.npy", X)
    program = f"""
import sys, bstdg, numpy as np
print(*bstdg.load({str(path)!r}).predict(np.load({str(tmp_path / "X.npy")!r})))
assert not {{"torch", "sklearn", "scipy"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert list(map(int, done.stdout.split())) == fitted().predict(X).tolist()
    status, out, _ = bstdg("info", path)
    assert status == 0
    assert "figures on the validation part" in out


def test_images_round_trip(tmp_path):
    X, _, y, _ = digits()
    images = X[:200].reshape(-1, 8, 8).astype(np.uint8)
    model = BSTDGClassifier(**SMALL).fit(images, y[:200])
    model.save(tmp_path / "m.bstdg")
    same(model, BSTDGClassifier.load(tmp_path / "m.bstdg"), images)


def test_pickles_and_copies_go_on_alike():
    X, y = wine()
    model = BSTDGClassifier(**SMALL).fit(X, y)
    pickled, copied = pickle.loads(pickle.dumps(model)), copy.deepcopy(model)  # noqa: S301
    same(model, pickled, X)
    same(model, copied, X)
    for one in (model, pickled, copied):
        one.partial_fit(X, y)
    same(model, pickled, X)
    same(model, copied, X)


def described(change):
    """A file whose description of its classifier went through `change`."""
    import json

    def set_description(header, metadata, payload):
        config = json.loads(metadata["config"])
        change(config["trained"])
        metadata["config"] = json.dumps(config)
        return payload

    return set_description


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["estimator"].update(version=2), "classifier of version 2"),
        (lambda t: t["estimator"].update(scale=0.0), "the scale 0.0"),
        (lambda t: t["estimator"].update(scale="1"), "the scale '1'"),
        (lambda t: t["estimator"].update(n_iter=None), "damaged description"),
        (lambda t: t["estimator"].update(params={"depth": 3}), "damaged description.*depth"),
        (lambda t: t["estimator"].update(params=3), "damaged description"),
        (lambda t: t["estimator"]["classes"].update(values=[1, 2]), "labels that do not fit"),
        (lambda t: t["estimator"]["classes"].update(values=["a", "b", "c"]), "damaged description"),
        (lambda t: t["estimator"]["classes"].update(dtype="|O"), "labels that do not fit"),
        (lambda t: t["estimator"]["classes"].update(dtype="<M8[s]"), "labels of type"),
        (lambda t: t["estimator"]["classes"].update(dtype="<U999999"), "labels of type"),
        (lambda t: t["estimator"].update(feature_names=["a"]), "1 names for 13 features"),
        (lambda t: t["estimator"].update(history=[{}]), "damaged description.*loss"),
        (lambda t: t.update(estimator=[]), "damaged description"),
        (lambda t: t.pop("validation"), "damaged description.*validation"),
    ],
)
def test_a_file_whose_description_makes_no_sense(change, message, tmp_path):
    path = tmp_path / "m.bstdg"
    fitted().save(path)
    path.write_bytes(resealed(path.read_bytes(), described(change)))
    with pytest.raises(FileFormatError, match=message):
        BSTDGClassifier.load(path)


def test_a_network_that_is_no_classifier(tmp_path):
    packed.save(random_model((4, 3, 2)), tmp_path / "m.bstdg")
    with pytest.raises(InputError, match="a network, but no classifier"):
        BSTDGClassifier.load(tmp_path / "m.bstdg")


# Learning batch by batch


def test_partial_fit_learns():
    X, y = wine()
    model = BSTDGClassifier(layers=(64,), random_state=0)
    order = np.random.default_rng(0).permutation(len(X))
    for _ in range(6):
        for part in np.array_split(order, 3):
            model.partial_fit(X[part], y[part], classes=[0, 1, 2])
    assert model.score(X, y) > 0.85
    assert model.n_iter_ == len(model.history_) == 18
    assert model.figures_["samples"] == len(part)


def test_partial_fit_needs_only_be_told_of_classes_that_come_later():
    X, y = wine()
    model = BSTDGClassifier(**SMALL).partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (len(X), 3)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 1, 9], None, r"labels that are not among the classes: \[9\]"),
        ([0, 1, 2], [0, 1], "is not the same as on the last call"),
    ],
)
def test_partial_fit_refuses(labels, classes, message):
    X, y = wine()
    model = BSTDGClassifier(**SMALL).fit(X, y)
    with pytest.raises(InputError, match=message):
        model.partial_fit(X[:3], labels, classes)
    with pytest.raises(InputError, match="classes must be passed on the first call"):
        BSTDGClassifier(**SMALL).partial_fit(X, y)
    with pytest.raises(InputError, match="labels that are not among the classes"):
        BSTDGClassifier(**SMALL).partial_fit(X, y, classes=[0, 1])


# What goes wrong

TABLE = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "price": [4.0, 3.0, 2.0, 1.0]})


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (TABLE.mask(TABLE == 3), "abab", InputError, "X contains NaN. Drop these samples, or fill them in"),
        (TABLE.assign(place=["x", "y", "x", "y"]), "abab", InputError, "could not convert string to float: 'x'"),
        (TABLE * np.inf, "abab", InputError, "infinity"),
        (sparse.csr_matrix(TABLE), "abab", TypeError, "dense data is required"),
        (TABLE, "aaaa", InputError, r"at least 2 classes in y|at least 2 classes, y has 1 class: \['a'\]"),
        (TABLE, [0.1, 0.2, 0.3, 0.7], InputError, "Unknown label type: continuous"),
        (TABLE, "abc", InputError, "inconsistent numbers of samples"),
        (TABLE["size"].to_numpy(), "abab", InputError, "Reshape your data"),
        (np.zeros((4, 2, 2, 3, 2)), "abab", InputError, r"X has 5 axes, \[4, 2, 2, 3, 2\]; give features"),
        (np.zeros((4, 2, 2, 3)), "abab", InputError, r"channels stand last, .*: give X.transpose\(0, 3, 1, 2\)"),
        (np.zeros((4, 0, 2)), "abab", InputError, "no pixels"),
        (np.zeros((0, 2)), "", InputError, r"0 sample\(s\)"),
        (np.zeros((7, 4, 2)), "abab", InputError, r"looks like spike trains \[time, samples, features\]"),
    ],
)
def test_bad_samples(X, y, error, message):
    with pytest.raises(error, match=message) as raised:
        BSTDGClassifier(**SMALL).fit(X, list(y))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("layers", (0,), r"layers\[0\] must be in 1 … 65535, not 0"),
        ("layers", "600", r"^layers"),
        ("layers", 1.5, r"^layers"),
        ("num_steps", 255, "num_steps must be in 1 … 254"),
        ("epochs", 0, "^epochs must be in 1 … 1000000000, not 0"),
        ("epochs", "many", "^epochs must be an integer, not 'many'"),
        ("batch", 0, "^batch must be in 1 …"),
        ("batch", 1.5, "^batch must be an integer"),
        ("weight_rate", -1.0, "^weight_rate must be in 0 …"),
        ("width", 0.0, "^width must be in 1e-06 …"),
        ("label_smoothing", 1.0, r"^label_smoothing must be in \[0, 1\)"),
        ("spike_dropout", 1.0, r"^spike_dropout must be in \[0, 1\)"),
        ("validation_fraction", 1.0, r"^validation_fraction must be in \[0, 1\)"),
        ("scaling", "log", "^scaling must be one of 'standard'"),
        ("codes", "off", "^codes must be .on."),
        ("engine", "quick", "^engine must be None, 'native' or 'dense', not 'quick'"),
        ("device", "abacus", "^device 'abacus' is not there"),
        ("n_jobs", 0, "^n_jobs must be None, a number of threads"),
        ("n_jobs", 10**21, "^n_jobs must be None, a number of threads up to 1024"),
        ("n_jobs", True, "^n_jobs must be None, a number of threads"),
        ("width", float("inf"), "^width must be a number in 1e-06 …"),
        ("batch", 10**21, "^batch must be in 1 …"),
        ("latency_weight", float("nan"), "^latency_weight must be a number in 0 …"),
        ("jitter", True, "^jitter must be an integer"),
    ],
)
def test_bad_parameters_are_called_by_their_own_names(parameter, value, message):
    with pytest.raises(InputError, match=message) as raised:
        BSTDGClassifier(**{**SMALL, parameter: value}).fit(*wine())
    assert "\n" not in str(raised.value)


def test_another_number_of_features_at_predict():
    with pytest.raises(InputError, match="X has 3 features, but BSTDGClassifier is expecting 13 features"):
        fitted().predict(np.zeros((2, 3)))
    with pytest.raises(InputError, match="contains NaN"):
        fitted().predict(np.full((2, 13), np.nan))


def test_more_features_than_samples():
    X = np.random.default_rng(0).normal(size=(12, 200))
    model = BSTDGClassifier(**SMALL).fit(X, np.arange(12) % 3)
    assert model.figures_["samples"] == 12  # too few to hold any out
    assert model.score(X, np.arange(12) % 3) > 0.5


def test_values_out_of_range_count_as_the_nearest_end():
    X, _ = wine()
    model = fitted()
    row = X[:1].copy()
    far = row.copy()
    far[0, 0], row[0, 0] = 1e9, X[:, 0].max()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.predict_proba(far), model.predict_proba(row))
    with pytest.warns(BstdgWarning, match="100% of these values lie outside the range of the training samples"):
        model.predict(X + 1e6)


@pytest.mark.parametrize(
    ("X", "num_steps", "message"),
    [
        (
            lambda rng: (rng.random((40, 9, 5)) < 0.3).astype(float),
            1,
            r"spike trains \[samples, time, features\]\? .*mean",
        ),
        (lambda rng: rng.random((40, 4, 5)) * 255, 8, "floats up to 25.*divide X by 255, or give it as uint8"),
        (lambda rng: rng.integers(0, 3, (40, 6)), 8, "num_steps=8, but no feature of X has more than 3.*num_steps=2"),
    ],
    ids=["spike trains", "pixels as floats", "more steps than values"],
)
def test_warnings_with_the_remedy(X, num_steps, message):
    with pytest.warns(BstdgWarning, match=message):
        BSTDGClassifier(**SMALL, num_steps=num_steps).fit(X(np.random.default_rng(0)), np.arange(40) % 2)


def test_a_silent_layer_is_reported():
    with pytest.warns(BstdgWarning, match="of hidden layer 0 fire for no sample: lower spike_weight"):
        BSTDGClassifier(**{**SMALL, "epochs": 30}, spike_weight=100.0, threshold_rate=1.0).fit(*wine())


def test_nothing_is_said_where_nothing_is_wrong(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BSTDGClassifier(**SMALL).fit(*wine()).predict(wine()[0])
    assert capsys.readouterr() == ("", "")
    BSTDGClassifier(**SMALL, verbose=True).fit(*wine())
    assert "epoch 6/6" in capsys.readouterr().err


def test_importing_the_package_does_not_load_scikit_learn():
    program = "import sys, bstdg; dir(bstdg); assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert bstdg.BSTDGClassifier is BSTDGClassifier
