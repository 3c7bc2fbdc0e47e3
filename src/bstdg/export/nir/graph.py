"""A deployed network as NIR graphs: one that is the truth, and two that any integrate-and-fire simulator runs alike.

NIR's `IF` node integrates its input, fires where v > v_threshold and falls back to v_reset, so it may fire again. Ours
fires where V >= theta, at most once. Potentials and thresholds are integers, hence v_threshold = theta - 1/2 makes both
comparisons one. The rest differs from file to file:

- **model** says what the network is: weights -1/+1, `Linear` and `IF` nodes, one threshold a neuron. That a neuron
  fires once is said in the metadata; a simulator that does not read it lets neurons fire again.
- **shared** needs no such promise. An added input channel fires at step 0 and sets off neuron j at C - theta_j, so that
  one threshold C - 1/2 serves a whole layer; a relay neuron hands the spike on to the next layer. With n channels and
  C = 2n + 2 no potential is ever negative, none reaches 2C - 1, and after a spike, whether the potential falls to 0 or
  by the threshold, the n weights that are left cannot lift it to C again.
- **lif** is shared with `LIF` nodes whose time constant is so long (2^100 s) that nothing leaks: for importers that do
  not give `IF` its meaning.

Shared and lif hold where an input channel spikes at most once, as images do.
"""

from __future__ import annotations

import io
import json
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.base import full_layers, pixel_code
from bstdg.inputs import RecordingCode
from bstdg.inputs.base import squeezed
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel

if TYPE_CHECKING:
    from nir import NIRGraph

FORMAT, VERSION = "bstdg-nir", "1"
LIF_DT = 1e-4  # seconds a step; what NIR importers take where nothing else is said
LIF_TAU = 2.0**100  # seconds; 1 - dt/tau is 1 in any floating-point format
_EXACT_FLOAT32 = 2**22  # below it float32 holds halves exactly

SEMANTICS = (
    "Discrete steps t = 0 ... T-1; an input channel spikes at its latency step, or never. In every step layers are run "
    "from input to output, and a spike reaches the next layer in the step in which it is fired. A neuron adds the "
    "weights of its spikes to v, without leak, and fires in the first step in which v > v_threshold (that is V >= "
    "threshold, all integers); it fires at most once. Decision: in the first step in which any output is above its "
    "v_threshold, the greatest v - v_threshold wins, then the lowest index; if none is by step T-1, the greatest v - "
    "v_threshold there wins. The run stops at the decision."
)
INPUT_CODE = (
    "x = pixel / white; step = floor((1 - x) * T), 0 for x = 1; x <= silent_below, and step T, mean that the channel "
    "never spikes"
)


class Shared(NamedTuple):
    """One layer of the shared graph: integer `weights` [neurons, channels + 1], the offset last, and `ceiling` C."""

    weights: NDArray[np.int64]
    ceiling: int


def package() -> ModuleType:
    """The package nir.

    Raises:
        InputError: it is not installed.
    """
    try:
        import nir
    except ImportError:
        raise InputError("NIR files need the package nir: pip install 'bstdg[nir]'") from None
    return nir


def truth(model: PackedModel) -> NIRGraph:
    """The graph that says what the network is: `Linear` of -1/+1 and `IF`, one threshold a neuron."""
    nir = package()
    nodes = {}
    for i, layer in enumerate(full_layers(model)):
        nodes[current(i)] = nir.Linear(weight=layer.signs.astype(np.float32))
        nodes[spikes(i)] = _if(layer.thresholds - 0.5, {"threshold": layer.thresholds.astype(np.int64)})
    return _graph(nodes, _metadata(model, "model", len(model.layers)))


def shared(model: PackedModel) -> NIRGraph:
    """The graph of one threshold a layer, in which no neuron can fire twice: `Affine` without bias, and `IF`."""
    nir = package()
    nodes = {}
    for i, layer in enumerate(shared_layers(model)):
        nodes[current(i)] = _affine(layer)
        nodes[spikes(i)] = nir.IF(
            r=np.ones(len(layer.weights), np.float32),
            v_threshold=np.full(len(layer.weights), layer.ceiling - 0.5, np.float32),
            v_reset=np.zeros(len(layer.weights), np.float32),
        )
    return _graph(nodes, _metadata(model, "shared", len(model.layers)))


def leakless(model: PackedModel) -> NIRGraph:
    """The shared graph with `LIF` nodes that do not leak."""
    nir = package()
    nodes = {}
    for i, layer in enumerate(shared_layers(model)):
        width = len(layer.weights)
        nodes[current(i)] = _affine(layer)
        nodes[spikes(i)] = nir.LIF(
            tau=np.full(width, LIF_TAU, np.float32),
            r=np.full(width, LIF_TAU / LIF_DT, np.float32),
            v_leak=np.zeros(width, np.float32),
            v_threshold=np.full(width, layer.ceiling - 0.5, np.float32),
            v_reset=np.zeros(width, np.float32),
        )
    return _graph(nodes, _metadata(model, "lif", len(model.layers)))


VARIANTS = {"model": truth, "shared": shared, "lif": leakless}


def shared_layers(model: PackedModel) -> list[Shared]:
    """Weights and ceilings of the shared graph, input side first."""
    last = len(model.layers) - 1
    return [_shared(layer, relay=i < last) for i, layer in enumerate(full_layers(model))]


def clamped(layer: FullLayer) -> NDArray[np.int64]:
    """Thresholds in -n … n + 1, which mean the same where each of n channels spikes at most once."""
    channels = layer.signs.shape[1]
    return np.clip(layer.thresholds, -channels, channels + 1)


def offsets(layer: FullLayer) -> NDArray[np.int64]:
    """C - theta_j: what the added channel brings each neuron of a shared layer to."""
    return _ceiling(layer) - clamped(layer)


def _ceiling(layer: FullLayer) -> int:
    return 2 * layer.signs.shape[1] + 2


def _shared(layer: FullLayer, *, relay: bool) -> Shared:
    ceiling = _ceiling(layer)
    weights = np.column_stack([layer.signs.astype(np.int64), offsets(layer)])
    if relay:
        weights = np.vstack([weights, [0] * layer.signs.shape[1] + [ceiling]])
    return Shared(weights, ceiling)


def current(i: int) -> str:
    """What the node of layer i's weights is called."""
    return f"layer{i}_current"


def spikes(i: int) -> str:
    """What the node of layer i's neurons is called."""
    return f"layer{i}_spikes"


def cut(graph: NIRGraph, last: str) -> NIRGraph:
    """The chain of `graph` up to the node `last`, whose output becomes the graph's."""
    nir = package()
    after = dict(graph.edges)
    names = ["input"]
    while names[-1] != last:
        names.append(after[names[-1]])
    nodes = {name: graph.nodes[name] for name in names}
    return _chain(nodes, nir.Output(np.array(nodes[last].output_type["output"])), {})


class _Content(NamedTuple):
    """What nir.write asks of a graph."""

    content: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.content


def to_bytes(graph: NIRGraph) -> bytes:
    """The content of the file: the same graph always gives the same bytes.

    A v_reset of 0 is left out: it is the default, and versions of nir before it had the field read the file too.
    """
    content = graph.to_dict()
    for node in content["nodes"].values():
        if "v_reset" in node and not np.any(node["v_reset"]):
            del node["v_reset"]
    file = io.BytesIO()
    package().write(file, _Content(content))
    return file.getvalue()


def _if(v_threshold: NDArray[np.floating], metadata: dict[str, Any]) -> Any:
    kind = np.float32 if np.abs(v_threshold).max() < _EXACT_FLOAT32 else np.float64
    width = len(v_threshold)
    return package().IF(
        r=np.ones(width, kind), v_threshold=v_threshold.astype(kind), v_reset=np.zeros(width, kind), metadata=metadata
    )


def _affine(layer: Shared) -> Any:
    return package().Affine(weight=layer.weights.astype(np.float32), bias=np.zeros(len(layer.weights), np.float32))


def _graph(nodes: dict[str, Any], metadata: dict[str, Any]) -> NIRGraph:
    nir = package()
    first, last = nodes[current(0)], list(nodes.values())[-1]
    entry = nir.Input(np.array(first.input_type["input"]))
    return _chain({"input": entry, **nodes}, nir.Output(np.array(last.output_type["output"])), metadata)


def _chain(nodes: dict[str, Any], output: Any, metadata: dict[str, Any]) -> NIRGraph:
    nodes = {**nodes, "output": output}
    names = list(nodes)
    return package().NIRGraph(nodes, list(pairwise(names)), metadata=metadata)


def _metadata(model: PackedModel, variant: str, layers: int) -> dict[str, Any]:
    code = pixel_code(model)
    config = {
        "num_steps": model.num_steps,
        "image_shape": list(squeezed(model.input.reads)),
        "white": code.white,
        "silent_below": code.silent_below,
        "classes": list(model.classes),
        "trained": model.trained,
        **({"input": model.input.coding.to_dict()} if isinstance(model.input, RecordingCode) else {}),
    }
    said = {
        "format": FORMAT,
        "version": VERSION,
        "variant": variant,
        "fires": "at most once",
        "semantics": SEMANTICS,
        "input_code": INPUT_CODE,
        "dt": LIF_DT if variant == "lif" else 1.0,
        "config": json.dumps(config, sort_keys=True, allow_nan=False),
    }
    if variant != "model":
        said["thresholds"] = (
            "Add one input channel at the end that spikes at step 0: it brings neuron j to C - threshold_j, C being "
            "twice the layer's channels (without the added one) and 2. Each hidden layer's last neuron hands it on. "
            "What v lacks to C is what V lacks to threshold_j, taken as -n or n + 1 where it lies beyond (n channels). "
            "threshold0, threshold1 ... here are the network's own."
        )
        for i, layer in enumerate(full_layers(model)):
            said[f"threshold{i}"] = layer.thresholds.astype(np.int64)
    return said
