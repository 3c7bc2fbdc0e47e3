"""Layers as `torch.nn.Module`s: a latent real weight behind every bit, a threshold behind every neuron."""

from __future__ import annotations

import math
from typing import Any, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bstdg.distributed.share import Share, drawn
from bstdg.engine import choose, real
from bstdg.errors import InputError
from bstdg.layers import FullLayer, Layer
from bstdg.learning.calibrate import thresholds_for
from bstdg.learning.functions import Unscripted, refuse_to_be_traced
from bstdg.learning.recipe import RuleConfig, ThresholdMode
from bstdg.learning.rule import Spikes, SpikeTimingGradient
from bstdg.learning.tracking import Tracking
from bstdg.spikes.source import StepSource
from bstdg.whole import whole

# Said wherever a tensor is made, so that the defaults of torch change neither where a network starts nor what is drawn.
PLAIN: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}


@runtime_checkable
class TrainedLayer(Protocol):
    """What `bstdg.learning.network.Network` asks of a module: any that offers this can be one of its layers.

    A layer reads the `Spikes` of the one below and gives its own. The last of a network need not fire: it offers
    `potentials(below)`, `[batch, T, neurons]`, and a `threshold`, `[neurons]` or `[1]`, or an `effective_threshold`
    where potentials are held against another. Parameters called `threshold` are trained at the rate of thresholds, all
    others at that of weights; `clip_latent_()`, where there is one, is called after every step of the optimiser, and a
    `rule`, where there is one, follows the recipe's.
    """

    def __call__(self, below: Spikes, /) -> Spikes: ...

    def deployed(self) -> Layer: ...

    def calibrate(self, below: Spikes, share: float, margin: float = 0.0) -> None: ...


class LatentWeights(nn.Module):
    """A layer whose `weight` is latent, within [-1, 1]: the sign of each number is its bit."""

    BOUND = 1.0
    weight: nn.Parameter

    @torch.no_grad()
    def clip_latent_(self) -> None:
        """Bring latent weights back into [-1, 1]; call it after every optimiser step."""
        self.weight.clamp_(-self.BOUND, self.BOUND)


class BinaryLinear(Unscripted, LatentWeights, Tracking):
    """Fully connected integrate-and-fire neurons with one-bit weights, each firing at most once.

    The bit of a synapse is the sign of its latent `weight` (+1 where w >= 0), which training moves within [-1, 1].

    Args:
        in_features: presynaptic channels.
        out_features: neurons.
        threshold_mode: "neuron" trains one threshold a neuron, "layer" one for all, "fixed" trains none.
        rule: width and kernel of the gradient.
        threshold: where thresholds start; `Network.calibrate` finds a better start from data.
        generator: source of the initial latent weights, uniform in ±0.3.
        engine: "native" or "dense"; by default native for float32 on a CPU, else dense.
        tied: how many of the last channels have no weight of their own, but minus that of the first channels, in
            their order (see `bstdg.inputs.recordings`).

    Raises:
        InputError: a size is not a positive integer, the threshold no number, or the mode or engine unknown.

    Shapes: input `Spikes` of `[batch, in_features]`; output `Spikes` of `[batch, out_features]`.

    >>> from bstdg.learning.rule import Spikes
    >>> layer = BinaryLinear(3, 2, threshold=1.0)
    >>> steps = torch.tensor([[0, 2, 8]], dtype=torch.uint8)  # the third channel stays silent (T = 8)
    >>> tuple(layer(Spikes.of_input(steps, num_steps=8)).steps.shape)
    (1, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        threshold_mode: ThresholdMode = "neuron",
        rule: RuleConfig | None = None,
        threshold: float = 10.0,
        generator: torch.Generator | None = None,
        engine: str | None = None,
        tied: int = 0,
    ):
        super().__init__()
        given = in_features, out_features
        in_features, out_features = (whole(size) or 0 for size in given)
        if in_features < 1 or out_features < 1:
            raise InputError(
                f"a layer has at least 1 channel and 1 neuron, whole numbers, not {given[0]!r} and {given[1]!r}"
            )
        if threshold_mode not in get_args(ThresholdMode):
            raise InputError(f"threshold_mode must be one of {get_args(ThresholdMode)}, not {threshold_mode!r}")
        opposite = whole(tied)
        if opposite is None or not 0 <= opposite <= in_features - opposite:
            raise InputError(f"of {in_features} channels at most half can be tied to others, not {tied!r}")
        tied = opposite
        if not math.isfinite(threshold):
            raise InputError(f"a threshold must be a finite number, not {threshold}")
        choose.check_training(engine)
        self.in_features, self.out_features, self.tied = in_features, out_features, tied
        self.rule = rule or RuleConfig()
        self.threshold_mode, self.engine = threshold_mode, engine
        own = torch.empty(out_features, in_features - tied, **PLAIN)
        self.weight = nn.Parameter(own.uniform_(-0.3, 0.3, generator=generator))
        shared = 1 if threshold_mode == "layer" else out_features
        self.threshold = nn.Parameter(torch.full((shared,), float(threshold), **PLAIN), threshold_mode != "fixed")
        self.track((in_features,))

    @property
    def synapses(self) -> Tensor:
        """The latent weights of all channels, `[out_features, in_features]`; the sign of each is its bit."""
        if not self.tied:
            return self.weight
        first = self.weight[:, : self.tied]
        # 0 counts as +1, so its opposite must not be 0 as well.
        return torch.cat([self.weight, -(first + (first == 0) * torch.finfo(first.dtype).tiny)], 1)

    def forward(self, below: Spikes, *, decides: bool = False) -> Any:
        """The first step at which each potential is at or above threshold; all potentials of a layer that `decides`.

        Raises:
            InputError: what comes in are no `Spikes`, of another width or device, or a step is beyond T.
        """
        refuse_to_be_traced()
        check_input(below, self.in_features, self.weight.device)
        self.measure_channels(below)
        threshold = None if decides else self.effective_threshold
        result = SpikeTimingGradient.of(below, self.synapses, threshold, self.rule, self.engine, width=self.width)
        if decides:
            return result
        fired, steps, reach, margin = result
        self.measure_spread(margin)
        return Spikes(StepSource(steps, below.num_steps), steps, reach, fired, margin)

    @property
    def effective_threshold(self) -> Tensor:
        """What potentials are held against, `[out_features]` or `[1]`: `threshold`, and more under `rule.centre`."""
        return self.centred(self.synapses)

    def potentials(self, below: Spikes) -> Tensor:
        """Potentials at every step, `[batch, T, out_features]`, for a layer that decides instead of firing.

        It is a call of the module, so that hooks run; they see potentials where those of other layers see `Spikes`.
        """
        return self(below, decides=True)

    def deployed(self) -> FullLayer:
        """The layer as it is deployed: signs, and thresholds rounded up to integers.

        V >= theta is V >= ceil(theta), since potentials are integers.

        Raises:
            InputError: a threshold is not finite or does not fit 32 bits.
        """
        if self.engine == real.NAME:
            return real.deployed(self.synapses, self.effective_threshold)
        thresholds = deployed_thresholds(self.effective_threshold, self.out_features)
        return FullLayer(deployed_signs(self.synapses), thresholds)

    @torch.no_grad()
    def calibrate(self, below: Spikes, share: float, margin: float = 0.0) -> None:
        """Set the thresholds so that a neuron fires for about `share` of the samples in `below`, and raise them by
        `margin`; see `bstdg.learning.calibrate`.

        Raises:
            InputError: as for `forward`; or there are no samples, or the share is not between 0 and 1.
        """
        check_input(below, self.in_features, self.weight.device)
        weights, units = self.forward_weights(self.synapses), real.GRID if self.engine == real.NAME else 1
        one = self.threshold_mode == "layer"
        self.threshold.copy_(thresholds_for(weights, below, share, one_a_layer=one, units=units)).add_(margin)
        self.start_from(below, weights)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, threshold_mode={self.threshold_mode!r}, {self.rule}"


def check_input(below: Any, channels: int, device: torch.device | None = None) -> None:
    """Raise `InputError` unless `below` are spikes that a layer of so many channels can read, on that device."""
    if not isinstance(below, Spikes):
        raise InputError(
            f"a layer reads Spikes, not {type(below).__name__}; Spikes.of_input(steps, num_steps) makes them of steps"
        )
    below.read_by(channels, below.source.device if device is None else device)


def deployed_signs(latent: Tensor) -> NDArray[np.int8]:
    """The bits of latent weights, -1 or +1 in their shape."""
    positive = (latent.detach() >= 0).cpu().numpy()  # NumPy has no bfloat16
    return np.where(positive, 1, -1).astype(np.int8)


def deployed_thresholds(threshold: Tensor, number: int) -> NDArray[np.int64]:
    """Thresholds rounded up to integers, `[number]`, from as many or from one for all.

    Raises:
        InputError: one is not finite or does not fit 32 bits.
    """
    rounded = np.ceil(threshold.detach().cpu().double().expand(number).numpy())
    if not np.isfinite(rounded).all() or np.abs(rounded).max() >= 2**31:
        raise InputError("a threshold is not a finite 32-bit number; the training diverged (lower the rates)")
    return rounded.astype(np.int64)


class SpikeDropout:
    """Silences each spike with probability `p`, drawn from its own generator; a neuron dropped gets no credit.

    Args:
        p: share of spikes lost, 0 <= p < 1.
        generator: where the draws come from; its state is part of a checkpoint.

    Raises:
        InputError: `p` is out of range, or what is called with it are events.
    """

    def __init__(self, p: float, generator: torch.Generator):
        if not 0.0 <= p < 1.0:
            raise InputError(f"spike dropout must be in [0, 1), not {p}")
        self.p, self.generator = p, generator

    def __call__(self, spikes: Spikes, share: Share | None = None) -> Spikes:
        """The spikes that are left; `share` says which samples of a batch these are, if they are not all."""
        if self.p == 0.0:
            return spikes
        if spikes.steps is None:
            raise InputError(
                "spike dropout is for at most one spike a channel; thin out events with events.event_dropout"
            )
        samples, *neurons = spikes.steps.shape
        values = drawn(lambda n: torch.rand(n, *neurons, generator=self.generator, **PLAIN), samples, share)
        drop = values.to(spikes.steps.device) < self.p
        steps = spikes.steps.masked_fill(drop, spikes.num_steps)
        fired = None if spikes.fired is None else spikes.fired.masked_fill(drop, 0.0)
        return spikes._replace(source=StepSource(steps, spikes.num_steps), steps=steps, fired=fired)
