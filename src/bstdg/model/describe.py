"""What a model is, as plain values: the one description behind `bstdg info`, reports and programs."""

from __future__ import annotations

from typing import Any

from bstdg.layers import Conv2dLayer, Layer, Pool2dLayer, size
from bstdg.model.packed import PackedModel


def describe(model: PackedModel) -> dict[str, Any]:
    """A model as JSON holds it: structure, input, layers, classes, and where it comes from.

    >>> import numpy as np
    >>> from bstdg.inputs import LatencyCode
    >>> from bstdg.layers import FullLayer
    >>> layer = FullLayer(np.ones((2, 4), np.int8), np.ones(2, int))
    >>> model = PackedModel(LatencyCode((1, 1, 4)), (layer,), 8, ("a", "b"))
    >>> describe(model)["structure"], describe(model)["input"]["kind"]
    ('4-2', 'latency')
    """
    return {
        "structure": model.structure,
        "widths": list(model.widths),
        "weight_bits": model.weight_bits,
        "num_steps": model.num_steps,
        "input": {"kind": model.input.kind, "gives": list(model.input.gives), **model.input.header()},
        "reads": model.input.describe(),
        "layers": [_layer(layer) for layer in model.layers],
        "classes": list(model.classes),
        "trained": model.trained,
    }


def _layer(layer: Layer) -> dict[str, Any]:
    slides = layer.convolution if isinstance(layer, (Conv2dLayer, Pool2dLayer)) else None
    return {
        "kind": layer.kind,
        "written": str(layer),
        "reads": list(layer.reads),
        "gives": list(layer.gives),
        "channels": size(layer.reads),
        "neurons": size(layer.gives),
        "synapses": int(layer.fan_out().sum()),
        "weight_bits": layer.weight_bits,
        "threshold_min": int(layer.thresholds.min()),
        "threshold_max": int(layer.thresholds.max()),
        **({"left_out": list(slides.left_out)} if slides is not None else {}),
    }
