"""A network: binary layers in a row, from input steps to the potentials of the output layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from bstdg.engine import real
from bstdg.errors import InputError
from bstdg.layers import FullLayer
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.recipe import NetworkConfig, RuleConfig
from bstdg.learning.rule import Spikes
from bstdg.model.summary import Summary, summarize
from bstdg.spikes.events import Events


class Output(NamedTuple):
    """What a network gives for a batch.

    Attributes:
        potentials: of the output layer at every step, `[batch, T, classes]`.
        threshold: of the output layer, `[classes]`, or `[1]` where it is shared.
        hidden: the spikes of each hidden layer.
    """

    potentials: Tensor
    threshold: Tensor
    hidden: tuple[Spikes, ...]

    @property
    def fired(self) -> list[Tensor]:
        """Which hidden neurons fired, `[batch, neurons]` a layer: what a loss may put a weight on."""
        return [spikes.fired for spikes in self.hidden if spikes.fired is not None]


class Network(nn.Module):
    """Binary single-spike layers: hidden layers fire at most once, the output layer decides.

    Args:
        num_inputs: pixels or channels.
        num_classes: output neurons.
        config: hidden widths, T, thresholds.
        rule: how the gradient judges.
        generator: source of the initial latent weights.
        engine: "native" or "dense"; by default native for float32 on a CPU, else dense.
        tied_inputs: how many of the last channels take back what the first add (see `bstdg.learning.modules.BinaryLinear`).

    >>> network = Network(64, 10, NetworkConfig(hidden=(32,)))
    >>> steps = torch.randint(0, 9, (5, 64), dtype=torch.uint8)  # 8 is "never" for T = 8
    >>> tuple(network(steps).potentials.shape)
    (5, 8, 10)
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        config: NetworkConfig | None = None,
        rule: RuleConfig | None = None,
        generator: torch.Generator | None = None,
        engine: str | None = None,
        tied_inputs: int = 0,
    ):
        super().__init__()
        self.config = config or NetworkConfig()
        self.rule = rule or RuleConfig()
        if self.config.weights == "real":
            if engine not in (None, real.NAME):
                raise InputError(f"network.weights = 'real' has an engine of its own, so none can be named, {engine!r}")
            engine = real.NAME
        self.engine = engine
        widths = [num_inputs, *self.config.hidden, num_classes]
        self.layers = nn.ModuleList(
            BinaryLinear(
                below,
                above,
                threshold_mode=self.config.threshold_mode,
                rule=self.rule,
                generator=generator,
                engine=engine,
                tied=tied_inputs if i == 0 else 0,
            )
            for i, (below, above) in enumerate(pairwise(widths))
        )

    @property
    def _stack(self) -> list[BinaryLinear]:
        """The layers with their type, which a ModuleList forgets."""
        return cast("list[BinaryLinear]", list(self.layers))

    @property
    def num_steps(self) -> int:
        """T."""
        return self.config.num_steps

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of every layer, input first."""
        return (self._stack[0].in_features, *(layer.out_features for layer in self._stack))

    def forward(self, spikes: Tensor | Events | Spikes, drop: Callable[[Spikes], Spikes] | None = None) -> Output:
        """Input steps uint8 `[batch, num_inputs]`, `Events` or `Spikes`; `drop` is applied to hidden spikes.

        Raises:
            InputError: the input has another width, T or type than the network.
        """
        below = self.read(spikes)
        hidden = []
        *inner, last = self._stack
        for layer in inner:
            below = layer(below)
            if drop is not None:
                below = drop(below)
            hidden.append(below)
        return Output(last.potentials(below), last.threshold, tuple(hidden))

    def read(self, spikes: Tensor | Events | Spikes) -> Spikes:
        """Input as the first layer reads it, checked; arguments and errors as for `forward`."""
        if isinstance(spikes, Tensor):
            if spikes.dtype != torch.uint8 or spikes.ndim != 2:
                raise InputError(
                    f"a network reads steps, uint8 [batch, {self.widths[0]}], not {spikes.dtype} "
                    f"{list(spikes.shape)}; bstdg.latency makes them of images, bstdg.spikes_to_steps of spike trains"
                )
            width, num_steps = spikes.shape[1], self.num_steps
        elif isinstance(spikes, Events):
            width, num_steps = spikes.num_channels, spikes.num_steps
        elif isinstance(spikes, Spikes):  # read before
            width, num_steps = spikes.source.width, spikes.num_steps
        else:
            raise InputError(f"a network reads steps (a uint8 tensor), Events or Spikes, not {type(spikes).__name__}")
        if width != self.widths[0]:
            raise InputError(f"the network has {self.widths[0]} inputs, the data {width}")
        if num_steps != self.num_steps:
            raise InputError(f"the network runs {self.num_steps} steps, the events {num_steps}")
        if isinstance(spikes, Spikes):
            return spikes
        return Spikes.of_input(spikes, num_steps, self._stack[0].weight.device)

    @torch.no_grad()
    def calibrate(self, spikes: Tensor | Events) -> None:
        """Set every threshold from a batch, so that each layer fires for the share of samples the config names.

        A hidden neuron then fires for `initial_share` of the samples whatever the data, width or depth, and an
        output neuron for `initial_output_share`; see `bstdg.learning.calibrate`.
        """
        from bstdg.learning.calibrate import calibrate

        below = self.read(spikes)
        for i, layer in enumerate(self._stack):
            last = i == len(self._stack) - 1
            calibrate(layer, below, self.config.initial_output_share if last else self.config.initial_share)
            if last:
                layer.threshold.add_(self.config.initial_output_margin)
            else:
                below = layer(below)

    def summary(self) -> Summary:
        """Layers, bits, thresholds as deployed, operations of an inference, and bytes; a table in a notebook.

        The bound on additions is that of input channels which spike at most once, as pixels do.
        """
        bits = 32 if self.config.weights == "real" else 1
        return summarize(self.deployed(), self.num_steps, str(self), bits=bits)

    def __repr__(self) -> str:
        widths, config = "-".join(map(str, self.widths)), self.config
        return (
            f"Network({widths}, T={self.num_steps}, {config.weights} weights, threshold_mode={config.threshold_mode!r})"
        )

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def set_rule(self, rule: RuleConfig) -> None:
        """Let every layer be judged by another rule from now on."""
        for layer in self._stack:
            layer.rule = rule

    def clip_latent_(self) -> None:
        """Bring all latent weights back into [-1, 1]; call it after every optimiser step."""
        for layer in self._stack:
            layer.clip_latent_()

    def deployed(self) -> list[FullLayer]:
        """The network as it is deployed: signs, and thresholds rounded up to integers, layer by layer."""
        return [deployed_bits(layer) for layer in self._stack]

    def latent_signs(self) -> list[Tensor]:
        """Which weights are +1 now, bool, a layer each: two such lists tell how many weights flipped."""
        return [layer.weight.detach() >= 0 for layer in self._stack]


def deployed_bits(layer: BinaryLinear) -> FullLayer:
    """A layer's signs and integer thresholds; V >= theta is V >= ceil(theta) since potentials are integers.

    Raises:
        InputError: a threshold is not finite or does not fit 32 bits.
    """
    if layer.engine == real.NAME:
        return real.deployed(layer.synapses, layer.threshold)
    weight = layer.synapses.detach().cpu()
    threshold = layer.threshold.detach().cpu().double().expand(layer.out_features).numpy()
    threshold = np.ceil(threshold)
    if not np.isfinite(threshold).all() or np.abs(threshold).max() >= 2**31:
        raise InputError("a threshold is not a finite 32-bit number; the training diverged (lower the rates)")
    signs = np.where(weight.numpy() >= 0, 1, -1).astype(np.int8)
    return FullLayer(signs, threshold.astype(np.int64))


def flip_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Share of weights whose bit changed between two `Network.latent_signs`."""
    flipped = sum(int((a != b).sum()) for a, b in zip(before, after, strict=True))
    return flipped / max(1, sum(a.numel() for a in before))
