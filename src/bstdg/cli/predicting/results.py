"""Files of results, which a run that was stopped has begun and another one ends: JSON lines, or Parquet.

JSON lines are appended to. Parquet is written in parts, `NAME.parts`, which are joined in the end. What the results are
of stands in a hidden file beside them, `.NAME.job`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from bstdg import disk, files
from bstdg.cli.predicting.written import Key, plain
from bstdg.errors import FileFormatError, InputError

Row = dict[str, Any]
LINES, PARQUET = (".jsonl", ".ndjson"), (".parquet",)
PART = 1 << 16  # results of a part of Parquet
PATIENCE = 60.0  # seconds after which a part is written though it has fewer
_KEY = re.compile(rb'\{"file": ("(?:[^"\\]|\\.)*"), "index": (null|\d+)[,}]')
_LONGEST = 1 << 20  # bytes of a result
_TAIL = 1 << 16


class Results(Protocol):
    """Results on their way to a file."""

    def keys(self) -> Iterator[Key]:
        """Of the results that are there."""
        ...

    def add(self, rows: Sequence[Row], /) -> None:
        """Write more. An `OSError` leaves what was there."""
        ...

    def finish(self) -> None:
        """No more will come."""
        ...

    def close(self) -> None:
        """Stop, with more to come another time."""
        ...


def results(out: Path, of: Row, *, resume: bool, overwrite: bool) -> Results:
    """A file of results, to be written or gone on with.

    Args:
        out: the file; its ending says which kind.
        of: what the results are of, plain values.
        resume: go on where the results end that are there.
        overwrite: remove those that are there.

    Raises:
        InputError: there is such a file already; or the results in it are of something else.
        OSError: it cannot be written.
    """
    kind = Lines if out.suffix.lower() in LINES else Parts if out.suffix.lower() in PARQUET else None
    if kind is None:
        raise InputError(f"--out takes a name that ends in .jsonl or .parquet, not {out.name!r}")
    there = [path for path in (out, kind.parts(out)) if path.exists()]
    if there and not (resume or overwrite):
        raise InputError(
            f"{there[0]} is there already: --resume goes on with it, --overwrite begins anew; or choose another --out"
        )
    job = disk.beside(out, "job")
    if there and resume:
        _check_job(job, of, out)
    elif overwrite:
        kind.remove(out)
    with disk.naming(out):
        if not (there and resume):
            files.write_atomic(job, (json.dumps(of) + "\n").encode())
        return kind(out)


def begin_array(out: Path, file: str, seen: tuple[int, int], done: bool) -> None:
    """Note which array is read; where results of it are `done`, it has to be as it was, if that was noted.

    Raises:
        InputError: it was written to since.
    """
    job, now = disk.beside(out, "job"), {"file": file, "bytes": seen[0], "written": seen[1]}
    known = files.read_object(job, names=True)
    if done and known.get("array", {}).get("file") == file and known["array"] != now:
        raise InputError(
            f"{file} was written to since {out} was begun: its results there may be those of other samples; begin anew "
            "with --overwrite, or choose another --out"
        )
    if not done:
        files.write_atomic(job, (json.dumps({**known, "array": now}) + "\n").encode())


def _check_job(job: Path, of: Row, out: Path) -> None:
    try:
        known = files.read_object(job, names=True)
    except FileNotFoundError:
        raise InputError(
            f"{out} cannot be gone on with: {job.name} beside it, which says what its results are of, is not there; "
            "begin anew with --overwrite, or choose another --out"
        ) from None
    for name, value in of.items():
        if known.get(name) != value:
            what = "another model" if name == "model" else f"{name} = {known.get(name)!r}, not {value!r}"
            raise InputError(f"{out} has the results of {what}: choose another --out, or begin anew with --overwrite")


class Lines:
    """A JSON object a line."""

    def __init__(self, out: Path):
        self._out = out
        self._file: BinaryIO = out.open("ab+", buffering=0)
        self._end = self._whole_lines()

    @staticmethod
    def parts(out: Path) -> Path:
        """The file itself."""
        return out

    @staticmethod
    def remove(out: Path) -> None:
        """Remove all results."""
        out.unlink(missing_ok=True)

    def keys(self) -> Iterator[Key]:
        """See `Results.keys`."""
        with files.open_regular(self._out) as file:
            for n, text in enumerate(iter(lambda: file.readline(_LONGEST), b"")):
                found = _KEY.match(text)
                if found is None:
                    raise FileFormatError(f"{self._out} is damaged: line {n + 1} is no result")
                yield json.loads(found[1]), json.loads(found[2])

    def add(self, rows: Sequence[Row]) -> None:
        """See `Results.add`."""
        view, done = memoryview("".join(f"{json.dumps(row)}\n" for row in rows).encode()), 0
        try:
            while done < len(view):
                done += self._file.write(view[done:]) or 0
        except BaseException as error:  # what is there of these is kept up to the last whole line
            self._end += bytes(view[:done]).rfind(b"\n") + 1
            with suppress(OSError):
                os.truncate(self._file.fileno(), self._end)
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(self._out)) from error
            raise
        self._end += len(view)

    def finish(self) -> None:
        """See `Results.finish`."""
        with disk.naming(self._out):
            disk.sync(self._file.fileno())
            self.close()

    def close(self) -> None:
        """See `Results.close`."""
        self._file.close()

    def _whole_lines(self) -> int:
        """Cut off the line that a run was stopped in; the bytes of the others."""
        end = start = self._file.seek(0, os.SEEK_END)
        while start:
            start = max(0, start - _TAIL)
            self._file.seek(start)
            at = self._file.read(min(_TAIL, end - start)).rfind(b"\n")
            if at >= 0:
                start += at + 1
                break
        if start < end:
            os.truncate(self._file.fileno(), start)
        return start


class Parts:
    """Parquet."""

    def __init__(self, out: Path):
        _arrow()
        self._out, self._folder = out, self.parts(out)
        self._folder.mkdir(parents=True, exist_ok=True)
        if out.exists():  # all there was to do when it was written
            out.replace(self._part(0))
        self._number = len(self._there())
        self._rows: list[Row] = []
        self._since = time.monotonic()

    @staticmethod
    def parts(out: Path) -> Path:
        """The folder of what is written so far."""
        return out.with_name(f"{out.name}.parts")

    @classmethod
    def remove(cls, out: Path) -> None:
        """Remove all results."""
        out.unlink(missing_ok=True)
        for part in sorted(cls.parts(out).glob("part-*.parquet")):
            part.unlink()

    def keys(self) -> Iterator[Key]:
        """See `Results.keys`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for part in self._there():
            try:
                with files.open_regular(part) as file:
                    for batch in pq.ParquetFile(file).iter_batches(PART, columns=["file", "index"]):
                        yield from zip(batch.column("file").to_pylist(), batch.column("index").to_pylist(), strict=True)
            except (pa.ArrowException, KeyError) as error:
                raise FileFormatError(f"{part} is damaged: {error}") from None

    def add(self, rows: Sequence[Row]) -> None:
        """See `Results.add`."""
        self._rows += rows
        if len(self._rows) >= PART or time.monotonic() - self._since > PATIENCE:
            self._write()

    def finish(self) -> None:
        """Join the parts; what is there stays until the whole is."""
        import pyarrow.parquet as pq

        self._write()
        temporary = disk.beside(self._out, "joined")
        try:
            with disk.naming(self._out), temporary.open("wb") as file:
                with pq.ParquetWriter(file, _schema()) as writer:
                    for part in self._there():
                        with files.open_regular(part) as source:
                            for batch in pq.ParquetFile(source).iter_batches(PART):
                                writer.write_batch(batch)
                file.flush()
                disk.sync(file.fileno())
            temporary.replace(self._out)
        finally:
            temporary.unlink(missing_ok=True)
        for part in self._there():
            part.unlink()
        self._folder.rmdir()

    def close(self) -> None:
        """See `Results.close`."""
        self._write()

    def _write(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows, self._rows, self._since = self._rows, [], time.monotonic()
        if not rows:
            return
        texts = [
            {name: plain(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
        ]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(texts, schema=_schema()), sink)
        files.write_atomic(self._part(self._number), sink.getvalue().to_pybytes())
        self._number += 1

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06}.parquet"

    def _there(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("results in Parquet need pyarrow: pip install 'bstdg[parquet]'; or choose .jsonl") from None
    return pyarrow


def _schema() -> Any:
    arrow = _arrow()
    kinds = {
        **dict.fromkeys(("file", "class", "engine", "error"), arrow.string()),
        **dict.fromkeys(("silent", "tie"), arrow.bool_()),
    }
    names = (
        *("file", "index", "label", "class", "step", "num_steps", "silent", "tie"),
        *("hidden_spikes_to_decision", "input_spikes_to_decision", "engine", "error"),
    )
    return arrow.schema([(name, kinds.get(name, arrow.int64())) for name in names])
