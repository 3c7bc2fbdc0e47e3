"""Training of S4NN and BS4NN as published, one image at a time, as a run that `base.train_and_judge` drives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import _native
from bstdg.errors import TrainingError
from bstdg.lab.predecessors import bs4nn, network, s4nn
from bstdg.lab.predecessors.base import Figures, RunSetup
from bstdg.lab.predecessors.temporal import NUM_STEPS

PARTS = 50


def learn_images(
    net: s4nn.S4NN | bs4nn.BS4NN, steps: NDArray[np.int16], labels: NDArray[np.int64], order: NDArray[np.int64]
) -> int:
    """Learn the images named by `order`, one after another, by the native module: what `learn` does, sooner.

    Args:
        net: with float32 weights.
        steps: `[images, inputs]`.
        labels: `[images]`.
        order: positions of images.

    Returns:
        How many images were right by the predecessors' metric when their turn came.

    Raises:
        TrainingError: a scale is no longer positive.
    """
    below, above = net.weights
    try:
        right, *scales, shrunk = _native.learn_temporal(
            below, above, net.fired, steps, labels, order, net.settings.threshold, *net.rule()
        )
    except ValueError as error:
        raise TrainingError(str(error)) from None
    net.images += len(order)
    net.update_state(scales, shrunk)
    return right


class OnlineRun:
    """S4NN or BS4NN on a training part.

    Args:
        setup: see `base.RunSetup`; its settings say which of the two it is.
    """

    def __init__(self, setup: RunSetup[Any]):
        self.settings, self.white = setup.settings, setup.training.white
        self.generator = np.random.default_rng(setup.seed)
        self.binary = isinstance(self.settings, bs4nn.Settings)
        self.encode = bs4nn.encode if self.binary else s4nn.encode
        self.steps = self.encode(setup.training.images, self.white)
        self.labels = setup.training.labels
        widths = (self.steps.shape[1], *self.settings.hidden, len(setup.training.classes))
        kind = bs4nn.BS4NN if self.binary else s4nn.S4NN
        self.network: s4nn.S4NN | bs4nn.BS4NN = kind.initial(widths, self.settings, self.generator)
        self._kept: dict[str, Any] = {}

    @property
    def widths(self) -> tuple[int, int, int]:
        """Neurons of every layer, input first."""
        below, above = self.network.weights
        return below.shape[0], below.shape[1], above.shape[1]

    def epochs(self) -> Iterator[dict[str, Any]]:
        """One pass at a time, or as many images drawn; a schedule lowers the rates in `PARTS` steps an epoch.

        Raises:
            TrainingError: no hidden neuron fires, or a scale is no longer positive.
        """
        samples, total = len(self.labels), self.settings.epochs * len(self.labels)
        for epoch in range(self.settings.epochs):
            self.network.begin_epoch(self.generator)
            right = 0
            for part in np.array_split(self._order(samples), min(samples, PARTS)):
                if self.settings.schedule == "linear":
                    self.network.share = 1.0 - (epoch * samples + self.network.images) / total
                right += learn_images(self.network, self.steps, self.labels, part)
            if not self.network.fired.any():
                raise TrainingError("no hidden neuron fired for any image: raise least_hidden or lower threshold")
            self.network.settle()
            yield {"training_accuracy_ties_correct": right / samples}

    def _order(self, samples: int) -> NDArray[np.int64]:
        if self.settings.order == "drawn":
            return self.generator.integers(samples, size=samples)
        return np.arange(samples) if self.settings.order == "fixed" else self.generator.permutation(samples)

    def figures(self, images: NDArray[np.uint8], labels: NDArray[np.int64], blocks: int = NUM_STEPS) -> Figures:
        """See `network.figures`."""
        return network.figures(self.network, self.encode(images, self.white), labels, blocks)

    def keep(self) -> None:
        """Remember weights and scales."""
        self._kept = {"weights": [weights.copy() for weights in self.network.weights]}
        if isinstance(self.network, bs4nn.BS4NN):
            self._kept["scales"] = list(self.network.scales)

    def restore(self) -> None:
        """Take them back."""
        for name, value in self._kept.items():
            setattr(self.network, name, value)

    def deployed_bytes(self) -> int:
        """32 bits a real weight; a bit a sign and 32 bits a layer's scale."""
        weights = sum(weights.size for weights in self.network.weights)
        return -(-weights // 8) + 4 * len(self.network.weights) if self.binary else 4 * weights
