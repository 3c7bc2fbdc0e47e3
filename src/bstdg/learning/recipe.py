"""What a network is and how it is trained, as frozen dataclasses: the fields of a recipe.

Each is checked for itself when it is made; how they are read from a file, see `bstdg.learning.recipe_file`; whether
together they make sense for the data at hand, see `bstdg.training.options`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bstdg.errors import InputError
from bstdg.inputs.options import InputOptions
from bstdg.layers.full import neurons
from bstdg.learning.choices import require, require_choice
from bstdg.learning.recipe_augmentation import DistortConfig, EventAugmentation, TeacherConfig
from bstdg.spikes.events import never
from bstdg.spikes.whole import own_numbers

ThresholdMode = Literal["neuron", "layer", "fixed"]
Kernel = Literal["step", "exponential", "none"]
WeightKind = Literal["binary", "real"]
LossName = Literal["first_to_fire", "relative_target"]
ClassWeight = Literal["none", "balanced"] | dict[str, float]


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Attributes:
        name: a data set's name (`bstdg train --help` lists them).
        validation: share of the training set held out to choose the best epoch.
        validation_speakers: hold out all recordings of these speakers instead (event data that name them).
        size: rows and columns that images are brought to, for data sets of photographs; () is their default.
        channels: of data sets of photographs: 1 brings them to grey, 3 to red, green and blue; 0 is their default.
        limit: train on at most this many samples (0: all), for quick trials.
    """

    name: str = "digits"
    validation: float = 0.1
    validation_speakers: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    channels: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        own_numbers(self)
        require(0.0 < self.validation < 1.0, f"data.validation must be between 0 and 1, not {self.validation}")
        require(self.limit >= 0, f"data.limit must be 0 or more, not {self.limit}")
        require(
            all(speaker >= 0 for speaker in self.validation_speakers),
            f"data.validation_speakers are numbers from 0 on, not {list(self.validation_speakers)}",
        )
        require(self.channels in (0, 1, 3), f"data.channels must be 1 or 3 (0: the data's own), not {self.channels}")
        require(
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
        own_numbers(self)
        require_choice(self.kernel, Kernel, "rule.kernel")
        require(self.width > 0, f"rule.width must be positive, not {self.width}")
        require(self.final_width >= 0, f"rule.final_width must be 0 or more, not {self.final_width}")
        require(self.tau > 0, f"rule.tau must be positive, not {self.tau}")


@dataclass(frozen=True)
class NetworkConfig:
    """The structure.

    Attributes:
        layers: the hidden layers, input to output, each by its neurons; any number of them, none too. `hidden` is
            another name for it.
        num_steps: T, 1 … 254.
        threshold_mode: train one threshold a "neuron", one a "layer", or keep them "fixed" after calibration.
        weights: "binary", or "real": latent weights as they are, to measure what one bit costs; leaves no model file.
        initial_share: share of samples for which a hidden neuron fires before training (thresholds are set so).
        initial_output_share: the same for output neurons.
        initial_output_margin: raise their thresholds by this much more; far above, outputs stay silent until the last
            step, and the whole input decides.
    """

    layers: tuple[int | str, ...] = (600,)
    num_steps: int = 8
    threshold_mode: ThresholdMode = "neuron"
    weights: WeightKind = "binary"
    initial_share: float = 0.15
    initial_output_share: float = 0.15
    initial_output_margin: float = 0.0

    def __post_init__(self) -> None:
        own_numbers(self)
        require_choice(self.threshold_mode, ThresholdMode, "network.threshold_mode")
        require_choice(self.weights, WeightKind, "network.weights")
        never(self.num_steps)
        for written in self.layers:
            try:
                neurons(written)
            except InputError as error:
                raise InputError(f"network.layers: {error}") from None
        for name in ("initial_share", "initial_output_share"):
            share = getattr(self, name)
            require(0 < share < 1, f"network.{name} must be between 0 and 1, not {share}")
        margin = self.initial_output_margin
        require(0 <= margin < 2**20, f"network.initial_output_margin must be in 0 … {2**20 - 1}, not {margin}")


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
        own_numbers(self)
        require_choice(self.name, LossName, "loss.name")
        require(self.latency_weight >= 0, f"loss.latency_weight must be 0 or more, not {self.latency_weight}")
        require(self.spike_weight >= 0, f"loss.spike_weight must be 0 or more, not {self.spike_weight}")
        require(0 <= self.label_smoothing < 1, f"loss.label_smoothing must be in [0, 1), not {self.label_smoothing}")
        require(self.scale > 0, f"loss.scale must be positive, not {self.scale}")
        require(self.gamma >= 1, f"loss.gamma must be 1 or more, not {self.gamma}")


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
        class_weight: how much a sample counts in the loss, in choosing the best epoch and for patience: "none" lets all
            count alike, "balanced" all classes; or a table [train.class_weight] of weights by class, 1 for the others.
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
    class_weight: ClassWeight = field(default="none", hash=False)  # a table has no hash
    patience: int = 0
    calibration: int = 1024

    def __post_init__(self) -> None:
        own_numbers(self)
        for name in ("epochs", "batch", "calibration"):
            require(getattr(self, name) >= 1, f"train.{name} must be 1 or more, not {getattr(self, name)}")
        for name in ("weight_rate", "threshold_rate", "scale_rate", "shift", "jitter", "patience"):
            require(getattr(self, name) >= 0, f"train.{name} must be 0 or more, not {getattr(self, name)}")
        require(0 <= self.shift_share <= 1, f"train.shift_share must be in [0, 1], not {self.shift_share}")
        for name in ("input_dropout", "spike_dropout", "average"):
            require(0 <= getattr(self, name) < 1, f"train.{name} must be in [0, 1), not {getattr(self, name)}")
        if isinstance(self.class_weight, str):
            require_choice(self.class_weight, get_args(ClassWeight)[0], "train.class_weight")
            return
        require(len(self.class_weight) > 0, "train.class_weight is a table of no class: leave it out")
        for name, weight in self.class_weight.items():
            require(
                0 <= weight < math.inf, f"train.class_weight.{name} must be a finite number, 0 or more, not {weight}"
            )


@dataclass(frozen=True)
class Recipe:
    """One experiment, whole.

    Attributes:
        title: one line for people.
        input: how samples become steps.
        events: how recordings of events are augmented.
    """

    title: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    rule: RuleConfig = field(default_factory=RuleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    distort: DistortConfig = field(default_factory=DistortConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    input: InputOptions = field(default_factory=InputOptions)
    events: EventAugmentation = field(default_factory=EventAugmentation)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, as JSON and TOML hold them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))
