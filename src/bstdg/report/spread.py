"""How the margins of hidden neurons lie: how far from their threshold they were, as the rule judges them.

The margin of neuron j is m_j = V_j(e_j) - theta_j: at the step e_j at which it fired, else at the one at which it came
closest. The spike-timing-dependent gradient lets a neuron answer by psi(m) = max(0, 1 - |m| / width), so a layer learns
as long as its margins lie within the width. Thresholds are the deployed ones, which are integers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.engine import choose
from bstdg.layers import Conv2dLayer, FullLayer, size
from bstdg.model.figures import is_number
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Run
from bstdg.spikes.events import Events

SAMPLES = 256  # the first so many samples tell how margins lie
AT_ONCE = 1 << 24  # potentials that are held at a time


class Spread(NamedTuple):
    """How the margins of a layer lie.

    Attributes:
        mean, deviation: over neurons and samples, in units of potential.
        within: share of them within the width of the rule, so that the neuron answers for its spike; None where it is
            not known.
        samples: how many were looked at.
    """

    mean: float
    deviation: float
    within: float | None
    samples: int


class Margins:
    """Looks at the margins of a network's hidden layers, over the first `SAMPLES` samples.

    Args:
        model: the network.
        engine: which engine computes potentials.
    """

    def __init__(self, model: PackedModel, engine: str | None):
        self._layers, self._num_steps, self._engine = model.layers[:-1], model.num_steps, engine
        self._width = width_of(model.trained)
        self._found = [_Moments() for _ in self._layers]
        self._samples = 0

    def add(self, run: Run) -> None:
        """Look at a batch, as far as there is need of it."""
        wanted = min(len(run.spikes), SAMPLES - self._samples)
        if wanted < 1:
            return
        self._samples += wanted
        below = (run.spikes, *run.trace.hidden)
        for moments, layer, spikes in zip(self._found, self._layers, below, strict=False):
            if not isinstance(layer, (FullLayer, Conv2dLayer)):
                continue
            network = choose.inference(self._engine, (layer,), self._num_steps).network
            rows = max(1, AT_ONCE // (self._num_steps * size(layer.gives)))
            for start in range(0, wanted, rows):
                potentials = network.trace(_rows(spikes, start, min(start + rows, wanted))).potentials
                found = margins_of(potentials, layer.thresholds)
                moments.add(found, 0 if self._width is None else int((np.abs(found) < self._width).sum()))

    def spread(self) -> tuple[Spread | None, ...]:
        """What was found, a hidden layer each."""
        return tuple(self._of(moments) if moments.number else None for moments in self._found)

    def _of(self, found: _Moments) -> Spread:
        within = None if self._width is None else found.inside / found.number
        return Spread(found.mean, math.sqrt(found.squares / found.number), within, self._samples)


class _Moments:
    """Mean and sum of squared distances from it, joined part by part so that great numbers do not cancel."""

    def __init__(self) -> None:
        self.number, self.inside, self.mean, self.squares = 0, 0, 0.0, 0.0

    def add(self, found: NDArray[np.int64], inside: int) -> None:
        mean, number = float(found.mean()), self.number + found.size
        apart = mean - self.mean
        self.squares += float(((found - mean) ** 2).sum()) + apart**2 * self.number * found.size / number
        self.mean += apart * found.size / number
        self.number, self.inside = number, self.inside + inside


def margins_of(potentials: NDArray[np.integer], thresholds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Margins int64 `[batch, neurons]` from potentials `[batch, T, neurons]`.

    >>> margins_of(np.array([[[1, 4], [5, 3], [9, 2]]]), np.array([3, 6])).tolist()
    [[2, -2]]
    """
    lead = potentials.astype(np.int64) - thresholds
    first = (lead >= 0).argmax(axis=1)  # the first of those at or above threshold; 0 where none is
    at_first = np.take_along_axis(lead, first[:, None], axis=1)[:, 0]
    return np.where(at_first >= 0, at_first, lead.max(axis=1))


def width_of(trained: Mapping[str, Any]) -> float | None:
    """The width that training ended with; None where nobody says, or says something else."""
    recipe = trained.get("recipe")
    rule = recipe.get("rule") if isinstance(recipe, dict) else None
    if not isinstance(rule, dict):
        return None
    width: Any = rule.get("final_width") or rule.get("width")
    return float(width) if is_number(width) and width > 0 else None


def _rows(spikes: NDArray[np.uint8] | Events, start: int, stop: int) -> NDArray[np.uint8] | Events:
    """Some samples of a batch."""
    if isinstance(spikes, Events):
        return spikes[start:stop]
    return np.ascontiguousarray(spikes[start:stop])
