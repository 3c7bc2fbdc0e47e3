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

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from bstdg.engine import choose, native_training
from bstdg.errors import InputError, TrainingError
from bstdg.layers.convolution import Convolution
from bstdg.learning.functions import PlainFunction, gradient, refuse_to_be_traced, unrounded
from bstdg.learning.recipe import RuleConfig
from bstdg.spikes.events import Events, never
from bstdg.spikes.source import EventSource, Source, StepSource, shares_memory


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
        """Input steps (uint8 `[batch, features]`, T for never) or `Events` as a network reads them.

        Torch notices who writes into a tensor before the backward pass. Of `Events`, and of tensors that share the
        memory of a NumPy array, a copy is read: NumPy does not count changes.

        Raises:
            InputError: the steps are of another type or shape, or the events have another T.
        """
        refuse_to_be_traced()
        num_steps = never(num_steps)
        if isinstance(spikes, Events):
            if spikes.num_steps != num_steps:
                raise InputError(f"the network runs {num_steps} steps, the events {spikes.num_steps}")
            return cls(EventSource(spikes, device))
        if not isinstance(spikes, Tensor):
            raise InputError(
                f"input is steps (a uint8 tensor) or Events, not {type(spikes).__name__}; torch.from_numpy makes "
                "tensors of arrays"
            )
        if spikes.dtype != torch.uint8 or spikes.ndim != 2:
            raise InputError(
                f"a network reads steps, uint8 [batch, features], not {spikes.dtype} {list(spikes.shape)}; "
                "bstdg.latency makes them of images, bstdg.spikes_to_steps of spike trains"
            )
        shared = not spikes.is_inference() and shares_memory(spikes)
        return cls(StepSource(spikes, num_steps, shared=shared), steps=spikes)

    def read_by(self, channels: int, device: torch.device) -> None:
        """Raise `InputError` unless a layer of so many channels on that device can read these spikes."""
        if self.source.width != channels:
            raise InputError(f"the layer reads {channels} channels, but {self.source.width} come in")
        if self.source.device.type != device.type:
            raise InputError(f"the layer is on {device}, its input on {self.source.device}: move one with .to(...)")
        if device.type == "meta":
            raise InputError(
                "the layer is on the meta device, which holds no numbers: .to_empty(device=...) gives it some"
            )
        if self.fired is not None and self.reach is None:
            raise InputError("spikes that carry a gradient (`fired`) need `reach`, the steps at which they are judged")

    def __deepcopy__(self, memo: dict[int, Any]) -> Spikes:
        return apart(self, memo)

    @property
    def num_steps(self) -> int:
        """T, which as a step means "never fired"."""
        return self.source.num_steps


T = TypeVar("T", bound=tuple[Any, ...])


def apart(results: T, memo: dict[int, Any]) -> T:
    """A deep copy of the results of a forward pass: their values, without the graph that led to them."""
    copies = []
    for value in results:
        if isinstance(value, Tensor) and not value.is_leaf and id(value) not in memo:
            memo[id(value)] = copy.deepcopy(value.detach(), memo)
        copies.append(copy.deepcopy(value, memo))
    return type(results)(*copies)


@dataclass(frozen=True, eq=False)
class _Layer:
    """What a layer is to its Function besides the tensors, which autograd has to see."""

    source: Source
    rule: RuleConfig
    engine: str | None
    convolution: Convolution | None
    width: float | Tensor

    def reading(self, heard: Tensor | None) -> Source:
        """The source, of the steps `heard`: torch hands in others than it holds where it moved or wrapped them."""
        if heard is None or heard is cast(StepSource, self.source).steps:
            return self.source
        return StepSource(heard, self.source.num_steps)


class SpikeTimingGradient(PlainFunction):
    """One layer of binary weights: potentials forward, the spike-timing-dependent gradient backward.

    A layer with a threshold spikes, and returns `(fired, steps, reach, margin)`; one without returns its potentials
    `[batch, T, neurons]`. Weights are `[neurons, channels]`, or those of a convolution; there is a threshold a neuron
    or map, or one for all.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        fired_below: Tensor | None,
        weight: Tensor,
        threshold: Tensor | None,
        heard: Tensor | None,
        reach_below: Tensor | None,
        layer: _Layer,
    ):
        engine, source = choose.training(layer.engine, weight), layer.reading(heard)
        if reach_below is None:
            source.check()
        with unrounded(weight.device.type):
            if threshold is None:
                return engine.potentials(source, weight, layer.convolution)
            steps, reach, margin = engine.crossing(source, weight, threshold, layer.convolution)
        if engine.NAME == native_training.NAME:
            return native_training.fired(steps, source.num_steps), steps, reach, margin
        return (steps != source.num_steps).to(weight.dtype), steps, reach, margin

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, weight, threshold, heard, reach_below, ctx.layer = inputs
        # Saved, and not just kept: torch then notices whoever writes into one of them before the backward pass.
        if threshold is None:
            ctx.save_for_backward(weight, heard, reach_below)
            ctx.threshold_shape = None
            return
        _, *judged = output
        ctx.mark_non_differentiable(*judged)
        ctx.save_for_backward(weight, heard, reach_below, *judged[1:])
        ctx.threshold_shape = threshold.shape

    @staticmethod
    def backward(ctx, to_output, *_):  # pyright: ignore[reportIncompatibleMethodOverride]
        needed = tuple(ctx.needs_input_grad[:3])
        compute = partial(_gradients, ctx.layer, needed, ctx.threshold_shape)
        return *gradient(compute, to_output, *ctx.saved_tensors), None, None, None

    @staticmethod
    def jvp(ctx, *_):  # pyright: ignore[reportIncompatibleMethodOverride]
        raise TrainingError(
            "the rule is a backward pass: there is no forward-mode derivative (jvp, jacfwd); use grad, vjp or jacrev"
        )

    @classmethod
    def of(
        cls,
        below: Spikes,
        weight: Tensor,
        threshold: Tensor | None,
        rule: RuleConfig,
        engine: str | None,
        convolution: Convolution | None = None,
        width: float | Tensor | None = None,
    ) -> Any:
        """Apply it to the spikes of the layer below; `width` is that of the sensitivity, by default the rule's."""
        source = below.source
        heard = source.steps if isinstance(source, StepSource) else None
        layer = _Layer(source, rule, engine, convolution, rule.width if width is None else width)
        return cls.run(below.fired, weight, threshold, heard, below.reach, layer)


def _gradients(
    layer: _Layer,
    needed: tuple[bool, ...],
    threshold_shape: torch.Size | None,
    to_output: Tensor,
    weight: Tensor,
    heard: Tensor | None,
    reach_below: Tensor | None,
    *judged: Tensor,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """By `fired` of the layer below, by the weights and by the thresholds, each where it is `needed`."""
    needs_below, needs_weight, needs_threshold = needed
    engine, source, rule = choose.training(layer.engine, weight), layer.reading(heard), layer.rule
    convolution = layer.convolution
    decay = math.exp(-1.0 / rule.tau) if rule.kernel == "exponential" else 1.0
    blind = rule.kernel == "none"  # judged at the last step, a neuron credits every spike there was
    to_below = to_weight = to_threshold = None
    with unrounded(weight.device.type):
        if threshold_shape is not None:
            reach, margin = judged
            if engine.NAME == native_training.NAME:
                local = native_training.sensitive(margin, to_output, float(layer.width))
            else:
                local = psi(margin, layer.width).mul_(to_output)
            if needs_threshold:
                to_threshold = -local.sum(0)
                if convolution is not None:
                    to_threshold = to_threshold.view(convolution.maps, -1).sum(1)
                if to_threshold.shape != threshold_shape:  # one threshold for the whole layer
                    to_threshold = to_threshold.sum().reshape(threshold_shape)
            if needs_weight:
                judged_at = torch.full_like(reach, source.num_steps - 1) if blind else reach
                to_weight = engine.impulse_gradient(source, weight, judged_at, local, decay, convolution)
            if needs_below and reach_below is not None:
                to_below = engine.impulse_credit(reach_below, weight, reach, local, source.num_steps, convolution)
        else:
            if needs_weight:
                told = _at_the_end(to_output) if blind else to_output
                to_weight = engine.potential_gradient(source, weight, told, decay, convolution)
            if needs_below and reach_below is not None:
                to_below = engine.potential_credit(reach_below, weight, to_output, convolution)
    return to_below, to_weight, to_threshold


def _at_the_end(gradient: Tensor) -> Tensor:
    """All of dL/dV_k(t) `[batch, T, neurons]` moved to the last step, which every spike precedes."""
    moved = torch.zeros_like(gradient)
    moved[:, -1] = gradient.sum(1)
    return moved


def psi(margin: Tensor, width: float | Tensor) -> Tensor:
    """How much a neuron answers for having fired or not: 1 at margin 0, falling to 0 at `width` on either side."""
    return margin.abs().div_(-width).add_(1.0).clamp_(min=0.0)
