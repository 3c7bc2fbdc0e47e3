"""What is decided, a piece at a time: some pictures, some samples of an array, or the recordings of a file.

A piece is read and encoded by a thread of its own while the one before it is decided. A picture or a sample that cannot
be is a result too: an error, where the decision would be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bstdg.cli.predicting.named import Paths
from bstdg.cli.predicting.written import Written
from bstdg.datasets.pieces.ahead import ahead
from bstdg.datasets.pieces.base import PIECE, Rows, pieces
from bstdg.datasets.pieces.hdf5 import ENDINGS as HDF5
from bstdg.datasets.pieces.hdf5 import Hdf5File, Hdf5Rows
from bstdg.datasets.pieces.npy import NpyRows
from bstdg.datasets.recordings import reading
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.inputs.base import squeezed
from bstdg.model import images
from bstdg.model.metrics import each_input_to_decision
from bstdg.model.runtime import BATCH, Model
from bstdg.shown import line

PICTURES = 64  # that are a piece
WINDOW = 8  # pieces that are read ahead


@dataclass(frozen=True)
class Sample:
    """One result to come: its file, its position there (None: of none of it), and the error, if it is one."""

    file: str
    index: int | None
    error: str | None = None


class Found(NamedTuple):
    """A piece that was read: its samples, and the spikes of those that are no errors, in this order."""

    samples: list[Sample]
    spikes: list[Any]
    many: bool = False  # samples of one file


Piece = Callable[[], Found]


@dataclass(frozen=True)
class Reader:
    """How files become pieces.

    Attributes:
        model: who reads them.
        resize, invert: see `bstdg.model.images.read`.
        trust: read HDF5 recordings in this process.
        array: which array of an HDF5 file; None: the only one, or `images`.
        begun: told of each large array before it is read: its file, its bytes and when it was written, and whether
            there are results of it.
    """

    model: Model
    resize: bool = False
    invert: bool = False
    trust: bool = False
    array: str | None = None
    begun: Callable[[str, tuple[int, int], bool], None] = lambda file, seen, done: None

    def pieces(self, paths: Paths, written: Written) -> Iterator[Piece]:
        """All pieces of the files, without what is `written` already.

        Raises:
            InputError: what is written are the results of other files.
        """
        recorded = self.model.packed.input.samples == "recordings"
        group: list[Path] = []
        for path in paths:
            done = written.of(str(path))
            array = not recorded and path.suffix.lower() in (".npy", *HDF5)
            if array or recorded:
                if group:
                    yield self._pictures(group)
                    group = []
                yield from (self._array if array else self._recordings)(path, done, written)
                continue
            if not done:
                group.append(path)
            if len(group) >= PICTURES or (group and not paths.ready()):
                yield self._pictures(group)
                group = []
        if group:
            yield self._pictures(group)
        written.end()

    def count(self, path: Path) -> int | None:
        """How many results a file will have; None where only reading it tells."""
        if self.model.packed.input.samples == "recordings" or path.is_dir() or path.suffix.lower() in HDF5:
            return None if path.suffix.lower() != reading.CAMERA else 1
        if path.suffix.lower() != ".npy":
            return 1
        try:
            rows = NpyRows(path)
        except (BstdgError, OSError):
            return 1  # an error
        rows.close()
        return 1 if self._is_one(rows) else rows.shape[0]

    def _pictures(self, group: list[Path]) -> Piece:
        def read() -> Found:
            samples, spikes = [], []
            for path in group:
                try:
                    pixels = images.read(path, self.model.packed, resize=self.resize, invert=self.invert)
                    spikes.append(self.model.encode(pixels))
                    samples.append(Sample(str(path), 0))
                except (InputError, FileFormatError) as error:
                    samples.append(_failed(path, error))
            return Found(samples, [np.concatenate(spikes)] if spikes else [])

        return read

    def _array(self, path: Path, done: int, written: Written) -> Iterator[Piece]:
        if written.failed or (done and not written.is_last):
            return
        try:
            rows = self._opened(path)
            images.check_array(
                rows.shape[1:] if not self._is_one(rows) else rows.shape, rows.dtype, path, self.model.packed
            )
        except (InputError, FileFormatError) as error:
            yield _saying(_failed(path, error))
            return
        one = self._is_one(rows)
        written.check(str(path), done, count := 1 if one else rows.shape[0])
        if done == count:
            return
        each = math.prod(rows.shape[1:]) * rows.dtype.itemsize
        if each * count > PIECE or done:
            self.begun(str(path), rows.seen, done > 0)
        for part in [slice(None)] if one else pieces(count, each, done):
            yield self._samples(rows, path, part)

    def _samples(self, rows: Any, path: Path, part: slice) -> Piece:
        one, file = self._is_one(rows), str(path)
        many = not one and rows.shape[0] > 1

        def read() -> Found:
            pixels = rows.read(part)  # an array that changed ends the work: what was read of it is not to be relied on
            pixels = pixels[None] if one else pixels
            start = part.start or 0
            try:
                return Found([Sample(file, start + i) for i in range(len(pixels))], [self._encoded(pixels, path)], many)
            except InputError as error:
                if not many:
                    return Found([_failed(path, error)], [])
                return _each(pixels, lambda sample: self._encoded(sample, path), path, start)

        return read

    def _encoded(self, pixels: Any, path: Path) -> Any:
        return self.model.encode(
            images.inverted(pixels, self.model.packed.input.white, path) if self.invert else pixels
        )

    def _is_one(self, rows: Rows) -> bool:
        """Whether an array is one sample, not a row of them."""
        return rows.shape == squeezed(self.model.packed.input.reads)

    def _opened(self, path: Path) -> NpyRows | Hdf5Rows:
        try:
            if path.suffix.lower() == ".npy":
                return images.open_array(path)
            return _array_of(Hdf5File(path), self.array)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error

    def _recordings(self, path: Path, done: int, written: Written) -> Iterator[Piece]:
        if written.failed or (done and not written.is_last):
            return

        def read() -> Found:
            try:
                found = reading.read(path, self.model.packed.input.reads, isolated=False if self.trust else None)
                parts = [slice(i, min(i + BATCH, len(found))) for i in range(done, len(found), BATCH)]
                spikes = [self.model.encode_events(*found.rows(part)) for part in parts]
            except (InputError, FileFormatError) as error:
                return Found([_failed(path, error)], [])
            written.check(str(path), done, len(found))
            return Found([Sample(str(path), n) for n in range(done, len(found))], spikes, len(found) > 1)

        yield read


def read(reader: Reader, paths: Paths, written: Written) -> Iterator[Found]:
    """All pieces of the files, without what is `written` already, in their order; some are read ahead."""
    return ahead(reader.pieces(paths, written), lambda piece: piece(), WINDOW, paths.ready)


def decided(model: Model, found: Found) -> list[dict[str, Any]]:
    """A row of plain values for each sample of a piece: its decision, or an `error`."""
    rows = itertools.chain.from_iterable(_decisions(model, spikes) for spikes in found.spikes)
    return [
        {"file": one.file, "index": one.index, **(next(rows) if one.error is None else {"error": one.error})}
        for one in found.samples
    ]


def _decisions(model: Model, spikes: Any) -> list[dict[str, Any]]:
    run = model.run(spikes)
    label, step, silent, tie = (array.tolist() for array in run.decision[:4])
    until = run.decision.step[:, None]
    hidden = sum((steps <= until).sum(axis=1) for steps in run.trace.hidden) + np.zeros(len(label), np.int64)
    given = each_input_to_decision(spikes, run.decision.step)
    classes, num_steps, engine = model.packed.classes, model.packed.num_steps, model.engine.NAME
    return [
        {
            "label": label[i],
            "class": classes[label[i]],
            "step": step[i],
            "num_steps": num_steps,
            "silent": silent[i],
            "tie": tie[i],
            "hidden_spikes_to_decision": many,
            "input_spikes_to_decision": few,
            "engine": engine,
        }
        for i, (many, few) in enumerate(zip(hidden.tolist(), given.tolist(), strict=True))
    ]


def _array_of(file: Hdf5File, name: str | None) -> Hdf5Rows:
    """The array of an HDF5 file that is asked for."""
    numbers = [array for array, (_, kind) in file.arrays.items() if kind != "text"]
    if name is None:
        name = "images" if "images" in numbers else numbers[0] if len(numbers) == 1 else None
    if name is None or name not in numbers:
        has = f"has {', '.join(numbers[:10])}{' …' * (len(numbers) > 10)}" if numbers else "holds no array of numbers"
        file.close()
        raise InputError(f"{file.path} {has}: say which of its arrays is meant, with --array NAME")
    return Hdf5Rows(file, name)


def _each(pixels: Any, encode: Callable[[Any], Any], path: Path, start: int) -> Found:
    """Samples one by one, of which some cannot be read."""
    samples, spikes = [], []
    for i in range(len(pixels)):
        try:
            spikes.append(encode(pixels[i : i + 1]))
            samples.append(Sample(str(path), start + i))
        except InputError as error:
            samples.append(_failed(path, error, start + i))
    return Found(samples, [np.concatenate(spikes)] if spikes else [], True)


def _failed(path: Path, error: BstdgError, index: int | None = None) -> Sample:
    where = line(path) if index is None else f"{line(path)}[{index}]"
    said = str(error)
    return Sample(str(path), index, said if index is None and line(path) in said else f"{where}: {said}")


def _saying(sample: Sample) -> Piece:
    return lambda: Found([sample], [])
