"""From a recipe's layers to the modules that learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bstdg.errors import InputError
from bstdg.layers import Pool2dLayer, Shape, size, written
from bstdg.layers.convolution import Convolution
from bstdg.learning.convolution import BinaryConv2d
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.pooling import SpikePool2d
from bstdg.learning.recipe import NetworkConfig, RuleConfig


def modules_of(
    shape: Shape,
    classes: int,
    config: NetworkConfig,
    rule: RuleConfig | None = None,
    generator: torch.Generator | None = None,
    engine: str | None = None,
    tied: int = 0,
) -> list[nn.Module]:
    """The layers of `config`, input side first, and an output layer of `classes` neurons.

    Args:
        shape: of what comes in, `(n,)` or `(channels, rows, columns)`.
        classes: output neurons.
        config: hidden layers and threshold mode.
        rule, generator, engine: as for `bstdg.learning.modules.BinaryLinear`.
        tied: how many of the last channels take back what the first add; for a fully connected first layer.

    Raises:
        InputError: a layer does not fit what comes in; says which layer, and what it reads.
    """
    modules: list[nn.Module] = []
    common = {"threshold_mode": config.threshold_mode, "rule": rule, "generator": generator, "engine": engine}
    first = config.layers[0] if config.layers else 1
    if tied and not isinstance(written.layer(first), written.Full):
        raise InputError(
            f"layer 0 ({first}) cannot read windows that take their spikes back; a fully connected layer can"
        )
    for layer in written.stack(config.layers, shape):
        module, shape = _module(layer, shape, 0 if modules else tied, common)
        modules.append(module)
    modules.append(BinaryLinear(size(shape), classes, tied=0 if modules else tied, **common))
    return modules


def _module(
    layer: written.Full | Convolution | Pool2dLayer, shape: Shape, tied: int, common: dict[str, Any]
) -> tuple[nn.Module, Shape]:
    """A layer that learns, and the shape of what it gives."""
    if isinstance(layer, written.Full):
        return BinaryLinear(size(shape), layer.neurons, tied=tied, **common), (layer.neurons,)
    if isinstance(layer, Convolution):
        _, maps, kernel, stride, padding, groups = layer
        module = BinaryConv2d(shape, maps, kernel, stride=stride, padding=padding, groups=groups, **common)
    else:
        module = SpikePool2d(shape, layer.window, stride=layer.stride, count=layer.count, engine=common["engine"])
    return module, layer.gives
