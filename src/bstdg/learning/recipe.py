"""What a network is and how it is trained, as frozen dataclasses: the fields of a recipe.

Each is checked for itself when it is made, see `bstdg.fields`; how they are read from a file, see
`bstdg.learning.recipe_file`; whether together they make sense for the data at hand, see `bstdg.training.options`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from bstdg.fields import BELOW_ONE, INSIDE, MANY, SHARE, Range, check, require
from bstdg.inputs.options import InputOptions
from bstdg.layers import written
from bstdg.learning.recipe_augmentation import DistortConfig, EventAugmentation, TeacherConfig
from bstdg.spikes.events import MAX_CHANNELS, MAX_STEPS

ThresholdMode = Literal["neuron", "layer", "fixed"]
Kernel = Literal["step", "exponential", "none"]
Unit = Literal["potential", "spread"]
WeightKind = Literal["binary", "real"]
LossName = Literal["first_to_fire", "relative_target"]
Choice = Literal["accuracy", "macro_f1"]
ClassWeight = Literal["none", "balanced"] | dict[str, float]

WIDTH, RATE, SCALE_RATE = Range(1e-6, 1e9), Range(0.0, 1e3), Range(0.0, 10.0)


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Attributes:
        name: a data set's name (`bstdg train --help` lists them).
        validation: share of the training set held out to choose the best epoch.
        validation_speakers: hold out all recordings of these speakers instead (event data that name them).
        validation_patients: hold out all samples of these patients instead. Data that name patients are held out by
            patient in any case; () draws whose, with all classes on both sides and near data.validation of each.
        size: rows and columns that images are brought to, for data sets of photographs; () is their default.
        channels: of data sets of photographs: 1 brings them to grey, 3 to red, green and blue; 0 is their default.
        fold: of data sets with folds, which of them is the test part, counted from 1; 0: the published split.
        limit: train on at most this many samples (0: all), for quick trials.
    """

    name: str = "digits"
    validation: Annotated[float, INSIDE] = 0.1
    validation_speakers: Annotated[tuple[int, ...], Range(0, MANY)] = ()
    validation_patients: Annotated[tuple[int, ...], Range(0, MANY)] = ()
    size: Annotated[tuple[int, ...], Range(1, 4096)] = ()
    channels: Annotated[int, Range(0, 3)] = 0
    fold: Annotated[int, Range(0, 5)] = 0
    limit: Annotated[int, Range(0, MANY)] = 0

    def __post_init__(self) -> None:
        check(self, "data")
        require(self.channels in (0, 1, 3), f"data.channels must be 1 or 3 (0: the data's own), not {self.channels}")
        require(len(self.size) in (0, 2), f"data.size must be rows and columns such as [32, 48], not {list(self.size)}")


@dataclass(frozen=True)
class RuleConfig:
    """How the spike-timing-dependent gradient judges.

    Attributes:
        width: margin at which a neuron no longer answers for its spike.
        unit: what widths are measured in: "potential", or "spread", the standard deviation of the layer's margins,
            which is tracked while training; a width of 1.0 then fits layers of any fan-in.
        final_width: what `width` becomes by the end of training, in even steps; 0 keeps it.
        kernel: "step" credits every earlier presynaptic spike alike, "exponential" recent ones more, "none" every
            presynaptic spike of the sample, later ones too: a control that is blind to timing.
        tau: time constant of the exponential kernel, in steps.
        centre: credit a presynaptic spike less what is usual for its channel, and let thresholds follow the mean
            potential; the decay a step of the running mean that "usual" is, such as 0.99 (0: neither).
    """

    width: Annotated[float, WIDTH] = 20.0
    unit: Unit = "potential"
    final_width: Annotated[float, Range(0, WIDTH.most)] = 0.0
    kernel: Kernel = "step"
    tau: Annotated[float, Range(1e-6, 1e9)] = 4.0
    centre: Annotated[float, BELOW_ONE] = 0.0

    def __post_init__(self) -> None:
        check(self, "rule")
        final = self.final_width
        require(not final or final in WIDTH, f"rule.final_width must be 0, or in {WIDTH}, not {final}")


@dataclass(frozen=True)
class NetworkConfig:
    """The structure.

    Attributes:
        layers: the hidden layers, input to output, any number of them, none too: fully connected ones by their
            neurons, 600; convolutions by maps, kernel, stride, padding and groups, "32c5s2p2"; pooling by the window
            and which spike of it, "pool2", "pool2n2". `hidden` is another name for it.
        num_steps: T, 1 … 254.
        threshold_mode: train one threshold a "neuron", one a "layer", or keep them "fixed" after calibration.
        weights: "binary", or "real": latent weights as they are, to measure what one bit costs; leaves no model file.
        initial_share: share of samples for which a hidden neuron fires before training (thresholds are set so).
        initial_output_share: the same for output neurons.
        initial_output_margin: raise their thresholds by this much more; far above, outputs stay silent until the last
            step, and the whole input decides.
    """

    layers: Annotated[tuple[int | str, ...], Range(1, MAX_CHANNELS)] = (600,)
    num_steps: Annotated[int, Range(1, MAX_STEPS)] = 8
    threshold_mode: ThresholdMode = "neuron"
    weights: WeightKind = "binary"
    initial_share: Annotated[float, INSIDE] = 0.15
    initial_output_share: Annotated[float, INSIDE] = 0.15
    initial_output_margin: Annotated[float, Range(0, 2**20, "[)")] = 0.0

    def __post_init__(self) -> None:
        check(self, "network")
        written.check(self.layers, "network.layers")


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
    latency_weight: Annotated[float, Range(0, 1e6)] = 0.0
    spike_weight: Annotated[float, Range(0, 1e6)] = 0.0
    label_smoothing: Annotated[float, BELOW_ONE] = 0.0
    silent_remainder: bool = False
    scale: Annotated[float, Range(1e-6, 1e6)] = 2.0
    gamma: Annotated[int, Range(1, MAX_STEPS)] = 1

    def __post_init__(self) -> None:
        check(self, "loss")


@dataclass(frozen=True)
class TrainConfig:
    """How training runs.

    Attributes:
        epochs: passes over the training part.
        batch: samples a step of the optimiser.
        weight_rate: Adam's learning rate for latent weights, falling to 0 along a cosine.
        threshold_rate: the same for thresholds.
        scale_rate: the same for the loss's soft threshold.
        shift: move each training image by up to this many pixels, or cells of its edge maps, at random, each time it
            is seen.
        shift_share: share of images that are moved.
        jitter: move each input spike by up to this many steps, at random, while training.
        input_dropout: share of input spikes lost while training.
        spike_dropout: share of hidden spikes lost while training.
        average: keep running averages of weights and thresholds with this decay a step, and deploy those (0: none).
        class_weight: how much a sample counts in the loss, and in choosing the best epoch by accuracy: "none" lets all
            count alike, "balanced" all classes; or a table [train.class_weight] of weights by class, 1 for the others.
        choose: what the best epoch is chosen by, and patience looks at: validation "accuracy", or "macro_f1", the mean
            over classes, where these are very unequal.
        patience: stop after this many epochs without a better validation accuracy, or macro F1 (0: never).
        calibration: training samples from which thresholds start.
    """

    epochs: Annotated[int, Range(1, MANY)] = 30
    batch: Annotated[int, Range(1, MANY)] = 256
    weight_rate: Annotated[float, RATE] = 0.01
    threshold_rate: Annotated[float, RATE] = 0.1
    scale_rate: Annotated[float, SCALE_RATE] = 0.01
    shift: Annotated[int, Range(0, 4096)] = 0
    shift_share: Annotated[float, SHARE] = 1.0
    jitter: Annotated[int, Range(0, MAX_STEPS)] = 0
    input_dropout: Annotated[float, BELOW_ONE] = 0.0
    spike_dropout: Annotated[float, BELOW_ONE] = 0.0
    average: Annotated[float, BELOW_ONE] = 0.0
    class_weight: Annotated[ClassWeight, Range(0, 10**6)] = field(default="none", hash=False)  # a table has no hash
    choose: Choice = "accuracy"
    patience: Annotated[int, Range(0, MANY)] = 0
    calibration: Annotated[int, Range(1, MANY)] = 1024

    def __post_init__(self) -> None:
        check(self, "train")
        require(self.class_weight != {}, "train.class_weight is a table of no class: leave it out")


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

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, as JSON and TOML hold them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))
