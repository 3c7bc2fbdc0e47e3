"""The deployed model file: one bit a weight, integer thresholds, a version and a checksum.

The file is laid out as safetensors, so other tools can open it. Its metadata hold the configuration as JSON: T, the
input code and the layers, each with its kind, the classes, and where the network comes from. What else an input code
or a layer needs are tensors, `input.NAME` and `layer{n}.NAME`; which, its class says (`bstdg.inputs`, `bstdg.layers`).
Reading and writing need NumPy alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bstdg import files, inputs, layers, strict_json
from bstdg.errors import FileFormatError, InputError
from bstdg.files import TensorSlot
from bstdg.inputs import EdgeCode, InputCode, LatencyCode
from bstdg.layers import FullLayer, Layer, size
from bstdg.layers.convolution import by
from bstdg.model import figures, version1
from bstdg.spikes.events import MAX_CHANNELS, never
from bstdg.whole import own_numbers

FORMAT = "bstdg-model"
VERSION = 2
SIZE_LIMIT = 1 << 30  # bytes; ten full layers of 65,535 x 1,000 fit
LONGEST_WORDS = 300  # characters of what is said of a damaged file


@dataclass(frozen=True)
class PackedModel:
    """A network as it is deployed, with what is needed to feed it.

    Attributes:
        input: how samples become steps.
        layers: input side first.
        num_steps: T.
        classes: a name for every output neuron.
        trained: where it comes from and its figures (data set, seed, versions, …), for `bstdg info`.

    Raises:
        InputError: the parts do not fit each other, or one is not what it should be.
    """

    input: InputCode
    layers: tuple[Layer, ...]
    num_steps: int
    classes: tuple[str, ...]
    trained: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own_numbers(self)
        never(self.num_steps)
        self.input.check(self.num_steps)
        if not self.layers:
            raise InputError("a model needs at least one layer")
        shape = self.input.gives
        if size(shape) > MAX_CHANNELS:
            raise InputError(f"the first layer reads {size(shape)} channels, more than {MAX_CHANNELS}")
        for i, layer in enumerate(self.layers):
            _check(i, layer, shape)
            shape = layer.gives
        if not isinstance(self.classes, (tuple, list)) or not all(isinstance(name, str) for name in self.classes):
            raise InputError(f"names of classes must be a row of texts, not {str(self.classes)[:40]!r}")
        object.__setattr__(self, "classes", tuple(self.classes))
        _check_names(self.classes)
        if len(self.classes) != size(shape):
            raise InputError(f"{size(shape)} output neurons, but {len(self.classes)} class names")
        _check_trained(self.trained)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the input, and neurons of every layer."""
        return (size(self.input.gives), *(size(layer.gives) for layer in self.layers))

    @property
    def structure(self) -> str:
        """The network as it is written: 784-600-10."""
        return layers.structure(self.input.gives, self.layers)

    @property
    def weight_bits(self) -> int:
        """Number of one-bit weights."""
        return sum(layer.weight_bits for layer in self.layers)


def _check(i: int, layer: Layer, shape: tuple[int, ...]) -> None:
    """Raise `InputError` unless a layer reads `shape`, and its parts fit each other."""
    try:
        layer.check()
        if size(layer.reads) != size(shape):
            raise InputError(f"reads {size(layer.reads)} channels, but {size(shape)} come in")
        # Which row and column a channel is, a fully connected layer does not ask.
        if not isinstance(layer, FullLayer) and len(layer.reads) == 3 and tuple(layer.reads) != tuple(shape):
            raise InputError(f"reads maps of {by(layer.reads)}, but {by(shape)} come in")
    except InputError as error:
        raise InputError(f"layer {i} {error}") from None


_TOLD = {"data": (str, "a text"), "seed": (int, "an integer"), "recipe": (dict, "a table")}


def _check_names(classes: Sequence[str]) -> None:
    """Raise `InputError` where a file could not hold a name: text, or bytes of a name of a file that are none."""
    for name in classes:
        try:
            name.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise InputError(f"a class is named {name[:40]!a}, which holds half a surrogate pair") from None


def _check_trained(trained: Any) -> None:
    """Raise `InputError` unless what is read of a model's origin, wherever it is shown, has its type."""
    if not isinstance(trained, dict):
        raise InputError("what is said of the training must be a table")
    for key, (kind, word) in _TOLD.items():
        if key in trained and (not isinstance(trained[key], kind) or isinstance(trained[key], bool)):
            raise InputError(f"trained.{key} should be {word}, not {str(trained[key])[:40]!r}")
    for part in ("validation", "test"):
        if part in trained:
            figures.check(trained[part], f"trained.{part}")


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
    return from_bytes(read(path), str(path))


def read(path: Path | str) -> bytes:
    """The content of a model file, as it is; errors as for `load`."""
    path = Path(path)
    if path.is_dir():
        raise FileFormatError(f"{path} is a folder; a model is a file such as {path / 'model.bstdg'}")
    return files.read(path, SIZE_LIMIT, "any model")


def to_bytes(model: PackedModel) -> bytes:
    """The file's content; the same model always gives the same bytes."""
    config = {
        "num_steps": model.num_steps,
        "input": {**model.input.header(), "kind": model.input.kind},
        "layers": [{**layer.header(), "kind": layer.kind} for layer in model.layers],
        "classes": list(model.classes),
        "trained": model.trained,
    }
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "config": json.dumps(config, separators=(",", ":"), sort_keys=True, allow_nan=False),
    }
    owned = _owners(model.input, model.layers)
    tensors = ((f"{owner}.{name}", array, kind) for owner, part in owned for name, array, kind in part.tensors())
    try:
        return files.tensor_file(metadata, tensors)
    except ValueError as error:
        raise InputError(f"the model: {error}") from None


def version_of(data: bytes, name: str = "the model") -> str:
    """The format version that a model file's content was written in; errors as for `from_bytes`."""
    return files.parse(data, name).metadata.get("version", "")


def from_bytes(data: bytes, name: str = "the model") -> PackedModel:
    """Read a model file's content; `name` is what errors call it."""
    parsed = files.parse(data, name)
    kind = parsed.metadata.get("format")
    if kind == "bstdg-checkpoint":
        raise FileFormatError(f"{name} is a training checkpoint, not a deployed model (that is model.bstdg beside it)")
    if kind != FORMAT:
        raise FileFormatError(f"{name} is no bstdg model (its format is {str(kind)[:40]!r})")
    version = parsed.metadata.get("version", "none")[:20]
    if version not in (str(VERSION), version1.VERSION):
        raise FileFormatError(f"{name} has format version {version}; this program reads up to {VERSION}: upgrade it")
    try:
        config, tensors = strict_json.loads(parsed.metadata["config"], names=True), parsed.tensors
        if version == version1.VERSION:
            config, tensors = version1.upgraded(config, tensors)
        return _model(config, tensors)
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {briefly(error)}") from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FileFormatError(f"{name} has a damaged configuration: {briefly(error)}") from None


def briefly(error: Exception) -> str:
    """What is wrong, on one line that ends, whatever the file has put into it."""
    said = " ".join(str(error).split())
    return said if len(said) <= LONGEST_WORDS else f"{said[:LONGEST_WORDS]} …"


def _model(config: dict[str, Any], tensors: Mapping[str, TensorSlot]) -> PackedModel:
    try:
        code = inputs.read(config["input"], _owned(tensors, "input"))
    except FileFormatError as error:
        raise FileFormatError(f"the input {error}") from None
    stack: list[Layer] = []
    for i, header in enumerate(config["layers"]):
        try:
            stack.append(layers.read(header, _owned(tensors, f"layer{i}"), stack[-1].gives if stack else code.gives))
        except (FileFormatError, InputError) as error:
            raise FileFormatError(f"layer {i} {error}") from None
    read = {f"{owner}.{name}" for owner, part in _owners(code, stack) for name, _, _ in part.tensors()}
    if unread := sorted(set(tensors) - read):
        raise FileFormatError(f"holds {len(tensors)} tensors, {unread[0]} among them, for {len(stack)} layers")
    return PackedModel(code, tuple(stack), config["num_steps"], config["classes"], config["trained"])


def _owners(code: InputCode, stack: Sequence[Layer]) -> list[tuple[str, InputCode | Layer]]:
    """Whoever has tensors, by the name that these begin with."""
    return [("input", code), *((f"layer{i}", layer) for i, layer in enumerate(stack))]


def _owned(tensors: Mapping[str, TensorSlot], owner: str) -> dict[str, TensorSlot]:
    """Tensors of one owner, by their own names."""
    parts = ((name.partition("."), slot) for name, slot in tensors.items())
    return {own: slot for (whose, _, own), slot in parts if whose == owner}


def network_alone(model: PackedModel) -> PackedModel:
    """The network without scaling or edges, which reads what these would feed it; itself where there is neither."""
    if model.input.done_outside() is None:
        return model
    fed = (model.widths[0],) if isinstance(model.layers[0], FullLayer) else model.input.gives
    code = model.input.latency if isinstance(model.input, EdgeCode) else LatencyCode(fed, model.input.white)
    return dataclasses.replace(model, input=dataclasses.replace(code, reads=fed))


def with_figures(model: PackedModel, **trained: Any) -> PackedModel:
    """The same model with more said of where it comes from."""
    return dataclasses.replace(model, trained={**model.trained, **trained})
