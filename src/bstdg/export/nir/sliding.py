"""Windows of a NIR graph that slide, as Conv1d, Conv2d, SumPool2d and AvgPool2d have them, and what they compute."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.nir.nodes import integers, numbers, said
from bstdg.layers import Shape, size
from bstdg.layers.convolution import Convolution, Pair, by


class Window(NamedTuple):
    """Weights `[maps, channels of a group, kernel rows, kernel columns]`, how they slide, and if they are a pool's."""

    weights: NDArray[np.float64]
    convolution: Convolution
    pools: bool


def window(name: str, node: Any, kind: str, comes_in: Shape | None, *, first: bool) -> Window:
    """What a node has slide, over maps `(channels, rows, columns)`; one-dimensional signals are maps of one row.

    Args:
        name, node: the node.
        kind: which of the four.
        comes_in: the shape before it: of neurons, or of the graph's input, which may begin with the axis of a batch.
        first: it is the input's.

    Raises:
        InputError: something does not fit, or cannot be carried; the message names the node.
    """
    found = _pool(name, node, kind, comes_in) if kind.endswith("Pool2d") else _convolution(name, node, kind, comes_in)
    reads = found.convolution.reads
    if comes_in is not None and not _same(comes_in, reads, first=first):
        raise InputError(f"node {said(name)} reads maps of {by(reads)}, but {by(comes_in)} come in")
    try:
        found.convolution.check()
    except InputError as error:
        raise InputError(f"node {said(name)} {error}") from None
    return found


def _same(comes_in: Shape, reads: Shape, *, first: bool) -> bool:
    """Of an input, the only channel and the only row may be left out, and a batch may have an axis."""
    if not first:
        return comes_in == reads
    channels, rows, columns = reads
    known = {reads}
    if channels == 1:
        known |= {(rows, columns)}
    if rows == 1:
        known |= {(channels, columns)}
    if channels == rows == 1:
        known |= {(columns,)}
    return comes_in in known or comes_in[1:] in known


def _convolution(name: str, node: Any, kind: str, comes_in: Shape | None) -> Window:
    sides = 2 if kind == "Conv2d" else 1
    weights = numbers(name, node, "weight")
    if weights.ndim != 2 + sides or not weights.size:
        raise InputError(f"node {said(name)} has weights of shape {weights.shape}; a {kind} has {2 + sides} dimensions")
    kernel = weights.shape[2:]
    (groups,) = integers(name, node, "groups", 1, 1)
    dilation = integers(name, node, "dilation", sides, 1)
    if any(step > 1 and length > 1 for step, length in zip(dilation, kernel, strict=True)):
        raise InputError(f"node {said(name)} is dilated by {by(dilation)}; windows here have no gaps")
    stride = integers(name, node, "stride", sides, 1)
    padding = _padding(name, node, kernel, stride)
    channels = weights.shape[1] * groups
    if getattr(node, "input_shape", None) is not None:
        picture = integers(name, node, "input_shape", sides, 1)
    else:
        picture = _picture(name, comes_in, channels, sides)
    reads = (channels, *_pair(picture, 1))
    convolution = Convolution(reads, len(weights), _pair(kernel, 1), _pair(stride, 1), _pair(padding, 0), groups)
    return Window(weights.reshape(convolution.weights), convolution, pools=False)


def _padding(name: str, node: Any, kernel: Shape, stride: Shape) -> Shape:
    """Pixels on either side; "same" and "valid" as torch has them."""
    value = getattr(node, "padding", None)
    if isinstance(value, str) and value == "valid":
        return (0,) * len(kernel)
    if isinstance(value, str) and value == "same":
        if any(n > 1 for n in stride) or any(n % 2 == 0 for n in kernel):
            raise InputError(
                f"node {said(name)} has padding 'same' with a kernel of {by(kernel)} and a stride of {by(stride)}: "
                "sides would be padded unevenly; here both sides are padded alike"
            )
        return tuple(n // 2 for n in kernel)
    return integers(name, node, "padding", len(kernel), 0)


def _pair(sides: Shape, row: int) -> Pair:
    """Rows and columns; `row` is what stands for the rows of a signal."""
    return (sides[0], sides[1]) if len(sides) == 2 else (row, sides[0])


def _picture(name: str, comes_in: Shape | None, channels: int, sides: int) -> Shape:
    """The sides of what comes in, where the node does not say them."""
    known = (channels, *comes_in) if comes_in and channels == 1 and len(comes_in) == sides else comes_in
    if known is None or len(known) < 1 + sides:
        raise InputError(f"node {said(name)} does not say what it reads (input_shape), nor does what comes before")
    return known[-sides:]


def _pool(name: str, node: Any, kind: str, comes_in: Shape | None) -> Window:
    if comes_in is None or len(comes_in) not in (2, 3, 4):
        raise InputError(f"node {said(name)}, a {kind}, reads maps, but what comes in is {_called(comes_in)}")
    reads = (1,) * (3 - len(comes_in)) + comes_in[-3:]
    kernel, stride = (integers(name, node, field, 2, 1) for field in ("kernel_size", "stride"))
    padding = integers(name, node, "padding", 2, 0)
    if kind == "AvgPool2d" and any(padding):
        raise InputError(
            f"node {said(name)} is an AvgPool2d with padding; whether means count it, a graph does not say"
        )
    if any(n > side for n, side in zip(kernel, reads[1:], strict=True)):
        raise InputError(
            f"node {said(name)} pools windows of {by(kernel)}, larger than the {by(reads[1:])} that come in"
        )
    convolution = Convolution(reads, reads[0], _pair(kernel, 1), _pair(stride, 1), _pair(padding, 0), reads[0])
    weight = 1.0 if kind == "SumPool2d" else 1.0 / size(kernel)
    return Window(np.broadcast_to(weight, convolution.weights), convolution, pools=True)


def _called(shape: Shape | None) -> str:
    return "not said" if shape is None else f"a row of {size(shape)}"


def currents(
    spikes: NDArray[np.floating], weights: NDArray[np.float64], convolution: Convolution
) -> NDArray[np.float64]:
    """What spikes `[batch, channels]` bring to neurons `[batch, neurons]`, one place of the window after the other."""
    groups, own = convolution.groups, convolution.weights[1]
    maps, high, wide = convolution.gives
    batch = len(spikes)
    spikes = spikes.reshape(batch, groups, own, *convolution.reads[1:])
    weights = weights.reshape(groups, maps // groups, own, *convolution.kernel)
    found = np.zeros((batch, groups, maps // groups, high, wide))
    for i in range(convolution.kernel[0]):
        for j in range(convolution.kernel[1]):
            (to_rows, rows), (to_columns, columns) = _seen(convolution, 0, i), _seen(convolution, 1, j)
            seen = spikes[..., rows, columns]
            brought = weights[..., i, j] @ seen.reshape(*seen.shape[:3], -1)
            found[..., to_rows, to_columns] += brought.reshape(*brought.shape[:3], *seen.shape[3:])
    return found.reshape(batch, maps * high * wide)


def _seen(convolution: Convolution, axis: int, place: int) -> tuple[slice, slice]:
    """Along rows or columns: which neurons see a pixel of the picture at a place of their window, and which pixels."""
    side, places = convolution.reads[1 + axis], convolution.gives[1 + axis]
    stride, shift = convolution.stride[axis], place - convolution.padding[axis]
    first = max(0, -(shift // stride))
    end = max(first, min(places, (side - 1 - shift) // stride + 1))
    return slice(first, end), slice(first * stride + shift, first * stride + shift + (end - first) * stride, stride)
