"""What can be set of every predecessor, with the published values as defaults where there are any."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.learning.recipe_file import from_dict
from bstdg.spikes.whole import own_numbers


@dataclass(frozen=True)
class Settings:
    """What all of them have.

    Attributes:
        title: one line for people.
        epochs: passes over the training part.
        hidden: neurons of each hidden layer; all but BPTT have one.
        validation: share of the training set held out to choose the epoch.
        limit: train on at most this many samples (0: all), for quick trials.
    """

    deep: ClassVar[bool] = False  # whether there may be another number of hidden layers than one

    title: str = ""
    epochs: int = 10
    hidden: tuple[int, ...] = (600,)
    validation: float = 0.0834
    limit: int = 0

    def __post_init__(self) -> None:
        own_numbers(self)
        if self.epochs < 1:
            raise InputError(f"epochs must be 1 or more, not {self.epochs}")
        if any(width < 1 for width in self.hidden) or (len(self.hidden) != 1 and not self.deep):
            several = "layers" if self.deep else "one layer"
            raise InputError(f"hidden must be {several} of 1 or more neurons, such as [600], not {list(self.hidden)}")
        if not 0 < self.validation < 1:
            raise InputError(f"validation must be between 0 and 1, not {self.validation}")
        if self.limit < 0:
            raise InputError(f"limit must be 0 or more, not {self.limit}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


@dataclass(frozen=True)
class TemporalSettings(Settings):
    """S4NN and BS4NN, one image at a time.

    Attributes:
        threshold: of every neuron, before a scale divides it.
        gamma: steps by which other outputs should trail the first.
        rate: learning rate of the weights.
        greatest_hidden: weights into the hidden layer start uniform between 0 and this.
        greatest_output: the same for the output layer.
    """

    threshold: float = 100.0
    gamma: int = 1
    rate: float = 0.1
    greatest_hidden: float = 5.0
    greatest_output: float = 48.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gamma < 1:
            raise InputError(f"gamma must be 1 or more, not {self.gamma}")
        for name in ("threshold", "rate", "greatest_hidden", "greatest_output"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, not {getattr(self, name)}")

    def initial_weights(self, widths: tuple[int, int, int], generator: np.random.Generator) -> list[NDArray]:
        """Uniform, float32, `[inputs, hidden]` and `[hidden, classes]`."""
        below = self.greatest_hidden * generator.random(widths[:2], np.float32)
        return [below, self.greatest_output * generator.random(widths[1:], np.float32)]


@dataclass(frozen=True)
class BatchSettings(Settings):
    """What is trained by batches with Adam, its rate falling to 0 along a cosine.

    Attributes:
        batch: samples a step of the optimiser.
        rate: Adam's learning rate of the weights.
        label_smoothing: share of the target spread over all classes.
        shift: move each training image by up to this many pixels, at random, each time it is seen.
        shift_share: share of images that are moved.
    """

    epochs: int = 20
    batch: int = 256
    rate: float = 0.01
    label_smoothing: float = 0.0
    shift: int = 1
    shift_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch < 1:
            raise InputError(f"batch must be 1 or more, not {self.batch}")
        if self.shift < 0:
            raise InputError(f"shift must be 0 or more, not {self.shift}")
        if not self.rate > 0:
            raise InputError(f"rate must be positive, not {self.rate}")
        for name in ("label_smoothing", "shift_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be in [0, 1], not {getattr(self, name)}")


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S], values: Mapping[str, Any] | None) -> S:
    """The settings with `values` in place of defaults.

    Raises:
        InputError: a name is unknown, or a value has the wrong type or range.
    """
    return from_dict(kind, values or {})
