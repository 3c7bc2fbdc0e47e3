"""Which engine computes a layer in training, and what every such engine offers to `bstdg.rule`."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from bstdg.engine import dense, native_training, real
from bstdg.engine.dense import Source
from bstdg.errors import InputError


class TrainingEngine(Protocol):
    """One layer forward, and the two sums of the rule backward; see `bstdg.engine.dense` for what each is.

    `latent` are real weights `[neurons, channels]`, `decay` is 1 for the step kernel.
    """

    NAME: str

    def crossing(self, source: Source, latent: Tensor, threshold: Tensor, /) -> tuple[Tensor, Tensor, Tensor]: ...

    def potentials(self, source: Source, latent: Tensor, /) -> Tensor: ...

    def impulse_gradient(
        self, source: Source, latent: Tensor, reach: Tensor, local: Tensor, decay: float, /
    ) -> Tensor: ...

    def impulse_credit(
        self, below: Tensor, latent: Tensor, reach: Tensor, local: Tensor, num_steps: int, /
    ) -> Tensor: ...

    def potential_gradient(self, source: Source, latent: Tensor, gradient: Tensor, decay: float, /) -> Tensor: ...

    def potential_credit(self, below: Tensor, latent: Tensor, gradient: Tensor, /) -> Tensor: ...


def training_engine(name: str | None, latent: Tensor) -> TrainingEngine:
    """The engine called `name`; None means `native` for float32 weights on a CPU, and `dense` for all others.

    `real` is the dense one with weights as they are instead of their signs; `network.weights` asks for it.

    Raises:
        InputError: there is no such engine, or it does not compute with such weights.
    """
    fits = latent.device.type == "cpu" and latent.dtype == torch.float32
    if name is None:
        return cast(TrainingEngine, native_training if fits else dense)
    if name == "dense":
        return cast(TrainingEngine, dense)
    if name == "real":
        return cast(TrainingEngine, real)
    if name != "native":
        raise InputError(f"there is no training engine {name!r}; choose native or dense")
    if not fits:
        raise InputError(f"engine 'native' computes with float32 on a CPU, not {latent.dtype} on {latent.device}")
    return cast(TrainingEngine, native_training)
