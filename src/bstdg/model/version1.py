"""Model files of format version 1, as those of version 2 say it: they stay readable for ever.

Version 1 knew fully connected layers alone, by the numbers of their neurons, `widths`. How samples became steps stood
in four places: `image_shape`, `white` and `silent_below` for images, `edges` for those whose edges were read, `input`
for recordings, and `scaling` with its tensors for features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bstdg.errors import FileFormatError, InputError
from bstdg.files import TensorSlot

VERSION = "1"
SCALING_VERSION = 1
Tensors = Mapping[str, TensorSlot]


def upgraded(config: dict[str, Any], tensors: Tensors) -> tuple[dict[str, Any], Tensors]:
    """Configuration and tensors of version 1 as version 2 has them.

    Raises:
        FileFormatError: a part is of a version that nobody wrote.
        InputError, KeyError, TypeError, ValueError: the configuration is damaged.
    """
    widths = config["widths"]
    if not isinstance(widths, list) or not all(type(width) is int and width >= 1 for width in widths):
        raise ValueError(f"widths are {widths!r}")
    code = _input(config)
    return {
        "num_steps": config["num_steps"],
        "input": code,
        "layers": [{"kind": "full", "neurons": neurons} for neurons in widths[1:]],
        "classes": config["classes"],
        "trained": config["trained"],
    }, {name.replace("scaling.", "input.", 1): slot for name, slot in tensors.items()}


def _input(config: dict[str, Any]) -> dict[str, Any]:
    shape = list(config["image_shape"])
    image = [1, *shape] if len(shape) == 2 else shape
    pixels = {"reads": image, "white": config["white"], "silent_below": config["silent_below"]}
    edges = config.get("edges", 0)
    if type(edges) is not int or edges < 0:
        raise InputError(f"edges must be a number of pixels, not {edges!r}")
    if "scaling" in config:
        if "input" in config:
            raise InputError("a model reads features or events, not both")
        found = config["scaling"]["version"]
        if found != SCALING_VERSION:
            raise FileFormatError(f"its input scales features by version {found}; this program reads {SCALING_VERSION}")
        code: dict[str, Any] = {"kind": "features", "reads": image}
    elif "input" in config:
        code = {"kind": "recordings", "reads": shape, **config["input"]}
    elif edges:
        return {"kind": "edges", **pixels, "cell": edges}
    else:
        return {"kind": "latency", **pixels}
    if edges:
        raise InputError("edges are found in images of bytes alone")
    return code
