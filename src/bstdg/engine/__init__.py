"""How steps are computed: `oracle` (NumPy, the reference), `dense` (torch, any device), `native` (C++, any CPU).

The engine is chosen here and nowhere else. Naming one that cannot run is an error that says how to get it; there is
no silent switch, and what ran is reported with every figure.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import cast

from bstdg.engine.base import Compiled, Engine, Interpreted, LayerBits, Trace
from bstdg.errors import InputError

__all__ = ["Compiled", "Engine", "LayerBits", "Trace", "compiled", "default_inference", "get", "names"]

_NEEDS = {"native": (), "oracle": (), "dense": ("torch",)}


def names() -> tuple[str, ...]:
    """Every engine this version knows.

    >>> names()
    ('native', 'oracle', 'dense')
    """
    return tuple(_NEEDS)


def default_inference() -> str:
    """The engine that runs deployed models unless one is named: the fast one that needs NumPy alone."""
    return "native"


def get(name: str) -> Engine:
    """The engine called `name`.

    Raises:
        InputError: there is no such engine, or what it needs is not installed.
    """
    if name == "real":  # of training alone: no model file has such weights, so it is not offered
        return cast(Engine, importlib.import_module("bstdg.engine.real"))
    if name not in _NEEDS:
        raise InputError(f"there is no engine {name!r}; choose one of {', '.join(_NEEDS)}")
    for package in _NEEDS[name]:
        if importlib.util.find_spec(package) is None:
            raise InputError(f"engine {name!r} needs the package {package}: pip install {package}")
    return cast(Engine, importlib.import_module(f"bstdg.engine.{name}"))


def compiled(name: str, layers: Sequence[LayerBits], num_steps: int) -> Compiled:
    """A deployed network ready to run with the engine called `name`; errors as for `get`."""
    engine = get(name)
    make = getattr(engine, "Compiled", None)
    return Interpreted(engine, layers, num_steps) if make is None else make(layers, num_steps)
