"""The section `[input]` of a recipe: how the samples of a data set become steps, whatever they are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from bstdg.errors import InputError
from bstdg.fields import BELOW_ONE, MANY, Range, check
from bstdg.inputs.base import InputCode, Shape
from bstdg.inputs.coding import DURATION, InputCoding
from bstdg.inputs.contrast import check_levels
from bstdg.inputs.edges import EdgeCode
from bstdg.inputs.latency import MOST_WHITE, LatencyCode
from bstdg.inputs.recordings import RecordingCode
from bstdg.inputs.signal import MOST_TOP, SignalCode, SignalMap, check_maps
from bstdg.spikes.events import MAX_CHANNELS, MAX_STEPS, Keep

CONTRAST = ("relative", "equalize", "levels")
FOR_IMAGES = ("edges", "pixels", "silent_below", *CONTRAST, "signal", "signal_top")
FOR_RECORDINGS = tuple(field.name for field in dataclasses.fields(InputCoding))


@dataclass(frozen=True)
class InputOptions:
    """How samples become steps: pixels or edges of images, events of recordings.

    Attributes:
        edges: read not pixels, nor counts, but how strong edges of four directions are in cells of so many a side
            (`bstdg.inputs.edges`); 0 reads the pixels or counts.
        pixels: images: with edges: the pixels too, as further channels, the mean of each cell.
        silent_below: images: pixels at or below this share of white never fire; with relative, of the brightest pixel.
        relative: images: the brightest pixel of each image fires at step 0, and others by their share of it
            (`bstdg.inputs.contrast`).
        equalize: images: choose levels from the training part, by which each step has an equal share of the pixels that
            fire.
        levels: images: the least pixel of each step, T integers that never rise; () tells steps apart evenly.
        signal: images: read not values but maps of them relative to the sample itself, which a signal's offset and gain
            leave alone: "level", "depth", "above", "below", "rise", "fall" (`bstdg.inputs.signal`); () reads values.
        signal_top: with signal: what fires at step 0, and what is greater; 0: each sample's own greatest value.
        duration: recordings: seconds that T steps span; later events are left out.
        onset: recordings: the event, counted from 1, that time starts with; 0: time starts with the recording. One of
            fewer events is silent.
        pool: recordings: how many neighbouring channels are joined into one; of a sensor with pixels, squares of so
            many a side.
        keep: recordings: "all" events, "one_per_step" (a pooled channel spikes at most once a step), or the "first" of
            a channel.
        gates: recordings: parts of the time in which a channel has weights of its own; 1 is the plain network.
        delays: recordings: in steps, each once; (0,) is the plain network.
        windows: recordings: in steps, each once; 0 never takes back, and (0,) is the plain network.
        counts: recordings: events of a channel in a gate that make it fire at step 0, fewer making it fire later; 0:
            events keep their own steps.

    Raises:
        InputError: a value is out of range.

    >>> InputOptions(edges=2).for_images((1, 28, 28), 255).gives
    (4, 14, 14)
    """

    edges: Annotated[int, Range(0, MAX_CHANNELS)] = 0
    pixels: bool = False
    silent_below: Annotated[float, BELOW_ONE] = 0.0
    relative: bool = False
    equalize: bool = False
    levels: Annotated[tuple[int, ...], Range(1, MOST_WHITE + 1)] = ()
    signal: tuple[SignalMap, ...] = ()
    signal_top: Annotated[int, Range(0, MOST_TOP)] = 0
    duration: Annotated[float, DURATION] = 1.4
    onset: Annotated[int, Range(0, MANY)] = 0
    pool: Annotated[int, Range(1, MAX_CHANNELS)] = 1
    keep: Keep = "all"
    gates: Annotated[int, Range(1, MAX_STEPS)] = 1
    delays: Annotated[tuple[int, ...], Range(0, MAX_STEPS)] = (0,)
    windows: Annotated[tuple[int, ...], Range(0, MAX_STEPS)] = (0,)
    counts: Annotated[int, Range(0, 2**16 - 1)] = 0

    def __post_init__(self) -> None:
        check(self, "input")
        if self.signal:
            check_maps(self.signal)
        check_levels(self.levels, MOST_WHITE, "input.levels")
        if self.levels and self.equalize:
            raise InputError("input.equalize chooses the levels that input.levels gives by hand: give one of them")
        if self.levels and self.silent_below:
            raise InputError("input.silent_below and input.levels both say what is silent: give one of them")
        self.coding()

    def coding(self) -> InputCoding:
        """What of it is for recordings."""
        return InputCoding(**{name: getattr(self, name) for name in FOR_RECORDINGS})

    def for_images(self, reads: Shape, white: int) -> InputCode:
        """The input code of images (channels, rows, columns) of values 0 … white; errors as for the code itself.

        With `equalize`, levels are still to be chosen, by `bstdg.inputs.equalize.equalized`.
        """
        if self.pixels and not self.edges:
            raise InputError("input.pixels goes with input.edges: pixels are what is read without them")
        if self.edges and self.signal:
            raise InputError("input.edges and input.signal each make maps of the pixels: give one of them")
        for name in CONTRAST if self.signal else ():
            if getattr(self, name):
                raise InputError(f"input.signal reads values relative to their sample already: leave out input.{name}")
        check_levels(self.levels, white, "input.levels")
        if self.signal:
            return SignalCode(reads, self.signal, white, self.silent_below, self.signal_top)
        if self.edges:
            return EdgeCode(reads, self.edges, white, self.silent_below, self.pixels, self.relative, self.levels)
        return LatencyCode(reads, white, self.silent_below, self.relative, self.levels)

    def for_recordings(self, reads: Shape) -> InputCode:
        """The input code of recordings on such channels; errors as for the code itself."""
        return RecordingCode(reads, self.coding())
