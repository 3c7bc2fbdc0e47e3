"""The networks that the authors of S4NN and BS4NN released, run with their published conventions.

Weights are read from a folder with one plain numeric .npy file a layer, `[neurons, …]`: for S4NN (400, 28, 28) and
(10, 400, 1), for BS4NN (600, 784, 1) and (10, 600, 1). S4NN's are released as one array of objects, which only pickle
reads, and a pickle may run any program: split it where you trust it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets import Dataset
from bstdg.datasets.arrays import read_header
from bstdg.errors import FileFormatError, InputError
from bstdg.lab.predecessors import bs4nn, network, s4nn

LIMIT = 1 << 28  # bytes of a layer; no network of these papers comes near it
SPLIT = (
    "where you trust that file, split it with: python -c \"import numpy as np; [np.save(f'layer{{i}}.npy', "
    "np.asarray(w, float)) for i, w in enumerate(np.load('{name}', allow_pickle=True))]\""
)


def read_layers(folder: Path) -> tuple[NDArray, NDArray]:
    """The two layers in a folder, `[hidden, inputs]` and `[classes, hidden]`, whichever file comes first.

    Raises:
        InputError: there is no such folder, or not two layers in it that fit one another; an array holds objects.
        FileFormatError: a file is truncated or no array.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; --weights names one with a .npy file a layer")
    found = sorted(folder.glob("*.npy"))
    objects = [path for path in found if _holds_objects(path)]
    plain = [path for path in found if path not in objects]
    if len(plain) != 2 and objects:
        name = objects[0].name
        raise InputError(f"{objects[0]} holds objects, which need pickle and are not read; {SPLIT.format(name=name)}")
    if len(plain) != 2:
        listed = ", ".join(path.name for path in plain) or "none"
        raise InputError(f"{folder} must hold two plain .npy files, one a layer, not {len(plain)} ({listed})")
    first, second = (_layer(path) for path in plain)
    if second.shape[1] == first.shape[0]:
        return first, second
    if first.shape[1] == second.shape[0]:
        return second, first
    shapes = " and ".join(f"{path.name} {list(a.shape)}" for path, a in zip(plain, (first, second), strict=True))
    raise InputError(f"the layers do not fit one another ({shapes}, [neurons, inputs])")


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and offset of the data, from a file's header alone."""
    try:
        with files.open_regular(path) as file:
            found = read_header(file)
            return found.shape, found.dtype, file.tell()
    except FileFormatError:
        raise
    except ValueError as error:
        raise FileFormatError(f"{path} is no .npy array: {error}") from None


def _holds_objects(path: Path) -> bool:
    return _header(path)[1].hasobject


def _layer(path: Path) -> NDArray:
    """One layer as floats `[neurons, inputs]`, its size checked before anything is allocated."""
    shape, dtype, start = _header(path)
    if dtype.kind not in "fiu":
        raise InputError(f"{path} must hold numbers, not {dtype}")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(shape) < 2 or 0 in shape or size > LIMIT:
        raise InputError(f"{path} must be [neurons, inputs], up to {LIMIT >> 20} MiB, not {list(shape)} of {dtype}")
    if path.stat().st_size - start != size:
        raise FileFormatError(f"{path} is truncated or has trailing bytes: {size} bytes of data were promised")
    with files.open_regular(path) as file:
        weights = np.load(file, allow_pickle=False).reshape(shape[0], -1)
    if not np.isfinite(weights).all():
        raise InputError(f"{path} holds values that are not finite numbers")
    return weights.astype(np.float64)


def evaluate(
    name: str, folder: Path, test: Dataset, judged: Callable[..., dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Figures of released weights on a test set, as a report (see `bstdg.lab.predecessors.run_released`).

    `judged` gives what else it holds, from the network, its steps, their labels and the test set.
    """
    if name not in ("s4nn", "bs4nn"):
        raise InputError(f"only s4nn and bs4nn have released weights, not {name!r}")
    below, above = read_layers(folder)
    widths = [below.shape[1], below.shape[0], above.shape[0]]
    pixels, classes = int(np.prod(test.shape)), len(test.classes)
    if widths[0] != pixels or widths[2] != classes:
        raise InputError(
            f"the weights are of a {'-'.join(map(str, widths))} network, but {test.name} has {pixels} pixels "
            f"and {classes} classes"
        )
    from bstdg.about import about_machine

    weights = [np.ascontiguousarray(below.T), np.ascontiguousarray(above.T)]
    begin = time.monotonic()
    if name == "s4nn":
        steps, labels = s4nn.encode(test.images, test.white), _unit_of(test.labels, classes)
        net: network.TemporalNetwork = s4nn.S4NN(weights)
        size = 4 * sum(w.size for w in weights)
    else:
        steps, labels = bs4nn.encode(test.images, test.white), test.labels
        net = bs4nn.BS4NN(weights, scales=bs4nn.RELEASED_SCALES)
        size = -(-sum(w.size for w in weights) // 8) + 8
    return {
        "baseline": name,
        "recipe": {"title": f"{name.upper()}, released weights", "data": {"name": test.name}},
        "widths": widths,
        "test": network.figures(net, steps, labels),
        **(judged(net, steps, labels, test) if judged is not None else {}),
        "model_bytes": size,
        "seconds": time.monotonic() - begin,
        "machine": about_machine(),
    }


def _unit_of(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Which output unit stands for each label: the released S4NN network has its ten digits in an order of its own."""
    order = s4nn.RELEASED_CLASSES if classes == len(s4nn.RELEASED_CLASSES) else range(classes)
    return np.argsort(np.array(order))[labels]
