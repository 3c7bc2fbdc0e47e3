"""What a layer measures of itself while it trains: how often its channels spike, and how far its margins spread.

Two parts of the rule rest on it (`bstdg.learning.rule`), both off by default:

- `rule.centre`. With p_i, how many spikes channel i sends a sample on average, thresholds are theta_j = a_j + sum over
  i of b_ij p_i with a_j trained. A weight that flips then does not move how often its neuron fires, and a presynaptic
  spike is credited less what is usual for its channel: dL/dw_ij = d_j ([s_i <= e_j] - p_i). It is what batch
  normalisation does to the mean in a binary network, at no cost once deployed: theta_j is an integer like any other.
- `rule.unit = "spread"`. The sensitivity's width is measured in standard deviations of the layer's margins.

Both are running means, kept in buffers as those of `torch.nn.BatchNorm2d` are: they move in training mode alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bstdg.distributed.ranks import ALONE, Ranks
from bstdg.engine import choose, dense, native_training, real
from bstdg.engine.dense import Weights
from bstdg.errors import InputError
from bstdg.layers.convolution import Convolution
from bstdg.learning.functions import PlainFunction, gradient
from bstdg.learning.recipe import RuleConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.source import StepSource

SPREAD_DECAY = 0.99  # a batch
NARROWEST = 1.0  # units of potential; margins of integers lie half a unit from 0


class Tracking(nn.Module):
    """Mixed into layers with weights; `rule`, `engine` and `threshold` are the layer's.

    Both attributes are buffers, and there only where the rule asks for them.

    Attributes:
        presynaptic: spikes that each channel sends a sample, in the shape of one neuron's weights; with a leading axis
            of groups for a convolution.
        spread: standard deviation of the layer's margins, units of potential; 0 before the first batch.
        ranks: those that share a batch: what is measured is that of the whole.
    """

    rule: RuleConfig
    engine: str | None
    threshold: nn.Parameter
    presynaptic: Tensor
    spread: Tensor
    ranks: Ranks = ALONE

    def track(self, channels: tuple[int, ...]) -> None:
        """Begin to measure what the rule asks for; `channels` is the shape of one neuron's weights."""
        if self.rule.centre:
            self.register_buffer("presynaptic", torch.zeros(channels, dtype=torch.float32, device="cpu"))
        if self.rule.unit == "spread":
            self.register_buffer("spread", torch.zeros((), dtype=torch.float32, device="cpu"))

    @property
    def width(self) -> float | Tensor:
        """Of the rule's sensitivity, in units of potential."""
        if self.rule.unit == "potential":
            return self.rule.width
        return (self._tracked("spread") * self.rule.width).clamp(min=NARROWEST)

    def forward_weights(self, latent: Tensor) -> Tensor:
        """What the forward pass makes of latent weights: their signs, or for the engine of real weights themselves."""
        return real.weights(latent) if self.engine == real.NAME else dense.signs(latent)

    def centred(self, latent: Tensor) -> Tensor:
        """The thresholds theta_j `[neurons]` or `[maps]` that potentials are held against; `[1]` where one is for all.

        The gradient of signs by the latent weights is taken to be 1, as everywhere in the rule.
        """
        if not self.rule.centre:
            return self.threshold
        return self.threshold + _UsualPotential.apply(latent, self._usual_for(latent), self.forward_weights)

    def _usual_for(self, latent: Tensor) -> Tensor:
        """How many spikes a sample each weight sees, in a shape that goes with the weights'."""
        usual = self._tracked("presynaptic")
        return usual.repeat_interleave(len(latent) // len(usual), 0) if latent.ndim == 4 else usual

    @torch.no_grad()
    def start_from(self, below: Spikes, weights: Tensor, convolution: Convolution | None = None) -> None:
        """Measure the samples that thresholds were just calibrated on; these thresholds stay what they are."""
        if self.rule.centre:
            self._tracked("presynaptic").copy_(self._mean_spikes(below, convolution))
            usual = _usual_potential(weights, self._usual_for(weights))
            self.threshold.sub_(usual if self.threshold.shape == usual.shape else usual.mean())
        if self.rule.unit == "spread":
            self.measure_spread(self(below).margin)

    @torch.no_grad()
    def measure_channels(self, below: Spikes, convolution: Convolution | None = None) -> None:
        """Take a batch into the channels' running mean, in training mode."""
        if self.rule.centre and self.training:
            self._tracked("presynaptic").lerp_(self._mean_spikes(below, convolution), 1.0 - self.rule.centre)

    @torch.no_grad()
    def measure_spread(self, margin: Tensor) -> None:
        """Take a batch into the margins' running spread, in training mode; the first sets it."""
        if self.rule.unit == "spread" and self.training and (margin.numel() > 1 or self.ranks.sharing):
            spread = self._tracked("spread")
            found = spread.new_tensor(native_training.spread(margin)) if self._native(margin) else margin.std()
            if self.ranks.sharing:
                mean = float(margin.mean(dtype=torch.float64))
                found = spread.new_tensor(self.ranks.deviation(float(found), mean, margin.numel()))
            found = found.to(spread.dtype)
            spread.copy_(torch.where(spread > 0, spread.lerp(found, 1.0 - SPREAD_DECAY), found))

    def _native(self, tensor: Tensor) -> bool:
        """Whether the native engine measures the layer: it needs the numbers, which transforms and compilers hide."""
        hidden = torch._C._are_functorch_transforms_active() or torch.compiler.is_compiling()
        return self.engine in (None, native_training.NAME) and not hidden and choose.native_computes(tensor)

    def _mean_spikes(self, below: Spikes, convolution: Convolution | None) -> Tensor:
        fast = self._native(self._tracked("presynaptic"))
        mean = self.ranks.mean(_mean_spikes(below, fast=fast), below.source.batch)
        return mean if convolution is None else _of_windows(mean, convolution)

    def _tracked(self, name: str) -> Tensor:
        buffer = getattr(self, name, None)
        if buffer is None:
            wanted = "rule.centre" if name == "presynaptic" else "rule.unit = 'spread'"
            raise InputError(f"the layer was made without {wanted}, and measures nothing for it: make it anew")
        return buffer


def measure_with(ranks: Ranks, network: nn.Module) -> None:
    """Let every layer of a network measure batches that these ranks share."""
    for layer in network.modules():
        if isinstance(layer, Tracking):
            layer.ranks = ranks


class _UsualPotential(PlainFunction):
    """Sum over i of b_ij p_i, the mean potential at the end, of latent weights whose signs have the gradient 1."""

    @staticmethod
    def forward(latent: Tensor, usual: Tensor, forward_weights: Weights):  # pyright: ignore[reportIncompatibleMethodOverride]
        return _usual_potential(forward_weights(latent), usual)

    @staticmethod
    def setup_context(ctx, inputs, output):
        latent, usual, _ = inputs
        ctx.save_for_backward(usual)
        ctx.shape = latent.shape

    @staticmethod
    def backward(ctx, to_output: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (usual,), shape = ctx.saved_tensors, ctx.shape
        return gradient(lambda told: told.view(-1, *[1] * (len(shape) - 1)) * usual, to_output), None, None


def _usual_potential(weights: Tensor, usual: Tensor) -> Tensor:
    return (weights * usual).flatten(1).sum(1)


def _mean_spikes(below: Spikes, *, fast: bool) -> Tensor:
    """Spikes that each channel sends a sample, in the mean of the batch."""
    source = below.source
    if isinstance(source, StepSource) and fast:
        return native_training.mean_spikes(source)
    if isinstance(source, StepSource):
        return (source.read != source.num_steps).mean(0, dtype=torch.float32)
    counts = (source.counts(step, torch.float32) for step in range(source.num_steps))
    none = torch.zeros(source.width, dtype=torch.float32, device=source.device)
    return sum((found.mean(0) for found in counts if found is not None), none)


def _of_windows(mean: Tensor, convolution: Convolution) -> Tensor:
    """What each weight of a neuron sees of what each channel sends, in the mean of the window's positions."""
    channels, *sides = convolution.reads
    windows = F.unfold(
        mean.view(1, channels, *sides), convolution.kernel, padding=convolution.padding, stride=convolution.stride
    )
    return windows.mean(2).view(convolution.groups, channels // convolution.groups, *convolution.kernel)
