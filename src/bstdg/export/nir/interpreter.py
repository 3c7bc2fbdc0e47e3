"""The semantics of a NIR graph of ours, step by step in NumPy: what other simulators of the graph are held to.

It reads nothing but the graph: weights and how they slide, resistances, thresholds, resets and edges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.decide import Decision
from bstdg.errors import InputError
from bstdg.export.nir.stages import stages
from bstdg.layers import size

if TYPE_CHECKING:
    from nir import NIRGraph

Reset = Literal["once", "value", "subtract"]


class Run(NamedTuple):
    """What came of a run.

    Attributes:
        steps: uint8 `[batch, neurons]` of every layer: the step of the first spike, T for none.
        counts: int64 `[batch, neurons]` of every layer: how often each neuron fired.
        currents: float64 `[batch, T, classes]`, what the output neurons receive; the sum up to t is V(t).
    """

    steps: tuple[NDArray[np.uint8], ...]
    counts: tuple[NDArray[np.int64], ...]
    currents: NDArray[np.float64]


def run(graph: NIRGraph, train: NDArray[np.floating], *, reset: Reset = "once", dt: float = 1.0) -> Run:
    """Run a spike train `[batch, T, channels]` (how many spikes a channel has in a step) through a graph.

    Args:
        graph: `Input`, then weights and neurons in turns, then `Output`; see `bstdg.export.nir.nodes`.
        train: what comes in.
        reset: "once" is our rule, a neuron fires once and keeps its potential; "value" falls to v_reset and "subtract"
            by the threshold after each spike, as simulators do it.
        dt: seconds a step.
    """
    layers = stages(graph, dt=dt)
    batch, num_steps, channels = train.shape
    if channels != layers[0].channels:
        raise InputError(f"the graph reads {layers[0].channels} channels, the input has {channels}")
    v = [np.zeros((batch, size(layer.gives))) for layer in layers]
    first = [np.full(potential.shape, num_steps, np.uint8) for potential in v]
    counts = [np.zeros(potential.shape, np.int64) for potential in v]
    output = np.zeros((batch, num_steps, v[-1].shape[1]))
    for t in range(num_steps):
        z = train[:, t]
        for k, layer in enumerate(layers):
            current = layer.current(z)
            v[k] += current
            if k == len(layers) - 1:
                output[:, t] = current
            fires = v[k] > layer.threshold
            if reset == "once":
                fires &= counts[k] == 0
            else:
                v[k] = np.where(fires, layer.reset if reset == "value" else v[k] - layer.threshold, v[k])
            first[k] = np.where(fires & (counts[k] == 0), t, first[k]).astype(np.uint8)
            counts[k] += fires
            z = fires.astype(np.float64)
    return Run(tuple(first), tuple(counts), output)


def decide(graph: NIRGraph, currents: NDArray[np.float64], *, dt: float = 1.0) -> Decision:
    """Who is first above its v_threshold, from the currents `[batch, T, classes]` of the output neurons.

    The greatest v - v_threshold wins, then the lowest index; silent decisions fall at the last step.
    """
    lead = np.cumsum(currents, axis=1) - stages(graph, dt=dt)[-1].threshold
    above: NDArray[np.bool_] = lead > 0
    open_steps: NDArray[np.bool_] = np.any(above, axis=2)
    silent: NDArray[np.bool_] = ~np.any(open_steps, axis=1)
    step = np.where(silent, lead.shape[1] - 1, open_steps.argmax(axis=1))
    rows = np.arange(len(lead))
    lead, above = lead[rows, step], above[rows, step]
    best = lead == lead.max(axis=1, keepdims=True)
    return Decision(lead.argmax(axis=1), step, silent, best.sum(axis=1) > 1, np.where(silent[:, None], best, above))
