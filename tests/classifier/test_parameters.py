"""Every parameter acts at the next call or is refused by its name: none is frozen at the first, none is lost."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from bstdg import BSTDGClassifier, BstdgWarning
from bstdg.errors import InputError
from bstdg.learning.network import flip_ratio
from bstdg.model import packed

X, Y = load_wine(return_X_y=True)
SMALL = {"layers": (32,), "epochs": 3, "random_state": 0}
MORE = 2  # batches that are learnt after a change

ACT = {
    "batch": 16,
    "weight_rate": 0.5,
    "threshold_rate": 3.0,
    "width": 1.0,
    "latency_weight": 2.0,
    "spike_weight": 0.5,
    "label_smoothing": 0.5,
    "spike_dropout": 0.8,
    "jitter": 3,
    "class_weight": {0: 100.0, 1: 1e-3, 2: 1e-3},
}
REFUSED = {
    "layers": (7,),
    "image_shape": (1, 13),
    "num_steps": 3,
    "scaling": "rank",
    "codes": "on",
    "random_state": 1,
    "epochs": 5,
    "validation_fraction": 0.5,
    "patience": 1,
}
ELSEWHERE = {
    "engine": "dense",
    "device": "meta",
    "n_jobs": 2,
    "verbose": True,
    "relative": True,
    "equalize": True,
}  # where it is computed, and what is said; contrast, which is for pictures: `test_contrast_classifier`


def begun(how: str) -> BSTDGClassifier:
    model = BSTDGClassifier(**SMALL)
    return model.fit(X, Y) if how == "fit" else model.partial_fit(X, Y, classes=[0, 1, 2])


def gone_on(model: BSTDGClassifier) -> list[torch.Tensor]:
    """Latent weights and thresholds after some more batches."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        for _ in range(MORE):
            model.partial_fit(X, Y)
    return [p.detach().clone() for p in model._learner_.run.network.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, one, other))


HOW = pytest.mark.parametrize("how", ["fit", "partial_fit"])


def test_every_parameter_is_here():
    assert sorted([*ACT, *REFUSED, *ELSEWHERE]) == sorted(BSTDGClassifier().get_params())


@HOW
@pytest.mark.parametrize("name", ACT)
def test_what_acts_acts_at_the_next_call(name, how):
    unchanged, changed = begun(how), begun(how)
    assert same(gone_on(copy.deepcopy(unchanged)), gone_on(copy.deepcopy(changed)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        changed.set_params(**{name: ACT[name]})
        unlike = gone_on(changed)
    assert not same(gone_on(unchanged), unlike)


@HOW
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_act_is_refused_by_its_name(name, how, tmp_path):
    model = begun(how)
    model.save(tmp_path / "before.bstdg")
    was = getattr(model, name)
    model.set_params(**{name: REFUSED[name]})
    with pytest.raises(InputError, match=rf"^{name} was changed to .*: set it back, or use fit$"):
        model.partial_fit(X, Y)
    model.save(tmp_path / "after.bstdg")  # of what was learnt: file and network agree
    assert (tmp_path / "after.bstdg").read_bytes() == (tmp_path / "before.bstdg").read_bytes()
    model.set_params(**{name: was})
    assert same(gone_on(model), gone_on(begun(how)))


@HOW
@pytest.mark.parametrize("name", [*ACT, *REFUSED])
def test_fit_begins_anew_by_the_parameters_of_now(name, how):
    value = {**ACT, **REFUSED}[name]
    model = begun(how).set_params(**{name: value})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        model.fit(X, Y)
        fresh = BSTDGClassifier(**{**SMALL, name: value}).fit(X, Y)
    assert packed.to_bytes(model.model_.packed) == packed.to_bytes(fresh.model_.packed)


@HOW
def test_a_rate_of_0_flips_no_bit(how):
    model = begun(how).set_params(weight_rate=0)
    before = model._learner_.run.network.latent_signs()
    gone_on(model)
    assert flip_ratio(before, model._learner_.run.network.latent_signs()) == 0.0
    model.set_params(weight_rate=0.5)
    gone_on(model)
    assert flip_ratio(before, model._learner_.run.network.latent_signs()) > 0.0


def test_what_was_said_at_the_start_and_what_is_said_later_come_to_the_same():
    """Parameters that act are those of a classifier that had them all along, from the next call on."""
    early = BSTDGClassifier(**{**SMALL, **ACT, "layers": (16,)}).partial_fit(X, Y, classes=[0, 1, 2])
    late = BSTDGClassifier(**{**SMALL, **ACT, "layers": (16,)})
    late.partial_fit(X, Y, classes=[0, 1, 2])
    defaults = BSTDGClassifier()
    late.set_params(**{name: getattr(defaults, name) for name in ACT}).set_params(**ACT)
    assert same(gone_on(early), gone_on(late))


@HOW
def test_where_it_is_computed_may_change(how, capsys):
    plain, elsewhere = begun(how), begun(how)
    dense = copy.deepcopy(elsewhere).set_params(engine="dense")
    dense.partial_fit(X, Y)
    assert dense._learner_.run.engine == "dense"
    assert {layer.engine for layer in dense._learner_.run.network.layers} == {"dense"}
    elsewhere.set_params(n_jobs=2)
    assert same(gone_on(copy.deepcopy(plain)), gone_on(elsewhere))
    assert elsewhere._learner_.settings.threads == 2
    assert capsys.readouterr().err == ""
    plain.set_params(verbose=True).partial_fit(X, Y)
    assert f"epoch {plain.n_iter_}/{plain.n_iter_}" in capsys.readouterr().err


@HOW
@pytest.mark.parametrize(("name", "value"), [("device", "abacus"), ("engine", "quick"), ("n_jobs", 0), ("width", -1.0)])
def test_a_value_that_will_not_do_leaves_everything_as_it_was(name, value, how):
    model = begun(how)
    was = getattr(model, name)
    model.set_params(**{name: value})
    with pytest.raises(InputError, match=name):
        model.partial_fit(X, Y)
    model.set_params(**{name: was})
    assert same(gone_on(model), gone_on(begun(how)))


def test_the_same_network_in_other_words_is_no_change():
    model = BSTDGClassifier(layers=[16, 8], random_state=np.int64(0), epochs=2).fit(X, Y)
    for hidden in ((16, 8), np.array([16, 8])):
        model.set_params(layers=hidden, random_state=0, num_steps=np.int64(8)).partial_fit(X, Y)
    one = BSTDGClassifier(layers=16, epochs=2, random_state=0).fit(X, Y)
    one.set_params(layers=(16,)).partial_fit(X, Y)


def test_a_list_that_is_changed_where_it_lies_is_a_change():
    hidden, table = [16], {0: 1.0, 1: 2.0}
    model = BSTDGClassifier(layers=hidden, class_weight=table, epochs=2, random_state=0).fit(X, Y)
    hidden.append(8)
    with pytest.raises(InputError, match=r"^layers was changed to \[16, 8\], .* \[16\]"):
        model.partial_fit(X, Y)
    hidden.pop()
    model.partial_fit(X, Y)


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301
def test_a_source_of_random_numbers_is_the_same_after_a_journey(travel):
    model = BSTDGClassifier(**{**SMALL, "random_state": np.random.RandomState(0)}).fit(X, Y)
    travel(model).partial_fit(X, Y)
    model.set_params(random_state=np.random.RandomState(0))
    with pytest.raises(InputError, match="random_state was changed"):
        model.partial_fit(X, Y)


def test_a_batch_that_is_chosen_stays_chosen():
    """By the first samples, however many come later; and a number that is given acts."""
    model = begun("fit")
    chosen = model._learner_.run.recipe.train.batch
    model.partial_fit(np.tile(X, (100, 1)), np.tile(Y, 100))
    assert model._learner_.run.recipe.train.batch == chosen
    model.set_params(batch=5).partial_fit(X, Y)
    assert model._learner_.run.recipe.train.batch == 5


def test_what_is_saved_is_what_was_learnt_with(tmp_path):
    model = begun("fit").set_params(layers=(7,), num_steps=3, scaling="rank")
    model.save(tmp_path / "m.bstdg")
    again = BSTDGClassifier.load(tmp_path / "m.bstdg")
    assert (again.layers, again.num_steps, again.scaling) == ((32,), 8, "auto")
    assert again.model_.packed.widths == (26, 32, 3)
    model.set_params(**BSTDGClassifier(**SMALL).get_params()).set_params(weight_rate=0.5).partial_fit(X, Y)
    model.save(tmp_path / "m.bstdg")
    assert BSTDGClassifier.load(tmp_path / "m.bstdg").weight_rate == 0.5
    loaded = BSTDGClassifier.load(tmp_path / "m.bstdg").set_params(num_steps=3)
    loaded.save(tmp_path / "again.bstdg")
    assert (tmp_path / "again.bstdg").read_bytes() == (tmp_path / "m.bstdg").read_bytes()


# What fails changes nothing


@pytest.mark.parametrize(
    ("params", "samples", "labels"),
    [({"width": -1.0}, X[:, :5], Y + 7), ({}, X * np.nan, Y), ({}, X, Y * 0), ({"scaling": "log"}, X[:, :4], Y)],
)
def test_a_fit_that_fails_leaves_what_was_learnt(params, samples, labels):
    model = begun("fit")
    before, attributes = model.predict_proba(X), dict(vars(model))
    with pytest.raises(InputError):
        model.set_params(**params).fit(samples, labels)
    model.set_params(**BSTDGClassifier(**SMALL).get_params())
    assert vars(model).keys() == attributes.keys()
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.n_features_in_ == 13


def test_a_first_batch_that_fails_was_none():
    model = BSTDGClassifier(**SMALL, width=-1.0)
    with pytest.raises(InputError, match="width must be in"):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(InputError, match="classes must be passed on the first call"):
        model.set_params(width=8.0).partial_fit(X, Y)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    assert same(gone_on(model), gone_on(begun("partial_fit")))
