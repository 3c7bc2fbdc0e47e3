"""Binarized single-spike neural networks, trained with a spike-timing-dependent gradient.

Names are loaded when first used: importing the package loads neither torch nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {  # held equal to what type checkers read below by tests/test_house.py
    "BSTDGClassifier": "bstdg.classifier.estimator",
    "BinaryLinear": "bstdg.learning.modules",
    "BstdgError": "bstdg.errors",
    "BstdgWarning": "bstdg.errors",
    "Events": "bstdg.spikes.events",
    "InputError": "bstdg.errors",
    "Network": "bstdg.learning.network",
    "ToFirstSpike": "bstdg.spikes.sensor",
    "bin_events": "bstdg.spikes.events",
    "join_events": "bstdg.spikes.sensor",
    "latency": "bstdg.inputs.latency",
    "load": "bstdg.model.runtime",
    "load_recipe": "bstdg.learning.recipe_file",
    "spikes_to_events": "bstdg.spikes.trains",
    "spikes_to_steps": "bstdg.spikes.trains",
    "steps_to_spikes": "bstdg.spikes.trains",
}
__all__ = ["__version__", *_HOME]  # noqa: PLE0604  (they are strings)

if TYPE_CHECKING:
    from bstdg.classifier.estimator import BSTDGClassifier as BSTDGClassifier
    from bstdg.errors import BstdgError as BstdgError
    from bstdg.errors import BstdgWarning as BstdgWarning
    from bstdg.errors import InputError as InputError
    from bstdg.inputs.latency import latency as latency
    from bstdg.learning.modules import BinaryLinear as BinaryLinear
    from bstdg.learning.network import Network as Network
    from bstdg.learning.recipe_file import load_recipe as load_recipe
    from bstdg.model.runtime import load as load
    from bstdg.spikes.events import Events as Events
    from bstdg.spikes.events import bin_events as bin_events
    from bstdg.spikes.sensor import ToFirstSpike as ToFirstSpike
    from bstdg.spikes.sensor import join_events as join_events
    from bstdg.spikes.trains import spikes_to_events as spikes_to_events
    from bstdg.spikes.trains import spikes_to_steps as spikes_to_steps
    from bstdg.spikes.trains import steps_to_spikes as steps_to_spikes


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'bstdg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
