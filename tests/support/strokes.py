"""Digits as a person draws them: strokes of points in a unit square."""

from __future__ import annotations

import numpy as np

ZERO = [[[0.5 + 0.28 * np.sin(a), 0.5 - 0.4 * np.cos(a)] for a in np.linspace(0, 2 * np.pi, 24)]]
SEVEN = [[[0.25, 0.15], [0.72, 0.15], [0.55, 0.5], [0.42, 0.9]]]


def moved(strokes, size: float, right: float, down: float):
    return [[[0.5 + (x - 0.5) * size + right, 0.5 + (y - 0.5) * size + down] for x, y in stroke] for stroke in strokes]
