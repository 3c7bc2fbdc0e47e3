"""Binarized single-spike neural networks, trained with a spike-timing-dependent gradient.

Names are loaded when first used: importing the package loads neither torch nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "BSTDGClassifier": "bstdg.estimator",
    "BinaryLinear": "bstdg.layers",
    "BstdgError": "bstdg.errors",
    "BstdgWarning": "bstdg.errors",
    "Events": "bstdg.encode",
    "InputError": "bstdg.errors",
    "Network": "bstdg.network",
    "ToFirstSpike": "bstdg.sensor",
    "bin_events": "bstdg.encode",
    "join_events": "bstdg.sensor",
    "latency": "bstdg.encode",
    "load": "bstdg.runtime",
    "load_recipe": "bstdg.config",
    "spikes_to_events": "bstdg.convert",
    "spikes_to_steps": "bstdg.convert",
    "steps_to_spikes": "bstdg.convert",
}
__all__ = ["__version__", *_HOME]  # noqa: PLE0604  (they are strings)

if TYPE_CHECKING:
    from bstdg.config import load_recipe as load_recipe
    from bstdg.convert import spikes_to_events as spikes_to_events
    from bstdg.convert import spikes_to_steps as spikes_to_steps
    from bstdg.convert import steps_to_spikes as steps_to_spikes
    from bstdg.encode import Events as Events
    from bstdg.encode import bin_events as bin_events
    from bstdg.encode import latency as latency
    from bstdg.errors import BstdgError as BstdgError
    from bstdg.errors import BstdgWarning as BstdgWarning
    from bstdg.errors import InputError as InputError
    from bstdg.estimator import BSTDGClassifier as BSTDGClassifier
    from bstdg.layers import BinaryLinear as BinaryLinear
    from bstdg.network import Network as Network
    from bstdg.runtime import load as load
    from bstdg.sensor import ToFirstSpike as ToFirstSpike
    from bstdg.sensor import join_events as join_events


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'bstdg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
