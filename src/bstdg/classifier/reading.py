"""What a classifier reads: samples as users bring them, checked, and held against those that it learnt from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.classifier.arrays import one_line
from bstdg.classifier.pictures import check_asked, flattened
from bstdg.errors import BstdgWarning, InputError
from bstdg.inputs import FeatureCode, LatencyCode
from bstdg.inputs.base import by

Values = Literal["truth values", "integers", "floats"]
VALUES: dict[str, Values] = {"b": "truth values", "i": "integers", "u": "integers", "f": "floats"}
MOSTLY = 0.5  # share of a batch's values beyond the range seen in training, above which we warn
FAR_BELOW = 16  # how many times smaller all values of a batch are than those of training where its unit is another


class Samples(NamedTuple):
    """Samples as they came.

    Attributes:
        rows: numbers `[samples, features]`; truth values are 0 and 1.
        values: what they were.
        shape: of a picture, (channels, rows, columns); None of a row of a table.
    """

    rows: NDArray
    values: Values
    shape: tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class Reading:
    """What a classifier learnt from, and so what it reads.

    Attributes:
        code: how samples become steps.
        values: what the samples held that it learnt from; None where a file does not say.
    """

    code: LatencyCode | FeatureCode
    values: Values | None

    @property
    def pictures(self) -> bool:
        """Whether it learnt from pictures, not from a table."""
        return len(self.code.reads) == 3

    def check_shape(self, shape: tuple[int, ...] | None) -> None:
        """Raise `InputError` for pictures of another shape; rows of as many pixels are pictures too."""
        if shape is None or shape == self.code.reads:
            return
        if not self.pictures:
            raise InputError(
                f"X holds pictures of {by(shape)}, and this classifier learnt from a table of {by(self.code.reads)} "
                "features: give rows, such as X.reshape(len(X), -1)"
            )
        raise InputError(
            f"X holds pictures of {by(shape)}, and this classifier learnt from pictures of {self._words()}"
        )

    def in_range(self, samples: Samples) -> NDArray:
        """The rows of samples, if they are of the kind that was learnt from.

        Raises:
            InputError: they are pictures of other values or another range.
        """
        if self.pictures:
            self._check_pixels(samples)
        if isinstance(self.code, FeatureCode) and len(samples.rows) > 1:
            self._warn_of_range(self.code, samples)
        return samples.rows

    def _check_pixels(self, samples: Samples) -> None:
        low, high = self._range(samples.values)
        least, greatest = float(samples.rows.min()), float(samples.rows.max())
        both = {samples.values, self.values}
        alike = len(both) == 1 or None in both or (both == {"truth values", "integers"} and high <= 1)
        # The latency code knows the ends of its range; a scaling knows what it has seen, and takes a little more.
        slack = high - low if isinstance(self.code, FeatureCode) and high > low else 0.0
        if alike and low - slack <= least and greatest <= high + slack:
            return
        remedy = f"or give X.clip({low:g}, {high:g})" if alike else f"and give {self.values}"
        raise InputError(
            f"X holds {samples.values} {least:g} … {greatest:g}, and this classifier learnt from pictures of "
            f"{self._words()}: scale X as it was scaled for fit, {remedy}"
        )

    def _range(self, given: Values) -> tuple[float, float]:
        """The least and the greatest pixel that it reads."""
        if isinstance(self.code, FeatureCode):
            return float(self.code.low.min()), float(self.code.high.max())
        return 0.0, 1.0 if (self.values or given) == "floats" else float(self.code.white)

    def _words(self) -> str:
        low, high = self._range(self.values or "integers")
        return f"{by(self.code.reads)}, {self.values or 'integers'} {low:g} … {high:g}"

    def _warn_of_range(self, code: FeatureCode, samples: Samples) -> None:
        rows, outside = samples.rows, code.outside(samples.rows)
        if outside.mean() > MOSTLY:
            _warn(
                f"{outside.mean():.0%} of these values lie outside the range of the training samples, and count as its "
                "nearest end: scale X as it was scaled for fit"
            )
        elif self.values == "integers" and samples.values == "floats":
            most, learnt = float(np.abs(rows).max()), float(max(-code.low.min(), code.high.max()))
            if most <= 1 and learnt >= FAR_BELOW and (rows != np.rint(rows)).any():
                _warn(
                    f"these values are fractions up to {most:g}, those of the training samples were integers up to "
                    f"{learnt:g}: scale X as it was scaled for fit"
                )


def samples_of(
    given: Any,
    check: Callable[[Any], NDArray],
    learnt: Reading | None = None,
    labels: int | None = None,
    asked: tuple[int, ...] | None = None,
) -> Samples:
    """Samples as numbers, of a shape that can be read.

    Args:
        given: a table, or pictures `[samples, rows, columns]` or `[samples, channels, rows, columns]`.
        check: scikit-learn's own checks, from what has two axes to an array.
        learnt: what the classifier learnt from, where it did.
        labels: how many came with them, if any did.
        asked: the shape of a picture that rows are said to be, where it did not.

    Raises:
        InputError: these are no numbers, or of another shape.
    """
    try:
        known = asked is not None or (learnt is not None and learnt.pictures)
        flat, shape = flattened(given, labels, known=known)
        if learnt is not None:
            learnt.check_shape(shape)
        rows = _checked(flat, check)
        check_asked(asked, shape, rows.shape[1])
    except (ValueError, np.exceptions.DTypePromotionError) as error:
        raise InputError(one_line(error)) from None
    values = VALUES[rows.dtype.kind]
    return Samples(rows.astype(np.uint8) if values == "truth values" else rows, values, shape or asked)


def _checked(flat: Any, check: Callable[[Any], NDArray]) -> NDArray:
    """What scikit-learn's checks let pass, as numbers; `ValueError` where it is none."""
    flat = np.asarray(flat) if isinstance(flat, list) else flat
    if isinstance(flat, np.ndarray) and flat.dtype.kind in "US":
        flat = flat.astype(np.float64)  # says which text is no number, as conversion does for columns of a frame
    rows = check(flat)
    return rows if rows.dtype.kind in VALUES else _numbers(rows)


def _numbers(rows: NDArray) -> NDArray[np.float64]:
    """What came as objects, such as columns of categories, as numbers."""
    if rows.dtype.kind != "O":  # of dates and times NumPy would make a count of nanoseconds
        raise ValueError(
            f"X holds {rows.dtype}, which are no numbers: give how long it is since a date that you choose"
        )
    try:
        numbers = rows.astype(np.float64)
    except TypeError as error:
        raise ValueError(f"X holds what is no number: {error}") from None
    if not np.isfinite(numbers).all():
        raise ValueError("X contains NaN or infinity")
    return numbers


def _warn(message: str) -> None:
    warnings.warn(message, BstdgWarning, stacklevel=6)
