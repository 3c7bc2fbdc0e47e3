"""The spike-timing-dependent gradient: the times of pre- and postsynaptic spikes stand in for the gradient of a spike.

A layer is judged by one impulse a neuron, at the step e_j where it fired or came closest to firing:

    d_j      = psi(m_j) g_j                   psi(m) = max(0, 1 - |m| / width), m_j the margin at e_j
    dL/dw_ij = d_j [s_i <= e_j]               passed straight through the sign, where |w| <= 1
    dL/dtheta_j = -d_j
    g_i      = sum over j of b_ij d_j [e_i <= e_j]      what the layer below is told

The output layer keeps its potentials over time, and the same two sums run over dL/dV_k(t) instead of the impulse.
Nothing else is remembered, so there is no backpropagation through time. `bstdg.engine.oracle` writes the same rule
in NumPy.

What carries the gradient between layers is `fired` (0 or 1, a real tensor): its gradient g_j is "what one more spike
of neuron j, from e_j on, would change in the loss". So any loss may also be written on `fired` itself, a weight on
the number of spikes for instance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bstdg.engine import choose
from bstdg.layers.convolution import Convolution
from bstdg.learning.recipe import RuleConfig
from bstdg.spikes.events import Events, never
from bstdg.spikes.source import EventSource, Source, StepSource


class Spikes(NamedTuple):
    """The spikes of a layer or of the input.

    Attributes:
        source: the events, step by step, as the next layer reads them.
        steps: uint8 `[batch, neurons]`, T where a neuron never fired; None for events, which have several.
        reach: uint8 `[batch, neurons]`, the step e_j at which a neuron is judged; None for the input.
        fired: 1 where a neuron fired, else 0, `[batch, neurons]`; carries the gradient. None for the input.
        margin: m_j at that step, `[batch, neurons]`, for layers that ask who came closest; None for the input.
    """

    source: Source
    steps: Tensor | None = None
    reach: Tensor | None = None
    fired: Tensor | None = None
    margin: Tensor | None = None

    @classmethod
    def of_input(cls, spikes: Tensor | Events, num_steps: int, device: torch.device | str | None = None) -> Spikes:
        """Input steps (uint8 `[batch, features]`) or `Events` as a network reads them."""
        never(num_steps)
        if isinstance(spikes, Events):
            return cls(EventSource(spikes, device))
        return cls(StepSource(spikes, num_steps), steps=spikes)

    @property
    def num_steps(self) -> int:
        """T, which as a step means "never fired"."""
        return self.source.num_steps


class SpikeTimingGradient(torch.autograd.Function):
    """One layer of binary weights: potentials forward, the spike-timing-dependent gradient backward.

    `spiking` layers return `(fired, steps, reach, margin)`; others return their potentials `[batch, T, neurons]`.
    Weights are `[neurons, channels]`, or those of a `convolution`; `threshold` has one a neuron or map, or one for all.
    """

    @staticmethod
    def forward(
        ctx,
        fired_below,
        weight,
        threshold,
        below: Spikes,
        rule: RuleConfig,
        spiking: bool,
        engine: str | None,
        convolution: Convolution | None = None,
    ):
        ctx.below, ctx.rule, ctx.spiking = below._replace(fired=None, margin=None), rule, spiking
        ctx.engine, ctx.convolution = choose.training(engine, weight), convolution
        # Mixed precision would round potentials, which are exact integers.
        with torch.autocast(weight.device.type, enabled=False):
            if not spiking:
                ctx.save_for_backward(weight)
                return ctx.engine.potentials(below.source, weight, convolution)
            steps, reach, margin = ctx.engine.crossing(below.source, weight, threshold, convolution)
        ctx.save_for_backward(weight, reach, margin)
        ctx.threshold_shape = threshold.shape
        ctx.mark_non_differentiable(steps, reach, margin)
        return (steps != below.num_steps).to(weight.dtype), steps, reach, margin

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, *_):  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, *judged = ctx.saved_tensors
        engine, below, convolution = ctx.engine, ctx.below, ctx.convolution
        needs_below, needs_weight, needs_threshold = ctx.needs_input_grad[:3]
        decay = math.exp(-1.0 / ctx.rule.tau) if ctx.rule.kernel == "exponential" else 1.0
        blind = ctx.rule.kernel == "none"  # judged at the last step, a neuron credits every spike there was
        below_gradient = weight_gradient = threshold_gradient = None
        with torch.autocast(weight.device.type, enabled=False):
            if ctx.spiking:
                reach, margin = judged
                local = psi(margin, ctx.rule.width).mul_(gradient)
                if needs_threshold:
                    threshold_gradient = -local.sum(0)
                    if convolution is not None:
                        threshold_gradient = threshold_gradient.view(convolution.maps, -1).sum(1)
                    if threshold_gradient.shape != ctx.threshold_shape:  # one threshold for the whole layer
                        threshold_gradient = threshold_gradient.sum().reshape(ctx.threshold_shape)
                if needs_weight:
                    judged_at = torch.full_like(reach, below.num_steps - 1) if blind else reach
                    weight_gradient = engine.impulse_gradient(
                        below.source, weight, judged_at, local, decay, convolution
                    )
                if needs_below:
                    below_gradient = engine.impulse_credit(
                        below.reach, weight, reach, local, below.num_steps, convolution
                    )
            else:
                if needs_weight:
                    told = _at_the_end(gradient) if blind else gradient
                    weight_gradient = engine.potential_gradient(below.source, weight, told, decay, convolution)
                if needs_below:
                    below_gradient = engine.potential_credit(below.reach, weight, gradient, convolution)
        return below_gradient, weight_gradient, threshold_gradient, None, None, None, None, None


def _at_the_end(gradient: Tensor) -> Tensor:
    """All of dL/dV_k(t) `[batch, T, neurons]` moved to the last step, which every spike precedes."""
    moved = torch.zeros_like(gradient)
    moved[:, -1] = gradient.sum(1)
    return moved


def psi(margin: Tensor, width: float) -> Tensor:
    """How much a neuron answers for having fired or not: 1 at margin 0, falling to 0 at `width` on either side."""
    return margin.abs().div_(-width).add_(1.0).clamp_(min=0.0)
