"""Recipes as files: TOML in, checked dataclasses out, fields overridden from the command line.

What version 0.1 wrote, in recipes, checkpoints and models, is read as well: see `upgraded`.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bstdg import files
from bstdg.errors import FileFormatError, InputError
from bstdg.learning.choices import require_choice, short, suggest
from bstdg.learning.overrides import apply
from bstdg.learning.recipe import Recipe
from bstdg.spikes.whole import plain


def from_dict(kind: type, values: Mapping[str, Any], where: str = "") -> Any:
    """Fill the frozen dataclass `kind` from plain values, checking names and types.

    Raises:
        InputError: a key is unknown (the nearest known one is suggested), or a value has the wrong type or range.
    """
    hints = get_type_hints(kind)
    known = [f.name for f in dataclasses.fields(kind)]
    filled = {}
    for key, value in values.items():
        name = f"{where}.{key}" if where else key
        if key not in known:
            raise InputError(f"unknown key {name!r}{suggest(key, known, where)}")
        filled[key] = _convert(hints[key], value, name)
    return kind(**filled)


def _convert(kind: Any, value: Any, name: str) -> Any:
    value = plain(value)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise InputError(f"{name} is a section, not the value {short(value)}")
        return from_dict(kind, value, name)  # pyright: ignore[reportArgumentType]
    origin = get_origin(kind)
    if origin is Literal:
        require_choice(value, kind, name)
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{name} must be a list such as [600], not {short(value)}")
        return tuple(_convert(get_args(kind)[0], item, f"{name}[{i}]") for i, item in enumerate(value))
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), value, name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise InputError(f"{name} must be a number that a float holds") from None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{name} must be {_KIND_NAMES[kind]}, not {short(value)}")
    if kind is float and math.isnan(value):  # a NaN would pass every range check
        raise InputError(f"{name} must be a number, not {value!r}")
    return value


def _one_of(kinds: Sequence[Any], value: Any, name: str) -> Any:
    for kind in kinds:
        if type(value) is kind:
            return value
        if get_origin(kind) is dict and isinstance(value, Mapping):
            return {str(key): _convert(get_args(kind)[1], item, f"{name}.{key}") for key, item in value.items()}
        if get_origin(kind) is Literal and value in get_args(kind):
            return value
    raise InputError(f"{name} must be {' or '.join(map(_kind_name, kinds))}, not {short(value)}")


LIMIT = 1 << 20  # bytes of a recipe
_KIND_NAMES = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


def _kind_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    return "a table of numbers by name" if get_origin(kind) is dict else _KIND_NAMES[kind]


_RENAMED = {("network", "hidden"): ("network", "layers")}
_MOVED = {("data", "edges"): ("input", "edges"), ("network", "silent_below"): ("input", "silent_below")}
_FORMER = {f"{a}.{b}": f"{c}.{d}" for (a, b), (c, d) in {**_RENAMED, **_MOVED}.items()} | {"hidden": "network.layers"}


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe with fields of version 0.1 under the names that they have now.

    Raises:
        InputError: a field is there by both names.

    >>> upgraded({"network": {"hidden": [300]}, "data": {"edges": 2}})
    {'network': {'layers': [300]}, 'data': {}, 'input': {'edges': 2}}
    """
    new = {name: dict(part) if isinstance(part, Mapping) else part for name, part in values.items()}
    for (section, field), (to_section, to_field) in {**_RENAMED, **_MOVED}.items():
        part = new.get(section)
        if not isinstance(part, dict) or field not in part:
            continue
        value = part.pop(field)
        target = new.setdefault(to_section, {})
        if not isinstance(target, dict):
            raise InputError(f"{to_section} is a section, not the value {short(target)}")
        if not value and (section, field) in _MOVED:  # its default, which stood in every stored recipe
            continue
        if target.get(to_field):
            raise InputError(f"{section}.{field} is another name for {to_section}.{to_field}: give one of them")
        target[to_field] = value
    return new


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """A recipe of plain values, those of version 0.1 too; errors as for `from_dict`."""
    return from_dict(Recipe, upgraded(values))


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `section.field=value` overrides (values as TOML writes them; bare words are texts).

    Raises:
        InputError: the file is missing or no TOML, or a key or value is wrong.
    """
    path = Path(path)
    try:
        values = tomllib.loads(files.read(path, LIMIT, "any recipe").decode("utf-8-sig"))
    except FileFormatError as error:
        raise InputError(f"cannot read the recipe: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the recipe {path}: {getattr(error, 'strerror', None) or error}") from None
    except (ValueError, RecursionError) as error:  # TOML that does not parse, or a number or nesting without end
        raise InputError(f"{path} is no valid TOML: {error}") from None
    try:
        return from_dict(Recipe, apply(upgraded(values), overrides, Recipe, _FORMER))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
