"""A plain float32 network of the same shape: what is lost by one-bit weights and single spikes is measured from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from bstdg.lab.predecessors.base import Figures, RunSetup
from bstdg.lab.predecessors.batches import BatchRun, dense_operations, figures_of_scores, flat
from bstdg.lab.predecessors.settings import BatchSettings
from bstdg.learning.modules import PLAIN


@dataclass(frozen=True)
class Settings(BatchSettings):
    """A hidden layer of rectified linear units, dropout after it, cross-entropy.

    Attributes:
        dropout: share of hidden units silenced while training.
    """

    title: str = "float32 network, rectified linear units"
    rate: float = 0.001
    dropout: float = 0.2


class MlpRun(BatchRun):
    """The network in training."""

    def __init__(self, setup: RunSetup[Any]):
        super().__init__(setup, flat(setup.training.images), silent=0)
        self.widths = (self.pixels.shape[1], *self.settings.hidden, self.classes)
        inputs, hidden, classes = self.widths
        with torch.random.fork_rng([]):  # layers draw from the global generator
            torch.manual_seed(setup.seed)
            self.network = nn.Sequential(
                nn.Linear(inputs, hidden, **PLAIN), nn.ReLU(), nn.Linear(hidden, classes, **PLAIN)
            )
        self.dropout: float = setup.settings.dropout

    @property
    def module(self) -> nn.Module:
        return self.network

    @property
    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.network.parameters()), "lr": self.settings.rate}]

    def loss(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy."""
        hidden = self.network[1](self.network[0](pixels.float() / self.white))
        kept = torch.rand(hidden.shape, generator=self.generator, **PLAIN) >= self.dropout
        scores = self.network[2](hidden * kept / (1.0 - self.dropout))
        return F.cross_entropy(scores, labels, label_smoothing=self.settings.label_smoothing)

    @torch.no_grad()
    def figures(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Figures:
        """A multiply-accumulate a synapse."""
        parts = torch.from_numpy(flat(images)).split(1000)
        scores = torch.cat([self.network(part.float() / self.white) for part in parts]).numpy()
        return figures_of_scores(scores, labels, dense_operations(self.widths))

    def deployed_bytes(self) -> int:
        """4 bytes a weight and a bias."""
        return 4 * sum(parameter.numel() for parameter in self.network.parameters())
