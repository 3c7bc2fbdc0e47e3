"""No number gets in that is none, or beyond what can be computed with: every field, every way in."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch

from bstdg.errors import InputError
from bstdg.fields import Range, check
from bstdg.inputs.coding import InputCoding
from bstdg.lab import predecessors
from bstdg.learning.overrides import apply
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict, load_recipe
from bstdg.training.train import train

NUMBERS = (int, float)
SECTIONS = {name: kind for name, kind in get_type_hints(Recipe).items() if dataclasses.is_dataclass(kind)}
BASELINES = {name: predecessors.settings_kind(name) for name in predecessors.names()}
NO_NUMBERS = {  # in Python, and as TOML and --set have it
    "inf": (math.inf, "inf"),
    "-inf": (-math.inf, "-inf"),
    "nan": (math.nan, "nan"),
    "-nan": (-math.nan, "-nan"),
    "10**21": (10**21, "1" + "0" * 21),
    "-10**21": (-(10**21), "-1" + "0" * 21),
    "10**400": (10**400, "1" + "0" * 400),
    "10**5000": (10**5000, "1" + "0" * 5000),
    "-1": (-1, "-1"),
    "-1.0": (-1.0, "-1.0"),
    "1e308": (1e308, "1e308"),
    "-1e308": (-1e308, "-1e308"),
    "2**63": (2**63, str(2**63)),
    "true": (True, "true"),
    "false": (False, "false"),
    "text": ("1", '"1"'),
    "list": ([1, 1, 1, 1], "[1, 1, 1, 1]"),
    "table": ({"a": 1}, "{a = 1}"),
    "date": (np.datetime64("2026-01-01"), "2026-01-01"),
    "None": (None, '"None"'),
}


def numbers(kind: type) -> list[tuple[str, bool]]:
    """The fields of a dataclass that are numbers, or lists of such."""
    found = []
    for name, hint in get_type_hints(kind).items():
        listed = get_origin(hint) is tuple
        of = get_args(hint)[0] if listed else hint
        if of in NUMBERS or set(get_args(of)) & set(NUMBERS):
            found.append((name, listed))
    return found


RECIPE = [(section, *field) for section, kind in SECTIONS.items() for field in numbers(kind)]
BASELINE = [(name, *field) for name, kind in BASELINES.items() for field in numbers(kind)]


def bad(listed: bool, *, written: bool) -> list[tuple[str, Any]]:
    """What is no number for a field; of a list, one of its items."""
    found = []
    for name, (value, text) in NO_NUMBERS.items():
        if listed and name in ("list", "text"):  # a layer may be written as a text
            continue
        if written:
            found.append((name, f"[1, {text}]" if listed else text))
        else:
            found.append((name, (1, value) if listed else value))
    return found


def one_line(error: InputError) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 400


def test_there_are_fields():
    assert len(RECIPE) > 50
    assert len(BASELINE) > 40


@pytest.mark.parametrize(("section", "field", "listed"), RECIPE)
def test_no_field_of_a_recipe_takes_what_is_no_number(section, field, listed, tmp_path):
    path = tmp_path / "recipe.toml"
    for _, value in bad(listed, written=False):
        for attempt in (
            lambda value=value: SECTIONS[section](**{field: value}),
            lambda value=value: from_dict(Recipe, {section: {field: value}}),
        ):
            with pytest.raises(InputError, match=rf"{section}\.{field}") as caught:
                attempt()
            one_line(caught.value)
    for _, text in bad(listed, written=True):
        path.write_text(f"[{section}]\n{field} = {text}\n")
        with pytest.raises(InputError) as caught:  # a number that is too long is no TOML
            load_recipe(path)
        one_line(caught.value)
        path.write_text("")
        with pytest.raises(InputError, match=rf"{section}\.{field}") as caught:
            load_recipe(path, [f"{section}.{field}={text}"])
        one_line(caught.value)


@pytest.mark.parametrize(("baseline", "field", "listed"), BASELINE)
def test_no_setting_of_a_baseline_takes_what_is_no_number(baseline, field, listed):
    kind = BASELINES[baseline]
    below_0 = field in ("least_hidden", "greatest_hidden", "least_output", "greatest_output")  # weights at the start
    for name, value in bad(listed, written=False):
        if below_0 and name in ("-1", "-1.0"):
            continue
        with pytest.raises(InputError, match=field) as caught:
            kind(**{field: value})
        one_line(caught.value)
    for name, text in bad(listed, written=True):
        if below_0 and name in ("-1", "-1.0"):
            continue
        with pytest.raises(InputError, match=field):
            from_dict(kind, apply({}, [f"{field}={text}"], kind))


@pytest.mark.parametrize(("field", "listed"), numbers(InputCoding))
def test_no_field_of_an_input_coding_takes_what_is_no_number(field, listed):
    for _, value in bad(listed, written=False):
        with pytest.raises(InputError, match=field):
            InputCoding(**{field: value})


def range_of(kind: type, field: str) -> Range | None:
    from bstdg.fields import _kinds

    return _kinds(kind)[field][1]


@pytest.mark.parametrize(("owner", "field"), [(o, f) for o, f, _ in (*RECIPE, *BASELINE)])
def test_every_number_says_its_range(owner, field):
    kind = SECTIONS.get(owner) or BASELINES[owner]
    allowed = range_of(kind, field)
    if field in ("layers", "structure"):  # which says it itself
        return
    assert allowed is not None
    assert math.isfinite(allowed.least) and math.isfinite(allowed.most)
    default = getattr(kind(), field)
    assert all(value in allowed for value in (default if isinstance(default, tuple) else [default]))


# --- what can be asked for can be computed, and written --------------------------------------------------------------

SMALL = {"data": {"limit": 60, "validation": 0.4}, "network": {"layers": [9]}, "train": {"epochs": 1, "batch": 16}}
NEEDS: dict[str, dict[str, dict[str, Any]]] = {  # what makes a field count for anything
    "rule.tau": {"rule": {"kernel": "exponential"}},
    "loss.gamma": {"loss": {"name": "relative_target"}},
    "train.shift_share": {"train": {"shift": 1}},
    "rule.final_width": {},
    **{f"distort.{name}": {"distort": {"copies": 1}} for name in ("rotation", "zoom", "shear", "move", "elastic")},
    "distort.copies": {"distort": {"rotation": 5.0}},
    **{
        f"teacher.{name}": {"teacher": {"weight": 0.5, "structure": ["2c3s2p1", 8], "passes": 1}}
        for name in ("weight", "temperature", "rate", "dropout")
    },
}
TOO_MUCH = ("train.epochs", "distort.copies", "teacher.passes", "train.shift", "input.edges")
FLOATS = [(s, f) for s, f, listed in RECIPE if not listed and s not in ("events", "input", "data")]


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
@pytest.mark.parametrize(("section", "field"), FLOATS)
def test_both_ends_of_a_range_are_trained_and_written(section, field, tmp_path):
    allowed = range_of(SECTIONS[section], field)
    assert allowed is not None
    kind = get_type_hints(SECTIONS[section])[field]
    ends = [allowed.least, allowed.most]
    if kind is float:
        ends = [e if e in allowed else math.nextafter(e, 0.5) for e in ends]
    for number, end in enumerate(ends):
        name = f"{section}.{field}"
        if name in TOO_MUCH and number:
            continue
        values: dict[str, dict[str, Any]] = {key: dict(part) for key, part in SMALL.items()}
        for key, part in NEEDS.get(name, {}).items():
            values.setdefault(key, {}).update(part)
        values.setdefault(section, {})[field] = kind(end)
        try:
            report = train(from_dict(Recipe, values), tmp_path / str(number))
        except InputError as error:  # it does nothing at that end, and is refused
            assert "does nothing" in str(error) or "without" in str(error) or "all alike" in str(error), error
            continue
        assert report["model_bytes"] > 0
        json.dumps(report, allow_nan=False)


# --- the check itself ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Range(0, 1, "(]")] = 0.5

    def __post_init__(self) -> None:
        check(self, "inner")


@dataclass(frozen=True)
class Sample:
    whole: Annotated[int, Range(1, 9)] = 3
    some: Annotated[tuple[int, ...], Range(0, 3)] = ()
    word: Literal["a", "b"] = "a"
    name: str = ""
    on: bool = False
    inner: Inner = Inner()

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize("value", [4, np.int8(4), np.uint64(4), np.array(4), torch.tensor(4)])
def test_integers_of_other_libraries_become_pythons_own(value):
    found = Sample(whole=value, some=[value][:0] or [2])
    assert (found.whole, type(found.whole)) == (4, int)
    assert found.some == (2,)
    assert hash(found) == hash(Sample(whole=4, some=(2,)))


@pytest.mark.parametrize("value", [1, np.float32(0.25), np.float64(0.25), np.int16(1)])
def test_numbers_of_other_libraries_become_pythons_own(value):
    found = Inner(share=value)
    assert (found.share, type(found.share)) == (float(value), float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"whole": 0}, "whole must be in 1 … 9, not 0"),
        ({"whole": 10}, "whole must be in 1 … 9, not 10"),
        ({"whole": 3.0}, "whole must be an integer, not 3.0"),
        ({"whole": np.bool_(True)}, "whole must be an integer"),
        ({"whole": torch.ones(2, dtype=torch.int64)}, "whole must be an integer"),
        ({"whole": Decimal(3)}, "whole must be an integer"),
        ({"some": [1, 4]}, r"some\[1\] must be in 0 … 3, not 4"),
        ({"some": 1}, r"some must be a list such as \[600\], not 1"),
        ({"some": "123"}, "some must be a list"),
        ({"word": "c"}, "word must be one of 'a', 'b', not 'c'"),
        ({"name": 3}, "name must be a text, not 3"),
        ({"on": 1}, "on must be true or false, not 1"),
        ({"inner": {"share": 1}}, "inner is a section, not the value {'share': 1}"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(InputError, match=message):
        Sample(**change)


@pytest.mark.parametrize("value", [0, 0.0, -0.0, 1.0000001, 2, math.inf, math.nan, np.float32("nan"), 10**400])
def test_the_ends_of_a_range(value):
    assert Inner(share=1).share == 1.0
    assert Inner(share=5e-324).share == 5e-324
    with pytest.raises(InputError, match=r"inner.share must be (a number )?in \(0, 1\], not"):
        Inner(share=value)


def test_a_field_with_another_default_keeps_its_range():
    @dataclass(frozen=True)
    class Other(Sample):
        whole: int = 5

    assert Other().whole == 5
    with pytest.raises(InputError, match="whole must be in 1 … 9"):
        Other(whole=10)
