"""A deployed network as NIR graphs: one that is the truth, and two that any integrate-and-fire simulator runs alike.

NIR's `IF` node integrates its input, fires where v > v_threshold and falls back to v_reset, so it may fire again. Ours
fires where V >= theta, at most once. Potentials and thresholds are integers, hence v_threshold = theta - 1/2 makes both
comparisons one. The rest differs from file to file:

- **model** says what the network is: weights -1/+1, `Linear` and `Conv2d`, `SumPool2d` for a pooling by the n-th
  spike, `IF` with one threshold a neuron, `Flatten` before a fully connected layer that reads maps. That a neuron fires
  once is said in the metadata; a simulator that does not read it lets neurons fire again.
- **shared** needs no such promise: `bstdg.export.nir.once` gives its weights.
- **lif** is shared with `LIF` nodes whose time constant is so long (2^100 s) that nothing leaks: for importers that do
  not give `IF` its meaning.

Shared and lif hold where an input channel spikes at most once, as images do.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.base import knows_own_kinds
from bstdg.errors import InputError
from bstdg.export.base import pixel_code
from bstdg.export.nir import once
from bstdg.inputs import RecordingCode
from bstdg.inputs.base import squeezed
from bstdg.inputs.latency import contrast_header
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, Shape
from bstdg.layers.convolution import Convolution
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
RELATIVE_CODE = (
    "m the greatest pixel of the image, of all channels; step = T (m - pixel) // m in integers; pixel / m <= "
    "silent_below, 0, and step T, mean that the channel never spikes"
)
LEVELS_CODE = (
    "step = the first t with value >= levels[t]; T, which means that the channel never spikes, where there is none; "
    "value is the pixel, or, where relative is true, pixel * white // m, m being the greatest pixel of the image, of "
    "all channels"
)
THRESHOLDS = (
    "Add one input channel at the end that spikes at step 0: it brings neuron j to C - threshold_j, C being twice the "
    "layer's channels (without the added one) and 2. Each hidden layer's last neuron hands it on. What v lacks to C is "
    "what V lacks to threshold_j, taken as -n or n + 1 where it lies beyond (n channels). threshold0, threshold1 ... "
    "here are the network's own."
)
SLIDING_THRESHOLDS = (
    "Add one input map at the end whose every pixel spikes at step 0: each window reads one of them, which brings "
    "neuron j to C - threshold_j, C being twice n and 2, where n is how many spikes a neuron can hear, one of each "
    "pixel in a window over the maps of its group (without the added one). Each hidden layer's last map hands it on. "
    "What v lacks to C is what V lacks to threshold_j, taken as -n or n + 1 where it lies beyond. threshold0, "
    "threshold1 ... here are the network's own, one a map, or a neuron of fully connected layers."
)


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
    """The graph that says what the network is: weights of -1/+1 and `IF`, one threshold a neuron."""
    nir, nodes, reads = package(), {}, model.input.gives
    for i, layer in enumerate(model.layers):
        if isinstance(layer, FullLayer):
            if i and len(reads) == 3:
                nodes[flat(i)] = nir.Flatten({"input": np.array(reads)}, start_dim=0, end_dim=-1)
            nodes[current(i)] = nir.Linear(weight=layer.signs.astype(np.float32))
        elif isinstance(layer, Pool2dLayer):
            nodes[current(i)] = nir.SumPool2d(np.array(layer.window), np.array(layer.stride), np.array((0, 0)))
        elif isinstance(layer, Conv2dLayer):
            nodes[current(i)] = _conv(layer.signs, layer.convolution)
        else:
            raise InputError(f"layer {i} ({layer}): {knows_own_kinds(layer)}")
        nodes[spikes(i)] = _if(layer)
        reads = layer.gives
    entry = model.input.gives if once.slides(model) else (model.widths[0],)
    return _graph(entry, nodes, _metadata(model, "model"))


def shared(model: PackedModel) -> NIRGraph:
    """The graph of one threshold a layer, in which no neuron can fire twice: weights without bias, and `IF`."""
    return _alike(model, "shared")


def leakless(model: PackedModel) -> NIRGraph:
    """The shared graph with `LIF` nodes that do not leak."""
    return _alike(model, "lif")


def _alike(model: PackedModel, variant: str) -> NIRGraph:
    nir, nodes, layers = package(), {}, once.layers(model)
    sliding = once.slides(model)
    for i, layer in enumerate(layers):
        shape = layer.convolution.gives if sliding else (layer.convolution.maps,)
        nodes[current(i)] = _conv(layer.weights, layer.convolution) if sliding else _affine(layer.weights[:, :, 0, 0])
        fields = {
            "v_threshold": np.full(shape, layer.ceiling - 0.5, np.float32),
            "v_reset": np.zeros(shape, np.float32),
        }
        if variant == "shared":
            nodes[spikes(i)] = nir.IF(r=np.ones(shape, np.float32), **fields)
        else:
            tau, r = (np.full(shape, value, np.float32) for value in (LIF_TAU, LIF_TAU / LIF_DT))
            nodes[spikes(i)] = nir.LIF(tau=tau, r=r, v_leak=np.zeros(shape, np.float32), **fields)
    reads = layers[0].convolution.reads
    return _graph(reads if sliding else reads[:1], nodes, _metadata(model, variant))


VARIANTS = {"model": truth, "shared": shared, "lif": leakless}


def variants(model: PackedModel) -> dict[str, Callable[[PackedModel], NIRGraph]]:
    """The graphs that there are of a model, and what builds them: without shared and lif where `once` refuses it."""
    return VARIANTS if once.refuses(model) is None else {"model": truth}


def current(i: int) -> str:
    """What the node of layer i's weights is called."""
    return f"layer{i}_current"


def spikes(i: int) -> str:
    """What the node of layer i's neurons is called."""
    return f"layer{i}_spikes"


def flat(i: int) -> str:
    """What the node before it is called that makes a row of maps."""
    return f"layer{i}_flat"


def cut(graph: NIRGraph, last: str) -> NIRGraph:
    """The chain of `graph` up to the node `last`, weights or neurons, whose output becomes the graph's."""
    after = dict(graph.edges)
    names = ["input"]
    while names[-1] != last:
        names.append(after[names[-1]])
    neurons = last if hasattr(graph.nodes[last], "v_threshold") else after[last]
    nodes: dict[str, Any] = graph.nodes
    return _chain({name: nodes[name] for name in names}, nodes[neurons].v_threshold.shape, {})


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


def _if(layer: Layer) -> Any:
    v_threshold = (layer.thresholds - 0.5).reshape(layer.gives)
    kind = np.float32 if np.abs(v_threshold).max() < _EXACT_FLOAT32 else np.float64
    return package().IF(
        r=np.ones(layer.gives, kind),
        v_threshold=v_threshold.astype(kind),
        v_reset=np.zeros(layer.gives, kind),
        metadata={"threshold": _thresholds(layer)},
    )


def _thresholds(layer: Layer) -> NDArray[np.int64]:
    """One a neuron, or a map; n of a pooling."""
    stored = layer.thresholds[:1] if isinstance(layer, Pool2dLayer) else layer.thresholds_stored
    return stored.astype(np.int64)


def _affine(weights: NDArray[np.int64]) -> Any:
    return package().Affine(weight=weights.astype(np.float32), bias=np.zeros(len(weights), np.float32))


def _conv(weights: NDArray[np.integer], convolution: Convolution) -> Any:
    return package().Conv2d(
        input_shape=convolution.reads[1:],
        weight=weights.astype(np.float32),
        stride=convolution.stride,
        padding=convolution.padding,
        dilation=(1, 1),
        groups=convolution.groups,
        bias=np.zeros(convolution.maps, np.float32),
    )


def _graph(reads: Shape, nodes: dict[str, Any], metadata: dict[str, Any]) -> NIRGraph:
    gives = list(nodes.values())[-1].v_threshold.shape
    return _chain({"input": package().Input(np.array(reads)), **nodes}, gives, metadata)


def _chain(nodes: dict[str, Any], gives: Shape, metadata: dict[str, Any]) -> NIRGraph:
    """A graph of nodes one after the other.

    What nir 1.0 itself derives of shapes is not asked: it takes kernels for square, and knows nothing of groups.
    """
    nir = package()
    nodes = {**nodes, "output": nir.Output(np.array(gives))}
    return nir.NIRGraph(nodes, list(pairwise(nodes)), metadata=metadata, type_check=False)


def _metadata(model: PackedModel, variant: str) -> dict[str, Any]:
    code = pixel_code(model)
    config = {
        "num_steps": model.num_steps,
        "image_shape": list(squeezed(model.input.reads)),
        "white": code.white,
        "silent_below": code.silent_below,
        **contrast_header(code.relative, code.levels),
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
        "input_code": LEVELS_CODE if code.levels else RELATIVE_CODE if code.relative else INPUT_CODE,
        "dt": LIF_DT if variant == "lif" else 1.0,
        "config": json.dumps(config, sort_keys=True, allow_nan=False),
    }
    if variant != "model":
        said["thresholds"] = SLIDING_THRESHOLDS if once.slides(model) else THRESHOLDS
        for i, layer in enumerate(model.layers):
            said[f"threshold{i}"] = _thresholds(layer)
    return said
