"""Random networks and inputs for property tests: what every engine has to compute alike.

Sizes and kinds are drawn one by one, so that a failing case shrinks to a small one; the bits that fill them come from
a drawn seed, so that a case costs little.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bstdg.inputs import EdgeCode, InputCode, InputCoding, LatencyCode, RecordingCode
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import Events

LEAST, GREATEST = -(2**31), 2**31 - 1  # what an integer threshold may be
LONGEST = 254

THRESHOLD_KINDS = ("near", "wide", "zero", "negative", "unreachable", "extreme")
SIGN_KINDS = ("random", "all plus", "all minus", "equal rows")
INPUT_KINDS = ("random", "silent", "all at 0", "all at the end", "equal samples", "sparse")


@dataclass(frozen=True)
class Case:
    """A deployed network and a batch for it."""

    layers: tuple[FullLayer, ...]
    spikes: NDArray[np.uint8] | Events
    num_steps: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of every layer, input first."""
        return (self.layers[0].signs.shape[1], *(len(layer.signs) for layer in self.layers))


def step_numbers() -> st.SearchStrategy[int]:
    """T: 1 … 20, and at times the greatest."""
    return st.integers(1, 21).map(lambda t: LONGEST if t == 21 else t)


def seeds() -> st.SearchStrategy[np.random.Generator]:
    """A source of bulk randomness."""
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


def widths(min_layers: int = 1, max_layers: int = 4, max_width: int = 12) -> st.SearchStrategy[list[int]]:
    """Neurons of every layer, input first."""
    return st.lists(st.integers(1, max_width), min_size=min_layers + 1, max_size=max_layers + 1)


def make_signs(rng: np.random.Generator, kind: str, above: int, below: int) -> NDArray[np.int8]:
    """Signs of one layer; equal rows make ties."""
    if kind in ("all plus", "all minus"):
        return np.full((above, below), 1 if kind == "all plus" else -1, np.int8)
    rows = rng.choice(np.array([-1, 1], np.int8), (1 if kind == "equal rows" else above, below))
    return np.array(np.broadcast_to(rows, (above, below)))


def make_thresholds(rng: np.random.Generator, kind: str, above: int, below: int) -> NDArray[np.int64]:
    """Thresholds of one layer, from those that are often reached to the ends of 32 bits."""
    low, high = {
        "near": (0, 3),
        "wide": (-below, below + 1),
        "zero": (0, 0),
        "negative": (-2 * below, -1),
        "unreachable": (2 * below + 1, 4 * below + 1),
        "extreme": (0, 0),
    }[kind]
    if kind == "extreme":
        return rng.choice([LEAST, LEAST + 1, -(2**24) - 1, -1, 1, 2**24 + 1, GREATEST - 1, GREATEST], above)
    return rng.integers(low, high, above, endpoint=True)


def make_steps(rng: np.random.Generator, kind: str, batch: int, channels: int, num_steps: int) -> NDArray[np.uint8]:
    """Steps `[batch, channels]`, T for never."""
    if kind in ("silent", "all at 0", "all at the end"):
        step = {"silent": num_steps, "all at 0": 0, "all at the end": num_steps - 1}[kind]
        return np.full((batch, channels), step, np.uint8)
    steps = rng.integers(0, num_steps, (1 if kind == "equal samples" else batch, channels), endpoint=True)
    if kind == "sparse":
        steps[rng.random(steps.shape) < 0.8] = num_steps
    return np.array(np.broadcast_to(steps, (batch, channels)), np.uint8)


def make_events(rng: np.random.Generator, kind: str, batch: int, channels: int, num_steps: int) -> Events:
    """A batch in which a channel may spike several times, also within one step."""
    most = {"silent": 0, "sparse": 2}.get(kind, 3 * channels)
    lengths = rng.integers(0, most, batch, endpoint=True)
    sample = np.repeat(np.arange(batch), lengths)
    total = len(sample)
    step = rng.integers(0, num_steps, total)
    if kind in ("all at 0", "all at the end"):
        step[:] = 0 if kind == "all at 0" else num_steps - 1
    channel = rng.integers(0, channels, total)
    order = np.lexsort((channel, step, sample))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Events(offsets, channel[order].astype(np.uint16), step[order].astype(np.uint8), channels, num_steps)


@st.composite
def networks(draw: st.DrawFn, min_layers: int = 1, max_layers: int = 4, max_width: int = 12) -> tuple[FullLayer, ...]:
    """Deployed layers of random bits."""
    rng, sizes = draw(seeds()), draw(widths(min_layers, max_layers, max_width))
    layers = []
    for below, above in itertools.pairwise(sizes):
        signs = make_signs(rng, draw(st.sampled_from(SIGN_KINDS)), above, below)
        layers.append(FullLayer(signs, make_thresholds(rng, draw(st.sampled_from(THRESHOLD_KINDS)), above, below)))
    return tuple(layers)


@st.composite
def inputs(draw: st.DrawFn, channels: int, num_steps: int, max_batch: int = 3) -> NDArray[np.uint8] | Events:
    """A batch of single spikes or of events."""
    make = draw(st.sampled_from([make_steps, make_events]))
    return make(draw(seeds()), draw(st.sampled_from(INPUT_KINDS)), draw(st.integers(1, max_batch)), channels, num_steps)


@st.composite
def cases(draw: st.DrawFn, min_layers: int = 1, max_layers: int = 4, max_width: int = 12) -> Case:
    """A deployed network of 1 … 4 layers and a batch of steps or events for it."""
    layers = draw(networks(min_layers, max_layers, max_width))
    num_steps = draw(step_numbers())
    return Case(layers, draw(inputs(layers[0].signs.shape[1], num_steps)), num_steps)


def random_model(widths, num_steps=8, seed=0, threshold=50, **fields) -> PackedModel:
    """A model of random bits and thresholds; the input is a row of channels."""
    rng = np.random.default_rng(seed)
    layers = tuple(
        FullLayer(rng.choice([-1, 1], (above, below)).astype(np.int8), rng.integers(-threshold, threshold + 1, above))
        for below, above in itertools.pairwise(widths)
    )
    names = tuple(f"class {i}" for i in range(widths[-1]))
    trained = fields.pop("trained", {})
    return PackedModel(reading(**{"shape": (1, 1, widths[0]), **fields}), layers, num_steps, names, trained)


def reading(
    shape: tuple[int, ...],
    white: int = 255,
    silent_below: float = 0.0,
    edges: int = 0,
    coding: InputCoding | None = None,
) -> InputCode:
    """An input code for images of rows and columns, or channels before them; or for recordings, with a `coding`."""
    if coding is not None:
        return RecordingCode(shape, coding)
    image = (1, *shape) if len(shape) == 2 else shape
    return EdgeCode(image, edges, white, silent_below) if edges else LatencyCode(image, white, silent_below)


def events_of(spikes: NDArray[np.uint8] | Events, sample: int, num_steps: int) -> list[tuple[int, int]]:
    """One sample's events as plain (channel, step) pairs."""
    if isinstance(spikes, Events):
        own = slice(spikes.offsets[sample], spikes.offsets[sample + 1])
        return list(zip(spikes.channels[own].tolist(), spikes.steps[own].tolist(), strict=True))
    return [(channel, step) for channel, step in enumerate(spikes[sample].tolist()) if step < num_steps]
