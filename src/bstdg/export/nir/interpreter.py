"""The semantics of a NIR graph of ours, step by step in NumPy: what other simulators of the graph are held to.

It reads nothing but the graph: weights, resistances, thresholds, resets and edges.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.decide import Decision
from bstdg.errors import InputError
from bstdg.export.nir.graph import package

if TYPE_CHECKING:
    from nir import NIRGraph

Reset = Literal["once", "value", "subtract"]
_NAME = 80  # characters of a node's name that are shown


class Stage(NamedTuple):
    """One layer as the graph has it: `weights` [neurons, channels], `bias` and, of its neurons, what follows.

    `name` is what the graph calls its weights; `gain` is what a unit of current adds to a potential in one step.
    """

    name: str
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
        counts = [*Counter(a for a, _ in edges).items(), *Counter(b for _, b in edges).items()]
        busy = ", ".join(dict.fromkeys(said(name) for name, count in counts if count > 1))[: 4 * _NAME]
        raise InputError(f"the graph branches, joins or is recurrent: there are several edges in or out of {busy}")
    after, names = dict(edges), [starts[0]]
    while names[-1] in after and len(names) <= len(graph.nodes):
        names.append(after[names[-1]])
    if names[-1] != ends[0] or set(names) != set(graph.nodes):
        raise InputError(f"the graph is no chain from {said(starts[0])} to {said(ends[0])} through all of its nodes")
    return [(name, graph.nodes[name]) for name in names[1:-1]]


def stages(graph: NIRGraph, *, dt: float | None = 1.0) -> list[Stage]:
    """The layers of a graph, input side first, for steps of `dt` seconds, or of `step_length` where that is None.

    Raises:
        InputError: a node is neither Linear or Affine followed by IF, nor a LIF that does not leak in these steps.
    """
    pairs = _pairs(graph)
    dt = step_length(graph) if dt is None else dt
    return [_stage(*pair, dt) for pair in pairs]


def step_length(graph: NIRGraph) -> float:
    """Seconds a step such that a unit of current adds 1 to a potential: 1 / r of IF nodes, tau / r of LIF nodes.

    Raises:
        InputError: it is not the same for all neurons, or a node does not fit.
    """
    found = [(fires, rate) for _, _, fires, neuron in _pairs(graph) for rate in np.unique(_rate(fires, neuron))]
    if not found:
        return 1.0
    (first, rate), *others = found
    odd = next(((name, other) for name, other in others if not _nearly(other, rate)), None)
    if odd is not None:
        raise InputError(
            f"a unit of current adds {rate:g} a second in node {said(first)} and {odd[1]:g} in {said(odd[0])}: "
            "say how many seconds a step has (--dt)"
        )
    return float(1.0 / rate)


def picture(graph: NIRGraph) -> tuple[int, ...] | None:
    """The shape that a Flatten node before the first weights reads, without dimensions of the batch; None without one.

    Raises:
        InputError: the graph is no chain.
    """
    (name, first), *_ = chain(graph) or [("", None)]
    if not isinstance(first, package().Flatten):
        return None
    shape = first.input_type["input"]
    numbers = np.asarray([] if shape is None else shape).ravel()
    if not numbers.size or numbers.dtype.kind not in "iu" or (numbers < 1).any():
        raise InputError(f"node {said(name)}, a Flatten, does not say what shape it reads")
    return tuple(int(n) for n in numbers)


def said(name: object) -> str:
    """What a graph calls a node, fit to be shown.

    >>> said("fc\\n1")
    "'fc\\\\n1'"
    """
    text = repr(str(name))
    return text if len(text) <= _NAME else f"{text[:_NAME]}…'"


def _pairs(graph: NIRGraph) -> list[tuple[str, Any, str, Any]]:
    """Weights and neurons of each layer, by name; a Flatten that leaves the order of values alone is passed over."""
    nir = package()
    nodes = [(name, node) for name, node in chain(graph) if not isinstance(node, nir.Flatten)]
    for at, (name, node) in enumerate(nodes):
        wanted, what = ((nir.IF, nir.LIF), "neurons") if at % 2 else ((nir.Linear, nir.Affine), "weights")
        if not isinstance(node, wanted):
            kinds = " or ".join(kind.__name__ for kind in wanted)
            after = f" after {said(nodes[at - 1][0])}" if at else ""
            raise InputError(
                f"node {said(name)} is a {type(node).__name__} node; {what}{after} are {kinds} here, "
                "and weights and neurons alternate"
            )
    if len(nodes) % 2:
        raise InputError(f"node {said(nodes[-1][0])} is the last: weights and neurons alternate, and neurons come last")
    return [(*weights, *neurons) for weights, neurons in zip(nodes[::2], nodes[1::2], strict=True)]


def _stage(name: str, weights: Any, fires: str, neuron: Any, dt: float) -> Stage:
    nir = package()
    matrix = _numbers(name, weights, "weight")
    if matrix.ndim != 2:
        raise InputError(f"node {said(name)} has weights of shape {matrix.shape}; layers are fully connected here")
    width = len(matrix)
    if isinstance(neuron, nir.LIF):
        tau, leak = (_each(fires, neuron, field, width) for field in ("tau", "v_leak"))
        with np.errstate(all="ignore"):
            leaks = (1.0 - dt / tau != 1.0).any() or leak.any()
        if leaks:
            raise InputError(f"node {said(fires)} is a LIF node that leaks; neurons here only add: use IF")
    gain = dt * _rate(fires, neuron)
    gain = np.broadcast_to(gain, width) if gain.size == 1 else gain
    if gain.shape != (width,):
        raise InputError(f"node {said(fires)} has {gain.size} neurons, the weights before it lead to {width}")
    bias = np.zeros(width) if isinstance(weights, nir.Linear) else _each(name, weights, "bias", width)
    return Stage(
        name,
        matrix,
        bias,
        np.where(_nearly(gain, 1.0), 1.0, gain),
        _each(fires, neuron, "v_threshold", width),
        _each(fires, neuron, "v_reset", width),
    )


def _rate(name: str, neuron: Any) -> NDArray[np.float64]:
    """What a unit of current adds to each potential in a second, `[neurons]` or one number for all."""
    rate = np.atleast_1d(np.squeeze(_numbers(name, neuron, "r")))
    if isinstance(neuron, package().LIF):
        tau = np.atleast_1d(np.squeeze(_numbers(name, neuron, "tau")))
        if rate.size != tau.size and 1 not in (rate.size, tau.size):
            raise InputError(f"node {said(name)} has {rate.size} values of r and {tau.size} of tau")
        with np.errstate(all="ignore"):
            rate = rate / tau
    odd = ~((rate > 0) & np.isfinite(rate))
    if odd.any():
        values = ", ".join(
            f"{field} = {np.ravel(_numbers(name, neuron, field))[:1].item():g}"
            for field in (("r", "tau") if isinstance(neuron, package().LIF) else ("r",))
        )
        raise InputError(
            f"node {said(name)} does not say what a unit of current adds to a potential ({values}): give it an IF with "
            "a positive r"
        )
    return rate


def _each(name: str, node: Any, field: str, width: int) -> NDArray[np.float64]:
    """A number for each of `width` neurons, of a field that may hold one for all."""
    values = np.squeeze(_numbers(name, node, field))
    if values.shape not in ((), (width,)):
        raise InputError(f"node {said(name)} has {values.size} values of {field} for {width} neurons")
    return np.broadcast_to(values, width)


def _numbers(name: str, node: Any, field: str) -> NDArray[np.float64]:
    try:
        return np.asarray(getattr(node, field), np.float64)
    except (TypeError, ValueError):
        raise InputError(f"node {said(name)} has a {field} that is no array of numbers") from None


def _nearly(values: NDArray[np.float64] | float, wanted: float) -> NDArray[np.bool_]:
    """Equal but for the rounding of numbers that were float32 on their way."""
    return np.abs(np.asarray(values) - wanted) <= 2 * float(np.finfo(np.float32).eps) * abs(wanted)


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
