"""What an event network reads: recordings of timed events become steps on the channels of its first layer.

A neuron that never forgets and never delays sees little of time. What helps it is put into the input, where it costs
no multiplication and no engine needs to know of it, since every structure is events on more channels:

    onset    time starts with the n-th event of a recording: what comes before is left out
    pool     `pool` neighbouring channels are joined into one
    gates    K equal parts of the time have weights of their own: channel = part * channels + channel
    delays   every event also arrives d steps later, on channels of its own
    windows  a rectangular synaptic window: an event adds its weight at step s and takes it back at s + window, which
             is a second event, on a channel whose weights are minus those of the first
    counts   the recording is heard to its end first; then every channel of every gate fires once, the sooner the more
             events it had: the latency code of an image whose pixels are counts (`keep` is then of a gate)
    edges    with counts: pooled channels (rows) by gates (columns) are a picture, each pixel the square root of a
             count; what fires is how strong its edges are in cells of so many rows and columns (`bstdg.inputs.edges`)

Blocks of channels follow each other: for every window (those that end first), for every delay, for every gate, the
pooled channels; then, in the same order, the channels that take back. Events that would come after the last step are
left out. In training the weights of the channels that take back are tied (see `bstdg.learning.modules.BinaryLinear`);
deployed, they are bits like all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.inputs import edges
from bstdg.inputs.base import is_integer
from bstdg.inputs.latency import latency
from bstdg.spikes.events import MAX_CHANNELS, MAX_STEPS, Events, Keep, bin_events, never
from bstdg.spikes.whole import own_numbers

WHITE = 255  # of the picture that counts make


@dataclass(frozen=True)
class InputCoding:
    """How timed events become steps, and on which channels.

    Attributes:
        duration: seconds that T steps span; later events are left out.
        onset: the event of a recording, counted from 1, that time starts with; 0: time starts with the recording. A
            recording of fewer events is silent.
        pool: how many neighbouring channels are joined into one.
        keep: "all" events, "one_per_step" (a pooled channel spikes at most once a step), or the "first" of a channel.
        gates: parts of the time in which a channel has weights of its own; 1 is the plain network.
        delays: in steps, each once; (0,) is the plain network.
        windows: in steps, each once; 0 never takes back, and (0,) is the plain network.
        counts: events of a channel in a gate that make it fire at step 0, fewer making it fire later; 0: events keep
            their own steps.
        edges: side of the cells of edge maps of the counts; 0: counts fire themselves.

    Raises:
        InputError: a value is out of range.

    >>> coding = InputCoding(duration=1.0, windows=(2,))
    >>> events = coding.encode([0, 1], [1], [0.5], num_channels=3, num_steps=8)
    >>> events.channels.tolist(), events.steps.tolist()  # weight of channel 1 at step 4, taken back at step 6
    ([1, 4], [4, 6])
    """

    duration: float = 1.4
    onset: int = 0
    pool: int = 1
    keep: Keep = "all"
    gates: int = 1
    delays: tuple[int, ...] = (0,)
    windows: tuple[int, ...] = (0,)
    counts: int = 0
    edges: int = 0

    def __post_init__(self) -> None:
        own_numbers(self)
        for name in ("onset", "pool", "gates", "counts", "edges"):
            if not is_integer(getattr(self, name)):
                raise InputError(f"input.{name} must be an integer, not {getattr(self, name)!r}")
        if not _seconds(self.duration):
            raise InputError(f"input.duration must be a positive number of seconds, not {self.duration!r}")
        if self.onset < 0:
            raise InputError(f"input.onset must be 0 or the number of an event, not {self.onset}")
        if not 1 <= self.pool < 2**31:
            raise InputError(f"input.pool must be 1 channel or more, not {self.pool}")
        if self.keep not in ("all", "one_per_step", "first"):
            raise InputError(f"input.keep must be one of 'all', 'one_per_step', 'first', not {self.keep!r}")
        if not 1 <= self.gates <= MAX_STEPS:
            raise InputError(f"input.gates must be in 1 … {MAX_STEPS}, not {self.gates}")
        for name in ("delays", "windows"):
            steps = getattr(self, name)
            row = isinstance(steps, (tuple, list)) and all(
                is_integer(step) and 0 <= step <= MAX_STEPS for step in steps
            )
            if not row or not steps or len(set(steps)) < len(steps):
                shown = list(steps) if isinstance(steps, tuple) else steps
                raise InputError(f"input.{name} must be different numbers in 0 … {MAX_STEPS}, not {shown!r}")
        if not 0 <= self.counts < 2**16:
            raise InputError(f"input.counts must be in 0 … {2**16 - 1}, not {self.counts}")
        if self.edges < 0:
            raise InputError(f"input.edges must be 0 or more, not {self.edges}")

    def pooled(self, num_channels: int) -> int:
        """How many channels are left of `num_channels` when neighbours are joined."""
        return -(-num_channels // self.pool)

    def counted(self, num_channels: int) -> int:
        """How many channels fire for the pooled ones of all gates: as many, or as their edge maps have."""
        if self.edges:
            if not self.counts:
                raise InputError("input.edges are those of counts: give input.counts too")
            return math.prod(edges.maps_shape((1, self.pooled(num_channels), self.gates), self.edges))
        return self.pooled(num_channels) * self.gates

    def own_channels(self, num_channels: int) -> int:
        """Channels with weights of their own."""
        return self.counted(num_channels) * len(self.delays) * len(self.windows)

    def tied_channels(self, num_channels: int) -> int:
        """Channels that take back: the n-th of them has minus the weights of channel n."""
        ending = sum(window > 0 for window in self.windows)
        return self.counted(num_channels) * len(self.delays) * ending

    def width(self, num_channels: int) -> int:
        """Input width of a network that reads `num_channels` channels through this coding.

        Raises:
            InputError: the coding makes too many channels.
        """
        width = self.own_channels(num_channels) + self.tied_channels(num_channels)
        most = max(width, self.pooled(num_channels))
        if most > MAX_CHANNELS:
            raise InputError(f"the input coding makes {most} of {num_channels} channels, more than {MAX_CHANNELS}")
        return width

    def encode(
        self, offsets: ArrayLike, channels: ArrayLike, times: ArrayLike, *, num_channels: int, num_steps: int
    ) -> Events:
        """Recordings of timed events as a network reads them.

        Args:
            offsets: integers `[batch + 1]`, where each recording's events start and end.
            channels: integers `[events]`, 0 … num_channels - 1.
            times: seconds `[events]`.
            num_channels: of the recordings.
            num_steps: T.

        Raises:
            InputError: an event is off, or the coding makes too many channels.
        """
        self.width(num_channels)
        wires = np.asarray(channels)
        if wires.size and not 0 <= int(wires.min()) <= int(wires.max()) < num_channels:
            raise InputError(f"channels must be in 0 … {num_channels - 1}, found {wires.min()} … {wires.max()}")
        binned = bin_events(
            offsets,
            wires if self.pool == 1 else wires // self.pool,
            since_onset(np.asarray(offsets), np.asarray(times), self.onset) if self.onset else times,
            num_channels=self.pooled(num_channels),
            num_steps=self.gates if self.counts else num_steps,
            duration=self.duration,
            keep=self.keep,
        )
        return self.expand(self._counted(binned, num_steps) if self.counts else binned)

    def _counted(self, binned: Events, num_steps: int) -> Events:
        """Events binned by gate become one for each channel and gate that had any, as the latency of their number.

        c of n = `counts` events fire at step floor((1 - c / n) T), more at step 0.
        """
        if self.edges:
            return self._edges(binned, num_steps)
        width = binned.num_channels * self.gates
        sample = binned.samples()
        place = sample * width + binned.steps.astype(np.int64) * binned.num_channels + binned.channels
        place, count = np.unique(place, return_counts=True)
        step = (self.counts - np.minimum(count, self.counts)) * never(num_steps) // self.counts
        return _sorted(place // width, step, place % width, len(binned), width, num_steps)

    def _edges(self, binned: Events, num_steps: int) -> Events:
        """Events binned by gate become the edges of the picture that their square roots make."""
        shape = (len(binned), binned.num_channels, self.gates)
        sample = binned.samples()
        place = (sample * shape[1] + binned.channels) * shape[2] + binned.steps
        count = np.minimum(np.bincount(place, minlength=math.prod(shape)), self.counts)
        # The root of a whole number below 2 ** 53 is exact enough in float64 for its floor to be right.
        pixels = np.sqrt(count * WHITE**2 // self.counts).astype(np.uint8).reshape(shape)
        steps = latency(edges.maps(pixels, self.edges, WHITE), num_steps, white=WHITE)
        sample, channel = np.nonzero(steps < num_steps)
        step = steps[sample, channel].astype(np.int64)
        return _sorted(sample, step, channel, len(binned), steps.shape[1], num_steps)

    def expand(self, events: Events) -> Events:
        """Events on pooled channels (with `counts`, on those of every gate) become events on the first layer's."""
        gates = 1 if self.counts else self.gates  # counted events are on the channels of their gates already
        if gates == 1 and self.delays == (0,) and self.windows == (0,):
            return events
        num_steps, num_channels = never(events.num_steps), events.num_channels
        sample = events.samples()
        step = events.steps.astype(np.int64)
        channel = step * gates // num_steps * num_channels + events.channels
        block = num_channels * gates
        ordered = sorted(self.windows, key=lambda window: (window == 0, window))
        own = block * len(self.delays) * len(ordered)
        parts = []
        for w, window in enumerate(ordered):
            for d, delay in enumerate(self.delays):
                first = (w * len(self.delays) + d) * block
                parts.append((sample, step + delay, channel + first))
                if window:
                    parts.append((sample, step + delay + window, channel + first + own))
        total = own + block * len(self.delays) * sum(window > 0 for window in ordered)
        sample, step, channel = (np.concatenate(column) for column in zip(*parts, strict=True))
        return _sorted(sample, step, channel, len(events), total, num_steps)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> InputCoding:
        """What `to_dict` gave, read back.

        Raises:
            InputError, KeyError, TypeError: it is damaged.
        """
        rows = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **rows})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a model file holds them."""
        values = {**asdict(self), "delays": list(self.delays), "windows": list(self.windows)}
        if not self.counts:  # a key that came later: files of those that do not use it stay as they were
            del values["counts"]
        if not self.edges:
            del values["edges"]
        return values


def _seconds(value: Any) -> bool:
    """Whether a duration is a number by which steps can be told apart."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 < float(value) < math.inf and MAX_STEPS / float(value) < math.inf


def since_onset(offsets: NDArray, times: NDArray, onset: int) -> NDArray[np.float64]:
    """Times from that of each recording's event number `onset` on (by time, from 1); negative before it.

    >>> since_onset(np.array([0, 3]), np.array([0.5, 0.25, 1.0]), 2)
    array([ 0.  , -0.25,  0.5 ])
    """
    clock = times.astype(np.float64)
    for begin, end in pairwise(offsets.tolist()):
        part = clock[begin:end]
        part -= np.partition(part, onset - 1)[onset - 1] if onset <= len(part) else part.max(initial=0.0) + 1.0
    return clock


def _sorted(
    sample: NDArray[np.int64],
    step: NDArray[np.int64],
    channel: NDArray[np.int64],
    batch: int,
    num_channels: int,
    num_steps: int,
) -> Events:
    """Events in time, by sample, then step, then channel."""
    inside = step < num_steps
    place = ((sample * num_steps + step) * num_channels + channel)[inside]
    place.sort()
    rest, channel = np.divmod(place, num_channels)
    sample, step = np.divmod(rest, num_steps)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=batch))]).astype(np.int64)
    return Events(offsets, channel.astype(np.uint16), step.astype(np.uint8), num_channels, num_steps)
