"""What is set on the command line takes the place of what was there, for anything made of fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bstdg.errors import InputError
from bstdg.learning.overrides import apply
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict


@dataclass
class Train:
    epochs: int = 1
    rate: float = 0.1


@dataclass
class Loss:
    name: str = "first"
    rate: float = 0.1


@dataclass
class Whole:
    title: str = ""
    train: Train = field(default_factory=Train)
    loss: Loss = field(default_factory=Loss)


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("train.epochs=5", {"train": {"epochs": 5}}),
        (" epochs = 5 ", {"train": {"epochs": 5}}),
        ("name=last one", {"loss": {"name": "last one"}}),
        ('name="1"', {"loss": {"name": "1"}}),
        ("title=a=b", {"title": "a=b"}),
        ("epochs=[1, 2]", {"train": {"epochs": [1, 2]}}),
        ("loss.rate=1e-3", {"loss": {"rate": 1e-3}}),
        ("epochs=" + "[" * 5000, {"train": {"epochs": "[" * 5000}}),
    ],
)
def test_a_field_is_set_wherever_it_is(override, changed):
    assert apply({}, [override], Whole) == changed


def test_a_former_name_means_what_it_is_now():
    renamed = {"training.passes": "train.epochs", "passes": "train.epochs"}
    for name in (*renamed, "epochs"):
        assert apply({}, [f"{name}=7"], Whole, renamed) == {"train": {"epochs": 7}}
    with pytest.raises(InputError, match="unknown key 'passes'"):
        apply({}, ["passes=7"], Whole)


def test_what_was_there_stays_and_the_last_word_counts():
    values = {"title": "t", "train": {"epochs": 2, "rate": 0.5}}
    kept = json.dumps(values)
    assert apply(values, ["epochs=3", "epochs=4"], Whole) == {"title": "t", "train": {"epochs": 4, "rate": 0.5}}
    assert json.dumps(values) == kept


@pytest.mark.parametrize(
    ("override", "kind", "said"),
    [
        ("epochs", Whole, "--set takes section.field=value, not 'epochs'"),
        ("epochs", Train, "--set takes KEY=VALUE, not 'epochs'"),
        (" =1", Train, "--set takes KEY=VALUE"),
        ("rate=1", Whole, "--set rate: say which of train.rate, loss.rate"),
        ("epoch=1", Whole, "unknown key 'epoch'; did you mean 'train.epochs'?"),
        ("epoch=1", Train, "unknown key 'epoch'; did you mean 'epochs'?"),
        ("titel=x", Whole, "did you mean 'title'?"),
        ("zzz=1", Train, "unknown key 'zzz'"),
        ("title.x=1", Whole, "'title' is no section"),
    ],
)
def test_what_names_no_field_is_refused(override, kind, said):
    with pytest.raises(InputError) as caught:
        apply({"title": "t"}, [override], kind)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@given(st.integers(1, 10**6), st.lists(st.integers(0, 999), max_size=3), st.floats(0.01, 0.99), st.booleans())
def test_values_are_those_of_toml(epochs, speakers, share, remainder):
    words = (f"epochs={epochs}", f"validation_speakers={speakers}", f"shift_share={share}")
    words = (*words, f"silent_remainder={str(remainder).lower()}")
    recipe = from_dict(Recipe, apply({}, words, Recipe))
    assert (recipe.train.epochs, recipe.data.validation_speakers) == (epochs, tuple(speakers))
    assert (recipe.train.shift_share, recipe.loss.silent_remainder) == (share, remainder)
