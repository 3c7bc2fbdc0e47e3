"""The sections of a recipe about what is learnt from besides the samples themselves: copies, a teacher, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bstdg.errors import InputError
from bstdg.learning.choices import require
from bstdg.spikes.whole import own_numbers


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
        own_numbers(self)
        for name in ("copies", "rotation", "shear", "move", "elastic"):
            require(getattr(self, name) >= 0, f"distort.{name} must be 0 or more, not {getattr(self, name)}")
        require(self.copies <= 254, f"distort.copies must be 254 or fewer, not {self.copies}")
        require(0 <= self.zoom < 1, f"distort.zoom must be in [0, 1), not {self.zoom}")


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
        own_numbers(self)
        require(0 <= self.weight <= 1, f"teacher.weight must be in [0, 1], not {self.weight}")
        require(self.temperature > 0, f"teacher.temperature must be positive, not {self.temperature}")
        require(
            len(self.channels) == 2 and min(self.channels) >= 1,
            f"teacher.channels must be two positive numbers, not {list(self.channels)}",
        )
        for name in ("neurons", "passes"):
            require(getattr(self, name) >= 1, f"teacher.{name} must be 1 or more, not {getattr(self, name)}")
        require(self.rate > 0, f"teacher.rate must be positive, not {self.rate}")
        require(0 <= self.dropout < 1, f"teacher.dropout must be in [0, 1), not {self.dropout}")


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
        own_numbers(self)
        for name in ("channel_shift", "time_shift", "time_jitter"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"events.{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("channel_stretch", "time_stretch", "event_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"events.{name} must be in [0, 1), not {getattr(self, name)}")
        if not 0 <= self.mixup <= 1:
            raise InputError(f"events.mixup must be in [0, 1], not {self.mixup}")
