"""How counterparts are trained, and which there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from bstdg.fields import BELOW_ONE, MANY, Range, check, require
from bstdg.lab.predecessors.binary import Activation
from bstdg.lab.predecessors.settings import POSITIVE
from bstdg.spikes.events import MAX_STEPS


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
        steps: read the input at so many steps, such as the recipe's own network does, in place of its finest (0).
    """

    title: str = "float32 network of the same structure, not spiking"
    epochs: Annotated[int, Range(1, MANY)] = 15
    batch: Annotated[int, Range(2, MANY)] = 128
    rate: Annotated[float, POSITIVE] = 0.003
    decay: Annotated[float, Range(0.0, 1e3)] = 0.02
    label_smoothing: Annotated[float, BELOW_ONE] = 0.05
    dropout: Annotated[float, BELOW_ONE] = 0.3
    steps: Annotated[int, Range(0, MAX_STEPS)] = 0

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


@dataclass(frozen=True)
class LogisticSettings:
    """Logistic regression, scikit-learn's, with a quadratic penalty.

    Attributes:
        title: one line for people.
        strengths: inverse strengths of the penalty, scikit-learn's C, of which the validation part chooses one.
        iterations: of the solver with each, at most.
        steps: as for the other counterparts.
    """

    title: str = "logistic regression on the same input"
    strengths: Annotated[tuple[float, ...], POSITIVE] = (0.001, 0.01, 0.1, 1.0, 10.0)
    iterations: Annotated[int, Range(1, MANY)] = 300
    steps: Annotated[int, Range(0, MAX_STEPS)] = 0

    def __post_init__(self) -> None:
        check(self)
        require(len(self.strengths) > 0, "strengths must be a list of at least one number, such as [0.1, 1.0]")


KINDS: dict[str, tuple[type[Settings], bool, Activation]] = {  # settings, binary weights, activation
    "ann": (Settings, False, "relu"),
    "bnn": (SignSettings, True, "sign"),
    "bnn-relu": (ReluSettings, True, "relu"),
}
