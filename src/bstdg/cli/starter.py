"""A recipe to start from: every field with what it means, those that matter set, the others as comments."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
from typing import Any, get_type_hints

from bstdg.learning.recipe import Recipe

WIDTH = 110
FOR_IMAGES, FOR_EVENTS = ("distort", "teacher"), ("input", "events")
_NAMED = re.compile(r"(\w+): (.*)")


def text(recipe: Recipe, *, of_events: bool = False) -> str:
    """`recipe` as TOML that teaches: fields at their default are commented out, with what they mean above them.

    Reading the text gives `recipe` again.

    Args:
        recipe: what to write.
        of_events: its data are recordings of events; sections that are for images alone are left out, else the others.

    >>> from bstdg.learning.recipe import DataConfig
    >>> print(text(Recipe(title="Mine", data=DataConfig(name="mnist")))[:87])
    # A recipe: what is learnt, by which network, and how. Fields that begin with # keep th
    """
    parts = [_note(_OPENING, ""), f"title = {_value(recipe.title)}"]
    left_out = FOR_IMAGES if of_events else FOR_EVENTS
    for name, kind in get_type_hints(Recipe).items():
        if dataclasses.is_dataclass(kind) and name not in left_out:
            parts.append(_section(name, getattr(recipe, name)))
    return "\n\n".join(parts) + "\n"


_OPENING = (
    "A recipe: what is learnt, by which network, and how. Fields that begin with # keep the value shown. Train with  "
    "bstdg train FILE.toml ; any field can be overridden there: --set train.epochs=5"
)


def _section(name: str, values: Any) -> str:
    meanings = _meanings(type(values))
    lines = [_note(inspect.getdoc(type(values)) or "", "").partition("\n#\n")[0], f"[{name}]"]
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        mark = "# " if value == field.default else ""
        lines += [_note(meanings[field.name], ""), f"{mark}{field.name} = {_value(value)}"]
    return "\n".join(lines)


def _meanings(kind: type) -> dict[str, str]:
    """What the class's docstring says of each field, under "Attributes:"."""
    listed = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    meanings, name = {}, ""
    for line in textwrap.dedent(listed).splitlines():
        begins = None if line.startswith(" ") else _NAMED.match(line)
        if begins:
            name, meanings[begins[1]] = begins[1], begins[2]
        else:
            meanings[name] += " " + line.strip()
    return meanings


def _note(said: str, indent: str) -> str:
    """A text as comment lines."""
    paragraphs = [" ".join(part.split()) for part in said.split("\n\n")]
    wrapped = [textwrap.wrap(part, WIDTH, initial_indent=f"{indent}# ", subsequent_indent="# ") for part in paragraphs]
    return "\n#\n".join("\n".join(lines) for lines in wrapped)


def _value(value: Any) -> str:
    """As TOML writes it, which for these types is as JSON does."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
