"""Recipes as files: TOML in, checked dataclasses out, fields overridden from the command line.

What version 0.1 wrote, in recipes, checkpoints and models, is read as well: see `upgraded`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from bstdg import files
from bstdg.errors import FileFormatError, InputError
from bstdg.fields import short, suggest
from bstdg.learning.overrides import apply
from bstdg.learning.recipe import Recipe


def from_dict(kind: type, values: Mapping[str, Any], where: str = "") -> Any:
    """Fill the frozen dataclass `kind` from plain values, checking names; types and ranges it checks itself.

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
        section = dataclasses.is_dataclass(hints[key]) and isinstance(value, Mapping)
        filled[key] = from_dict(hints[key], value, name) if section else value
    return kind(**filled)


LIMIT = 1 << 20  # bytes of a recipe
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
    _teacher_upgraded(new.get("teacher"))
    return new


def _teacher_upgraded(teacher: Any) -> None:
    """Two convolutions of so many maps, and a layer of so many neurons, were what a teacher once could be."""
    if not isinstance(teacher, dict) or "structure" in teacher:
        return
    maps, neurons = teacher.pop("channels", None), teacher.pop("neurons", None)
    if maps is not None or neurons is not None:
        maps = maps if isinstance(maps, (list, tuple)) else (32, 64)
        teacher["structure"] = [*(f"{n}c3s2p1" for n in maps), 256 if neurons is None else neurons]


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """A recipe of plain values, those of version 0.1 too; errors as for `from_dict`."""
    return from_dict(Recipe, upgraded(values))


def read_toml(path: Path | str, what: str) -> dict[str, Any]:
    """The values of a TOML file that somebody wrote; `what` it is, for errors: "recipe".

    Raises:
        InputError: the file is missing, too large, or no TOML.
    """
    path = Path(path)
    try:
        return tomllib.loads(files.read(path, LIMIT, f"any {what}").decode("utf-8-sig"))  # some begin with a mark
    except FileFormatError as error:
        raise InputError(f"cannot read the {what}: {error}") from None
    except UnicodeDecodeError:
        raise InputError(f"cannot read the {what} {path}: it is no text in UTF-8; save it as such") from None
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # TOML that does not parse, or a number or nesting without end
        raise InputError(f"{path} is no valid TOML: {error}") from None


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `section.field=value` overrides (values as TOML writes them; bare words are texts).

    Raises:
        InputError: the file is missing or no TOML, or a key or value is wrong.
    """
    values = read_toml(path, "recipe")
    try:
        return from_dict(Recipe, apply(upgraded(values), overrides, Recipe, _FORMER))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
