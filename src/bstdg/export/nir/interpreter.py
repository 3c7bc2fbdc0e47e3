"""The semantics of a NIR graph of ours, step by step in NumPy: what other simulators of the graph are held to.

It reads nothing but the graph: weights, resistances, thresholds, resets and edges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.decide import Decision
from bstdg.errors import InputError
from bstdg.export.nir.graph import package

if TYPE_CHECKING:
    from nir import NIRGraph

Reset = Literal["once", "value", "subtract"]


class Stage(NamedTuple):
    """One layer as the graph has it: `weights` [neurons, channels], `bias` and, of its neurons, what follows.

    `gain` is what a unit of current adds to a potential in one step.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    gain: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reset: NDArray[np.float64]


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


def chain(graph: NIRGraph) -> list[tuple[str, Any]]:
    """The nodes between input and output, in order.

    Raises:
        InputError: the graph is not one chain from one Input to one Output.
    """
    nir = package()
    starts = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    ends = [name for name, node in graph.nodes.items() if isinstance(node, nir.Output)]
    if len(starts) != 1 or len(ends) != 1:
        raise InputError(f"the graph has {len(starts)} Input and {len(ends)} Output nodes; one of each is needed")
    edges = set(graph.edges)
    if len({a for a, _ in edges}) != len(edges) or len({b for _, b in edges}) != len(edges):
        raise InputError("the graph branches, joins or is recurrent: a node has several edges in or out")
    after, names = dict(edges), [starts[0]]
    while names[-1] in after and len(names) <= len(graph.nodes):
        names.append(after[names[-1]])
    if names[-1] != ends[0] or set(names) != set(graph.nodes):
        raise InputError(f"the graph is no chain from {starts[0]!r} to {ends[0]!r} through all of its nodes")
    return [(name, graph.nodes[name]) for name in names[1:-1]]


def stages(graph: NIRGraph, *, dt: float = 1.0) -> list[Stage]:
    """The layers of a graph, input side first, for steps of `dt` seconds.

    Raises:
        InputError: a node is neither Linear or Affine followed by IF, nor a LIF that does not leak in these steps.
    """
    nir = package()
    nodes = chain(graph)
    if len(nodes) % 2:
        raise InputError(f"the graph has {len(nodes)} nodes in a row; weights and neurons should alternate")
    layers = []
    for (name, weights), (fires, neuron) in zip(nodes[::2], nodes[1::2], strict=True):
        if not isinstance(weights, (nir.Linear, nir.Affine)):
            raise InputError(f"{name} is a {type(weights).__name__} node; weights are Linear or Affine here")
        if isinstance(neuron, nir.LIF):
            if (1.0 - dt / np.asarray(neuron.tau, np.float64) != 1.0).any() or np.any(neuron.v_leak):
                raise InputError(f"{fires} is a LIF node that leaks; neurons here only add: use IF")
            gain = dt * np.asarray(neuron.r, np.float64) / neuron.tau
        elif isinstance(neuron, nir.IF):
            gain = dt * np.asarray(neuron.r, np.float64)
        else:
            raise InputError(f"{fires} is a {type(neuron).__name__} node; neurons here are IF")
        matrix = np.asarray(weights.weight, np.float64)
        if matrix.ndim != 2 or gain.shape != matrix.shape[:1]:
            raise InputError(f"{name} has weights {matrix.shape} for {gain.shape} neurons; layers are fully connected")
        bias = np.zeros(len(matrix)) if isinstance(weights, nir.Linear) else np.asarray(weights.bias, np.float64)
        layers.append(
            Stage(
                matrix,
                bias,
                gain,
                np.asarray(neuron.v_threshold, np.float64),
                np.asarray(neuron.v_reset, np.float64),
            )
        )
    return layers


def run(graph: NIRGraph, train: NDArray[np.floating], *, reset: Reset = "once", dt: float = 1.0) -> Run:
    """Run a spike train `[batch, T, channels]` (how many spikes a channel has in a step) through a graph.

    Args:
        graph: `Input`, then `Linear` or `Affine` and `IF` in turns, then `Output`.
        train: what comes in.
        reset: "once" is our rule, a neuron fires once and keeps its potential; "value" falls to v_reset and "subtract"
            by the threshold after each spike, as simulators do it.
        dt: seconds a step.
    """
    layers = stages(graph, dt=dt)
    batch, num_steps, channels = train.shape
    if channels != layers[0].weights.shape[1]:
        raise InputError(f"the graph reads {layers[0].weights.shape[1]} channels, the input has {channels}")
    v = [np.zeros((batch, len(layer.weights))) for layer in layers]
    first = [np.full(potential.shape, num_steps, np.uint8) for potential in v]
    counts = [np.zeros(potential.shape, np.int64) for potential in v]
    output = np.zeros((batch, num_steps, v[-1].shape[1]))
    for t in range(num_steps):
        z = train[:, t]
        for k, layer in enumerate(layers):
            current = (z @ layer.weights.T + layer.bias) * layer.gain
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
