"""What is asked of the output layer: that the label fires first.

Losses read the potentials V_k(t) and thresholds theta_k of the output layer, and the hidden spikes; the gradient by
V_k(t) is what `bstdg.learning.rule` takes from them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bstdg.engine import choose, native_training
from bstdg.errors import InputError
from bstdg.learning.functions import PlainFunction, Unscripted, gradient
from bstdg.learning.recipe import LossConfig


def first_to_fire(lead: Tensor, scale: Tensor, *, silent_remainder: bool = True) -> tuple[Tensor, Tensor]:
    """The likelihood of each class to fire first, and the expected decision step: the decision rule made smooth.

    Output k fires at step t with hazard h_k(t) = softplus(lead_k(t) / scale). With H = sum over k of h_k and
    S(t) = exp(-sum of H before t), the probability that nothing fired before t,

        P(k first at t) = S(t) (1 - exp(-H(t))) h_k(t) / H(t)

    and what remains after T-1 is decided by softmax(lead(T-1) / scale) if `silent_remainder`.

    Args:
        lead: V_k(t) - theta_k, `[batch, T, classes]`.
        scale: width of the soft threshold, in units of potential; positive, one number.

    Returns:
        log P(k first) `[batch, classes]`, and E[decision step] `[batch]` in steps.
    """
    z = lead / scale
    log_first, log_after, *_ = _FirstToFire.run(z)  # pyright: ignore[reportGeneralTypeIssues]
    if silent_remainder:
        log_first = torch.logaddexp(log_first, log_after[:, -1:] + z[:, -1].log_softmax(1))
    return log_first, log_after[:, :-1].exp().sum(1)  # the sum over t >= 1 of P(undecided before t)


def first_to_fire_loss(
    potentials: Tensor,
    threshold: Tensor,
    scale: Tensor,
    labels: Tensor,
    config: LossConfig = LossConfig(),  # noqa: B008  (it cannot be changed)
    taught: tuple[Tensor, float] | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """The mean over samples of - sum over k of q_k log P(k first) + latency_weight E[decision step].

    q is 1 for the label, smoothed over classes, of which a teacher's probabilities replace a share. For float32 on a
    CPU value and gradients are one native pass, `native/loss/loss_kernels.cpp`; under `torch.compile`, which sees none,
    it is torch code that fuses with what is around it.

    Args:
        potentials: V_k(t), `[batch, T, classes]`.
        threshold: theta_k, `[classes]` or `[1]`.
        scale: width of the soft threshold, in units of potential; positive, one number.
        labels: int64 `[batch]`.
        config: for `label_smoothing`, `latency_weight` and `silent_remainder`.
        taught: a teacher's probabilities `[batch, classes]`, and their share of the target.
        weights: how much each sample counts, `[batch]`.
    """
    probabilities, share = taught or (None, 0.0)
    real = [t for t in (potentials, threshold, scale, probabilities, weights) if t is not None]
    if not torch.compiler.is_compiling() and choose.native_computes(*real):
        options = _Options(config.label_smoothing, share, config.latency_weight, config.silent_remainder)
        loss, *_ = _NativeLoss.run(*real[:3], labels, probabilities, weights, options)  # pyright: ignore[reportGeneralTypeIssues]
        return loss
    log_first, latency = first_to_fire(potentials - threshold, scale, silent_remainder=config.silent_remainder)
    label = log_first.gather(1, labels.unsqueeze(1)).squeeze(1)
    loss = -(1.0 - config.label_smoothing) * label - config.label_smoothing * log_first.mean(1)
    if probabilities is not None:
        loss = (1.0 - share) * loss - share * (probabilities * log_first).sum(1)
    if config.latency_weight:
        loss = loss + config.latency_weight * latency
    return _mean(loss, weights)


def _mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses.mean() if weights is None else (losses * weights).mean()


@dataclass(frozen=True)
class _Options:
    smoothing: float
    share: float
    latency_weight: float
    silent_remainder: bool


class _NativeLoss(PlainFunction):
    """`first_to_fire_loss` in one pass, which finds the gradients as well."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        potentials: Tensor,
        threshold: Tensor,
        scale: Tensor,
        labels: Tensor,
        taught: Tensor | None,
        weights: Tensor | None,
        options: _Options,
    ):
        given = (potentials, threshold, scale, labels, options.smoothing, taught, options.share, weights)
        return native_training.first_to_fire_loss(*given, options.latency_weight, options.silent_remainder)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])

    @staticmethod
    def backward(ctx, to_loss: Tensor, *_):  # pyright: ignore[reportIncompatibleMethodOverride]
        return *gradient(_scaled, to_loss, *ctx.saved_tensors), None, None, None, None


def _scaled(to_loss: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
    return gradients if float(to_loss) == 1.0 else tuple(g * to_loss for g in gradients)


class _FirstToFire(PlainFunction):
    """log P(k first within T steps) `[batch, classes]` and log S(t + 1) `[batch, T]` of z `[batch, T, classes]`.

    Its gradient is written out, in a third of the operations and memory that recording these would take. The other
    results are what that needs.
    """

    @staticmethod
    def forward(z: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        hazards = F.softplus(z)  # (B, T, K)
        hazard = hazards.sum(2)  # (B, T)
        log_after = -_running_sum(hazard)
        # Not log_after + hazard: a huge hazard would round away what came before it.
        log_before = F.pad(log_after[:, :-1], (1, 0))
        # Far below 0 softplus(z) is exp(z), which may underflow: its logarithm is z itself.
        log_share = torch.where(z < FAR, z, hazards.log())
        log_share += (log_before + _log_one_minus_exp_over(hazard)).unsqueeze(2)
        return log_share.logsumexp(1), log_after, hazards, hazard, log_share

    @staticmethod
    def setup_context(ctx, inputs, output):
        log_first, _, *needed = output
        ctx.mark_non_differentiable(*needed)
        ctx.save_for_backward(*inputs, *needed, log_first)

    @staticmethod
    def backward(ctx, to_first: Tensor, to_after: Tensor, *_):  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient(_first_to_fire_back, *ctx.saved_tensors, to_first, to_after)


def _first_to_fire_back(
    z: Tensor, hazards: Tensor, hazard: Tensor, log_share: Tensor, log_first: Tensor, to_first: Tensor, to_after: Tensor
) -> Tensor:
    to_share = (log_share - log_first.unsqueeze(1)).exp_().mul_(to_first.unsqueeze(1))  # (B, T, K)
    at_step = to_share.sum(2)  # (B, T)
    to_sums = to_after + F.pad(at_step[:, 1:], (0, 1))  # what hazards up to and including t are told
    to_hazard = at_step * _slope_of_log_one_minus_exp_over(hazard) - _running_sum(to_sums.flip(1)).flip(1)
    rise = z.sigmoid()  # of softplus
    to_share *= torch.where(z < FAR, 1.0, rise / hazards)
    return to_share.addcmul_(to_hazard.unsqueeze(2), rise)


def _running_sum(x: Tensor) -> Tensor:
    """Sums over steps, `[batch, T]`."""
    if x.is_cuda and torch.are_deterministic_algorithms_enabled():  # torch has none there that is
        return torch.stack(list(accumulate(x.unbind(1))), 1)
    return x.cumsum(1)


FAR = -15.0  # below, softplus(z) and sigmoid(z) are exp(z) in float32


def _log_one_minus_exp_over(x: Tensor) -> Tensor:
    """log((1 - exp(-x)) / x), by its series near 0."""
    far = x.clamp(min=1e-2)
    return torch.where(x < 1e-2, x * (x / 24 - 0.5), torch.log(-torch.expm1(-far) / far))


def _slope_of_log_one_minus_exp_over(x: Tensor) -> Tensor:
    """The derivative of that, 1 / (exp(x) - 1) - 1 / x, by its series near 0."""
    far = x.clamp(min=0.1)
    return torch.where(x < 0.1, x * (1 / 12 - x * x / 720) - 0.5, 1.0 / torch.expm1(far) - 1.0 / far)


def relative_target(lead: Tensor, labels: Tensor, gamma: int) -> Tensor:
    """The predecessors' loss: the label should fire with the earliest, every other output `gamma` steps later.

    With tau the earliest output step, the targets are tau for the label and, for others that fired before
    tau + gamma, tau + gamma; an output that is already later is left alone. If none fires, the label's target is
    T - gamma. The loss is half the sum of squared ((target - s_k) / T), and firing one step sooner is taken to cost
    one unit of potential: ds_k / dV_k(e_k) = -1, with e_k the step fired at, or the last.

    Args:
        lead: V_k(t) - theta_k, `[batch, T, classes]`.
        labels: int64 `[batch]`.
        gamma: steps, at least 1.

    Returns:
        The loss of each sample, `[batch]`.

    Source: Kheradpisheh and Masquelier, "Temporal backpropagation for spiking neural networks with one spike per
    neuron", IJNS 2020.
    """
    num_steps = lead.shape[1]
    above = lead.detach() >= 0
    fired = above.any(1)
    reach = torch.where(fired, above.to(torch.uint8).argmax(1), num_steps - 1)
    steps = torch.where(fired, reach, num_steps)
    earliest = steps.min(1, keepdim=True).values
    is_label = torch.zeros_like(fired).scatter(1, labels.unsqueeze(1), True)
    target = torch.where(is_label, earliest, torch.maximum(steps, (earliest + gamma).clamp(max=num_steps)))
    silent = ~fired.any(1, keepdim=True)
    target = torch.where(silent & is_label, max(0, num_steps - gamma), target)
    at_reach = lead.gather(1, reach.unsqueeze(1)).squeeze(1)
    movable = steps - (at_reach - at_reach.detach())  # the steps, with slope -1 by the potential
    return 0.5 * ((target - movable) / num_steps).square().sum(1)


def _check(potentials: Tensor, threshold: Tensor, labels: Tensor) -> None:
    if potentials.ndim != 3 or not potentials.is_floating_point():
        raise InputError(
            f"a loss reads potentials, real [batch, T, classes], not {potentials.dtype} {list(potentials.shape)}"
        )
    batch, _, classes = potentials.shape
    if threshold.shape not in ((classes,), (1,)):
        raise InputError(f"{classes} classes have as many thresholds, or one for all, not {list(threshold.shape)}")
    if labels.dtype != torch.int64 or labels.shape != (batch,):
        raise InputError(f"labels must be int64 [{batch}], not {labels.dtype} {list(labels.shape)}")


class Loss(Unscripted, nn.Module):
    """The loss of a recipe: mean over the batch, with the weights on latency and hidden spikes.

    Args:
        config: see `LossConfig`.

    Forward: output potentials `[batch, T, classes]`, thresholds `[classes]` or `[1]`, labels int64 `[batch]`, the
    `fired` tensors of the hidden layers, `taught`, a teacher's probabilities `[batch, classes]` with the share of
    the target that they are, and how much each sample counts, `weights` `[batch]`; returns one number.

    Raises:
        InputError: potentials, thresholds or labels have another shape or type.
    """

    def __init__(self, config: LossConfig):
        super().__init__()
        self.config = config
        # Trained through its logarithm, which keeps it positive.
        start = torch.tensor(math.log(config.scale), dtype=torch.float32, device="cpu")
        self.log_scale = nn.Parameter(start, config.name == "first_to_fire")

    def forward(
        self,
        potentials: Tensor,
        threshold: Tensor,
        labels: Tensor,
        fired: Sequence[Tensor] = (),
        taught: tuple[Tensor, float] | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        _check(potentials, threshold, labels)
        config = self.config
        if config.name == "relative_target":
            loss = _mean(relative_target(potentials - threshold, labels, config.gamma), weights)
            if config.latency_weight:
                _, latency = first_to_fire(potentials - threshold, self.log_scale.exp())
                loss = loss + config.latency_weight * _mean(latency, weights)
        else:
            loss = first_to_fire_loss(potentials, threshold, self.log_scale.exp(), labels, config, taught, weights)
        if config.spike_weight and fired:
            loss = loss + config.spike_weight * _mean(sum((f.sum(1) for f in fired[1:]), fired[0].sum(1)), weights)
        return loss
