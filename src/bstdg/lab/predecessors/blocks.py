"""S4NN and BS4NN at fewer steps than the 256 that they learnt with: their input times put into equal blocks.

With K blocks the inputs of a block, 256 / K steps of theirs, arrive together, and a spike is seen in the block in which
its neuron crosses its threshold. Nothing else changes: weights, thresholds and decision are as they were, and inputs
too late to make any neuron fire (BS4NN's black pixels) stay so. Decision steps and spikes are counted in blocks, so
that the steps of a network with T = K have something to be held against that counts time alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import Dataset
from bstdg.errors import InputError
from bstdg.inputs import LatencyCode
from bstdg.inputs.base import Shape
from bstdg.lab.predecessors import bs4nn
from bstdg.lab.predecessors.network import TemporalNetwork, figures
from bstdg.lab.predecessors.temporal import NUM_STEPS, in_blocks
from bstdg.layers import FullLayer
from bstdg.model import packed

# A block holds the two steps after its inputs' at which a hidden neuron and an output are stamped, and begins before
# the step at which a silent decision is made: 128 blocks of two steps would not.
KNOWN = (1, 2, 4, 8, 16, 32, 64)


def check(blocks: Sequence[int]) -> tuple[int, ...]:
    """The numbers of blocks, each once.

    Raises:
        InputError: one is not in `KNOWN`.

    >>> check([8, 4, 8])
    (8, 4)
    """
    for number in blocks:
        if number not in KNOWN:
            known = ", ".join(map(str, KNOWN[:-1]))
            raise InputError(f"{NUM_STEPS} steps are put into {known} or {KNOWN[-1]} blocks, not into {number}")
    return tuple(dict.fromkeys(blocks))


def deployed(
    network: TemporalNetwork, blocks: int, reads: Shape, white: int, classes: Sequence[str], data: str
) -> packed.PackedModel:
    """BS4NN in blocks as a model of this project, which fires the same spikes and decides the same.

    A potential above 100 / alpha is one of floor(100 / alpha) + 1 or more, as sums of signs are whole; all neurons of a
    layer have one threshold, so the greatest V - threshold is the greatest potential.

    Args:
        network: with latent weights `[inputs, hidden]` and `[hidden, classes]`.
        blocks: T of the model.
        reads: shape of an image.
        white: its brightest pixel value.
        classes: their names.
        data: the data set's name, for what the model says of itself.

    Raises:
        InputError: a weight is 0, for which one bit has no sign; or its pixels do not fall into the same blocks by
            this project's latency code.
    """
    code, grey = LatencyCode(reads, white), np.arange(white + 1, dtype=np.uint8)[:, None]
    wanted = in_blocks(bs4nn.encode(grey, white), blocks) // (NUM_STEPS // blocks)
    if not np.array_equal(LatencyCode((1,), white).encode(grey, blocks), wanted):
        raise InputError(f"pixels of 0 … {white} fall into other blocks by the latency code with T = {blocks}")
    if any((weights == 0).any() for weights in network.weights):
        raise InputError("a weight of this network is 0, which a model of one-bit weights cannot hold")
    layers = tuple(
        FullLayer(
            np.where(weights.T > 0, 1, -1).astype(np.int8), np.full(weights.shape[1], np.floor(threshold) + 1, np.int64)
        )
        for weights, threshold in zip(network.weights, network.thresholds(), strict=True)
    )
    return packed.PackedModel(code, layers, blocks, tuple(classes), {"data": data, "baseline": "bs4nn"})


def judged(
    network: TemporalNetwork,
    steps: NDArray[np.int16],
    labels: NDArray[np.int64],
    test: Dataset,
    blocks: Sequence[int],
    models: Path | None,
) -> dict[str, Any]:
    """Figures at each number of blocks, under the key that a report has them at; none without any.

    Args:
        network: S4NN or BS4NN.
        steps: of the test set, `[images, inputs]`, at all 256 steps.
        labels: of the outputs, `[images]`.
        test: the test set itself.
        blocks: the numbers, as `check` gives them.
        models: a folder where BS4NN is written as a model file for each, bs4nn-8.bstdg for 8 blocks.
    """
    if not blocks:
        return {}
    if models is not None:
        models.mkdir(parents=True, exist_ok=True)
        for number in blocks:
            model = deployed(network, number, test.shape, test.white, test.classes, test.name)
            packed.save(model, models / f"bs4nn-{number}.bstdg")
    return {"blocks": [{"blocks": number, **figures(network, steps, labels, number)} for number in blocks]}
