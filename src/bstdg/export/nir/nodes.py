"""What the nodes of a NIR graph say, looked at before anything is made of it: order, kinds, numbers and shapes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.nir.graph import package
from bstdg.layers import Shape, size

if TYPE_CHECKING:
    from nir import NIRGraph

WEIGHTS = ("Linear", "Affine", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")
NEURONS = ("IF", "LIF")
_NAME = 80  # characters of a node's name that are shown


class Pair(NamedTuple):
    """Weights and the neurons that they lead to, as nodes, by name.

    `flat` says that a Flatten stands between the neurons before and these weights: they read a row.
    """

    name: str
    weights: Any
    fires: str
    neurons: Any
    flat: bool


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


def pairs(graph: NIRGraph) -> list[Pair]:
    """Weights and neurons of each layer; a Flatten, which leaves the order of values alone, is passed over.

    Raises:
        InputError: they do not alternate, or a node is of another kind.
    """
    found: list[Pair] = []
    weights, flat, before = None, False, ""
    for name, node in chain(graph):
        kind = type(node).__name__
        if kind == "Flatten":
            flat = True
            continue
        wanted, what = (NEURONS, "neurons") if weights else (WEIGHTS, "weights")
        if kind not in wanted:
            after = f" after {said(before)}" if before else ""
            kinds = f"{', '.join(wanted[:-1])} or {wanted[-1]}"
            raise InputError(
                f"node {said(name)} is a {kind} node; {what}{after} are {kinds} here, and weights and neurons alternate"
            )
        if weights is None:
            weights = (name, node, flat)
        else:
            found.append(Pair(*weights[:2], name, node, weights[2]))
            weights = None
        flat, before = flat and weights is None and kind in NEURONS, name
    if weights:
        raise InputError(f"node {said(weights[0])} is the last: weights and neurons alternate, and neurons come last")
    return found


def entry(graph: NIRGraph) -> Shape | None:
    """The shape of the graph's input, which may begin with the axis of a batch; None where it says none."""
    nir = package()
    return next((shape(node.input_type) for node in graph.nodes.values() if isinstance(node, nir.Input)), None)


def picture(graph: NIRGraph) -> Shape | None:
    """The shape that a Flatten node before the first weights reads, without dimensions of the batch; None without one.

    Raises:
        InputError: the graph is no chain, or the Flatten does not say what it reads.
    """
    (name, first), *_ = chain(graph) or [("", None)]
    if not isinstance(first, package().Flatten):
        return None
    reads = shape(first.input_type)
    if reads is None:
        raise InputError(f"node {said(name)}, a Flatten, does not say what shape it reads")
    return reads


def shape(types: Any) -> Shape | None:
    """The one shape of a node's input, as integers of 1 or more; None where it is none."""
    value = types.get("input") if isinstance(types, dict) else types
    numbers = np.asarray([] if value is None else value).ravel()
    if not numbers.size or numbers.dtype.kind not in "iu" or (numbers < 1).any():
        return None
    return tuple(int(n) for n in numbers)


def said(name: object) -> str:
    """What a graph calls a node, fit to be shown.

    >>> said("fc\\n1")
    "'fc\\\\n1'"
    """
    text = repr(str(name))
    return text if len(text) <= _NAME else f"{text[:_NAME]}…'"


def numbers(name: str, node: Any, field: str) -> NDArray[np.float64]:
    """A field of a node that is an array of numbers."""
    try:
        return np.asarray(getattr(node, field), np.float64)
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"node {said(name)} has a {field} that is no array of numbers") from None


def integers(name: str, node: Any, field: str, count: int, least: int) -> tuple[int, ...]:
    """`count` integers, of a field that may hold one for all.

    Raises:
        InputError: it holds something else, or one is below `least`.
    """
    value = getattr(node, field, None)
    found = np.asarray([] if value is None else value)
    if found.dtype.kind not in "iu" or found.size not in (1, count) or (found < least).any():
        what = "integer" if count == 1 else f"integers, or one for all {count},"
        shown = " ".join(str(value).split())[:40]
        raise InputError(f"node {said(name)} has a {field} of {shown}, which is not {count} {what} of {least} or more")
    return tuple(int(n) for n in np.broadcast_to(found.ravel(), count))


def each(name: str, values: NDArray[np.float64], field: str, gives: Shape) -> NDArray[np.float64]:
    """A number for each neuron of a shape, flat, of an array that may hold one for all, or one a map `[maps, 1, 1]`.

    Raises:
        InputError: it has another shape.
    """
    neurons = size(gives)
    if values.size == 1:
        return np.broadcast_to(values.ravel(), neurons)
    plain, wanted = np.squeeze(values).shape, tuple(n for n in gives if n > 1)
    if plain in ((neurons,), wanted):
        return values.ravel()
    if len(gives) == 3 and values.shape[-3:] == (gives[0], 1, 1) and values.size == gives[0]:
        return np.repeat(values.ravel(), neurons // gives[0])
    raise InputError(f"node {said(name)} has {values.size} values of {field} for {neurons} neurons")
