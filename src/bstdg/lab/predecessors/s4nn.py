"""S4NN: real weights, fixed thresholds, and a relative target for the output's firing times.

Input: s = floor((255 - pixel) 256 / 255), so that a black pixel never fires. Both thresholds are 100. After each
image, with e_k the errors of the output (see `temporal.errors`; gamma = 3, a silent network's label is to fire at
256 - gamma):

    w_jk <- w_jk - rate e_k [h_j < o_k]
    e_j   = sum over k of e_k w_jk [h_j < o_k], brought to unit length
    w_ij <- w_ij - rate e_j [s_i < h_j]
    w    <- (1 - rate penalty) w

where s, h and o are the stamps of inputs, hidden and output neurons; w_jk in the second line is the weight after its
own change. An image is learnt on its own, in the order of the training part. Hidden neurons that fired for fewer than
0.1 % of the images of an epoch get new weights.

Source: Kheradpisheh and Masquelier, IJNS 30(6), 2020; what its equations leave open as in its published program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from bstdg.fields import SHARE
from bstdg.lab.predecessors import temporal
from bstdg.lab.predecessors.network import Response, run
from bstdg.lab.predecessors.settings import TemporalSettings
from bstdg.lab.predecessors.temporal import NEVER, NUM_STEPS

# The digit that each output unit of the released MNIST network stands for.
RELEASED_CLASSES = (4, 1, 0, 7, 9, 2, 3, 5, 8, 6)


@dataclass(frozen=True)
class Settings(TemporalSettings):
    """How S4NN is trained; the defaults are the published ones but for the number of epochs, 100 there.

    Attributes:
        penalty: share of the weights lost an image, divided by their learning rate.
        reset_below: hidden neurons that fire for a smaller share of images get new weights before the next epoch.
    """

    title: str = "S4NN: real weights, relative targets"
    epochs: int = 60
    hidden: tuple[int, ...] = (400,)
    gamma: int = 3
    rate: float = 0.2
    output_rate: float = 0.2
    schedule: Literal["constant", "linear"] = "constant"
    order: Literal["fixed", "shuffled", "drawn"] = "fixed"
    penalty: Annotated[float, SHARE] = 1e-6
    reset_below: Annotated[float, SHARE] = 0.001


def encode(images: NDArray[np.uint8], white: int = 255) -> NDArray[np.int16]:
    """Pixels `[batch, …]` to steps `[batch, inputs]`, 256 for black.

    >>> encode(np.array([[255, 254, 1, 0]], np.uint8)).tolist()
    [[0, 1, 254, 256]]
    """
    dark = white - images.reshape(len(images), -1).astype(np.int32)
    return (dark * NUM_STEPS // white).astype(np.int16)


class S4NN:
    """The network in training.

    Args:
        weights: `[inputs, hidden]` and `[hidden, classes]`; changed in place by `learn`.
        settings: see there.

    Attributes:
        binary: False: potentials are sums of the weights.
        shrunk: what the hidden weights are to be multiplied by; the penalty of an image touches this alone.
        share: of the learning rates, at this time of the training.
        fired: int64 `[hidden]`, images of this epoch for which a neuron fired, of `images` in all.
    """

    binary = False

    def __init__(self, weights: list[NDArray[np.floating]], settings: Settings | None = None):
        self.weights, self.settings = weights, settings or Settings()
        self.fired = np.zeros(weights[0].shape[1], np.int64)
        self.images = 0
        self.shrunk = 1.0
        self.share = 1.0

    @classmethod
    def initial(cls, widths: tuple[int, int, int], settings: Settings, generator: np.random.Generator) -> S4NN:
        """With weights as the settings say."""
        return cls(settings.initial_weights(widths, generator), settings)

    def thresholds(self) -> tuple[float, float]:
        """In units of the weights as they are stored."""
        return self.settings.threshold / self.shrunk, self.settings.threshold

    def effective(self, weights: NDArray[np.floating]) -> NDArray[np.floating]:
        """The weights themselves."""
        return weights

    def rule(self) -> temporal.Rule:
        """For the native module."""
        gamma = self.settings.gamma
        return temporal.Rule(
            False, gamma, gamma, self.settings.rates(self.share), self._keeps(), 0.0, (1.0, 1.0), self.shrunk
        )

    def _keeps(self) -> tuple[float, float]:
        below, above = self.settings.rates(self.share)
        return 1.0 - below * self.settings.penalty, 1.0 - above * self.settings.penalty

    def update_state(self, scales: Sequence[float], shrunk: float) -> None:
        """What the native module left behind."""
        self.shrunk = shrunk

    def learn(self, steps: NDArray[np.int16], label: int) -> Response:
        """One image; returns how the network answered before it learnt."""
        response, (below_rate, above_rate), keeps = run(self, steps), self.settings.rates(self.share), self._keeps()
        self.fired += response.hidden < NEVER
        self.images += 1
        below, above = self.weights
        error = temporal.errors(response.output, label, self.settings.gamma, self.settings.gamma, above.dtype.type)
        credit = temporal.causal_mask(response.hidden, response.output) * error
        above -= above_rate * credit
        above *= keeps[1]
        error = temporal.unit_length((credit * above).sum(axis=1))
        if error.any():
            order, times = temporal.arrivals(steps)
            change = temporal.causal_mask(times, response.hidden) * (error * below.dtype.type(below_rate / self.shrunk))
            changed = below[order]
            changed -= change
            below[order] = changed
        self.shrunk *= keeps[0]
        return response

    def settle(self) -> None:
        """Bring the penalty into the weights."""
        self.weights[0] *= self.shrunk
        self.shrunk = 1.0

    def begin_epoch(self, generator: np.random.Generator) -> None:
        """Give new weights to hidden neurons that hardly fired in the last epoch, and count anew."""
        idle = np.flatnonzero(self.fired < self.settings.reset_below * self.images)
        self.weights[0][:, idle] = self.settings.new_hidden((self.weights[0].shape[0], len(idle)), generator)
        self.fired[:] = 0
        self.images = 0
