"""sample_weight and class_weight: what they count for, what scikit-learn makes of them, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_wine, make_classification
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, VotingClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from bstdg import BSTDGClassifier, BstdgWarning
from bstdg.errors import InputError
from bstdg.model import packed
from bstdg.model.probability import calibrated_scale, probabilities

X, Y = load_wine(return_X_y=True)
SMALL = {"layers": (32,), "epochs": 4, "random_state": 0}


def bits(model: BSTDGClassifier) -> tuple[bytes, float, list[float]]:
    """All that was learnt: the network, the scale of probabilities, and the way there."""
    layers = [(layer.signs.tobytes(), layer.thresholds.tobytes()) for layer in model.model_.packed.layers]
    return b"".join(part for layer in layers for part in layer), model.scale_, model.loss_curve_


@pytest.fixture(scope="module")
def rare():
    """Two classes, one of them 5 % of the samples: training part, test part."""
    samples, labels = make_classification(
        2000, 20, n_informative=5, weights=[0.95, 0.05], class_sep=0.7, flip_y=0.0, random_state=0
    )
    return train_test_split(samples, labels, test_size=0.3, stratify=labels, random_state=0)


# What weights do


def test_a_rare_class_is_found(rare):
    learn, test, learn_labels, labels = rare
    mlp = make_pipeline(StandardScaler(), MLPClassifier((200,), max_iter=50, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge
        reference = recall_score(labels, mlp.fit(learn, learn_labels).predict(test))
    each = compute_sample_weight("balanced", learn_labels)
    params = {"layers": (200,), "random_state": 0}
    unweighted = BSTDGClassifier(**params).fit(learn, learn_labels)
    balanced = BSTDGClassifier(**params, class_weight="balanced").fit(learn, learn_labels)
    weighted = BSTDGClassifier(**params).fit(learn, learn_labels, sample_weight=each)
    assert recall_score(labels, unweighted.predict(test)) < 0.2 < reference
    for model in (balanced, weighted):
        assert recall_score(labels, model.predict(test)) > max(0.5, reference)
        assert balanced_accuracy_score(labels, model.predict(test)) > 0.7


def test_a_rare_class_is_found_batch_by_batch(rare):
    learn, test, learn_labels, labels = rare
    table = dict(enumerate(compute_class_weight("balanced", classes=np.array([0, 1]), y=learn_labels)))
    asked = {"plain": None, "samples": None, "classes": table}
    models = {name: BSTDGClassifier(layers=(100,), random_state=0, class_weight=given) for name, given in asked.items()}
    order = np.random.default_rng(0).permutation(len(learn))
    for _ in range(8):
        for part in np.array_split(order, 4):
            own = np.array([table[label] for label in learn_labels[part]])
            for name, model in models.items():
                each = own if name == "samples" else None
                model.partial_fit(learn[part], learn_labels[part], classes=[0, 1], sample_weight=each)
    found = {name: recall_score(labels, model.predict(test)) for name, model in models.items()}
    assert found["samples"] == found["classes"] > found["plain"] + 0.15  # which say the same


@pytest.mark.parametrize("weight", [1, 1.0, 3, 0.1, 1e-12, 1e20])
def test_weights_that_are_all_alike_change_no_bit(weight):
    plain = BSTDGClassifier(**SMALL).fit(X, Y)
    weighted = BSTDGClassifier(**SMALL).fit(X, Y, sample_weight=np.full(len(X), weight))
    assert bits(weighted) == bits(plain)
    assert packed.to_bytes(weighted.model_.packed) == packed.to_bytes(plain.model_.packed)
    assert weighted.figures_ == plain.figures_
    table = BSTDGClassifier(**SMALL, class_weight=dict.fromkeys(range(3), weight)).fit(X, Y)
    assert bits(table) == bits(plain)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_a_weight_of_0_is_as_if_the_sample_had_not_come(how):
    rng = np.random.default_rng(0)
    own = rng.integers(0, 3, len(X)).astype(float)
    kept, wild = own > 0, X.copy()
    wild[~kept] = 1e6  # and so it has no say in the scaling of features

    def learnt(samples, labels, weights):
        model = BSTDGClassifier(**SMALL)
        if how == "fit":
            return model.fit(samples, labels, sample_weight=weights)
        for _ in range(2):
            model.partial_fit(samples, labels, classes=[0, 1, 2], sample_weight=weights)
        return model

    assert bits(learnt(wild, Y, own)) == bits(learnt(X[kept], Y[kept], own[kept]))


def test_only_ratios_matter():
    own = np.random.default_rng(0).uniform(0.5, 4, len(X))
    one, other = (BSTDGClassifier(**SMALL).fit(X, Y, sample_weight=own * unit) for unit in (1.0, 1024.0))
    assert bits(one) == bits(other)
    for model in (one, other):
        model.partial_fit(X[:50], Y[:50], sample_weight=own[:50] * (1.0 if model is one else 1024.0))
    assert bits(one) == bits(other)


def test_weights_of_batches_are_held_against_each_other():
    """A batch that weighs next to nothing beside those before teaches next to nothing, however it is divided."""
    light, usual, heavy = (BSTDGClassifier(**SMALL).fit(X, Y) for _ in range(3))
    light.partial_fit(X[:32], Y[:32], sample_weight=np.full(32, 1e-3))
    usual.partial_fit(X[:32], Y[:32])
    heavy.partial_fit(X[:32], Y[:32], sample_weight=np.full(32, 1e3))
    assert [one.loss_curve_[-1] / usual.loss_curve_[-1] for one in (light, heavy)] == pytest.approx([1e-3, 1e3])
    moved = [_moved(one, BSTDGClassifier(**SMALL).fit(X, Y)) for one in (light, usual, heavy)]
    assert moved[0] < moved[1] < moved[2]


def _moved(one: BSTDGClassifier, other: BSTDGClassifier) -> float:
    """How far two classifiers' latent weights and thresholds are from each other."""
    both = zip(*(list(model._learner_.run.network.parameters()) for model in (one, other)), strict=True)
    return sum(float((p - q).detach().abs().sum()) for p, q in both)


def test_both_kinds_multiply():
    own = np.random.default_rng(0).uniform(0.5, 4, len(X))
    table = {0: 0.5, 2: 8.0}
    both = BSTDGClassifier(**SMALL, class_weight=table).fit(X, Y, sample_weight=own)
    product = BSTDGClassifier(**SMALL).fit(X, Y, sample_weight=own * np.array([0.5, 1.0, 8.0])[Y])
    assert bits(both) == bits(product)


def test_balanced_is_scikit_learns():
    _, y = X, np.where(np.arange(len(Y)) % 5, 0, Y)
    balanced = BSTDGClassifier(**SMALL, class_weight="balanced").fit(X, y)
    table = dict(zip([0, 1, 2], compute_class_weight("balanced", classes=np.unique(y), y=y), strict=True))
    assert bits(balanced) == bits(BSTDGClassifier(**SMALL, class_weight=table).fit(X, y))


def test_balanced_counts_a_sample_by_its_weight():
    own = np.where(Y == 0, 7.0, 1.0)
    balanced = BSTDGClassifier(**SMALL, class_weight="balanced").fit(X, Y, sample_weight=own)
    counts = np.bincount(Y, own)
    by_hand = BSTDGClassifier(**SMALL).fit(X, Y, sample_weight=own * (counts.sum() / (3 * counts))[Y])
    assert bits(balanced) == bits(by_hand)


@pytest.mark.parametrize(
    "labels", [["a", "b", "c"], [-5, 3, 10**12], [1.0, 2.0, 4.0], np.array(["a", "b", "c"], object)]
)
def test_tables_are_by_label(labels, tmp_path):
    names = np.asarray(labels)
    table = {names[0]: 0.25, names.tolist()[2]: 6.0}
    model = BSTDGClassifier(**SMALL, class_weight=table).fit(X, names[Y])
    assert bits(model) == bits(BSTDGClassifier(**SMALL, class_weight={0: 0.25, 2: 6.0}).fit(X, Y))
    model.save(tmp_path / "m.bstdg")
    again = BSTDGClassifier.load(tmp_path / "m.bstdg")
    assert again.class_weight == table
    assert bits(sklearn.clone(again).fit(X, names[Y])) == bits(model)


def test_the_epoch_is_chosen_by_weighted_accuracy(rare):
    learn, _, labels, _ = rare
    model = BSTDGClassifier(**{**SMALL, "epochs": 8}, class_weight="balanced").fit(learn, labels)
    assert all(0 < row["weighted_accuracy"] < 1 for row in model.history_)
    assert [row["weighted_accuracy"] for row in model.history_] != [row["accuracy"] for row in model.history_]
    best = model.history_[model.best_iter_ - 1]
    assert best["weighted_accuracy"] > max(row["weighted_accuracy"] for row in model.history_) - 0.15
    assert "weighted_accuracy" not in BSTDGClassifier(**SMALL).fit(X, Y).history_[0]


def test_the_scale_of_probabilities_is_that_of_the_weighted_samples():
    rng = np.random.default_rng(0)
    lead, silent = rng.integers(-20, 20, (200, 3)).astype(float), np.zeros(200, bool)
    labels = np.array([rng.choice(3, p=row) for row in probabilities(lead, silent, 6.0)])
    weights = np.where(lead.argmax(axis=1) == labels, 1, 4)  # of those decided wrong more
    repeated = (part.repeat(weights, axis=0) for part in (lead, silent, labels))
    weighted = calibrated_scale(lead, silent, labels, 2.0, weights.astype(float))
    assert weighted == pytest.approx(calibrated_scale(*repeated, 2.0), rel=0.03)
    assert weighted > 1.2 * calibrated_scale(lead, silent, labels, 2.0)


def test_a_weight_is_much_like_so_many_copies():
    """Not bit for bit, since a copy stands in other batches than the first; of each sample once, the same bits."""
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 5, len(X))
    params = {"layers": (100,), "epochs": 20, "random_state": 0, "validation_fraction": 0}
    weighted = BSTDGClassifier(**params).fit(X, Y, sample_weight=weights)
    copied = BSTDGClassifier(**params).fit(X.repeat(weights, axis=0), Y.repeat(weights))
    assert accuracy_score(weighted.predict(X), copied.predict(X)) > 0.95
    once = BSTDGClassifier(**params).fit(X, Y, sample_weight=np.ones(len(X)))
    assert bits(once) == bits(BSTDGClassifier(**params).fit(X, Y))


def test_score_weighs_samples():
    model = BSTDGClassifier(**SMALL).fit(X, Y)
    right = model.predict(X) == Y
    assert not right.all()
    assert model.score(X, Y, sample_weight=right.astype(float)) == 1.0
    own = np.random.default_rng(0).uniform(size=len(X))
    assert model.score(X, Y, sample_weight=own) == pytest.approx(np.average(right, weights=own))


# In scikit-learn


def test_metadata_routing(rare):
    learn, _, labels, _ = rare
    each = compute_sample_weight("balanced", labels)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = BSTDGClassifier(**SMALL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_validate(asking, learn, labels, params={"sample_weight": each}, cv=2)["test_score"]
        silent = BSTDGClassifier(**SMALL).set_fit_request(sample_weight=False).set_score_request(sample_weight=True)
        unweighted = cross_validate(silent, learn, labels, params={"sample_weight": each}, cv=2)["test_score"]
        assert scores.mean() > unweighted.mean() + 0.05  # of classes that weigh alike
        search = GridSearchCV(asking, {"num_steps": [4, 8]}, cv=2).fit(learn, labels, sample_weight=each)
        assert bits(search.best_estimator_) == bits(sklearn.clone(search.best_estimator_).fit(learn, labels, each))
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asking).fit(
            learn, labels, sample_weight=each
        )
        assert bits(pipeline[-1]) == bits(BSTDGClassifier(**SMALL).fit(pipeline[0].transform(learn), labels, each))
        learner = BSTDGClassifier(**SMALL).set_partial_fit_request(sample_weight=True, classes=True)
        assert learner.get_metadata_routing().partial_fit.requests == {"sample_weight": True, "classes": True}
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            cross_validate(BSTDGClassifier(**SMALL), learn, labels, params={"sample_weight": each}, cv=2)


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
def test_what_passes_weights_on(rare):
    learn, test, labels, truth = rare
    each = compute_sample_weight("balanced", labels)
    small = BSTDGClassifier(**{**SMALL, "epochs": 2})
    for ensemble in (
        AdaBoostClassifier(small, n_estimators=2, random_state=0),
        BaggingClassifier(small, n_estimators=2, random_state=0),
        VotingClassifier([("a", small), ("b", BSTDGClassifier(**SMALL))]),
        CalibratedClassifierCV(small, cv=2),
        GridSearchCV(small, {"class_weight": [None, "balanced", {0: 1.0, 1: 9.0}]}, cv=2, scoring="recall"),
    ):
        assert ensemble.fit(learn, labels, sample_weight=each).score(test, truth) > 0.4


def test_a_fold_may_lack_a_class_that_the_table_names():
    y = Y.copy()
    y[y == 2] = 0
    y[:1] = 2  # in one fold alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = cross_val_score(BSTDGClassifier(**SMALL, class_weight={0: 1.0, 1: 2.0, 2: 3.0}), X, y, cv=2)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda own: np.array(own, np.float32)])
def test_weights_come_in_any_form(kind):
    own = [1 + i % 3 for i in range(len(X))]
    assert bits(BSTDGClassifier(**SMALL).fit(X, Y, kind(own))) == bits(BSTDGClassifier(**SMALL).fit(X, Y, own))


# What is refused


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        (np.ones(3), r"sample_weight must be a number for each of 178 samples, not \[3\]"),
        (np.ones((178, 1)), r"for each of 178 samples, not \[178, 1\]"),
        (2.0, r"for each of 178 samples, not \[\]"),
        (["heavy"] * 178, "sample_weight must be numbers"),
        (np.ones(178) * 1j, "sample_weight must be numbers, not complex128"),
        ([None] * 178, "sample_weight must be numbers, not object"),
        (np.where(np.arange(178) == 5, np.nan, 1), "sample_weight must be in 0 … 1e.30, not nan"),
        (np.where(np.arange(178) == 5, np.inf, 1), "sample_weight must be in 0 … 1e.30, not inf"),
        (np.where(np.arange(178) == 5, -0.5, 1), "sample_weight must be in 0 … 1e.30, not -0.5"),
        (np.zeros(178), "weights of all samples are zero"),
        ((Y == 1).astype(float), r"at least 2 classes, y, of those that weigh more than 0, has 1 class: \[1\]"),
    ],
)
def test_sample_weights_that_will_not_do(sample_weight, message):
    model = BSTDGClassifier(**SMALL).fit(X, Y)
    before = bits(model)
    with pytest.raises(InputError, match=message):
        model.fit(X, Y, sample_weight=sample_weight)
    if "classes" not in message:
        with pytest.raises(InputError, match=message):
            model.partial_fit(X, Y, sample_weight=sample_weight)
    assert bits(model) == before


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("balance", "class_weight must be None, 'balanced' or a table of weights by label, not 'balance'"),
        (3, "class_weight must be None, 'balanced' or a table"),
        ([1, 2, 3], "class_weight must be None, 'balanced' or a table"),
        ({0: -1.0}, r"class_weight\[0\] must be in 0 … 1e.30, not -1.0"),
        ({0: np.nan}, r"class_weight\[0\] must be in 0"),
        ({0: "much"}, r"class_weight\[0\] must be in 0 … 1e.30, not 'much'"),
        ({7: 2.0}, r"class_weight names 7, which is not among the classes: \[0, 1, 2\]"),
        ({"0": 2.0}, "class_weight names '0', which is not among the classes"),
        ({0: 0, 1: 0, 2: 0}, "weights of all samples are zero"),
        ({0: 0, 1: 0}, r"has 1 class: \[2\]"),
    ],
)
def test_class_weights_that_will_not_do(class_weight, message):
    with pytest.raises(InputError, match=message):
        BSTDGClassifier(**SMALL, class_weight=class_weight).fit(X, Y)
    if "class:" not in message:
        with pytest.raises(InputError, match=message):
            BSTDGClassifier(**SMALL, class_weight=class_weight).partial_fit(X, Y, classes=[0, 1, 2])


def test_balanced_is_of_fit_alone():
    with pytest.raises(InputError, match="class_weight='balanced' is for fit, which sees all labels at once"):
        BSTDGClassifier(**SMALL, class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    model = BSTDGClassifier(**SMALL, class_weight="balanced").fit(X, Y)
    with pytest.raises(InputError, match="give partial_fit a table"):
        model.partial_fit(X, Y)
    model.set_params(class_weight={0: 2.0}).partial_fit(X, Y)


def test_a_class_of_weight_0_stays_a_class():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        model = BSTDGClassifier(**SMALL, class_weight={1: 0}).fit(X, Y)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (len(X), 3)
    assert (model.predict(X) == 1).mean() < 0.05
