"""How counterparts are trained, and which there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from bstdg.fields import BELOW_ONE, MANY, Range, check
from bstdg.lab.predecessors.binary import Activation
from bstdg.lab.predecessors.settings import POSITIVE


@dataclass(frozen=True)
class Settings:
    """How a counterpart is trained: AdamW, its rate falling to 0 along a cosine; all else is in the recipe.

    Attributes:
        title: one line for people.
        epochs: passes over the training part.
        batch: samples a step of the optimiser.
        rate: learning rate.
        decay: weight decay.
        label_smoothing: share of the target spread over all classes.
        dropout: share of the hidden neurons of full layers dropped in training.
    """

    title: str = "float32 network of the same structure, not spiking"
    epochs: Annotated[int, Range(1, MANY)] = 15
    batch: Annotated[int, Range(2, MANY)] = 128
    rate: Annotated[float, POSITIVE] = 0.003
    decay: Annotated[float, Range(0.0, 1e3)] = 0.02
    label_smoothing: Annotated[float, BELOW_ONE] = 0.05
    dropout: Annotated[float, BELOW_ONE] = 0.3

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class SignSettings(Settings):
    """One-bit weights and one-bit hidden activations."""

    title: str = "binary network of the same structure, not spiking, sign activations"
    rate: Annotated[float, POSITIVE] = 0.01
    decay: Annotated[float, Range(0.0, 1e3)] = 0.0
    dropout: Annotated[float, BELOW_ONE] = 0.0


@dataclass(frozen=True)
class ReluSettings(SignSettings):
    """One-bit weights, real hidden activations."""

    title: str = "binary network of the same structure, not spiking, rectified activations"


KINDS: dict[str, tuple[type[Settings], bool, Activation]] = {  # settings, binary weights, activation
    "ann": (Settings, False, "relu"),
    "bnn": (SignSettings, True, "sign"),
    "bnn-relu": (ReluSettings, True, "relu"),
}
