"""Surrogate-gradient backpropagation through time on this project's own network.

Forward it is the same network: binary weights, integrate-and-fire neurons that fire at most once, T steps, and the
same steps and decisions as every engine gives. Backward, the recorded steps are gone through in reverse instead of
using spike timings. For t = 0 … T-1, with x_i(t) the input spikes and f_j(t) "has fired":

    V_j(t) = V_j(t-1) + sum over i of b_ij x_i(t)
    z_j(t) = H(V_j(t) - theta_j) (1 - f_j(t-1)),   f_j(t) = f_j(t-1) + z_j(t)
    V_k(t) = V_k(t-1) + sum over j of b_jk z_j(t)

The Heaviside step H gets the surrogate derivative psi(m) = max(0, 1 - |m| / width), the sensitivity of this project's
own rule; b is the sign of the latent weight, passed straight through where |w| <= 1. Loss, start of the thresholds and
optimiser are this project's own too, so that only the gradient differs.

Source: Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks", IEEE Signal Processing
Magazine 36(6), 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bstdg.inputs.latency import latency
from bstdg.lab.predecessors.base import Figures, RunSetup
from bstdg.lab.predecessors.batches import BatchRun
from bstdg.lab.predecessors.binary import sign
from bstdg.lab.predecessors.settings import BatchSettings
from bstdg.learning.loss import Loss
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network
from bstdg.learning.recipe import LossConfig, LossName, NetworkConfig, RuleConfig
from bstdg.learning.rule import psi
from bstdg.training.evaluation import evaluate

CALIBRATION = 1024  # training samples from which thresholds start


@dataclass(frozen=True)
class Settings(BatchSettings):
    """A recipe's fields, under the names they have there; weights learn at `rate`."""

    deep: ClassVar[bool] = True

    title: str = "the same network, surrogate-gradient BPTT"
    epochs: int = 18
    rate: float = 0.02
    label_smoothing: float = 0.03
    num_steps: int = 8
    width: float = 20.0
    threshold_rate: float = 0.1
    scale_rate: float = 0.01
    loss: LossName = "first_to_fire"
    latency_weight: float = 0.0
    spike_weight: float = 0.0

    def network_config(self) -> NetworkConfig:
        """The structure."""
        return NetworkConfig(layers=self.hidden, num_steps=self.num_steps)

    def loss_config(self) -> LossConfig:
        """What is asked of the output layer."""
        return LossConfig(
            self.loss,
            latency_weight=self.latency_weight,
            spike_weight=self.spike_weight,
            label_smoothing=self.label_smoothing,
        )


class Crossing(torch.autograd.Function):
    """H(m), 1 where a potential is at or above threshold; its derivative is taken to be psi(m)."""

    @staticmethod
    def forward(ctx, margin: Tensor, width: float) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(margin)
        ctx.width = width
        return (margin >= 0).to(margin.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (margin,) = ctx.saved_tensors
        return psi(margin, ctx.width) * gradient, None


class Unrolled(NamedTuple):
    """A forward pass over time: spikes of each hidden layer `[T, batch, neurons]`, and the output's potentials."""

    hidden: list[Tensor]
    potentials: Tensor  # [batch, T, classes]


def unroll(layers: Sequence[BinaryLinear], steps: Tensor, num_steps: int, width: float) -> Unrolled:
    """Run layers over input steps uint8 `[batch, inputs]`, recording everything for the way back."""
    spikes = [(steps == step).to(layers[0].weight.dtype) for step in range(num_steps)]
    hidden = []
    for layer in layers[:-1]:
        signs, potential, fired = sign(layer.weight), 0.0, 0.0
        below, spikes = spikes, []
        for arrived in below:
            potential = potential + arrived @ signs.t()
            spike = Crossing.apply(potential - layer.threshold, width) * (1.0 - fired)  # pyright: ignore
            fired = fired + spike
            spikes.append(spike)
        hidden.append(torch.stack(spikes))
    signs, potential, potentials = sign(layers[-1].weight), 0.0, []
    for arrived in spikes:
        potential = potential + arrived @ signs.t()
        potentials.append(potential)
    return Unrolled(hidden, torch.stack(potentials, 1))


class BpttRun(BatchRun):
    """The network in training."""

    def __init__(self, setup: RunSetup[Any]):
        self.recipe: Settings = setup.settings
        num_steps = self.recipe.num_steps
        steps = latency(setup.training.images, num_steps, white=setup.training.white)
        super().__init__(setup, steps, silent=num_steps)
        structure, rule = self.recipe.network_config(), RuleConfig(width=self.recipe.width)
        self.network = Network(steps.shape[1], self.classes, structure, rule, self.generator)
        self.network.calibrate(self.pixels[:CALIBRATION])
        self.criterion = Loss(self.recipe.loss_config())
        self._both = nn.ModuleList([self.network, self.criterion])

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of every layer, input first."""
        return self.network.widths

    @property
    def layers(self) -> list[BinaryLinear]:
        """Of the network, with their type."""
        return [layer for layer in self.network.layers if isinstance(layer, BinaryLinear)]

    @property
    def module(self) -> nn.Module:
        return self._both

    @property
    def groups(self) -> list[dict[str, Any]]:
        groups = [
            {"params": [layer.weight for layer in self.layers], "lr": self.recipe.rate},
            {"params": [layer.threshold for layer in self.layers], "lr": self.recipe.threshold_rate},
        ]
        if self.criterion.log_scale.requires_grad:
            groups.append({"params": [self.criterion.log_scale], "lr": self.recipe.scale_rate})
        return groups

    def loss(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """That of the recipe."""
        run = unroll(self.layers, pixels, self.recipe.num_steps, self.recipe.width)
        fired = [spikes.sum(0) for spikes in run.hidden]
        return self.criterion(run.potentials, self.layers[-1].threshold, labels, fired)

    def after_step(self) -> None:
        """Clip the latent weights."""
        self.network.clip_latent_()

    def figures(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Figures:
        """Of the deployed network."""
        num_steps = self.recipe.num_steps
        steps = latency(images, num_steps, white=self.white)
        return evaluate(self.network.deployed(), num_steps, steps, labels).figures()

    def deployed_bytes(self) -> int:
        """A bit a weight, 4 bytes a threshold."""
        weights = sum(layer.weight.numel() for layer in self.layers)
        return -(-weights // 8) + 4 * sum(layer.out_features for layer in self.layers)
