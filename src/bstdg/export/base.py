"""What every export target offers, and the golden vectors that prove it: inputs with what the oracle makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.engine import oracle
from bstdg.engine.base import knows_full_layers_alone
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.inputs import InputCode, LatencyCode, SignalCode
from bstdg.layers import FullLayer, Layer
from bstdg.model.packed import PackedModel

_CELLS = 1 << 24  # float64 numbers that the oracle may lay out over time at once: 128 MiB


class Golden(NamedTuple):
    """Inputs and what the oracle computes from them; an export is right when it computes the same.

    Attributes:
        steps: uint8 `[vectors, channels]`, T where a channel is silent.
        hidden: uint8 steps `[vectors, neurons]` of each hidden layer, run to the end.
        label: int64 `[vectors]`, the class decided.
        step: int64 `[vectors]`, the step of the decision.
        silent: bool `[vectors]`, no output reached its threshold.
        samples: uint16 `[k, values]` of the last k vectors, the samples that were encoded; None where the target reads
            steps alone, or pixels of which each becomes a step by itself.
    """

    steps: NDArray[np.uint8]
    hidden: tuple[NDArray[np.uint8], ...]
    label: NDArray[np.int64]
    step: NDArray[np.int64]
    silent: NDArray[np.bool_]
    samples: NDArray[np.uint16] | None = None

    @classmethod
    def of(cls, model: PackedModel, steps: NDArray[np.uint8], samples: NDArray[np.uint16] | None = None) -> Golden:
        """What the oracle computes from input steps, some vectors at a time, and from the steps of `samples`."""
        if samples is not None:
            steps = np.concatenate([steps[: len(steps) - len(samples)], encoded(model, samples)])
        at_once = max(1, min(256, _CELLS // (model.num_steps * max(model.widths))))
        parts = [_golden(model, steps[i : i + at_once]) for i in range(0, max(1, len(steps)), at_once)]
        return cls(
            np.ascontiguousarray(steps),
            tuple(np.concatenate(layers) for layers in zip(*(part.hidden for part in parts), strict=True)),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("label", "step", "silent")),
            samples=samples,
        )


def _golden(model: PackedModel, steps: NDArray[np.uint8]) -> Golden:
    trace = oracle.forward(model.layers, steps, model.num_steps)
    decision = decide(trace.potentials, model.layers[-1].thresholds)
    return Golden(steps, trace.hidden, decision.label, decision.step, decision.silent)


def encoded(model: PackedModel, samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The steps that a model's input code makes of integer samples."""
    steps = model.input.encode(samples, model.num_steps)
    if not isinstance(steps, np.ndarray):
        raise InputError(f"the model reads {model.input.samples}, which have no samples of integers")
    return steps


def pixel_code(model: PackedModel) -> LatencyCode:
    """How a byte of a plain row of them becomes a step, where nothing else encodes: by its latency."""
    code = model.input
    return code if isinstance(code, LatencyCode) else LatencyCode((model.widths[0],), code.white)


def sampled(code: InputCode) -> bool:
    """Whether a code has to be proven sample by sample: what a value becomes depends on the others of its sample."""
    return isinstance(code, SignalCode) or (isinstance(code, LatencyCode) and code.relative)


def full_layers(model: PackedModel) -> tuple[FullLayer, ...]:
    """The layers of a fully connected network. Raises `InputError` where one is of another kind."""
    for i, layer in enumerate(model.layers):
        if not isinstance(layer, FullLayer):
            raise InputError(f"layer {i} ({layer}) is of kind {layer.kind!r}; only fully connected layers are exported")
    return tuple(layer for layer in model.layers if isinstance(layer, FullLayer))


def fnv1a(data: bytes) -> int:
    """FNV-1a, 32 bits (Fowler, Noll, Vo): what an export compares instead of all hidden steps of a vector.

    >>> hex(fnv1a(b"a"))
    '0xe40c292c'
    """
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


class Written(NamedTuple):
    """What a target makes of a model.

    Attributes:
        files: content by path relative to the export's folder; the same model always gives the same bytes.
        figures: what it costs (flash_bytes, ram_bytes, …), plain numbers and texts, for the manifest and the terminal.
    """

    files: Mapping[str, bytes]
    figures: Mapping[str, Any]


class Check(NamedTuple):
    """One part of the proof, as run on this machine.

    `status` is "passed", "failed" or "not run" (a tool is missing); `detail` says what was compared, or what
    to install.
    """

    name: str
    status: Literal["passed", "failed", "not run"]
    detail: str


@dataclass(frozen=True)
class Target:
    """One place a model can go.

    Attributes:
        name: as the command line calls it.
        gives: what is in the folder, one line.
        needs: what `verify` uses, program names or Python packages, one line.
        write: model, golden vectors and a name that is an identifier in C and Verilog, to files. Raises `InputError`
            where the model is beyond the target's limits, saying which and by how much.
        refuses: why the target cannot hold a layer, in words; None where it can. By default, all but full ones.
        encodes: kinds of input codes that its files compute themselves; of others the network alone is written.
        verify: runs the proof in an export's folder: its path, the model and the golden vectors, read back.
    """

    name: str
    gives: str
    needs: str
    write: Callable[[PackedModel, Golden, str], Written]
    verify: Callable[[Path, PackedModel, Golden], Iterator[Check]]
    refuses: Callable[[Layer], str | None] = knows_full_layers_alone
    encodes: tuple[str, ...] = ()
