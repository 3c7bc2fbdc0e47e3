"""What can be set of every predecessor, with the published values as defaults where there are any."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.fields import INSIDE, MANY, SHARE, Range, check
from bstdg.learning.recipe import Choice
from bstdg.learning.recipe_file import from_dict
from bstdg.spikes.events import MAX_CHANNELS

POSITIVE = Range(1e-9, 1e6)


@dataclass(frozen=True)
class Settings:
    """What all of them have.

    Attributes:
        title: one line for people.
        epochs: passes over the training part.
        hidden: neurons of each hidden layer; all but BPTT have one.
        validation: share of the training set held out to choose the epoch.
        limit: train on at most this many samples (0: all), for quick trials.
        fold: of data sets with folds, which of them is the test part, counted from 1; 0: the published split.
        choose: what the epoch is chosen by: validation "accuracy", or "macro_f1".
    """

    deep: ClassVar[bool] = False  # whether there may be another number of hidden layers than one

    title: str = ""
    epochs: Annotated[int, Range(1, MANY)] = 10
    hidden: Annotated[tuple[int, ...], Range(1, MAX_CHANNELS)] = (600,)
    validation: Annotated[float, INSIDE] = 0.0834
    limit: Annotated[int, Range(0, MANY)] = 0
    fold: Annotated[int, Range(0, 5)] = 0
    choose: Choice = "accuracy"

    def __post_init__(self) -> None:
        check(self)
        if len(self.hidden) != 1 and not self.deep:
            raise InputError(f"hidden must be one layer of 1 or more neurons, such as [600], not {list(self.hidden)}")

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

    threshold: Annotated[float, POSITIVE] = 100.0
    gamma: Annotated[int, Range(1, 256)] = 1
    rate: Annotated[float, POSITIVE] = 0.1
    greatest_hidden: Annotated[float, POSITIVE] = 5.0
    greatest_output: Annotated[float, POSITIVE] = 48.0

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
    batch: Annotated[int, Range(1, MANY)] = 256
    rate: Annotated[float, POSITIVE] = 0.01
    label_smoothing: Annotated[float, SHARE] = 0.0
    shift: Annotated[int, Range(0, 4096)] = 1
    shift_share: Annotated[float, SHARE] = 0.5


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S], values: Mapping[str, Any] | None) -> S:
    """The settings with `values` in place of defaults.

    Raises:
        InputError: a name is unknown, or a value has the wrong type or range.
    """
    return from_dict(kind, values or {})
