"""The optimiser, and how its rates and the rule's width change while training goes on.

All are functions of progress alone, so a resumed run needs no state.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from bstdg.engine import choose, native_training
from bstdg.learning.loss import Loss
from bstdg.learning.modules import LatentWeights
from bstdg.learning.network import Average, Network
from bstdg.learning.recipe import RuleConfig, TrainConfig


class LatentAdam(torch.optim.Adam):
    """Adam for a network: brings its latent weights back into their bounds, and takes them into their average.

    Parameters on a CPU in float32 are moved in one native pass. Its results are torch's, but for the rounding of the
    gradient's running mean, where torch fuses a multiplication and an addition, and so do not depend on the processor.

    Args:
        network: whose layers bound their weights.
        groups: of parameters, as torch takes them.
    """

    def __init__(self, network: Network, groups: list[dict[str, Any]]):
        super().__init__(groups, fused=True)  # fused: one pass over memory instead of ten
        self._network = network
        self._seen: dict[Tensor, tuple[tuple[int, ...], list[native_training.Flat]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_network": self._network, "_seen": {}}

    @torch.no_grad()
    def step(self, closure: Any = None, *, average: Average | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step; `average` is that of the network's parameters, which follows."""
        layers = list(self._network.layers)
        known = all(
            getattr(type(layer), "clip_latent_", None) in (None, LatentWeights.clip_latent_) for layer in layers
        )
        moved = [weight for group in self.param_groups for weight in group["params"]]
        if closure is not None or not known or not choose.native_computes(*moved):
            result = super().step(closure)
            self._network.clip_latent_()
            if average is not None:
                average.update()
            return result
        bounds = {layer.weight: layer.BOUND for layer in layers if isinstance(layer, LatentWeights)}
        share, means = (0.0, {}) if average is None else (average.advance(), dict(average.pairs()))
        for group in self.param_groups:
            numbers = {"rate": group["lr"], "epsilon": group["eps"], "share": share}
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight] or self._begin(weight)
                state["step"] += 1
                trailing = means.pop(weight, None)
                moved, mean, square = self._arrays(weight, state["exp_avg"], state["exp_avg_sq"])
                native_training.adam(
                    moved,
                    native_training.flat(weight.grad.contiguous()),
                    mean,
                    square,
                    None if trailing is None else native_training.flat(trailing),
                    betas=group["betas"],
                    steps=float(state["step"]),
                    bound=bounds.get(weight, math.inf),
                    **numbers,
                )
                # As torch does of what it moves: who holds a forward pass made before is told.
                increment_version(weight)
                if trailing is not None:
                    increment_version(trailing)
        for weight, mean in means.items():  # of which no gradient came
            mean.lerp_(weight, share)
        return None

    def _arrays(self, *tensors: Tensor) -> list[native_training.Flat]:
        """Their numbers, the first being a weight; looked up once, for that takes as long as a small layer's step."""
        places = tuple(tensor.data_ptr() for tensor in tensors)
        seen = self._seen.get(tensors[0])
        if seen is None or seen[0] != places:
            seen = self._seen[tensors[0]] = places, [native_training.flat(tensor) for tensor in tensors]
        return seen[1]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As torch's, without the ways that it takes for others."""
        if not set_to_none:
            super().zero_grad(False)
            return
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    def _begin(self, weight: Tensor) -> dict[str, Tensor]:
        self.state[weight] = {
            "step": torch.zeros((), dtype=torch.float32, device="cpu"),
            "exp_avg": torch.zeros_like(weight, memory_format=torch.contiguous_format),
            "exp_avg_sq": torch.zeros_like(weight, memory_format=torch.contiguous_format),
        }
        return self.state[weight]


def optimizer(network: Network, loss: Loss, config: TrainConfig) -> LatentAdam:
    """Adam, with a rate for weights, one for thresholds and one for the loss's soft threshold."""
    groups = {
        "weight_rate": network.latent(),
        "threshold_rate": network.thresholds(),
        "scale_rate": [loss.log_scale],
    }
    trained = {field: [p for p in group if p.requires_grad] for field, group in groups.items()}
    own = [{"params": p, "lr": getattr(config, field), "field": field} for field, p in trained.items() if p]
    adam = LatentAdam(network, own)
    set_start_rates(adam, config)
    return adam


def set_start_rates(adam: torch.optim.Optimizer, config: TrainConfig) -> None:
    """Give each group the rate that a recipe has for it, from which `set_rates` goes."""
    for group in adam.param_groups:
        group["start_rate"] = getattr(config, group["field"])


def set_rates(adam: torch.optim.Optimizer, done: float) -> None:
    """Give each group its rate when the share `done` of training is over: from its own to 0 along a cosine."""
    factor = cosine(done)
    for group in adam.param_groups:
        group["lr"] = group["start_rate"] * factor


def cosine(done: float) -> float:
    """What is left of a rate when the share `done` of training is over.

    >>> [round(cosine(done), 3) for done in (0.0, 0.25, 0.5, 1.0)]
    [1.0, 0.854, 0.5, 0.0]
    """
    return 0.5 * (1.0 + math.cos(math.pi * done))


def rule_at(rule: RuleConfig, done: float) -> RuleConfig:
    """The rule when the share `done` of training is over: its width on the way to the final one, in even steps.

    >>> rule_at(RuleConfig(width=20.0, final_width=10.0), 0.5).width
    15.0
    """
    if not rule.final_width:
        return rule
    return replace(rule, width=rule.width + (rule.final_width - rule.width) * done)
