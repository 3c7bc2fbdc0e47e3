"""Networks that do not spike, of the very structure of a spiking one: float32, or with one-bit weights.

Convolutions are convolutions, poolings take the maximum of their window, full layers are full. Every layer with weights
is normalised over the batch and then rectified, or binarized to -1 or +1; a pooling stands before that, which changes
no result. With `binary` weights they are the signs of latent ones in [-1, 1], trained with the straight-through
estimator. Deployed, normalisation folds: into biases, into a scale and an offset a map, or into one threshold a map.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bstdg.errors import InputError
from bstdg.lab.predecessors.binary import Activation, sign
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.learning.modules import PLAIN

MOMENTUM = 0.1  # torch's own, of what layers are normalised by
START = 0.3  # latent weights begin uniform between minus and plus this


class BinaryFull(nn.Module):
    """A full layer of the signs of its latent weights `[neurons, channels]`, without a bias."""

    def __init__(self, channels: int, neurons: int):
        super().__init__()
        self.latent = nn.Parameter(torch.empty(neurons, channels, **PLAIN).uniform_(-START, START))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, sign(self.latent))


class BinaryWindows(nn.Module):
    """A convolution by the signs of its latent weights, without a bias."""

    def __init__(self, convolution: Convolution):
        super().__init__()
        self.convolution = convolution
        self.latent = nn.Parameter(torch.empty(convolution.weights, **PLAIN).uniform_(-START, START))

    def forward(self, x: Tensor) -> Tensor:
        _, _, _, stride, padding, groups = self.convolution
        return F.conv2d(x, sign(self.latent), None, stride, padding, 1, groups)


class Scaled(nn.Module):
    """Sums of binary weights become scores: one scale for all classes, an offset each."""

    def __init__(self, below: int, classes: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-0.5 * math.log(below), **PLAIN))
        self.offset = nn.Parameter(torch.zeros(classes, **PLAIN))

    def forward(self, sums: Tensor) -> Tensor:
        return sums * self.log_scale.exp() + self.offset


class Activate(nn.Module):
    """Signs, or rectified numbers."""

    def __init__(self, activation: Activation):
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return sign(x) if self.activation == "sign" else x.relu()


class Dropout(nn.Module):
    """Dropout by draws from a generator of one's own, whose state a checkpoint can hold."""

    def __init__(self, share: float, generator: torch.Generator):
        super().__init__()
        self.share, self.generator = share, generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        kept = torch.rand(x.shape, generator=self.generator, **PLAIN) >= self.share
        return x * kept / (1.0 - self.share)


class Counterpart(nn.Module):
    """Numbers `[batch, channels]`, flat as steps are, to scores `[batch, classes]`.

    Args:
        layers: of the spiking network, input side first; what they are is taken from them, not what they learnt.
        binary: whether weights are signs.
        activation: of hidden layers.
        dropout: share of the hidden neurons of full layers that is dropped in training.
        seed: of the initial weights.
        generator: where dropout draws from.

    Raises:
        InputError: a layer is of a kind that has no counterpart.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        binary: bool,
        activation: Activation,
        dropout: float,
        seed: int,
        generator: torch.Generator,
    ):
        super().__init__()
        self.reads, self.binary = layers[0].reads, binary
        self.activation: Activation = activation
        self.classes = size(layers[-1].gives)
        if len(self.reads) == 3 and isinstance(layers[0], FullLayer):
            self.reads = (size(self.reads),)
        with torch.random.fork_rng([]):  # layers draw from the global generator
            torch.manual_seed(seed)
            self.body = nn.Sequential(*self._body(layers, dropout, generator))

    def _body(self, layers: Sequence[Layer], dropout: float, generator: torch.Generator) -> Iterable[nn.Module]:
        activate: list[nn.Module] = []  # what the layer before is still to go through, once all pooling is done
        for layer in layers[:-1]:
            if isinstance(layer, Pool2dLayer):
                yield nn.MaxPool2d(layer.window, layer.stride)
                continue
            yield from activate
            yield from self._weights(layer)
            activate = [Activate(self.activation)]
            if isinstance(layer, FullLayer):
                yield nn.BatchNorm1d(size(layer.gives), **PLAIN)
                activate.append(Dropout(dropout, generator))
            else:
                yield nn.BatchNorm2d(layer.gives[0], **PLAIN)
        yield from activate
        below, classes = size(layers[-1].reads), size(layers[-1].gives)
        yield nn.Flatten()
        if self.binary:
            yield BinaryFull(below, classes)
            yield Scaled(below, classes)
        else:
            yield nn.Linear(below, classes, **PLAIN)

    def _weights(self, layer: Layer) -> Iterable[nn.Module]:
        if isinstance(layer, FullLayer):
            yield nn.Flatten()
            sizes = size(layer.reads), size(layer.gives)
            yield BinaryFull(*sizes) if self.binary else nn.Linear(*sizes, bias=False, **PLAIN)
        elif isinstance(layer, Conv2dLayer):
            (channels, *_), maps, kernel, stride, padding, groups = layer.convolution
            yield (
                BinaryWindows(layer.convolution)
                if self.binary
                else nn.Conv2d(channels, maps, kernel, stride, padding, groups=groups, bias=False, **PLAIN)
            )
        else:
            raise InputError(f"a layer of kind {layer.kind!r} has no counterpart that does not spike")

    def forward(self, numbers: Tensor) -> Tensor:
        x = numbers.view(len(numbers), *self.reads)
        return self.body(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x)

    def groups(self, rate: float, decay: float) -> list[dict[str, Any]]:
        """Parameter groups for AdamW: weights decay, what normalises and offsets does not."""
        parameters = list(self.parameters())
        shrinking = [p for p in parameters if p.ndim > 1]
        return [
            {"params": shrinking, "lr": rate, "weight_decay": decay},
            {"params": [p for p in parameters if p.ndim <= 1], "lr": rate, "weight_decay": 0.0},
        ]

    @torch.no_grad()
    def clip_(self) -> None:
        """Bring latent weights back into [-1, 1]."""
        for module in self.modules():
            if isinstance(module, BinaryFull | BinaryWindows):
                module.latent.clamp_(-1.0, 1.0)

    @torch.no_grad()
    def settle_(self, parts: Iterable[Tensor]) -> None:
        """Measure anew, on some training samples, what layers are normalised by when deployed.

        Running averages are those of the weights of some batches ago, and binary ones flip as long as they learn.
        """
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        self.eval()  # nothing is dropped
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all that comes now
            norm.train()
        for part in parts:
            self(part)
        for norm in norms:
            norm.momentum = MOMENTUM
            norm.eval()

    def deployed_bytes(self) -> int:
        """Of weights and of what normalisation leaves: a number a map or neuron, two where sums are scaled too."""
        weights = sum(p.numel() for p in self.parameters() if p.ndim > 1)
        kept = sum(m.num_features for m in self.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d))
        if not self.binary:
            return 4 * (weights + kept + self.classes)
        offsets = sum(m.offset.numel() + 1 for m in self.modules() if isinstance(m, Scaled))
        return -(-weights // 8) + 4 * ((2 if self.activation == "relu" else 1) * kept + offsets)
