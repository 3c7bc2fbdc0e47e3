"""The deployed model file: one bit a weight, integer thresholds, a version and a checksum.

The file is laid out as safetensors (so other tools can open it), with for layer n
`layer{n}.signs` uint8 `[neurons, ceil(channels / 8)]`, bit i of a row (least significant first) being 1 where the
weight of channel i is +1 and padding 0; and `layer{n}.thresholds` int16 or int32 `[neurons]`. A model of features has
their scaling before the layers: `scaling.edges` and `scaling.range` float64, `scaling.code` uint8. Reading and writing
need NumPy alone.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import edges
from bstdg.inputs.features import FeatureScaling
from bstdg.inputs.recordings import InputCoding
from bstdg.layers import FullLayer
from bstdg.spikes.events import MAX_CHANNELS, never

FORMAT = "bstdg-model"
VERSION = 1
SCALING_VERSION = 1  # of what the file says of feature scaling, where it has any
SIZE_LIMIT = 1 << 30  # bytes; ten full layers of 65,535 x 1,000 fit


@dataclass(frozen=True)
class PackedModel:
    """A network as it is deployed, with what is needed to feed it.

    Attributes:
        layers: signs and integer thresholds, input side first.
        num_steps: T.
        image_shape: rows and columns of an input image, or one number for plain channels or features.
        white: the pixel value that fires at step 0.
        silent_below: pixels at or below this share of white stay silent.
        classes: a name for every output neuron.
        trained: where it comes from and its figures (data set, seed, versions, …), for `bstdg info`.
        input: how timed events become steps; None for a network that reads images. The file has the key then only.
        scaling: how features of any range become steps; None for images and events. The same holds for its entries.
        edges: side of the cells, in pixels, of the edge maps that images become (`bstdg.inputs.edges`); 0 where their pixels
            are read. The file has the key where it is not 0.

    Raises:
        InputError: the parts do not fit each other.
    """

    layers: tuple[FullLayer, ...]
    num_steps: int
    image_shape: tuple[int, ...]
    white: int
    silent_below: float
    classes: tuple[str, ...]
    trained: dict[str, Any] = field(default_factory=dict)
    input: InputCoding | None = None
    scaling: FeatureScaling | None = None
    edges: int = 0

    def __post_init__(self) -> None:
        never(self.num_steps)
        if not self.layers:
            raise InputError("a model needs at least one layer")
        self._check_scaling()
        if type(self.edges) is not int or self.edges < 0:
            raise InputError(f"edges must be a number of pixels, not {self.edges!r}")
        if self.edges and (self.input is not None or self.scaling is not None or self.white > 255):
            raise InputError("edges are found in images of bytes alone")
        width = self.input_width
        for i, layer in enumerate(self.layers):
            if layer.signs.ndim != 2 or layer.signs.shape[1] != width:
                raise InputError(f"layer {i} reads {layer.signs.shape[1:]} channels, but {width} come in")
            width = len(layer.signs)
            if not 1 <= width <= MAX_CHANNELS or layer.thresholds.shape != (width,):
                raise InputError(f"layer {i} has {width} neurons and {layer.thresholds.shape} thresholds")
            if np.abs(layer.thresholds).max() >= 2**31:
                raise InputError(f"layer {i} has a threshold that does not fit 32 bits")
        if not isinstance(self.white, int) or not 1 <= self.white <= 65_535:
            raise InputError(f"white must be an integer in 1 … 65535, not {self.white!r}")
        if not 0.0 <= self.silent_below < 1.0:
            raise InputError(f"silent_below must be in [0, 1), not {self.silent_below!r}")
        if not isinstance(self.trained, dict):
            raise InputError("what is said of the training must be a table")
        if len(self.classes) != width:
            raise InputError(f"{width} output neurons, but {len(self.classes)} class names")

    def _check_scaling(self) -> None:
        if self.scaling is None:
            return
        if self.input is not None:
            raise InputError("a model reads features or events, not both")
        if len(self.scaling.edges) != math.prod(self.image_shape):
            raise InputError(f"{len(self.scaling.edges)} features are scaled, {math.prod(self.image_shape)} come in")
        if self.scaling.code.max() > self.num_steps:
            raise InputError(f"the scaling gives steps up to {self.scaling.code.max()}, T is {self.num_steps}")

    @property
    def input_width(self) -> int:
        """Channels that the first layer reads."""
        if self.scaling is not None:
            return self.scaling.width
        if self.edges:
            return math.prod(edges.maps_shape(self.image_shape, self.edges))
        channels = math.prod(self.image_shape)
        return channels if self.input is None else self.input.width(channels)

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of every layer, input first."""
        return (self.input_width, *(len(layer.signs) for layer in self.layers))

    @property
    def weight_bits(self) -> int:
        """Number of one-bit weights."""
        return sum(layer.signs.size for layer in self.layers)


def save(model: PackedModel, path: Path | str) -> int:
    """Write `model` atomically and return the size of the file in bytes."""
    data = to_bytes(model)
    files.write_atomic(Path(path), data)
    return len(data)


def load(path: Path | str) -> PackedModel:
    """Read and verify a model file.

    Raises:
        FileFormatError: the file is truncated, altered, foreign or of a later version; the message says which.
        OSError: it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise FileFormatError(f"{path} is a folder; a model is a file such as {path / 'model.bstdg'}")
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise FileFormatError(f"{path} has {size} bytes, more than any model ({SIZE_LIMIT})")
    return from_bytes(path.read_bytes(), str(path))


def to_bytes(model: PackedModel) -> bytes:
    """The file's content; the same model always gives the same bytes."""
    config = {
        "num_steps": model.num_steps,
        "image_shape": list(model.image_shape),
        "white": model.white,
        "silent_below": model.silent_below,
        "widths": list(model.widths),
        "classes": list(model.classes),
        "trained": model.trained,
    }
    if model.input is not None:
        config["input"] = model.input.to_dict()
    if model.scaling is not None:
        config["scaling"] = {"version": SCALING_VERSION}
    if model.edges:
        config["edges"] = model.edges
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "version": str(VERSION),
            "sha256": files.UNSEALED,
            "config": json.dumps(config, separators=(",", ":"), sort_keys=True, allow_nan=False),
        }
    }
    parts, end = [], 0
    for name, array, dtype in _tensors(model):
        offsets = [end, end + array.nbytes]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        parts.append(array.tobytes())
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8, as safetensors does it
    if len(text) > files.HEADER_LIMIT:
        raise InputError(f"what is said of the model takes {len(text):,} bytes, more than {files.HEADER_LIMIT:,}")
    return files.seal(len(text).to_bytes(8, "little") + text + b"".join(parts))


def _tensors(model: PackedModel) -> Iterator[tuple[str, NDArray, str]]:
    """Name, content and type of every tensor, in the order of the file."""
    if model.scaling is not None:
        yield from model.scaling.tensors()
    for i, layer in enumerate(model.layers):
        short = layer.thresholds.min() >= -(2**15) and layer.thresholds.max() < 2**15
        yield f"layer{i}.thresholds", layer.thresholds.astype("<i2" if short else "<i4"), "I16" if short else "I32"
        yield f"layer{i}.signs", np.packbits(layer.signs > 0, axis=1, bitorder="little"), "U8"


def from_bytes(data: bytes, name: str = "the model") -> PackedModel:
    """Read a model file's content; `name` is what errors call it."""
    parsed = files.parse(data, name)
    kind = parsed.metadata.get("format")
    if kind == "bstdg-checkpoint":
        raise FileFormatError(f"{name} is a training checkpoint, not a deployed model (that is model.bstdg beside it)")
    if kind != FORMAT:
        raise FileFormatError(f"{name} is no bstdg model (its format is {kind!r})")
    if parsed.metadata.get("version") != str(VERSION):
        found = parsed.metadata.get("version")
        raise FileFormatError(f"{name} has format version {found}; this program reads version {VERSION}: upgrade it")
    try:
        config = json.loads(parsed.metadata["config"])
        layers = [_layer(parsed, i, below, above, name) for i, (below, above) in enumerate(pairwise(config["widths"]))]
        scaling = _scaling(parsed, config, name)
        if len(parsed.tensors) != 2 * len(layers) + (0 if scaling is None else 3):
            raise FileFormatError(f"{name} holds {len(parsed.tensors)} tensors for {len(layers)} layers")
        return PackedModel(
            tuple(layers),
            config["num_steps"],
            tuple(config["image_shape"]),
            config["white"],
            config["silent_below"],
            tuple(config["classes"]),
            config["trained"],
            coding_of(config),
            scaling,
            config.get("edges", 0),
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{name} has a damaged configuration: {error}") from None


def coding_of(config: dict[str, Any]) -> InputCoding | None:
    """The input coding of a model's configuration, which only networks of events have.

    Raises:
        InputError, KeyError, TypeError: it is damaged.
    """
    if "input" not in config:
        return None
    values = config["input"]
    steps = {name: tuple(int(step) for step in values[name]) for name in ("delays", "windows")}
    for name in ("onset", "pool", "gates", "counts", "edges"):
        if not isinstance(values.get(name, 0), int):
            raise InputError(f"input.{name} must be an integer, not {values[name]!r}")
    return InputCoding(**{**values, **steps})


def _scaling(parsed: files.TensorFile, config: dict[str, Any], name: str) -> FeatureScaling | None:
    if "scaling" not in config:
        return None
    if config["scaling"]["version"] != SCALING_VERSION:
        found = config["scaling"]["version"]
        raise FileFormatError(f"{name} scales features by version {found}; this program reads {SCALING_VERSION}")
    return FeatureScaling.of_tensors(parsed.tensors)


def network_alone(model: PackedModel) -> PackedModel:
    """The network without scaling or edges, which reads what these would feed it; itself where there is neither."""
    if model.scaling is None and not model.edges:
        return model
    return dataclasses.replace(model, scaling=None, edges=0, image_shape=(model.input_width,))


def _layer(parsed: files.TensorFile, i: int, below: int, above: int, name: str) -> FullLayer:
    signs, thresholds = parsed.tensors[f"layer{i}.signs"], parsed.tensors[f"layer{i}.thresholds"]
    if signs.dtype != "U8" or signs.shape != (above, (below + 7) // 8):
        raise FileFormatError(f"{name}: layer {i} should hold {above} rows of {below} bits, not {signs.shape}")
    if thresholds.dtype not in ("I16", "I32") or thresholds.shape != (above,):
        raise FileFormatError(f"{name}: layer {i} should hold {above} integer thresholds, not {thresholds.shape}")
    rows = np.frombuffer(signs.data, np.uint8).reshape(signs.shape)
    bits = np.unpackbits(rows, axis=1, bitorder="little")
    if bits[:, below:].any():
        raise FileFormatError(f"{name}: layer {i} has bits set beyond its {below} channels")
    values = np.frombuffer(thresholds.data, "<i2" if thresholds.dtype == "I16" else "<i4")
    return FullLayer(bits[:, :below].astype(np.int8) * 2 - 1, values.astype(np.int64))


def with_figures(model: PackedModel, **trained: Any) -> PackedModel:
    """The same model with more said of where it comes from."""
    return dataclasses.replace(model, trained={**model.trained, **trained})
