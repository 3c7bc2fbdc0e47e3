"""From a recipe's layers to the modules that learn."""

from __future__ import annotations

import torch
from torch import nn

from bstdg.errors import InputError
from bstdg.layers import Shape, size, written
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
        InputError: a layer does not fit what comes in; says which, and what comes in.
    """
    modules: list[nn.Module] = []
    common = {"threshold_mode": config.threshold_mode, "rule": rule, "generator": generator, "engine": engine}
    for i, text in enumerate((*config.layers, classes)):
        try:
            asked = written.layer(text)
            if tied and not modules and not isinstance(asked, written.Full):
                raise InputError("cannot read channels with windows that take spikes back; a fully connected layer can")
            if isinstance(asked, written.Full):
                modules.append(BinaryLinear(size(shape), asked.neurons, tied=0 if modules else tied, **common))
                shape = (asked.neurons,)
            elif isinstance(asked, written.Conv):
                convolution = asked.over(shape)
                maps, kernel, stride, padding, groups = convolution[1:]
                modules.append(
                    BinaryConv2d(shape, maps, kernel, stride=stride, padding=padding, groups=groups, **common)
                )
                shape = convolution.gives
            else:
                layer = asked.over(shape)
                modules.append(
                    SpikePool2d(shape, layer.window, stride=layer.stride, count=layer.count, engine=engine)
                )
                shape = layer.gives
        except InputError as error:
            raise InputError(f"layer {i} ({text}) {error}") from None
    return modules
