"""Layers as recipes write them: 600, "32c5s2p2", "pool2"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from bstdg.errors import InputError
from bstdg.fields import short
from bstdg.layers.base import Shape
from bstdg.layers.convolution import Convolution, Pair, unread
from bstdg.layers.full import neurons
from bstdg.layers.pool2d import Pool2dLayer

HELP = (
    "a number of neurons (600); a convolution, maps c kernel, then s stride, p padding, g groups (32c5s2p2); "
    "a pooling, pool window, then s stride, n which spike (pool2)"
)
_SIDES = r"(\d+(?:x\d+)?)"
_CONV = re.compile(rf"(\d+)c{_SIDES}")
_POOL = re.compile(rf"pool{_SIDES}")
_MORE = re.compile(rf"([a-z]){_SIDES}")


class Full(NamedTuple):
    """A fully connected layer."""

    neurons: int


class Conv(NamedTuple):
    """A convolution."""

    maps: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1

    def over(self, reads: Shape) -> Convolution:
        """The convolution of what comes in; raises `InputError` where it does not fit."""
        convolution = Convolution(reads, *self)
        convolution.check()
        return convolution


class Pool(NamedTuple):
    """A pooling."""

    window: Pair
    stride: Pair
    which: int = 1

    def over(self, reads: Shape) -> Pool2dLayer:
        """The pooling of what comes in; raises `InputError` where it does not fit."""
        layer = Pool2dLayer(reads, *self)
        layer.check()
        return layer


def stack(layers: Sequence[int | str], reads: Shape) -> list[Full | Convolution | Pool2dLayer]:
    """What layers are, each over what the one below gives.

    Args:
        layers: as a recipe writes them, input side first.
        reads: shape of what comes in.

    Raises:
        InputError: one is no layer, or does not fit what it reads; says which.

    >>> conv, pool, full = stack(["16c5s2p2", "pool2", 100], (1, 28, 28))
    >>> conv.gives, pool.gives, full
    ((16, 14, 14), (16, 7, 7), Full(neurons=100))
    """
    found: list[Full | Convolution | Pool2dLayer] = []
    for i, text in enumerate(layers):
        asked = layer(text)
        if isinstance(asked, Full):
            found.append(asked)
            reads = (asked.neurons,)
            continue
        try:
            found.append(over := asked.over(reads))
        except InputError as error:
            raise InputError(f"layer {i} ({text}) {error}") from None
        reads = over.gives
    return found


LONGEST = 100  # characters of a layer that is written as a text


def check(layers: Sequence[int | str], where: str) -> None:
    """Raise `InputError` where one of a recipe's layers is none; `where` names the field they are of."""
    for i, text in enumerate(layers):
        try:
            if len(str(text)) > LONGEST:
                raise InputError(f"{short(text)} is no layer known here; a layer is {HELP}")
            layer(text)
        except InputError as error:
            raise InputError(f"{where}[{i}]: {error}") from None


def leaving_out(layers: Sequence[int | str], reads: Shape) -> list[str]:
    """A line for each layer whose windows leave pixels out; arguments and errors as for `stack`.

    >>> leaving_out(["16c5s2p2", "pool3"], (1, 28, 28))
    ['layer 1 (pool3): 2 of 14 rows and 2 of 14 columns lie in no window']
    """
    sliding = ((i, getattr(layer, "convolution", layer)) for i, layer in enumerate(stack(layers, reads)))
    said = ((i, unread(layer)) for i, layer in sliding if isinstance(layer, Convolution))
    return [f"layer {i} ({layers[i]}): {words}" for i, words in said if words]


def layer(written: int | str) -> Full | Conv | Pool:
    """What a recipe writes for a layer.

    Raises:
        InputError: it is no layer; says where it goes wrong, and what is near.

    >>> layer("32c5s2p2")
    Conv(maps=32, kernel=(5, 5), stride=(2, 2), padding=(2, 2), groups=1)
    >>> layer("pool1x4n2"), layer(600)
    (Pool(window=(1, 4), stride=(1, 4), which=2), Full(neurons=600))
    """
    if not isinstance(written, str) or written.isdecimal():
        return Full(neurons(written))
    text = written.strip().lower()
    try:
        return _parsed(text)
    except _Misspelt as wrong:
        near = _nearest(text, wrong.at)
        meant = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"{written!r}{wrong}{meant}; a layer is {HELP}") from None


class _Misspelt(Exception):
    """What goes wrong, and from which letter on."""

    def __init__(self, said: str, at: int = 0):
        super().__init__(said)
        self.at = at


def _parsed(text: str) -> Full | Conv | Pool:
    if text.isdecimal():
        return Full(neurons(text))
    if found := _CONV.match(text):
        more = _more(text, found.end(), {"s": Pair, "p": Pair, "g": int})
        return Conv(
            int(found[1]), _pair(found[2]), more.get("s", (1, 1)), more.get("p", (0, 0)), more.get("g", (1, 1))[0]
        )
    if found := _POOL.match(text):
        window = _pair(found[1])
        more = _more(text, found.end(), {"s": Pair, "n": int})
        return Pool(window, more.get("s", window), more.get("n", (1, 1))[0])
    raise _Misspelt(" is no layer known here")


# What others write, and what it is here.
_ELSEWHERE = (
    (re.compile(r"(?:conv(?:2d)?-?)?c?(\d+)k(\d+)(.*)"), r"\1c\2\3"),
    (re.compile(r"(?:conv(?:2d)?-?)(\d+)"), r"\1c3"),
    (re.compile(r"c(\d+)(.*)"), r"32c\1\2"),
    (re.compile(r"(?:max|avg|mean|sum|mp|ap|p)[a-z-]*?(?:2d)?k?(\d+)(.*)"), r"pool\1\2"),
    (re.compile(r"(?:fc|dense|linear|full)-?(\d+)"), r"\1"),
)


def _nearest(text: str, at: int) -> str:
    """What was meant: what others write so, or else by the numbers that stand there, or as far as it is right."""
    bare = re.sub(r"[\s_,()]", "", text)
    forms = [bare, *(form.sub(meant, bare) for form, meant in _ELSEWHERE if form.fullmatch(bare))]
    if at:
        if text[at] not in "spgnd":  # a slip; those have a meaning, which is not to be changed for another
            forms += [text[:at] + letter + text[at + 1 :] for letter in "spgn"]
        forms.append(text[:at])
    else:
        forms += difflib.get_close_matches(text, _of_numbers(text), n=1, cutoff=0.5)
    return next(filter(_is_layer, forms), "")


def _is_layer(text: str) -> bool:
    try:
        _parsed(text)
    except (_Misspelt, InputError):
        return False
    return True


def _of_numbers(text: str) -> list[str]:
    """Layers with the numbers of a text."""
    numbers = re.findall(r"\d+", text)[:4] or ["2"]
    first, *more = numbers
    forms = [f"pool{first}", first, f"{first}c3"]
    if more:
        forms += [f"{first}c{more[0]}", f"pool{first}s{more[0]}", f"pool{first}n{more[0]}", f"pool{first}x{more[0]}"]
    if len(more) > 1:
        forms += [f"{first}c{more[0]}{letter}{more[1]}" for letter in "spg"]
    if len(more) > 2:
        forms.append(f"{first}c{more[0]}s{more[1]}p{more[2]}")
    return forms


def _more(text: str, at: int, known: dict[str, object]) -> dict[str, Pair]:
    """What follows the window: letters with their numbers, each once."""
    found: dict[str, Pair] = {}
    while at < len(text):
        part = _MORE.match(text, at)
        where = f", at {text[at:]!r}:"
        if part is None:
            raise _Misspelt(f"{where} expected {' or '.join(known)} with a number", at)
        name = part[1]
        if name not in known:
            raise _Misspelt(f"{where} there is no {name!r} here, only {', '.join(known)}", at)
        if name in found:
            raise _Misspelt(f"{where} {name!r} stands there twice", at)
        if known[name] is int and "x" in part[2]:
            raise _Misspelt(f"{where} {name!r} takes one number", at)
        found[name], at = _pair(part[2]), part.end()
    return found


def _pair(text: str) -> Pair:
    """Rows and columns of "5" or "1x7"."""
    first, _, second = text.partition("x")
    return int(first), int(second or first)
