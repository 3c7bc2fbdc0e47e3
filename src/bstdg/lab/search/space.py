"""The space of a search: a TOML file that says, field by field of a recipe, which values are tried."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from bstdg.errors import InputError
from bstdg.fields import require, short, suggest
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import read_toml, recipe_of
from bstdg.whole import whole

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

KEYS = ("low", "high", "log", "step", "choices")
FORM = "{ low = 0.01, high = 0.1, log = true } or { choices = [4, 8, 16] }"
# What would have trials judged on other samples, or by another figure, so that they could not be compared.
JUDGES = {
    **dict.fromkeys(("name", "fold", "limit"), "trials would not be judged on the same samples"),
    **dict.fromkeys(
        ("validation", "validation_speakers", "validation_patients"), "it says on which samples trials are judged"
    ),
}
Scalar = str | int | float | bool


@dataclass(frozen=True)
class Dimension:
    """The values of one field.

    Attributes:
        field: its full name, such as "train.weight_rate".
        low, high: both ends, which are among the values; None where there are `choices`.
        log: drawn evenly in the logarithm.
        step: distance of two values from `low` on; None: 1 of whole numbers, any of others.
        choices: the values, in place of a range.
        integer: whether values are whole numbers.
    """

    field: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    integer: bool = False

    def __post_init__(self) -> None:
        name = self.field
        if self.choices:
            return
        assert self.low is not None and self.high is not None  # noqa: S101
        require(
            self.low <= self.high,
            f"{name}: low = {self.low} is above high = {self.high}: exchange them",
        )
        require(not self.log or self.low > 0, f"{name}: log = true needs low above 0, not {self.low}")
        require(self.step is None or self.step > 0, f"{name}: step must be above 0, not {self.step}")
        require(not self.log or self.step is None, f"{name}: log = true and step exclude each other: leave one out")

    def distribution(self) -> BaseDistribution:
        """As Optuna draws it."""
        from optuna import distributions as kinds

        if self.choices:
            return kinds.CategoricalDistribution([_label(value) for value in self.choices])
        if self.integer:
            assert self.low is not None and self.high is not None  # noqa: S101
            step = 1 if self.step is None else int(self.step)
            high = int(self.high) - (int(self.high) - int(self.low)) % step  # Optuna warns of an end that is no step
            return kinds.IntDistribution(int(self.low), high, self.log, step)
        assert self.low is not None and self.high is not None  # noqa: S101
        high = self.high
        if self.step is not None:
            high = min(high, self.low + self.step * int((high - self.low) / self.step + 1e-9))
        return kinds.FloatDistribution(self.low, high, self.log, self.step)

    def value(self, drawn: Scalar) -> Any:
        """What the field becomes, of what Optuna drew."""
        return next(value for value in self.choices if _label(value) == drawn) if self.choices else drawn

    def ends(self) -> tuple[Any, ...]:
        """The values that show whether a recipe can have all."""
        return self.choices or (self.low, self.high)


def _label(value: Any) -> Scalar:
    """A choice as a storage holds it: lists as their JSON."""
    return value if isinstance(value, (str, int, float, bool)) else json.dumps(value, default=str)


@dataclass(frozen=True)
class Space:
    """What a search draws from.

    Attributes:
        base: the recipe, whose other fields stay as they are.
        dimensions: the fields that are searched.
    """

    base: Recipe
    dimensions: tuple[Dimension, ...]

    def draw(self, trial: BaseTrial) -> dict[str, Any]:
        """A point, by full names of fields."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        point = {}
        for one in self.dimensions:
            kind = one.distribution()
            if isinstance(kind, CategoricalDistribution):
                drawn: Any = trial.suggest_categorical(one.field, kind.choices)
            elif isinstance(kind, IntDistribution):
                drawn = trial.suggest_int(one.field, kind.low, kind.high, step=kind.step, log=kind.log)
            else:
                assert isinstance(kind, FloatDistribution)  # noqa: S101
                drawn = trial.suggest_float(one.field, kind.low, kind.high, step=kind.step, log=kind.log)
            point[one.field] = one.value(drawn)
        return point

    def point(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """The point of what a storage holds, as far as it was drawn."""
        return {one.field: one.value(params[one.field]) for one in self.dimensions if one.field in params}

    def recipe(self, point: Mapping[str, Any]) -> Recipe:
        """The recipe with a point's values; errors as for `bstdg.learning.recipe_file.recipe_of`."""
        values = self.base.to_dict()
        for name, value in point.items():
            section, _, field = name.rpartition(".")
            (values[section] if section else values)[field] = value
        return recipe_of(values)

    def told(self) -> dict[str, Any]:
        """For comparison with another, in plain values."""
        return {
            one.field: {key: value for key, value in dataclasses.asdict(one).items() if key != "field" and value}
            for one in self.dimensions
        }


def load(path: Path | str, base: Recipe, *, prunes: bool = True) -> Space:
    """Read a space and hold every field and value in it to what a recipe can have.

    Args:
        path: the TOML file.
        base: the recipe whose fields are searched.
        prunes: whether trials are to be compared while they run.

    Raises:
        InputError: the file is missing or no TOML; a field is unknown (the nearest is named), or its values are none.
    """
    try:
        space = Space(base, tuple(_dimensions(read_toml(path, "space"))))
        _check(space, prunes)
    except InputError as error:
        said = str(error)
        raise InputError(said if str(path) in said else f"{path}: {said}") from None
    return space


def _dimensions(values: Mapping[str, Any]) -> Iterator[Dimension]:
    seen: set[str] = set()
    for key, spec in _flat(values):
        name = _full_name(key)
        require(name not in seen, f"{name} is there twice: leave one out")
        seen.add(name)
        yield _dimension(name, spec)
    require(
        bool(seen), f"the space names no field; a line of it is like  train.weight_rate = {FORM.partition(' or')[0]}"
    )


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields with their values: `train.batch = …` without quotes is a table within a table."""
    for key, value in values.items():
        if key in _sections() and isinstance(value, dict) and not value.keys() & {*KEYS}:
            yield from ((f"{key}.{inner}", spec) for inner, spec in value.items())
        else:
            yield key, value


@functools.cache
def _sections() -> dict[str, dict[str, Any]]:
    """The types of the fields of each section of a recipe."""
    kinds = {name: kind for name, kind in get_type_hints(Recipe).items() if dataclasses.is_dataclass(kind)}
    return {
        name: {field.name: get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}
        for name, kind in kinds.items()
    }


def _full_name(key: str) -> str:
    """A field's full name; the name alone suffices where only one section has it."""
    every = [f"{section}.{field}" for section, fields in _sections().items() for field in fields]
    if key in every:
        return key
    owned = [name for name in every if name.partition(".")[2] == key]
    if len(owned) == 1:
        return owned[0]
    if owned:
        raise InputError(f"{key!r} is in several sections: say which of {', '.join(owned)}")
    if "." in key:
        section, _, field = key.partition(".")
        near = suggest(field, list(_sections()[section]), section) if section in _sections() else suggest(key, every)
        raise InputError(f"no recipe has a field {short(key)}{near}")
    names = sorted({name.partition(".")[2] for name in every})
    near = suggest(key, names)
    if near.startswith("; did"):
        guess = near.split("'")[1]
        near = f"; did you mean {next(name for name in every if name.partition('.')[2] == guess)!r}?"
    raise InputError(f"no recipe has a field {short(key)}{near}")


def _dimension(name: str, spec: Any) -> Dimension:
    require(isinstance(spec, dict), f"{name} must be {FORM}, not {short(spec)}")
    for key in spec:
        require(key in KEYS, f"{name} has an unknown key {short(key)}{suggest(key, KEYS)}")
    if "choices" in spec:
        alone = len(spec) == 1
        require(alone, f"{name}: choices stand alone, without {', '.join(key for key in spec if key != 'choices')}")
        choices = spec["choices"]
        require(
            isinstance(choices, list) and len(choices) > 0, f"{name}: choices is a list of values, not {short(choices)}"
        )
        plain = all(isinstance(value, (str, int, float, bool, list)) for value in choices)
        require(plain, f"{name}: choices are numbers, texts, true or false, or lists, not {short(choices)}")
        require(len({repr(value) for value in choices}) == len(choices), f"{name}: a choice is there twice")
        return Dimension(name, choices=tuple(choices))
    section, _, field = name.partition(".")
    kind = _sections()[section][field]
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    require(kind in (int, float), f"{name} is no number: give {{ choices = [...] }} for it")
    missing = [key for key in ("low", "high") if key not in spec]
    require(not missing, f"{name} lacks {' and '.join(missing)}: give {FORM}")
    require(
        isinstance(spec.get("log", False), bool), f"{name}: log must be true or false, not {short(spec.get('log'))}"
    )
    given = [key for key in ("low", "high", "step") if key in spec]
    numbers: dict[str, Any] = {key: _number(f"{name}: {key}", spec[key], kind) for key in given}
    return Dimension(name, **numbers, log=spec.get("log", False), integer=kind is int)


def _number(what: str, value: Any, kind: type) -> float:
    if kind is int:
        found = whole(value)
        require(found is not None, f"{what} must be a whole number, as the field is, not {short(value)}")
        return found or 0
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")
    require(good, f"{what} must be a number, not {short(value)}")
    return float(value)


def _check(space: Space, prunes: bool) -> None:
    """Hold each value to the range of its field, and refuse fields that decide how trials are judged."""
    for one in space.dimensions:
        section, _, field = one.field.partition(".")
        if section == "data" and field in JUDGES:
            raise InputError(f"{one.field} cannot be searched: {JUDGES[field]}")
        if one.field == "train.choose":
            raise InputError("train.choose cannot be searched: it says by which figure trials are judged")
        if one.field == "train.class_weight" and space.base.train.choose == "accuracy":
            raise InputError(
                "train.class_weight cannot be searched by accuracy, which it changes: --set train.choose=macro_f1"
            )
        if one.field == "train.epochs" and prunes:
            raise InputError(
                "train.epochs cannot be searched while trials are pruned, which compares them at the same epoch: "
                "leave it out, or add --no-pruning"
            )
        for value in one.ends():
            space.recipe({one.field: value})
