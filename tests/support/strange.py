"""Values that no writer of ours would write, in the places where it writes others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

ODD = (
    *(None, True, False, 0, 1, -1, -8, 255, 256, 65_535, 65_536, 2**31, 2**53 + 1, 2**63, 10**30),
    *(0.0, 0.5, 1.0, 8.0, -0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan")),
    *("", "8", "mnist", "../../etc/passwd", "a\nb", "\x1b[31m", "\ud800", "\udce9", "$x$", "x" * 3000),
    *([], {}, [[]], [1, 2], [-8, -8], [8.0, 8.0], ["a", "b"], {"a": 1}, {"kind": "full"}),
)


def anything() -> st.SearchStrategy[Any]:
    """Plain values of any kind, those that programs stumble over often among them."""
    leaves = st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=8)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )


def places(value: Any, at: tuple = ()) -> Iterator[tuple]:
    """Where every part of plain values stands."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*at, key))


def changed(draw: Callable, value: Any) -> Any:
    """Plain values with one part, or two, that is another, not there, or there besides."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        *parts, last = draw(st.sampled_from([place for place in places(value) if place]))
        owner = value
        for part in parts:
            owner = owner[part]
        what = draw(st.sampled_from(["other", "other", "other", "gone", "more"]))
        if what == "gone":
            del owner[last]
        elif what == "more" and isinstance(owner, dict):
            owner[draw(st.text(max_size=5))] = draw(anything())
        elif what == "more":
            owner.insert(last, copy.deepcopy(owner[last]))
        else:
            owner[last] = draw(anything())
        if not value:
            break
    return value
