"""The plain binary network of the same structure: one-bit weights, no time, no spikes.

Every weight is the sign of a latent weight in [-1, 1], trained with the straight-through estimator; the latent weights
are clipped after each step. The hidden layer is normalised over the batch while training, and then either

- `sign`: binarized to -1 or +1. Deployed, the normalisation folds into one threshold a neuron, so this network has
  just the parameters of a binarized spiking one: a bit a synapse, a threshold a neuron, a bit a hidden activation.
- `relu`: rectified. The normalisation folds into a scale and an offset a neuron, and hidden activations are real: more
  than a spiking neuron of one bit can say, so it bounds what one-bit weights reach.

Pixels enter as real numbers 0 … 1, all at once. The output is a sum with a scale for all classes and an offset each.

Source: Hubara, Courbariaux, Soudry, El-Yaniv and Bengio, "Binarized neural networks", NIPS 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bstdg.errors import InputError
from bstdg.lab.predecessors.base import Figures, RunSetup
from bstdg.lab.predecessors.batches import BatchRun, dense_operations, figures_of_scores, flat
from bstdg.lab.predecessors.settings import BatchSettings
from bstdg.learning.modules import PLAIN

Activation = Literal["sign", "relu"]


@dataclass(frozen=True)
class SignSettings(BatchSettings):
    """One-bit weights and one-bit hidden activations.

    Attributes:
        dropout: share of hidden activations silenced while training.
        activation: "sign" or "relu".
    """

    title: str = "binary network, not spiking, sign activations"
    dropout: float = 0.0
    activation: Activation = "sign"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {self.dropout}")


@dataclass(frozen=True)
class ReluSettings(SignSettings):
    """One-bit weights, real hidden activations."""

    title: str = "binary network, not spiking, rectified activations"
    activation: Activation = "relu"


class Sign(torch.autograd.Function):
    """+1 where x >= 0, else -1; backward, the gradient passes where |x| <= 1 (the straight-through estimator)."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1.0)


def sign(x: Tensor) -> Tensor:
    """See `Sign`."""
    return Sign.apply(x)  # pyright: ignore[reportReturnType]


class BinaryNetwork(nn.Module):
    """Pixels `[batch, inputs]` in 0 … 1 to scores `[batch, classes]`."""

    def __init__(self, widths: Sequence[int], activation: Activation, generator: torch.Generator):
        super().__init__()
        inputs, hidden, classes = widths
        self.activation = activation
        self.below = nn.Parameter(torch.empty(hidden, inputs, **PLAIN).uniform_(-0.3, 0.3, generator=generator))
        self.above = nn.Parameter(torch.empty(classes, hidden, **PLAIN).uniform_(-0.3, 0.3, generator=generator))
        self.norm = nn.BatchNorm1d(hidden, **PLAIN)
        self.log_scale = nn.Parameter(torch.tensor(-0.5 * np.log(hidden), **PLAIN))
        self.offset = nn.Parameter(torch.zeros(classes, **PLAIN))

    def hidden(self, pixels: Tensor) -> Tensor:
        """Activations of the hidden layer."""
        normal = self.norm(F.linear(pixels, sign(self.below)))
        return sign(normal) if self.activation == "sign" else normal.relu()

    def scores(self, hidden: Tensor) -> Tensor:
        """Of the classes, from hidden activations."""
        return F.linear(hidden, sign(self.above)) * self.log_scale.exp() + self.offset

    def forward(self, pixels: Tensor) -> Tensor:
        return self.scores(self.hidden(pixels))


class BinaryRun(BatchRun):
    """The network in training."""

    def __init__(self, setup: RunSetup[Any]):
        super().__init__(setup, flat(setup.training.images), silent=0)
        self.widths = (self.pixels.shape[1], *self.settings.hidden, self.classes)
        self.network = BinaryNetwork(self.widths, setup.settings.activation, self.generator)
        self.dropout: float = setup.settings.dropout

    @property
    def module(self) -> nn.Module:
        return self.network

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Latent weights at the settings' rate, the few real parameters at the same."""
        return [{"params": list(self.network.parameters()), "lr": self.settings.rate}]

    def loss(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy."""
        hidden = self.network.hidden(pixels.float() / self.white)
        if self.dropout:
            kept = torch.rand(hidden.shape, generator=self.generator, **PLAIN) >= self.dropout
            hidden = hidden * kept / (1.0 - self.dropout)
        return F.cross_entropy(self.network.scores(hidden), labels, label_smoothing=self.settings.label_smoothing)

    @torch.no_grad()
    def after_step(self) -> None:
        """Clip the latent weights."""
        self.network.below.clamp_(-1.0, 1.0)
        self.network.above.clamp_(-1.0, 1.0)

    @torch.no_grad()
    def figures(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Figures:
        """An addition a synapse."""
        self.network.eval()
        parts = torch.from_numpy(flat(images)).split(1000)
        scores = torch.cat([self.network(part.float() / self.white) for part in parts]).numpy()
        return figures_of_scores(scores, labels, dense_operations(self.widths))

    def deployed_bytes(self) -> int:
        """A bit a weight; 4 bytes a hidden threshold (with rectified units a scale and an offset) and an offset."""
        inputs, hidden, classes = self.widths
        bits = inputs * hidden + hidden * classes
        each = 1 if self.network.activation == "sign" else 2
        return -(-bits // 8) + 4 * (each * hidden + classes + 1)
