"""The optimiser, and how its rates and the rule's width change while training goes on.

All are functions of progress alone, so a resumed run needs no state.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from bstdg.learning.loss import Loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import RuleConfig, TrainConfig


def optimizer(network: Network, loss: Loss, config: TrainConfig) -> torch.optim.Adam:
    """Adam, with a rate for weights, one for thresholds and one for the loss's soft threshold."""
    groups = {
        "weight_rate": network.latent(),
        "threshold_rate": network.thresholds(),
        "scale_rate": [loss.log_scale],
    }
    trained = {field: [p for p in group if p.requires_grad] for field, group in groups.items()}
    own = [{"params": p, "lr": getattr(config, field), "field": field} for field, p in trained.items() if p]
    adam = torch.optim.Adam(own, fused=True)  # fused: one pass over memory instead of ten
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
