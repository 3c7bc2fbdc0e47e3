"""`--set`: fields of a recipe, or settings of a baseline, given on the command line in place of what they were."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from bstdg.errors import InputError


def apply(
    values: Mapping[str, Any], overrides: Sequence[str], kind: type, renamed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Plain values with overrides in place, as `from_dict` then checks them; `values` stay as they are.

    An override is `section.field=value`, or `field=value` where `kind` has no sections or the field is in one alone.
    The value is written as in TOML; what is no TOML is a text.

    Args:
        values: of the fields of `kind`, sections as dictionaries.
        overrides: what is set, the last one of a field counts.
        kind: the frozen dataclass that the values are of; its fields that are dataclasses are its sections.
        renamed: former names of fields, in full or in short, and in full what they are now.

    Raises:
        InputError: an override is not of this form, or names no field.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Settings:
    ...     epochs: int = 1
    ...     loss: str = "first"
    >>> apply({"epochs": 2}, ["loss=last", "epochs=3"], Settings)
    {'epochs': 3, 'loss': 'last'}
    """
    sections = _sections(kind)
    changed = copy.deepcopy(dict(values))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            form = "section.field=value" if sections else "KEY=VALUE"
            raise InputError(f"--set takes {form}, not {override!r}")
        now = (renamed or {}).get(key.strip(), key.strip())
        *path, field = _full_key(now, kind, sections).split(".")
        place = changed
        for section in path:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InputError(f"--set {override!r}: {section!r} is no section")
        place[field] = _value(text)
    return changed


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # no TOML, or a number or nesting without end: the field's type refuses it
        return text.strip()


def _sections(kind: type) -> dict[str, set[str]]:
    """The fields of each field of `kind` that is a dataclass itself."""
    hints = get_type_hints(kind)
    inner = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {
        name: {field.name for field in dataclasses.fields(of)}
        for name, of in inner.items()
        if dataclasses.is_dataclass(of)
    }


def _full_key(key: str, kind: type, sections: Mapping[str, set[str]]) -> str:
    """`epochs` alone means `train.epochs`: a field's name suffices where only one section has it."""
    own = {field.name for field in dataclasses.fields(kind)}
    if "." in key or key in own:
        return key
    owners = [section for section, fields in sections.items() if key in fields]
    if len(owners) == 1:
        return f"{owners[0]}.{key}"
    if owners:
        raise InputError(f"--set {key}: say which of {', '.join(f'{owner}.{key}' for owner in owners)}")
    every = {name: name for name in own - sections.keys()}
    every |= {name: f"{section}.{name}" for section, fields in sections.items() for name in sorted(fields)}
    near = difflib.get_close_matches(key, sorted(every), n=1, cutoff=0.5)
    raise InputError(f"unknown key {key!r}" + (f"; did you mean {every[near[0]]!r}?" if near else ""))
