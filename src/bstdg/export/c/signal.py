"""Signals that the C source encodes itself: `bstdg.inputs.signal` in integers alone (see `templates/signal.c.in`)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from bstdg.inputs import SignalCode

CODE_BYTES = 1024  # allowed for the code that does it; `verify` measures it
GREATEST = 65_535  # of a value and of a top

# By the name of a map: the top, and the value of sample i.
_HEIGHT = "found.high - found.low"
_SWING = "found.high - found.middle > found.middle - found.low ? found.high - found.middle : found.middle - found.low"
_MAPS = {
    "level": (_HEIGHT, "samples[i] - found.low"),
    "depth": (_HEIGHT, "found.high - samples[i]"),
    "above": (_SWING, "beyond(samples[i], found.middle)"),
    "below": (_SWING, "beyond(found.middle, samples[i])"),
    "rise": ("found.steepest", "beyond(after(samples, i), before(samples, i))"),
    "fall": ("found.steepest", "beyond(before(samples, i), after(samples, i))"),
}


def silent_share(silent_below: float) -> Fraction:
    """The greatest share of a top that never fires: value / top, in float64, is at or below `silent_below` where the
    exact quotient is at or below this, whatever value and top of 16 bits are.

    >>> silent_share(0.0), silent_share(0.3), silent_share(0.1)
    (Fraction(0, 1), Fraction(3, 10), Fraction(1, 10))
    """
    # Shares of 16 bits lie further apart than float64 rounds, so at most one of them rounds to `silent_below`.
    share = Fraction(silent_below).limit_denominator(GREATEST)
    if share.numerator / share.denominator <= silent_below:
        return share
    # The one before it among all fractions of such denominators: p b - q a = 1, with the greatest b.
    p, q = share.numerator, share.denominator
    least = pow(p, -1, q) if q > 1 else 0
    b = least + (GREATEST - least) // q * q
    return Fraction(p * b - 1, q * b)


def fields(code: SignalCode) -> dict[str, Any]:
    """What the templates name of it."""
    channels, rows, columns = code.reads
    silent = silent_share(code.silent_below)
    maps = set(code.maps)
    return {
        "SIGNAL": True,
        "CODED": True,
        "WHAT": "sample",
        "VALUES": str(channels * rows * columns),
        "COUNT": "SAMPLES",
        "SIGNALS": str(channels),
        "PLACES": str(rows * columns),
        "MAPS": [(name, f"{code.top}u" if code.top else _MAPS[name][0], _MAPS[name][1]) for name in code.maps],
        "MAP_NAMES": ", ".join(code.maps),
        "ENDS": bool(maps - {"rise", "fall"}),
        "MIDDLE": bool(maps & {"above", "below"}),
        "SLOPES": bool(maps & {"rise", "fall"}),
        "STEEPEST": bool(maps & {"rise", "fall"}) and not code.top,
        "BEYOND": bool(maps - {"level", "depth"}),
        "COLUMN": "i" if rows == 1 else f"i % {columns}u",
        "LAST_COLUMN": f"{columns - 1}u",
        "SILENT_PARTS": str(silent.numerator),
        "SILENT_OF": str(silent.denominator),
        "VECTOR": "VECTOR",
        "CHECKED": "vector",
    }
