"""What a network is and how it is trained, as frozen dataclasses: the fields of a recipe.

A recipe is a TOML file with the sections below; any field can be overridden from the command line with
`--set section.field=value`. Everything is checked when it is read, and what was read is stored with every model.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import reprlib
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bstdg.errors import InputError
from bstdg.inputs.recordings import InputCoding
from bstdg.spikes.events import MAX_CHANNELS, never

ThresholdMode = Literal["neuron", "layer", "fixed"]
Kernel = Literal["step", "exponential", "none"]
WeightKind = Literal["binary", "real"]
LossName = Literal["first_to_fire", "relative_target"]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InputError(message)


def _short(value: Any) -> str:
    """How a refused value is shown: a slip of a megabyte should not scroll the terminal."""
    return _SHOWN.repr(value)


_SHOWN = reprlib.Repr()
_SHOWN.maxstring = 60


def _require_choice(value: str, choices: Any, name: str) -> None:
    known = get_args(choices)
    if value not in known:
        near = _suggest(value, known) if isinstance(value, str) else ""
        raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, not {_short(value)}{near}")


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Attributes:
        name: a data set's name (`bstdg train --help` lists them).
        validation: share of the training set held out to choose the best epoch.
        validation_speakers: hold out all recordings of these speakers instead (event data that name them).
        size: rows and columns that images are brought to, for data sets of photographs; () is their default.
        edges: read not the pixels but how strong edges of four directions are in cells of so many pixels a side
            (`bstdg.inputs.edges`); 0 reads the pixels.
        limit: train on at most this many samples (0: all), for quick trials.
    """

    name: str = "digits"
    validation: float = 0.1
    validation_speakers: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    edges: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        _require(0.0 < self.validation < 1.0, f"data.validation must be between 0 and 1, not {self.validation}")
        _require(self.edges >= 0, f"data.edges must be 0 or more pixels, not {self.edges}")
        _require(self.limit >= 0, f"data.limit must be 0 or more, not {self.limit}")
        _require(
            all(speaker >= 0 for speaker in self.validation_speakers),
            f"data.validation_speakers are numbers from 0 on, not {list(self.validation_speakers)}",
        )
        _require(
            len(self.size) in (0, 2) and all(1 <= side <= 4096 for side in self.size),
            f"data.size must be rows and columns such as [32, 48], not {list(self.size)}",
        )


@dataclass(frozen=True)
class RuleConfig:
    """How the spike-timing-dependent gradient judges.

    Attributes:
        width: margin, in units of potential, at which a neuron no longer answers for its spike.
        final_width: what `width` becomes by the end of training, in even steps; 0 keeps it.
        kernel: "step" credits every earlier presynaptic spike alike, "exponential" recent ones more, "none" every
            presynaptic spike of the sample, later ones too: a control that is blind to timing.
        tau: time constant of the exponential kernel, in steps.
    """

    width: float = 20.0
    final_width: float = 0.0
    kernel: Kernel = "step"
    tau: float = 4.0

    def __post_init__(self) -> None:
        _require_choice(self.kernel, Kernel, "rule.kernel")
        _require(self.width > 0, f"rule.width must be positive, not {self.width}")
        _require(self.final_width >= 0, f"rule.final_width must be 0 or more, not {self.final_width}")
        _require(self.tau > 0, f"rule.tau must be positive, not {self.tau}")


@dataclass(frozen=True)
class NetworkConfig:
    """The structure.

    Attributes:
        hidden: neurons of each hidden layer, input to output; any number of layers, none too.
        num_steps: T, 1 … 254.
        silent_below: pixels at or below this share of white never fire.
        threshold_mode: train one threshold a "neuron", one a "layer", or keep them "fixed" after calibration.
        weights: "binary", or "real": latent weights as they are, to measure what one bit costs; leaves no model file.
        initial_share: share of samples for which a hidden neuron fires before training (thresholds are set so).
        initial_output_share: the same for output neurons.
        initial_output_margin: raise their thresholds by this much more; far above, outputs stay silent until the last
            step, and the whole input decides.
    """

    hidden: tuple[int, ...] = (600,)
    num_steps: int = 8
    silent_below: float = 0.0
    threshold_mode: ThresholdMode = "neuron"
    weights: WeightKind = "binary"
    initial_share: float = 0.15
    initial_output_share: float = 0.15
    initial_output_margin: float = 0.0

    def __post_init__(self) -> None:
        _require_choice(self.threshold_mode, ThresholdMode, "network.threshold_mode")
        _require_choice(self.weights, WeightKind, "network.weights")
        never(self.num_steps)
        for width in self.hidden:
            _require(1 <= width <= MAX_CHANNELS, f"network.hidden: a layer has 1 … {MAX_CHANNELS} neurons, not {width}")
        _require(0 <= self.silent_below < 1, f"network.silent_below must be in [0, 1), not {self.silent_below}")
        for name in ("initial_share", "initial_output_share"):
            share = getattr(self, name)
            _require(0 < share < 1, f"network.{name} must be between 0 and 1, not {share}")
        margin = self.initial_output_margin
        _require(0 <= margin < 2**20, f"network.initial_output_margin must be in 0 … {2**20 - 1}, not {margin}")


@dataclass(frozen=True)
class LossConfig:
    """What is asked of the output layer.

    Attributes:
        name: "first_to_fire" (likelihood that the label fires first) or "relative_target" (the predecessors').
        latency_weight: cost of one step of expected decision time.
        spike_weight: cost of one hidden spike.
        label_smoothing: share of the target spread over all classes.
        silent_remainder: let the last potentials decide the part of the likelihood in which no output fires.
        scale: starting width of the soft threshold at the output, in units of potential; trained.
        gamma: relative_target only: steps by which other outputs should trail the first.
    """

    name: LossName = "first_to_fire"
    latency_weight: float = 0.0
    spike_weight: float = 0.0
    label_smoothing: float = 0.0
    silent_remainder: bool = False
    scale: float = 2.0
    gamma: int = 1

    def __post_init__(self) -> None:
        _require_choice(self.name, LossName, "loss.name")
        _require(self.latency_weight >= 0, f"loss.latency_weight must be 0 or more, not {self.latency_weight}")
        _require(self.spike_weight >= 0, f"loss.spike_weight must be 0 or more, not {self.spike_weight}")
        _require(0 <= self.label_smoothing < 1, f"loss.label_smoothing must be in [0, 1), not {self.label_smoothing}")
        _require(self.scale > 0, f"loss.scale must be positive, not {self.scale}")
        _require(self.gamma >= 1, f"loss.gamma must be 1 or more, not {self.gamma}")


@dataclass(frozen=True)
class TrainConfig:
    """How training runs.

    Attributes:
        epochs: passes over the training part.
        batch: samples a step of the optimiser.
        weight_rate: Adam's learning rate for latent weights, falling to 0 along a cosine.
        threshold_rate: the same for thresholds.
        scale_rate: the same for the loss's soft threshold.
        shift: move each training image by up to this many pixels, at random, each time it is seen.
        shift_share: share of images that are moved.
        jitter: move each input spike by up to this many steps, at random, while training.
        input_dropout: share of input spikes lost while training.
        spike_dropout: share of hidden spikes lost while training.
        average: keep running averages of weights and thresholds with this decay a step, and deploy those (0: none).
        patience: stop after this many epochs without a better validation accuracy (0: never).
        calibration: training samples from which thresholds start.
    """

    epochs: int = 30
    batch: int = 256
    weight_rate: float = 0.01
    threshold_rate: float = 0.1
    scale_rate: float = 0.01
    shift: int = 0
    shift_share: float = 1.0
    jitter: int = 0
    input_dropout: float = 0.0
    spike_dropout: float = 0.0
    average: float = 0.0
    patience: int = 0
    calibration: int = 1024

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "calibration"):
            _require(getattr(self, name) >= 1, f"train.{name} must be 1 or more, not {getattr(self, name)}")
        for name in ("weight_rate", "threshold_rate", "scale_rate", "shift", "jitter", "patience"):
            _require(getattr(self, name) >= 0, f"train.{name} must be 0 or more, not {getattr(self, name)}")
        _require(0 <= self.shift_share <= 1, f"train.shift_share must be in [0, 1], not {self.shift_share}")
        for name in ("input_dropout", "spike_dropout", "average"):
            _require(0 <= getattr(self, name) < 1, f"train.{name} must be in [0, 1), not {getattr(self, name)}")


@dataclass(frozen=True)
class DistortConfig:
    """Distorted copies of the training images, made once before training; each epoch takes one of each image.

    Every amount is the greatest, drawn anew for each image and copy. See `bstdg.training.augmentation.distort`.

    Attributes:
        copies: how many of each image, besides itself; 0 for none. A copy of the training set takes a byte a pixel.
        rotation: degrees, either way.
        zoom: share by which height and width grow or shrink, each for itself.
        shear: share of the height by which the top moves against the bottom, either way.
        move: pixels, either way, along rows and columns.
        elastic: pixels that a smooth random field moves a pixel by (its standard deviation).
        mirror: mirror half of the copies, left to right.
    """

    copies: int = 0
    rotation: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    move: float = 0.0
    elastic: float = 0.0
    mirror: bool = False

    def __post_init__(self) -> None:
        for name in ("copies", "rotation", "shear", "move", "elastic"):
            _require(getattr(self, name) >= 0, f"distort.{name} must be 0 or more, not {getattr(self, name)}")
        _require(self.copies <= 254, f"distort.copies must be 254 or fewer, not {self.copies}")
        _require(0 <= self.zoom < 1, f"distort.zoom must be in [0, 1), not {self.zoom}")


@dataclass(frozen=True)
class TeacherConfig:
    """A small convolutional network of real weights, trained first, whose probabilities the network then learns.

    See `bstdg.training.distillation`.

    Attributes:
        weight: share of the target that is the teacher's; 0 trains no teacher.
        temperature: softens the teacher's probabilities where it is above 1, sharpens them below.
        channels: of the two convolutions.
        neurons: between them and the classes.
        passes: over the training part, with its distorted copies.
        rate: Adam's greatest learning rate.
        dropout: share of the hidden neurons dropped while it learns.
    """

    weight: float = 0.0
    temperature: float = 1.0
    channels: tuple[int, ...] = (32, 64)
    neurons: int = 256
    passes: int = 6
    rate: float = 0.003
    dropout: float = 0.3

    def __post_init__(self) -> None:
        _require(0 <= self.weight <= 1, f"teacher.weight must be in [0, 1], not {self.weight}")
        _require(self.temperature > 0, f"teacher.temperature must be positive, not {self.temperature}")
        _require(
            len(self.channels) == 2 and min(self.channels) >= 1,
            f"teacher.channels must be two positive numbers, not {list(self.channels)}",
        )
        for name in ("neurons", "passes"):
            _require(getattr(self, name) >= 1, f"teacher.{name} must be 1 or more, not {getattr(self, name)}")
        _require(self.rate > 0, f"teacher.rate must be positive, not {self.rate}")
        _require(0 <= self.dropout < 1, f"teacher.dropout must be in [0, 1), not {self.dropout}")


@dataclass(frozen=True)
class EventAugmentation:
    """What is done to each recording, at random, each time it is seen in training.

    Attributes:
        channel_shift: move all channels by up to this many, up or down; what leaves the range is lost.
        channel_stretch: spread or squeeze the channels around their middle by up to this share.
        time_stretch: make it longer or shorter by up to this share.
        time_shift: start it up to this many seconds sooner or later; what comes before 0 is lost.
        time_jitter: move each event by a normal deviate of so many seconds.
        event_dropout: lose up to this share of the events (the share is drawn for each recording).
        mixup: share of recordings that get a random part of their events from another recording of their class.

    Raises:
        InputError: a value is out of range.
    """

    channel_shift: int = 0
    channel_stretch: float = 0.0
    time_stretch: float = 0.0
    time_shift: float = 0.0
    time_jitter: float = 0.0
    event_dropout: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name in ("channel_shift", "time_shift", "time_jitter"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"events.{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("channel_stretch", "time_stretch", "event_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"events.{name} must be in [0, 1), not {getattr(self, name)}")
        if not 0 <= self.mixup <= 1:
            raise InputError(f"events.mixup must be in [0, 1], not {self.mixup}")


@dataclass(frozen=True)
class Recipe:
    """One experiment, whole.

    Attributes:
        title: one line for people.
        input: how the events of event data become steps.
        events: how they are augmented.
    """

    title: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    rule: RuleConfig = field(default_factory=RuleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    distort: DistortConfig = field(default_factory=DistortConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    input: InputCoding = field(default_factory=InputCoding)
    events: EventAugmentation = field(default_factory=EventAugmentation)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, as JSON and TOML hold them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def from_dict(kind: type, values: Mapping[str, Any], where: str = "") -> Any:
    """Fill the frozen dataclass `kind` from plain values, checking names and types.

    Raises:
        InputError: a key is unknown (the nearest known one is suggested), or a value has the wrong type or range.
    """
    hints = get_type_hints(kind)
    known = [f.name for f in dataclasses.fields(kind)]
    filled = {}
    for key, value in values.items():
        name = f"{where}.{key}" if where else key
        if key not in known:
            raise InputError(f"unknown key {name!r}{_suggest(key, known, where)}")
        filled[key] = _convert(hints[key], value, name)
    return kind(**filled)


def _suggest(key: str, known: Sequence[str], where: str = "") -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    prefix = f"{where}." if where else ""
    return f"; did you mean {prefix + near[0]!r}?" if near else f"; known here: {', '.join(known)}"


def _convert(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise InputError(f"{name} is a section, not the value {_short(value)}")
        return from_dict(kind, value, name)  # pyright: ignore[reportArgumentType]
    origin = get_origin(kind)
    if origin is Literal:
        _require_choice(value, kind, name)
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{name} must be a list such as [600], not {_short(value)}")
        return tuple(_convert(get_args(kind)[0], item, f"{name}[{i}]") for i, item in enumerate(value))
    if origin in (Union, types.UnionType):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise InputError(f"{name} must be a number that a float holds") from None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{name} must be {_KIND_NAMES[kind]}, not {_short(value)}")
    if kind is float and math.isnan(value):  # a NaN would pass every range check
        raise InputError(f"{name} must be a number, not {value!r}")
    return value


_KIND_NAMES = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `section.field=value` overrides (values as TOML writes them; bare words are texts).

    Raises:
        InputError: the file is missing or no TOML, or a key or value is wrong.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the recipe {path}: {getattr(error, 'strerror', None) or error}") from None
    except (ValueError, RecursionError) as error:  # TOML that does not parse, or a number or nesting without end
        raise InputError(f"{path} is no valid TOML: {error}") from None
    for override in overrides:
        _override(values, override)
    try:
        return from_dict(Recipe, values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set takes section.field=value, not {override!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # no TOML, or a number or nesting without end: the field's type refuses it
        value = text.strip()
    *sections, last = _full_key(key.strip()).split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {override!r}: {section!r} is no section")
    values[last] = value


def _full_key(key: str) -> str:
    """`epochs` alone means `train.epochs`: a field's name suffices where only one section has it."""
    if "." in key or key in {f.name for f in dataclasses.fields(Recipe)}:
        return key
    hints = get_type_hints(Recipe)
    sections = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    owners = [n for n, kind in sections.items() if key in {f.name for f in dataclasses.fields(kind)}]
    if len(owners) == 1:
        return f"{owners[0]}.{key}"
    if owners:
        raise InputError(f"--set {key}: say which of {', '.join(f'{o}.{key}' for o in owners)}")
    every = [f"{n}.{f.name}" for n, kind in sections.items() for f in dataclasses.fields(kind)]
    near = difflib.get_close_matches(key, [name.split(".")[1] for name in every], n=1, cutoff=0.5)
    found = next((name for name in every if near and name.endswith(f".{near[0]}")), None)
    raise InputError(f"unknown key {key!r}" + (f"; did you mean {found!r}?" if found else ""))
