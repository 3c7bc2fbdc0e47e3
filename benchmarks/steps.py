"""A training step, of this project's networks and of others, as every benchmark of training takes it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from bstdg.learning.loss import Loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import LossConfig, TrainConfig
from bstdg.training import schedule

Reads = Callable[[torch.Tensor], torch.Tensor]


def ours(
    network: Network, steps_at: Reads, labels: torch.Tensor, batch: int, generator: torch.Generator
) -> Callable[[], object]:
    """A step of this project: `steps_at` gives the input of samples by their positions."""
    loss = Loss(LossConfig())
    optimizer = schedule.optimizer(network, loss, TrainConfig(weight_rate=0.01))

    def step():
        index = torch.randint(0, len(labels), (batch,), generator=generator)
        output = network(network.read(steps_at(index)))
        value = loss(output.potentials, output.threshold, labels[index], output.fired)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step


def theirs(network: nn.Module, scores_at: Reads, labels: torch.Tensor, batch: int) -> Callable[[], object]:
    """A step of another library's network: `scores_at` gives what it makes of samples by their positions."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)

    def step():
        index = torch.randint(0, len(labels), (batch,))
        value = F.cross_entropy(scores_at(index), labels[index])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step
