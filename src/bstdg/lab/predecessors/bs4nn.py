"""BS4NN: S4NN with the signs of its weights, and a trained scale a layer.

Input: s = 255 - pixel, so that a black pixel fires at 255. Potentials are sums of sign(w) (0 stays 0), and a scale
alpha a layer, which starts at 5, divides the threshold: theta = 100 / alpha. After each image, with e_k as in S4NN
(gamma = 1; where no output fires nothing is learnt, as the label's target is 256 too):

    w_jk  <- w_jk - rate e_k [h_j < o_k]
    alpha <- alpha - scale_rate mean over j and k of e_k sign(w_jk) [h_j < o_k]
    e_j    = sum over k of e_k w_jk [h_j < o_k], brought to unit length

and the same two changes for the hidden layer with e_j. The real weights carry the error back. An image is learnt on
its own, drawn from the training part with replacement.

Source: Kheradpisheh, Mirsadeghi and Masquelier, Neural Processing Letters 54, 2022; what its equations leave open as
in its published program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import TrainingError
from bstdg.fields import Range
from bstdg.lab.predecessors import temporal
from bstdg.lab.predecessors.network import Response, run
from bstdg.lab.predecessors.settings import POSITIVE, TemporalSettings

# The scales of the released MNIST network.
RELEASED_SCALES = (4.03707844, 9.06516109)


@dataclass(frozen=True)
class Settings(TemporalSettings):
    """How BS4NN is trained; what the defaults change of what was published is in docs/baselines.md.

    Attributes:
        scale: alpha of the hidden layer at the start.
        output_scale: alpha of the output layer at the start.
        scale_rate: learning rate of alpha.
        learn_silent: where no output fires, the label's target is 256 - gamma; False: nothing is learnt, as in the
            published program.
    """

    title: str = "BS4NN: signs of weights, a trained scale a layer, relative targets"
    epochs: int = 15
    hidden: tuple[int, ...] = (600,)
    gamma: int = 30
    rate: float = 3.0
    output_rate: float = 1.0
    least_hidden: float = -2.5
    least_output: float = -30.0
    scale: Annotated[float, POSITIVE] = 2.5
    output_scale: Annotated[float, POSITIVE] = 2.0
    scale_rate: Annotated[float, Range(0.0, 1e3)] = 0.01
    learn_silent: bool = True


def encode(images: NDArray[np.uint8], white: int = 255) -> NDArray[np.int16]:
    """Pixels `[batch, …]` to steps `[batch, inputs]`, 255 for black.

    >>> encode(np.array([[255, 254, 1, 0]], np.uint8)).tolist()
    [[0, 1, 254, 255]]
    """
    bright = images.reshape(len(images), -1).astype(np.int32)
    return (255 - bright * 255 / white).astype(np.int16)


class BS4NN:
    """The network in training.

    Args:
        weights: latent, `[inputs, hidden]` and `[hidden, classes]`; changed in place by `learn`.
        settings: see there.
        scales: alpha of the hidden and the output layer.

    Attributes:
        binary: True: potentials are sums of the weights' signs.
        share: of the learning rates, at this time of the training.
        fired: int64 `[hidden]`, images for which a neuron fired, of `images` in all.
    """

    binary = True

    def __init__(
        self,
        weights: list[NDArray[np.floating]],
        settings: Settings | None = None,
        scales: tuple[float, float] | None = None,
    ):
        self.weights, self.settings = weights, settings or Settings()
        self.scales = list(scales or (self.settings.scale, self.settings.output_scale))
        self.fired = np.zeros(weights[0].shape[1], np.int64)
        self.images = 0
        self.share = 1.0

    @classmethod
    def initial(cls, widths: tuple[int, int, int], settings: Settings, generator: np.random.Generator) -> BS4NN:
        """With latent weights as the settings say."""
        return cls(settings.initial_weights(widths, generator), settings)

    def thresholds(self) -> tuple[float, float]:
        """100 / alpha."""
        return self.settings.threshold / self.scales[0], self.settings.threshold / self.scales[1]

    def effective(self, weights: NDArray[np.floating]) -> NDArray[np.floating]:
        """Their signs."""
        return np.sign(weights)

    def rule(self) -> temporal.Rule:
        """For the native module."""
        given, scales = self.settings, (self.scales[0], self.scales[1])
        scale_rate = self.share * given.scale_rate
        return temporal.Rule(
            True, given.gamma, self._lead(), self.settings.rates(self.share), (1.0, 1.0), scale_rate, scales, 1.0
        )

    def _lead(self) -> int:
        return self.settings.gamma if self.settings.learn_silent else 0

    def update_state(self, scales: Sequence[float], shrunk: float) -> None:
        """What the native module left behind."""
        self.scales = list(scales)

    def learn(self, steps: NDArray[np.int16], label: int) -> Response:
        """One image; returns how the network answered before it learnt.

        Raises:
            TrainingError: a scale is no longer positive.
        """
        response = run(self, steps)
        self.fired += response.hidden < temporal.NEVER
        self.images += 1
        below, above = self.weights
        error = temporal.errors(response.output, label, self.settings.gamma, self._lead(), above.dtype.type)
        credit = temporal.causal_mask(response.hidden, response.output) * error
        below_rate, above_rate = self.settings.rates(self.share)
        above -= above_rate * credit
        self._scale(1, float(np.vdot(credit, np.sign(above))) / above.size)
        error = temporal.unit_length((credit * above).sum(axis=1))
        if error.any():
            # A neuron that stayed silent has no error, so inputs at 255, after all stamps but its, need no change.
            order, times = temporal.arrivals(steps, temporal.NEVER - 1)
            change = temporal.causal_mask(times, response.hidden) * (error * below.dtype.type(below_rate))
            changed = below[order]
            changed -= change
            below[order] = changed
            self._scale(0, float(np.vdot(change, np.sign(changed))) / below_rate / below.size)
        return response

    def _scale(self, layer: int, slope: float) -> None:
        self.scales[layer] -= self.share * self.settings.scale_rate * slope
        if not self.scales[layer] > 0:
            raise TrainingError(f"the scale of layer {layer} fell to {self.scales[layer]}; lower scale_rate")

    def settle(self) -> None:
        """Nothing is left to bring into the weights."""

    def begin_epoch(self, generator: np.random.Generator) -> None:
        """Count anew."""
        self.fired[:] = 0
        self.images = 0
