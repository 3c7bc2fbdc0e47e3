"""The layers of a NIR graph, as it has them: weights, and what their neurons make of a current in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.nir.graph import package
from bstdg.export.nir.nodes import Pair, each, entry, numbers, pairs, said
from bstdg.export.nir.sliding import currents, window
from bstdg.layers import Shape, size
from bstdg.layers.convolution import Convolution, by

if TYPE_CHECKING:
    from nir import NIRGraph


class Stage(NamedTuple):
    """One layer.

    Attributes:
        name: what the graph calls its weights.
        weights: `[neurons, channels]`; where windows slide, `[maps, channels of a group, kernel rows, kernel columns]`.
        convolution: how they slide; None of fully connected layers.
        pools: the node is one that pools.
        bias, threshold, reset: `[neurons]`.
        gain: `[neurons]`, what a unit of current adds to a potential in one step.
    """

    name: str
    weights: NDArray[np.float64]
    convolution: Convolution | None
    pools: bool
    bias: NDArray[np.float64]
    gain: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reset: NDArray[np.float64]

    @property
    def channels(self) -> int:
        """How many come in."""
        return size(self.convolution.reads) if self.convolution else self.weights.shape[1]

    @property
    def gives(self) -> Shape:
        """The shape of its neurons."""
        return self.convolution.gives if self.convolution else (len(self.weights),)

    def current(self, spikes: NDArray[np.floating]) -> NDArray[np.float64]:
        """What spikes `[batch, channels]` add to each potential, `[batch, neurons]`."""
        if self.convolution is None:
            return (spikes @ self.weights.T + self.bias) * self.gain
        return (currents(spikes, self.weights, self.convolution) + self.bias) * self.gain


def stages(graph: NIRGraph, *, dt: float | None = 1.0) -> list[Stage]:
    """The layers of a graph, input side first, for steps of `dt` seconds, or of `step_length` where that is None.

    Raises:
        InputError: weights and neurons do not alternate, a node is of another kind or leaks, or shapes do not fit.
    """
    dt = step_length(graph) if dt is None else dt
    found: list[Stage] = []
    for pair in pairs(graph):
        comes_in = found[-1].gives if found else entry(graph)
        found.append(_stage(pair, comes_in, dt, first=not found))
    return found


def step_length(graph: NIRGraph) -> float:
    """Seconds a step such that a unit of current adds 1 to a potential: 1 / r of IF nodes, tau / r of LIF nodes.

    Raises:
        InputError: it is not the same for all neurons, or a node does not fit.
    """
    found = [(pair.fires, rate) for pair in pairs(graph) for rate in np.unique(_rate(pair.fires, pair.neurons))]
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


def _stage(pair: Pair, comes_in: Shape | None, dt: float, *, first: bool) -> Stage:
    name, kind = pair.name, type(pair.weights).__name__
    if kind in ("Linear", "Affine"):
        weights, convolution, pools = _matrix(pair, None if first else comes_in), None, False
        gives, biases = (len(weights),), (len(weights),)
    elif pair.flat:
        raise InputError(f"node {said(name)} is a {kind} node after a Flatten: it reads maps, not a row")
    else:
        weights, convolution, pools = window(name, pair.weights, kind, comes_in, first=first)
        gives, biases = convolution.gives, (convolution.maps, 1, 1)
    fires, neurons = pair.fires, pair.neurons
    if isinstance(neurons, package().LIF):
        tau, leak = (each(fires, numbers(fires, neurons, field), field, gives) for field in ("tau", "v_leak"))
        with np.errstate(all="ignore"):
            leaks = (1.0 - dt / tau != 1.0).any() or leak.any()
        if leaks:
            raise InputError(f"node {said(fires)} is a LIF node that leaks; neurons here only add: use IF")
    rate = _rate(fires, neurons)
    try:
        gain = dt * each(fires, rate, "r", gives)
    except InputError:
        said_of = f"has {rate.size} neurons, the weights before it lead to {size(gives)}"
        raise InputError(f"node {said(fires)} {said_of}") from None
    bias = np.zeros(size(gives))
    if getattr(pair.weights, "bias", None) is not None:
        bias = each(name, numbers(name, pair.weights, "bias").reshape(-1, *biases[1:]), "bias", gives)
    return Stage(
        name,
        weights,
        convolution,
        pools,
        bias,
        np.where(_nearly(gain, 1.0), 1.0, gain),
        each(fires, numbers(fires, neurons, "v_threshold"), "v_threshold", gives),
        each(fires, numbers(fires, neurons, "v_reset"), "v_reset", gives),
    )


def _matrix(pair: Pair, comes_in: Shape | None) -> NDArray[np.float64]:
    """Weights of a fully connected layer `[neurons, channels]`."""
    name, matrix = pair.name, numbers(pair.name, pair.weights, "weight")
    if matrix.ndim != 2:
        raise InputError(f"node {said(name)} has weights of shape {matrix.shape}; a fully connected layer has two axes")
    if comes_in is not None and len(comes_in) == 3:
        if not pair.flat:
            raise InputError(f"node {said(name)} reads a row, but maps of {by(comes_in)} come in: Flatten them before")
        if matrix.shape[1] != size(comes_in):
            raise InputError(f"node {said(name)} reads {matrix.shape[1]} channels, but maps of {by(comes_in)} come in")
    return matrix


def _rate(name: str, neuron: Any) -> NDArray[np.float64]:
    """What a unit of current adds to each potential in a second, an array as of the fields that say it."""
    rate = numbers(name, neuron, "r")
    if isinstance(neuron, package().LIF):
        tau = numbers(name, neuron, "tau")
        if rate.size != tau.size and 1 not in (rate.size, tau.size):
            raise InputError(f"node {said(name)} has {rate.size} values of r and {tau.size} of tau")
        with np.errstate(all="ignore"):
            rate = np.asarray(rate.reshape(tau.shape) / tau if rate.size == tau.size else _one(rate) / _one(tau))
    odd = ~((rate > 0) & np.isfinite(rate))
    if odd.any():
        values = ", ".join(
            f"{field} = {np.ravel(numbers(name, neuron, field))[:1].item():g}"
            for field in (("r", "tau") if isinstance(neuron, package().LIF) else ("r",))
        )
        raise InputError(
            f"node {said(name)} does not say what a unit of current adds to a potential ({values}): give it an IF with "
            "a positive r"
        )
    return rate


def _one(values: NDArray[np.float64]) -> NDArray[np.float64] | float:
    return values.item() if values.size == 1 else values


def _nearly(values: NDArray[np.float64] | float, wanted: float) -> NDArray[np.bool_]:
    """Equal but for the rounding of numbers that were float32 on their way."""
    return np.abs(np.asarray(values) - wanted) <= 2 * float(np.finfo(np.float32).eps) * abs(wanted)
