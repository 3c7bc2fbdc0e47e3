"""Pixels that the C source encodes itself: `bstdg.inputs.contrast` in integers (see `templates/contrast.c.in`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bstdg.export.base import fnv1a
from bstdg.export.c.signal import silent_share
from bstdg.export.c.texts import array
from bstdg.inputs import LatencyCode

CODE_BYTES = 512  # allowed for the code that steps relative to the brightest pixel take; `verify` measures it


def tables(code: LatencyCode, num_steps: int) -> Iterator[str]:
    """The arrays that encoding needs."""
    if step_table(code):
        steps = code.step_of_value(num_steps)
        yield from array("uint8_t step_of_pixel[256]", [*steps.tolist(), *[255] * (255 - code.white)])
    elif code.levels:
        yield from array(f"uint{_level_bits(code)}_t levels[{num_steps}]", code.levels)


def table_bytes(code: LatencyCode) -> int:
    """What they take of flash."""
    return step_table(code) or len(code.levels) * _level_bits(code) // 8


def step_table(code: LatencyCode) -> int:
    """Entries of the table that names the step of each pixel, 0 where there is none."""
    return 256 if code.white <= 255 and not code.relative else 0


def _level_bits(code: LatencyCode) -> int:
    return 32 if max(code.levels, default=0) > 65_535 else 16


def fields(code: LatencyCode, num_steps: int, channels: int) -> dict[str, Any]:
    """What the templates name of it."""
    steps, silent = code.step_of_value(num_steps), silent_share(code.silent_below)
    return {
        "SIGNAL": False,
        "CODED": code.relative,
        "LEVELS": bool(code.levels),
        "WHAT": "pixel",
        "VALUES": str(channels),
        "COUNT": "CHANNELS",
        "VECTOR": "VECTOR" if code.relative else "CHANNELS",
        "CHECKED": "vector" if code.relative else "steps",
        "SILENT_PARTS": str(silent.numerator),
        "SILENT_OF": str(silent.denominator),
        "PIXEL_HASH": f"0x{fnv1a(steps.astype(np.uint8).tobytes()):08x}u",
        "SILENT_PIXEL": str(int(np.flatnonzero(steps == num_steps).max())),
        "GREATEST": "the greatest pixel"
        if code.relative or code.levels
        else "the greatest pixel, which fires at step 0",
        "PIXELS": _told(code),
    }


def _told(code: LatencyCode) -> str:
    """What becomes of pixels, in words."""
    if code.relative:
        held = ", held against levels" if code.levels else ""
        return f"0 is silent, others go by their share of the brightest{held}"
    return "held against a level for each step" if code.levels else "0 is silent, white fires at step 0"
