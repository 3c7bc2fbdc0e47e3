"""The sections of a recipe about what is learnt from besides the samples themselves: copies, a teacher, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from bstdg.fields import BELOW_ONE, SHARE, Range, check, require
from bstdg.layers import written
from bstdg.spikes.events import MAX_CHANNELS


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

    copies: Annotated[int, Range(0, 254)] = 0
    rotation: Annotated[float, Range(0, 360)] = 0.0
    zoom: Annotated[float, BELOW_ONE] = 0.0
    shear: Annotated[float, Range(0, 10)] = 0.0
    move: Annotated[float, Range(0, 4096)] = 0.0
    elastic: Annotated[float, Range(0, 4096)] = 0.0
    mirror: bool = False

    def __post_init__(self) -> None:
        check(self, "distort")


@dataclass(frozen=True)
class TeacherConfig:
    """A small convolutional network of real weights, trained first, whose probabilities the network then learns.

    See `bstdg.training.distillation`.

    Attributes:
        weight: share of the target that is the teacher's; 0 trains no teacher.
        temperature: softens the teacher's probabilities where it is above 1, sharpens them below.
        structure: layers between the picture and the classes, written as those of the network: convolutions,
            "32c3s2p1", that are normalised and rectified; poolings, "pool2", that take the greatest; full ones, 256.
        passes: over the training part, with its distorted copies.
        rate: Adam's greatest learning rate.
        dropout: share of the neurons of its full layers dropped while it learns.
    """

    weight: Annotated[float, SHARE] = 0.0
    temperature: Annotated[float, Range(1e-3, 1e6)] = 1.0
    structure: Annotated[tuple[int | str, ...], Range(1, MAX_CHANNELS)] = ("32c3s2p1", "64c3s2p1", 256)
    passes: Annotated[int, Range(1, 10**6)] = 6
    rate: Annotated[float, Range(1e-9, 1e3)] = 0.003
    dropout: Annotated[float, BELOW_ONE] = 0.3

    def __post_init__(self) -> None:
        check(self, "teacher")
        written.check(self.structure, "teacher.structure")
        for i, text in enumerate(self.structure):
            which = getattr(written.layer(text), "which", 1)
            require(which == 1, f"teacher.structure[{i}]: {text}: a teacher has no spikes; write a pooling without n")


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

    channel_shift: Annotated[int, Range(0, MAX_CHANNELS)] = 0
    channel_stretch: Annotated[float, BELOW_ONE] = 0.0
    time_stretch: Annotated[float, BELOW_ONE] = 0.0
    time_shift: Annotated[float, Range(0.0, 1e6)] = 0.0
    time_jitter: Annotated[float, Range(0.0, 1e6)] = 0.0
    event_dropout: Annotated[float, BELOW_ONE] = 0.0
    mixup: Annotated[float, SHARE] = 0.0

    def __post_init__(self) -> None:
        check(self, "events")
