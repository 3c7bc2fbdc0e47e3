"""Running averages of latent weights and thresholds: of weights that flip to and fro, the side they are mostly on."""

from __future__ import annotations

import copy

import torch

from bstdg.learning.network import Network


class Average:
    """A network whose parameters trail those of another: a <- decay a + (1 - decay) w, once a step.

    While few steps are done the decay is the smaller (1 + n) / (10 + n), so that the start is soon forgotten.

    Args:
        network: whose parameters are averaged.
        decay: between 0 and 1.
    """

    def __init__(self, network: Network, decay: float):
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._of, self._decay = network, decay
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take one more step into the averages."""
        self.steps += 1
        share = 1.0 - min(self._decay, (1 + self.steps) / (10 + self.steps))
        for mean, parameter in zip(self.network.parameters(), self._of.parameters(), strict=True):
            mean.lerp_(parameter, share)
        for mine, measured in zip(self.network.buffers(), self._of.buffers(), strict=True):
            mine.copy_(measured)  # a running mean already
