"""What can be set of every predecessor, with the published values as defaults where there are any."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.fields import INSIDE, MANY, SHARE, Range, check
from bstdg.learning.recipe import Choice
from bstdg.learning.recipe_file import from_dict
from bstdg.spikes.events import MAX_CHANNELS

POSITIVE = Range(1e-9, 1e6)
ANY = Range(-1e6, 1e6)


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
        rate: learning rate of the weights into the hidden layer.
        output_rate: the same for the output layer.
        schedule: the rates of all that is learnt are "constant", as published, or fall in a line to 0 ("linear").
        order: images come in the order of the training part ("fixed"), in a new one each epoch ("shuffled"), or are
            drawn with replacement ("drawn").
        least_hidden, greatest_hidden: weights into the hidden layer start uniform between these.
        least_output, greatest_output: the same for the output layer.
    """

    threshold: Annotated[float, POSITIVE] = 100.0
    gamma: Annotated[int, Range(1, 256)] = 1
    rate: Annotated[float, POSITIVE] = 0.1
    output_rate: Annotated[float, POSITIVE] = 0.1
    schedule: Literal["constant", "linear"] = "linear"
    order: Literal["fixed", "shuffled", "drawn"] = "shuffled"
    least_hidden: Annotated[float, ANY] = 0.0
    greatest_hidden: Annotated[float, ANY] = 5.0
    least_output: Annotated[float, ANY] = 0.0
    greatest_output: Annotated[float, ANY] = 48.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for layer in ("hidden", "output"):
            least, greatest = getattr(self, f"least_{layer}"), getattr(self, f"greatest_{layer}")
            if least > greatest:
                raise InputError(f"least_{layer} must be at most greatest_{layer} ({greatest:g}), not {least:g}")

    def rates(self, share: float) -> tuple[float, float]:
        """Learning rates of the weights into the hidden and the output layer, when so much of them is left."""
        return share * self.rate, share * self.output_rate

    def new_hidden(self, shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float32]:
        """Weights into hidden neurons as they start, `[inputs, neurons]`."""
        return _uniform(self.least_hidden, self.greatest_hidden, shape, generator)

    def initial_weights(self, widths: tuple[int, int, int], generator: np.random.Generator) -> list[NDArray]:
        """Uniform, float32, `[inputs, hidden]` and `[hidden, classes]`."""
        below = self.new_hidden(widths[:2], generator)
        return [below, _uniform(self.least_output, self.greatest_output, widths[1:], generator)]


def _uniform(
    least: float, greatest: float, shape: tuple[int, int], generator: np.random.Generator
) -> NDArray[np.float32]:
    return np.float32(least) + np.float32(greatest - least) * generator.random(shape, np.float32)


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
