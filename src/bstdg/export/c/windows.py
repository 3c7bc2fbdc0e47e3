"""Convolutions and poolings as the C source holds them: maps side by side in words, a word for every place and plane.

A place (row and column) of a group has one counter a map, laid out bit by bit like those of other layers (see
`templates/windows.c.in`), so an event is added to all maps of a place at once. Words are as wide as leaves the least
of them unused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.c.texts import array
from bstdg.layers import Conv2dLayer, Pool2dLayer
from bstdg.layers.convolution import Convolution

MOST_HEARD = 65_535  # events of a window, which two bytes count
WORDS = (32, 16, 8)  # bits

Windowed = Conv2dLayer | Pool2dLayer


@dataclass(frozen=True)
class Windows:
    """One layer as the C source holds it.

    Attributes:
        layer: what it is.
        word: bits of a word.
        groups, maps: groups whose maps stand side by side, and maps of each.
        taps: words `[channels, kernel rows, kernel columns, words of a group]`, bit k being 1 where map k has a weight
            of +1; nothing for a pooling.
        start: words `[groups, words of a group, planes]`, where counters begin, bit by bit; the lowest bit of a
            convolution's never changes.
        top: what is added to the number of events that a window heard to give what its counters are compared with.
        planes: bits of a counter that change. A pooling's highest says that the spike waited for was there.
        most: events that a window can hear.
    """

    layer: Windowed
    word: int
    groups: int
    maps: int
    taps: NDArray[np.unsignedinteger]
    start: NDArray[np.unsignedinteger]
    top: int
    planes: int
    most: int

    @property
    def convolution(self) -> Convolution:
        """What is connected to what."""
        return self.layer.convolution

    @property
    def pools(self) -> bool:
        """Whether it only waits for spikes."""
        return isinstance(self.layer, Pool2dLayer)

    @property
    def words(self) -> int:
        """Words of one bit a map of a group."""
        return -(-self.maps // self.word)

    @property
    def units(self) -> int:
        """Places of all groups."""
        return self.groups * self.convolution.places

    @property
    def spikes(self) -> int:
        """Words of one bit a neuron."""
        return self.units * self.words

    @property
    def counters(self) -> int:
        """Words of the counters."""
        return self.spikes * self.planes

    @property
    def wide(self) -> int:
        """Bytes beyond the first that count what a window heard."""
        return int(self.most > 255)

    @property
    def heard_bytes(self) -> int:
        """Bytes that count what the windows heard."""
        return 0 if self.pools else self.units * (1 + self.wide)

    @property
    def rows(self) -> int:
        """Rows of all groups."""
        return self.groups * self.convolution.gives[1]

    @property
    def state_bytes(self) -> int:
        """What it takes of RAM."""
        return (self.counters + self.spikes) * self.word // 8 + self.heard_bytes + 4 * self.rows

    @property
    def table_bytes(self) -> int:
        """What it takes of flash."""
        return self.taps.nbytes + self.start.nbytes


def laid_out(layers: Sequence[Windowed], events: int) -> list[Windows]:
    """Layers of windows in the words that take the least RAM, the widest of those.

    Args:
        layers: convolutions and poolings, input side first.
        events: how often a channel of the input spikes at most.

    Raises:
        InputError: a window may hear more events than are counted; the message says which layer's.
    """
    return min((_in_words(layers, events, word) for word in WORDS), key=lambda all_: sum(w.state_bytes for w in all_))


def _in_words(layers: Sequence[Windowed], events: int, word: int) -> list[Windows]:
    out: list[Windows] = []
    for i, layer in enumerate(layers):
        if isinstance(layer, Conv2dLayer):
            out.append(_convolution(i, layer, 1 if out else events, word))
        else:  # maps stay where they were
            groups = out[-1].groups if out else 1
            out.append(_pooling(layer, groups, word))
    return out


def _convolution(i: int, layer: Conv2dLayer, events: int, word: int) -> Windows:
    convolution = layer.convolution
    most = events * int(np.prod(convolution.weights[1:], dtype=np.int64))
    if most > MOST_HEARD:
        raise InputError(
            f"the C target counts at most {MOST_HEARD:,} events a window; a window of layer {i} ({layer}) may hear "
            f"{most:,}"
        )
    groups, channels = convolution.groups, convolution.reads[0]
    maps = convolution.maps // groups
    # V lies within ± most, so a threshold beyond is as good as the nearest one outside.
    thresholds = np.clip(layer.map_thresholds, -most, most + 1)
    top = max(0, int(thresholds.max()))
    offset = top - thresholds.reshape(groups, maps)
    planes = max(1, max(2 * most + int(offset.max()), most + top).bit_length() - 1)
    bits = (offset[..., None] >> np.arange(max(1, int(offset.max()).bit_length()))) & 1
    # [maps, own channels, rows, columns] to [channels, rows, columns, maps of a group]
    plus = np.moveaxis((layer.signs > 0).astype(np.uint8).reshape(groups, maps, *layer.signs.shape[1:]), 1, -1)
    taps = words_of(plus.reshape(channels, *convolution.kernel, maps), word)
    start = np.ascontiguousarray(np.moveaxis(words_of(np.moveaxis(bits, -1, 1), word), 1, -1))
    return Windows(layer, word, groups, maps, taps, start, top, planes, most)


def _pooling(layer: Pool2dLayer, groups: int, word: int) -> Windows:
    maps = layer.reads[0] // groups
    planes = (layer.count - 1).bit_length() + 1
    first = (1 << planes - 1) - layer.count  # the n-th spike carries into the highest plane
    bits = np.broadcast_to(first >> np.arange(planes) & 1, (groups, maps, planes))
    start = np.ascontiguousarray(np.moveaxis(words_of(np.moveaxis(bits, -1, 1), word), 1, -1))
    nothing = np.empty(0, start.dtype)
    return Windows(layer, word, groups, maps, nothing, start, 0, planes, int(np.prod(layer.window)))


def words_of(bits: NDArray[np.integer], word: int) -> NDArray[np.unsignedinteger]:
    """Bits `[..., n]` as words `[..., n / word, up]`, the first bit lowest.

    >>> words_of(np.array([1, 0, 0, 0, 0, 0, 0, 0, 1]), 8).tolist()
    [1, 1]
    """
    padded = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // word) * word), np.uint8)
    padded[..., : bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1, bitorder="little").view(f"<u{word // 8}")


def rows(windows: Sequence[Windows]) -> Iterator[str]:
    """The table of the layers, as `window_t` of `templates/windows.c.in` has its fields."""
    counters = spikes = heard = spans = 0
    for i, one in enumerate(windows):
        (channels, read_rows, read_columns), _, kernel, stride, padding, groups = one.convolution
        _, high, across = one.convolution.gives
        own = 0 if one.pools else channels // groups
        last = (1 << (one.maps - 1) % one.word + 1) - 1
        numbers = (
            *(one.top, one.most, counters, spikes, heard, spans),
            *(own, one.groups, one.maps, one.words, read_rows, read_columns, high, across),
            *(*kernel, *stride, *padding, last, one.planes, one.start.shape[2], one.wide),
        )
        yield f"    {{{'0' if one.pools else f'taps{i}'}, first{i}, {', '.join(f'{n}u' for n in numbers)}}},\n"
        counters, spikes = counters + one.counters, spikes + one.spikes
        heard, spans = heard + one.heard_bytes, spans + one.rows


def noted(windows: Sequence[Windows]) -> Iterator[str]:
    """Where the self-test finds the spikes of each layer: groups, maps of each, words of each, places."""
    for one in windows:
        yield f"      {{{one.groups}u, {one.maps}u, {one.words}u, {one.convolution.places}u}},\n"


def fields(windowed: list[Windows], full: int, events: int) -> dict[str, Any]:
    """What the templates name of convolutions and poolings."""
    if not windowed:
        return {"WINDOWS": False, "AGAIN": ""}
    word = windowed[0].word
    texts = []
    for i, layer in enumerate(windowed):
        for what, words in ((f"taps{i}", layer.taps), (f"first{i}", layer.start)):
            numbers = (f"0x{n:0{word // 4}x}u" for n in words.flat)
            texts += array(f"maps_t {what}[{words.size}]", numbers) if words.size else ()
    return {
        "WINDOWS": True,
        "AGAIN": "\n * Where events were too many for a window, start again.",
        "EVENTS": events,
        "LAYERS_WINDOWED": len(windowed),
        "LAYERS_FULL": full,
        "WORD_BITS": word,
        "COUNTERS": sum(layer.counters for layer in windowed),
        "SPIKES": sum(layer.spikes for layer in windowed),
        "WINDOW_HEARD": max(1, sum(layer.heard_bytes for layer in windowed)),
        "WINDOW_ROWS_IN_ALL": sum(layer.rows for layer in windowed),
        "WINDOW_TABLES": "".join(texts),
        "WINDOW_ROWS": "".join(rows(windowed)),
        "NOTED": "".join(noted(windowed)),
    }
