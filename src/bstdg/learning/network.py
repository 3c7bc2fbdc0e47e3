"""A network: binary layers in a row, from input steps to the potentials of the output layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from bstdg.engine import real
from bstdg.errors import InputError
from bstdg.layers import FullLayer, Layer, Shape, size, structure
from bstdg.layers.convolution import by
from bstdg.learning.functions import Unscripted, refuse_to_be_traced
from bstdg.learning.modules import BinaryLinear, TrainedLayer
from bstdg.learning.recipe import NetworkConfig, RuleConfig
from bstdg.learning.rule import Spikes, apart
from bstdg.learning.structure import modules_of
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

    def __deepcopy__(self, memo: dict[int, Any]) -> Output:
        return apart(self, memo)

    @property
    def fired(self) -> list[Tensor]:
        """Which hidden neurons fired, `[batch, neurons]` a layer: what a loss may put a weight on."""
        return [spikes.fired for spikes in self.hidden if spikes.fired is not None]


class Network(Unscripted, nn.Module):
    """Single-spike layers in a row: hidden layers fire at most once, the output layer decides.

    Args:
        num_inputs: pixels or channels, or their shape `(channels, rows, columns)`, which convolutions need.
        num_classes: output neurons.
        config: hidden layers, T, thresholds.
        rule: how the gradient judges.
        generator: source of the initial latent weights.
        engine: "native" or "dense"; by default native for float32 on a CPU, else dense.
        tied_inputs: how many of the last channels take back what the first add (see `BinaryLinear`).

    Of layers of one's own, `Network.of` makes a network.

    >>> network = Network(64, 10, NetworkConfig(layers=(32,)))
    >>> steps = torch.randint(0, 9, (5, 64), dtype=torch.uint8)  # 8 is "never" for T = 8
    >>> tuple(network(steps).potentials.shape)
    (5, 8, 10)
    """

    def __init__(
        self,
        num_inputs: int | Shape,
        num_classes: int,
        config: NetworkConfig | None = None,
        rule: RuleConfig | None = None,
        generator: torch.Generator | None = None,
        engine: str | None = None,
        tied_inputs: int = 0,
    ):
        config = config or NetworkConfig()
        if config.weights == "real":
            if engine not in (None, real.NAME):
                raise InputError(f"network.weights = 'real' has an engine of its own, so none can be named, {engine!r}")
            engine = real.NAME
        shape = tuple(num_inputs) if isinstance(num_inputs, (tuple, list)) else (num_inputs,)
        layers = modules_of(shape, num_classes, config, rule, generator, engine, tied_inputs)
        self._take(layers, config, rule, engine)

    @classmethod
    def of(cls, layers: Iterable[nn.Module], config: NetworkConfig | None = None, engine: str | None = None) -> Network:
        """A network of any layers (see `bstdg.learning.modules.TrainedLayer`), input side first.

        Args:
            layers: the last must offer `potentials` and `threshold`, as `BinaryLinear` does.
            config: T and what thresholds start from; its `layers` are not looked at.
            engine: what ran, for reports.

        Raises:
            InputError: a layer lacks what it must offer, or does not read what the one below it gives.
        """
        network = cls.__new__(cls)
        network._take(layers, config or NetworkConfig(), None, engine)
        return network

    def _take(
        self, layers: Iterable[nn.Module], config: NetworkConfig, rule: RuleConfig | None, engine: str | None
    ) -> None:
        super().__init__()
        self.config, self.rule, self.engine = config, rule or RuleConfig(), engine
        self.layers = nn.ModuleList(layers)
        self._shapes = _shapes(self._stack)

    @property
    def _stack(self) -> list[BinaryLinear]:
        """The layers with a type, which a ModuleList forgets; what is asked of each is in `TrainedLayer`."""
        return cast("list[BinaryLinear]", list(self.layers))

    @property
    def num_steps(self) -> int:
        """T."""
        return self.config.num_steps

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of every layer, input first."""
        return tuple(map(size, self._shapes))

    def forward(self, spikes: Tensor | Events | Spikes, drop: Callable[[Spikes], Spikes] | None = None) -> Output:
        """Input steps uint8 `[batch, num_inputs]`, `Events` or `Spikes`; `drop` is applied to hidden spikes.

        Raises:
            InputError: the input has another width, T or type than the network.
        """
        refuse_to_be_traced()
        below = self.read(spikes)
        hidden = []
        *inner, last = self._stack
        for layer in inner:
            below = layer(below)
            if drop is not None:
                below = drop(below)
            hidden.append(below)
        potentials = last.potentials(below)
        return Output(potentials, getattr(last, "effective_threshold", last.threshold), tuple(hidden))

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
        return Spikes.of_input(spikes, num_steps, next(self.parameters()).device)

    @torch.no_grad()
    def calibrate(self, spikes: Tensor | Events) -> None:
        """Set every threshold from a batch, so that each layer fires for the share of samples the config names.

        A hidden neuron then fires for `initial_share` of the samples whatever the data, width or depth, and an
        output neuron for `initial_output_share`; see `bstdg.learning.calibrate`.
        """
        below, config = self.read(spikes), self.config
        *inner, last = self._stack
        for layer in inner:
            layer.calibrate(below, config.initial_share)
            below = layer(below)
        last.calibrate(below, config.initial_output_share, config.initial_output_margin)

    def summary(self) -> Summary:
        """Layers, bits, thresholds as deployed, operations of an inference, and bytes; a table in a notebook.

        The bound on additions is that of input channels which spike at most once, as pixels do.
        """
        bits = 32 if self.config.weights == "real" else 1
        return summarize(self.deployed(), self.num_steps, str(self), bits=bits)

    def __repr__(self) -> str:
        config = self.config
        return (
            f"Network({self.structure}, T={self.num_steps}, {config.weights} weights, "
            f"threshold_mode={config.threshold_mode!r})"
        )

    @property
    def structure(self) -> str:
        """The network as it is written: 784-600-10."""
        return structure(self._shapes[0], self.deployed())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def set_rule(self, rule: RuleConfig) -> None:
        """Let every layer be judged by another rule from now on."""
        for layer in self._stack:
            if hasattr(layer, "rule"):
                layer.rule = rule

    def clip_latent_(self) -> None:
        """Bring all latent weights back into [-1, 1]; call it after every optimiser step."""
        for layer in self._stack:
            if hasattr(layer, "clip_latent_"):
                layer.clip_latent_()

    def deployed(self) -> list[Layer]:
        """The network as it is deployed, layer by layer; errors as for `BinaryLinear.deployed`."""
        return [layer.deployed() for layer in self._stack]

    def latent(self) -> list[Tensor]:
        """The parameters that are weights."""
        return [p for name, p in self.named_parameters() if not is_threshold(name)]

    def thresholds(self) -> list[Tensor]:
        """The parameters that are thresholds."""
        return [p for name, p in self.named_parameters() if is_threshold(name)]

    def latent_signs(self) -> list[Tensor]:
        """Which weights are +1 now, bool, a parameter each: two such lists tell how many weights flipped."""
        return [weight.detach() >= 0 for weight in self.latent()]


def is_threshold(name: str) -> bool:
    """Whether a parameter of that name is a threshold; all others are weights."""
    return name.rpartition(".")[2] == "threshold"


def _shapes(layers: Sequence[nn.Module]) -> list[Shape]:
    """What comes in, then what each layer gives; checks that they offer what they must, and fit each other."""
    if not layers:
        raise InputError("a network needs at least one layer")
    shapes: list[Shape] = []
    for i, module in enumerate(layers):
        if not isinstance(module, TrainedLayer):
            raise InputError(f"layer {i} is a {type(module).__name__}, which lacks deployed() or calibrate()")
        layer = module.deployed()
        if not shapes:
            shapes.append(layer.reads)
        elif size(layer.reads) != size(shapes[-1]):
            raise InputError(f"layer {i} reads {size(layer.reads)} channels, but {size(shapes[-1])} come in")
        elif not isinstance(layer, FullLayer) and len(layer.reads) == 3 and layer.reads != shapes[-1]:
            raise InputError(f"layer {i} reads maps of {by(layer.reads)}, but {by(shapes[-1])} come in")
        shapes.append(layer.gives)
    if not (hasattr(layers[-1], "potentials") and hasattr(layers[-1], "threshold")):
        raise InputError(f"the last layer is a {type(layers[-1]).__name__}, which lacks potentials() or a threshold")
    return shapes


def flip_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Share of weights whose bit changed between two `Network.latent_signs`."""
    flipped = sum(int((a != b).sum()) for a, b in zip(before, after, strict=True))
    return flipped / max(1, sum(a.numel() for a in before))


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
        share = self.advance()
        for parameter, mean in self.pairs():
            mean.lerp_(parameter, share)

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter with its average."""
        return zip(self._of.parameters(), self.network.parameters(), strict=True)

    @torch.no_grad()
    def advance(self) -> float:
        """Begin one more step; returns how much of the parameters it takes into their averages."""
        self.steps += 1
        for mine, measured in zip(self.network.buffers(), self._of.buffers(), strict=True):
            mine.copy_(measured)  # a running mean already
        return 1.0 - min(self._decay, (1 + self.steps) / (10 + self.steps))
