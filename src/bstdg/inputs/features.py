"""Features of any range become spike steps, by comparisons alone.

Every feature has ascending edges; how many of them a value reaches is its level, and a table says at which step each
of the feature's channels fires at that level. Nothing is multiplied, so a comparator or an integer table can do the
same, and a value beyond the outermost edges simply gets the outermost level.

    codes "on"      one channel a feature: the greater the value, the sooner; the lowest level stays silent
    codes "on-off"  two: the second fires the sooner the smaller the value, and is silent at the highest level
    codes n         n such pairs, with n T levels, each pair for a part of them: parts overlap by half

Channels follow in blocks: the first of every feature, then the second of every feature, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.files import TensorSlot
from bstdg.inputs.base import InputCode, Samples, Shape, Tensors, batch_of, by, check_shape, shape_of
from bstdg.spikes.events import MAX_CHANNELS, MAX_STEPS, never
from bstdg.whole import own_numbers, plain

Spread = Literal["standard", "minmax", "rank", "shared"]
Codes = Literal["on", "on-off"]
MOST_PAIRS = 64
DEVIATIONS = 1.5  # of the mean, between which "standard" has its edges
VALUES_AT_ONCE = 1 << 20  # while encoding: what bounds the memory


@dataclass(frozen=True, eq=False)
class FeatureCode(InputCode):
    """How features become steps.

    Attributes:
        edges: float64 `[features, E]`, ascending in every row; infinity is never reached.
        code: uint8 `[E + 1, channels a feature]`, the step at each level, T where a channel stays silent.
        low, high: float64 `[features]`, the least and greatest value that the scaling was made from.
        reads: shape of a sample; a row of features unless they are pixels of a picture.

    Raises:
        InputError: shapes or types do not fit each other, or an edge is not a number.

    >>> code = FeatureCode.fit(np.array([[0.0], [1.0], [2.0]]), num_steps=2, spread="minmax")
    >>> code.encode([[0.0], [1.0], [9.0]], 2)  # channel 0 likes great values, channel 1 small ones; 2 is never
    array([[2, 0],
           [1, 1],
           [0, 2]], dtype=uint8)
    """

    kind: ClassVar[str] = "features"
    samples: ClassVar[Samples] = "features"
    white = 255  # of a byte, where the scaled features were pixels
    edges: NDArray[np.float64]
    code: NDArray[np.uint8]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    reads: Shape = ()

    def __post_init__(self) -> None:
        own_numbers(self)
        features = len(self.edges)
        if self.edges.dtype != np.float64 or self.edges.ndim != 2 or not features:
            raise InputError(f"edges must be float64 [features, levels - 1], not {list(self.edges.shape)}")
        levels = self.edges.shape[1] + 1
        if self.code.dtype != np.uint8 or self.code.ndim != 2 or len(self.code) != levels or not self.code.shape[1]:
            raise InputError(f"{levels} levels need a row of steps (uint8) each, not {list(self.code.shape)}")
        if not 2 <= levels <= MAX_STEPS + 1:
            raise InputError(f"a feature has 2 … {MAX_STEPS + 1} levels, not {levels}")
        if features * self.code.shape[1] > MAX_CHANNELS:
            each, fits = self.code.shape[1], features <= MAX_CHANNELS
            remedy = "codes='on' takes one for each" if fits else "choose among them, or join some"
            raise InputError(
                f"{features} features on {each} channels each are more than {MAX_CHANNELS} channels: {remedy}"
            )
        if np.isnan(self.edges).any() or (self.edges[:, 1:] < self.edges[:, :-1]).any():
            raise InputError("the edges of a feature must be numbers in ascending order")
        for bound in (self.low, self.high):
            if bound.dtype != np.float64 or bound.shape != (features,) or not np.isfinite(bound).all():
                raise InputError(f"the range of {features} features must be as many finite numbers")
        if not self.reads:
            object.__setattr__(self, "reads", (features,))
        check_shape(self.reads)
        if math.prod(self.reads) != features:
            raise InputError(f"{features} features are scaled, {math.prod(self.reads)} come in")

    @classmethod
    def fit(
        cls,
        features: ArrayLike,
        num_steps: int,
        *,
        spread: Spread = "standard",
        codes: Codes | int = "on-off",
        reads: Shape = (),
    ) -> FeatureCode:
        """The scaling of training samples `[samples, features]`: T edges a feature, n T for n pairs, 254 at most.

        Args:
            features: finite numbers.
            num_steps: T.
            spread: where edges lie: "standard", evenly within 1.5 standard deviations of the mean; "minmax", evenly
                between the least and the greatest value; "rank", evenly among the distinct values; "shared",
                evenly up to the greatest value of all features, for images and counts.
            codes: "on", "on-off" or a number of pairs.
            reads: shape of a sample, where it is more than a row.

        Raises:
            InputError: the spread or code is unknown, or a feature is not a finite number.
        """
        samples = _finite(features)
        if spread not in _SPREADS:
            raise InputError(f"scaling must be one of {', '.join(map(repr, _SPREADS))}, not {spread!r}")
        codes, num_steps = plain(codes), never(num_steps)
        if codes not in get_args(Codes) and not (type(codes) is int and 1 <= codes <= MOST_PAIRS):
            raise InputError(f"codes must be 'on', 'on-off' or a number of pairs in 1 … {MOST_PAIRS}, not {codes!r}")
        pairs = codes if isinstance(codes, int) else 1
        num_edges = min(MAX_STEPS, num_steps * pairs)
        code = np.concatenate([_pair(k, pairs, num_edges, num_steps) for k in range(pairs)], axis=1)
        code = code[:, :1] if codes == "on" else code
        low, high = samples.min(axis=0), samples.max(axis=0)
        edges = _SPREADS[spread](samples, num_edges)
        edges[low == high] = np.inf  # what never varied in training tells nothing
        return cls(edges, code, low, high, reads)

    @property
    def gives(self) -> Shape:
        """The first channel of every feature, then the second of every feature, and so on."""
        first, *rest = self.reads
        return (self.code.shape[1] * first, *rest)

    def check(self, num_steps: int) -> None:
        """Raise `InputError` where the code is of more steps."""
        if self.code.max() > never(num_steps):
            raise InputError(f"the scaling gives steps up to {self.code.max()}, T is {num_steps}")

    def done_outside(self) -> str:
        """The scaling."""
        return "steps alone: features are scaled outside, by bstdg.load(…).encode or by the edges in the model file"

    def describe(self) -> str:
        """What is read, in words."""
        channels, levels = self.code.shape[1], len(self.code)
        return f"{by(self.reads)} features, scaled here: {levels} levels on {channels} channels each"

    def encode(self, samples: ArrayLike, num_steps: int) -> NDArray[np.uint8]:
        """Samples `[batch, *reads]`, or flat, as steps, uint8 `[batch, channels]`.

        Raises:
            InputError: their number is another, or a value is not finite; or the code is of more steps.
        """
        self.check(num_steps)
        batch = batch_of(samples, self.reads, "features")
        rows = _finite(batch.reshape(len(batch), len(self.edges)))
        steps = np.empty((len(rows), self.code.shape[1], len(self.edges)), np.uint8)
        at_once = max(1, VALUES_AT_ONCE // len(self.edges))
        for i in range(0, len(rows), at_once):
            steps[i : i + at_once] = self.code[self.levels(rows[i : i + at_once])].transpose(0, 2, 1)
        return steps.reshape(len(rows), math.prod(self.gives))

    def levels(self, samples: NDArray[np.float64]) -> NDArray[np.uint8]:
        """How many edges each value `[batch, features]` reaches."""
        levels = np.zeros(samples.shape, np.uint8)
        for edge in self.edges.T:
            levels += samples >= edge
        return levels

    def outside(self, features: ArrayLike) -> NDArray[np.bool_]:
        """Which values `[batch, features]` lie beyond the range that the scaling was made from."""
        samples = np.asarray(features)
        return (samples < self.low) | (samples > self.high)

    def header(self) -> dict[str, Any]:
        """What a file says of it besides its tensors."""
        return {"reads": list(self.reads)}

    def tensors(self) -> Tensors:
        """`edges` and `range` (least, greatest) float64, a row a feature; `code` uint8."""
        yield "edges", self.edges.astype("<f8"), "F64"
        yield "range", np.stack([self.low, self.high], axis=1).astype("<f8"), "F64"
        yield "code", self.code, "U8"

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, TensorSlot]) -> FeatureCode:
        """What `header` and `tensors` gave, read back; errors as for `bstdg.inputs.read`."""
        edges, bounds, code = (tensors[part] for part in ("edges", "range", "code"))
        if (edges.dtype, bounds.dtype, code.dtype) != ("F64", "F64", "U8") or bounds.shape != (*edges.shape[:1], 2):
            raise InputError("the feature scaling has tensors of another type or shape than it should")
        rows = np.frombuffer(edges.data, "<f8").reshape(edges.shape).astype(np.float64)
        low, high = np.frombuffer(bounds.data, "<f8").reshape(bounds.shape).astype(np.float64).T
        levels = np.frombuffer(code.data, np.uint8).reshape(code.shape)
        return cls(rows, levels, low, high, shape_of(header["reads"]))


def _pair(k: int, pairs: int, num_edges: int, num_steps: int) -> NDArray[np.uint8]:
    """Steps of the k-th of some pairs of channels at every level, `[levels, 2]`; their parts of the levels overlap."""
    window = 2 * num_edges / (pairs + 1)
    begin = k * (num_edges - window) / max(1, pairs - 1)
    passed = np.clip((np.arange(num_edges + 1) - begin) / window, 0.0, 1.0)
    on = num_steps - np.rint(passed * num_steps)
    return np.stack([on, num_steps - on], axis=1).astype(np.uint8)


def _finite(features: ArrayLike) -> NDArray[np.float64]:
    samples = np.asarray(features)
    if samples.ndim != 2 or samples.dtype.kind not in "iufb":
        raise InputError(f"features must be numbers [samples, features], not {samples.dtype} {list(samples.shape)}")
    samples = samples.astype(np.float64)
    if not np.isfinite(samples).all():
        raise InputError("features hold values that are not finite numbers")
    return samples


def _evenly(low: NDArray, high: NDArray, num_edges: int) -> NDArray[np.float64]:
    """Edges that part low … high into equal levels."""
    share = np.arange(1, num_edges + 1) / (num_edges + 1)
    return low[:, None] * (1.0 - share) + high[:, None] * share  # not low + (high - low) * share, which may overflow


def _standard(samples: NDArray[np.float64], num_edges: int) -> NDArray[np.float64]:
    least, greatest = samples.min(axis=0), samples.max(axis=0)
    unit = np.maximum(np.abs(least), np.abs(greatest))
    unit[unit == 0] = 1.0
    scaled = samples / unit  # squares of great numbers would overflow
    mean, spread = scaled.mean(axis=0), DEVIATIONS * scaled.std(axis=0)
    share = np.arange(num_edges) / (num_edges - 1) if num_edges > 1 else np.array([0.5])
    edges = mean[:, None] + spread[:, None] * (2.0 * share - 1.0)
    with np.errstate(over="ignore"):  # an infinite edge is one that is never, or always reached
        return edges * unit[:, None]


def _minmax(samples: NDArray[np.float64], num_edges: int) -> NDArray[np.float64]:
    return _evenly(samples.min(axis=0), samples.max(axis=0), num_edges)


def _rank(samples: NDArray[np.float64], num_edges: int) -> NDArray[np.float64]:
    edges = np.full((samples.shape[1], num_edges), np.inf)
    for row, column in zip(edges, samples.T, strict=True):
        values = np.unique(column)
        if len(values) > 1:
            between = values[1:] * 0.5 + values[:-1] * 0.5
            row[:] = between[((np.arange(num_edges) + 0.5) / num_edges * len(between)).astype(int)]
    return edges


def _shared(samples: NDArray[np.float64], num_edges: int) -> NDArray[np.float64]:
    least, most = min(0.0, float(samples.min())), float(samples.max())
    share = np.arange(1, num_edges + 1) / num_edges
    edges = least * (1.0 - share) + most * share
    return np.tile(edges, (samples.shape[1], 1))


_SPREADS: dict[str, Callable[[NDArray[np.float64], int], NDArray[np.float64]]] = {
    "standard": _standard,
    "minmax": _minmax,
    "rank": _rank,
    "shared": _shared,
}
