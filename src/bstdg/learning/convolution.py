"""Convolution as a `torch.nn.Module`: a window of latent weights a map, and a threshold behind every map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor, nn

from bstdg.engine import choose, real
from bstdg.errors import InputError
from bstdg.layers import Conv2dLayer, Shape, size
from bstdg.layers.convolution import Convolution, Pair, by
from bstdg.learning.calibrate import thresholds_for
from bstdg.learning.functions import Unscripted, refuse_to_be_traced
from bstdg.learning.modules import PLAIN, LatentWeights, check_input, deployed_signs, deployed_thresholds
from bstdg.learning.recipe import RuleConfig, ThresholdMode
from bstdg.learning.rule import Spikes, SpikeTimingGradient
from bstdg.learning.tracking import Tracking
from bstdg.spikes.source import StepSource
from bstdg.whole import whole


class BinaryConv2d(Unscripted, LatentWeights, Tracking):
    """Integrate-and-fire neurons with a window of one-bit weights that the neurons of a map share.

    Args:
        reads: `(channels, rows, columns)` of what comes in; steps stay flat, `[batch, channels * rows * columns]`.
            A signal is a picture of one row.
        maps: maps that come out.
        kernel: rows and columns of the window, or one number for both.
        stride: how far it moves.
        padding: how far it reaches over the edge; padding is silent.
        groups: split channels and maps into so many parts that do not see each other.
        threshold_mode: "neuron" trains one threshold a map, "layer" one for all, "fixed" trains none.
        rule, threshold, generator, engine: as for `bstdg.learning.modules.BinaryLinear`.

    Raises:
        InputError: the window does not fit what it reads, or the mode is unknown.

    Shapes: input `Spikes` of `[batch, channels * rows * columns]`; output `Spikes` of `[batch, maps * rows * columns]`
    of what comes out.

    >>> from bstdg.learning.rule import Spikes
    >>> layer = BinaryConv2d((1, 8, 8), 4, 3, stride=2, padding=1, threshold=1.0)
    >>> steps = torch.zeros(1, 64, dtype=torch.uint8)  # every pixel spikes at once
    >>> layer.convolution.gives, tuple(layer(Spikes.of_input(steps, num_steps=8)).steps.shape)
    ((4, 4, 4), (1, 64))
    """

    def __init__(
        self,
        reads: Sequence[int],
        maps: int,
        kernel: int | Pair,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        groups: int = 1,
        threshold_mode: ThresholdMode = "neuron",
        rule: RuleConfig | None = None,
        threshold: float = 10.0,
        generator: torch.Generator | None = None,
        engine: str | None = None,
    ):
        super().__init__()
        if threshold_mode not in get_args(ThresholdMode):
            raise InputError(f"threshold_mode must be one of {get_args(ThresholdMode)}, not {threshold_mode!r}")
        if not math.isfinite(threshold):
            raise InputError(f"a threshold must be a finite number, not {threshold}")
        choose.check_training(engine)
        self.convolution = Convolution(
            maps_read(reads), integer(maps), both(kernel), both(stride), both(padding), integer(groups)
        )
        try:
            self.convolution.check()
        except InputError as error:
            raise InputError(f"a convolution {error}") from None
        self.rule = rule or RuleConfig()
        self.threshold_mode, self.engine = threshold_mode, engine
        self.weight = nn.Parameter(
            torch.empty(self.convolution.weights, **PLAIN).uniform_(-0.3, 0.3, generator=generator)
        )
        shared = 1 if threshold_mode == "layer" else self.convolution.maps
        self.threshold = nn.Parameter(torch.full((shared,), float(threshold), **PLAIN), threshold_mode != "fixed")
        self.track((self.convolution.groups, *self.convolution.weights[1:]))

    @property
    def reads(self) -> Shape:
        """`(channels, rows, columns)` of what comes in."""
        return self.convolution.reads

    def forward(self, below: Spikes, *, decides: bool = False) -> Any:
        """The first step at which each potential is at or above threshold; all potentials of a layer that `decides`.

        Raises:
            InputError: what comes in are no `Spikes`, of another width or device, or a step is beyond T.
        """
        refuse_to_be_traced()
        check_input(below, size(self.reads), self.weight.device)
        self.measure_channels(below, self.convolution)
        threshold = None if decides else self.effective_threshold
        result = SpikeTimingGradient.of(
            below, self.weight, threshold, self.rule, self.engine, self.convolution, self.width
        )
        if decides:
            return result
        fired, steps, reach, margin = result
        self.measure_spread(margin)
        return Spikes(StepSource(steps, below.num_steps), steps, reach, fired, margin)

    @property
    def effective_threshold(self) -> Tensor:
        """What potentials are held against, `[maps]` or `[1]`: `threshold`, and more under `rule.centre`."""
        return self.centred(self.weight)

    def potentials(self, below: Spikes) -> Tensor:
        """Potentials at every step, `[batch, T, neurons]`, for a layer that decides instead of firing."""
        return self(below, decides=True)

    def deployed(self) -> Conv2dLayer:
        """The layer as it is deployed; errors as for `bstdg.learning.modules.BinaryLinear.deployed`."""
        if self.engine == real.NAME:
            weights, thresholds = real.whole(self.weight, self.effective_threshold.expand(self.convolution.maps))
            return Conv2dLayer(weights, thresholds, self.convolution)  # pyright: ignore[reportArgumentType]
        thresholds = deployed_thresholds(self.effective_threshold, self.convolution.maps)
        return Conv2dLayer(deployed_signs(self.weight), thresholds, self.convolution)

    @torch.no_grad()
    def calibrate(self, below: Spikes, share: float, margin: float = 0.0) -> None:
        """Set the thresholds so that the neurons of a map fire for about `share` of the samples in `below`, and raise
        them by `margin`; see `bstdg.learning.calibrate`. Errors as for `forward`."""
        check_input(below, size(self.reads), self.weight.device)
        weights, units = self.forward_weights(self.weight), real.GRID if self.engine == real.NAME else 1
        found = thresholds_for(
            weights, below, share, one_a_layer=self.threshold_mode == "layer", units=units, convolution=self.convolution
        )
        self.threshold.copy_(found).add_(margin)
        self.start_from(below, weights, self.convolution)

    def extra_repr(self) -> str:
        reads, maps, kernel, stride, padding, groups = self.convolution
        return (
            f"({by(reads)}), {maps}, {kernel}, stride={stride}, padding={padding}, groups={groups}, "
            f"threshold_mode={self.threshold_mode!r}, {self.rule}"
        )


def maps_read(reads: Any) -> Shape:
    """The shape of maps that come in.

    Raises:
        InputError: it is none.

    >>> maps_read([1, 28, 28])
    (1, 28, 28)
    """
    sides = tuple(reads) if isinstance(reads, Sequence) and not isinstance(reads, str) else ()
    if len(sides) != 3:
        raise InputError(f"what comes in are maps (channels, rows, columns), such as (1, 28, 28), not {reads!r}")
    return tuple(integer(side) for side in sides)


def both(given: int | Pair) -> Pair:
    """Rows and columns, where one number stands for both.

    >>> both(3), both((1, 5))
    ((3, 3), (1, 5))
    """
    pair = given if isinstance(given, (tuple, list)) else (given, given)
    if len(pair) != 2:
        raise InputError(f"rows and columns are two numbers, or one for both, not {given!r}")
    return integer(pair[0]), integer(pair[1])


def integer(given: Any) -> int:
    """A size as an `int`, NumPy's and torch's integers too; what is none is left to be refused by name."""
    number = whole(given)
    return given if number is None else number
