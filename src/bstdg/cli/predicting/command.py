"""`bstdg predict`: decisions of files and arrays, as many as there are."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bstdg.cli.console import BAD_INPUT, INTERRUPTED, complain, note, say
from bstdg.cli.options import EngineName, ModelFile, Trust
from bstdg.cli.predicting.written import Written
from bstdg.commands import quoted
from bstdg.errors import InputError
from bstdg.shown import columns, line, name

if TYPE_CHECKING:
    from bstdg.cli.predicting.named import Paths
    from bstdg.cli.predicting.work import Reader

COMPLAINTS = 20  # errors that are told where results are written, which hold all of them
COUNTED = 1000  # named files that are looked at to know how many results there will be
STDIN = Path("-")
PATIENCE = 60.0  # seconds between two lines of how far it is, where nobody watches a bar

EXAMPLES = """
Examples:
  bstdg predict model.bstdg seven.png eight.jpg
  ls drawings/*.png | bstdg predict model.bstdg --json
  find drawings -name '*.png' -print0 | bstdg predict model.bstdg -0
  bstdg predict model.bstdg photo.jpg --resize --invert   dark ink on white
  bstdg predict model.bstdg drawings --out drawings.jsonl   a folder, results into a file
  bstdg predict model.bstdg images.npy --out images.parquet
  bstdg predict model.bstdg images.npy --out images.parquet --resume   go on after an interruption
  bstdg predict spoken.bstdg recordings.h5                a network of events: HDF5 of the layout of SHD
  bstdg predict nmnist.bstdg Test/7/00001.bin Test/3      a camera's events: files of N-MNIST, a folder
"""


def predict(
    model: ModelFile,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Pictures, folders of them, arrays (NPY, HDF5), recordings (HDF5, .bin, folders of .bin); none, or -, "
            "reads paths from stdin.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write results into this file instead: .jsonl, or .parquet (needs bstdg[parquet])."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the results in --out end, with the same files and model.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew though --out is there.")] = False,
    array: Annotated[
        str | None,
        typer.Option(
            "--array", help="Which array of HDF5 files. [default: images, or the only one]", show_default=False
        ),
    ] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Bring images of another size to the model's.")] = False,
    invert: Annotated[
        bool, typer.Option("--invert", help="Make dark light: for dark strokes on a light ground.")
    ] = False,
    trust: Trust = False,
    engine: EngineName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Paths on stdin end in NUL, as find -print0 writes them.")
    ] = False,
) -> None:
    """Decide images, or recordings of events: class, step and spikes.

    Of arrays and of many files, however many, some are read at a time. What cannot be read is told, and the rest goes
    on; with --out it is a result too, with an `error`.
    """
    from bstdg.cli.predicting.named import Paths
    from bstdg.cli.predicting.work import Reader
    from bstdg.model import runtime

    for option, given in (("--resume", resume), ("--overwrite", overwrite)):
        if given and out is None:
            raise InputError(f"{option} is for results in a file: name it with --out, or leave {option} out")
    if resume and overwrite:
        raise InputError("--resume goes on with results, --overwrite begins anew: give one of them")
    if as_json and out is not None:
        raise InputError("--json does nothing with --out, whose name says the format: leave it out")
    loaded = runtime.load(model, engine)
    code = loaded.packed.input
    paths = Paths(files, null, code)
    pixels = code.samples == "recordings" and len(code.reads) == 3
    reads = f"{code.samples} of pixels" if pixels else code.samples
    _refuse_idle({"--resize": resize, "--invert": invert}, reads == "images", model, reads)
    _refuse_idle({"--array": array is not None}, code.samples != "recordings", model, reads)
    _refuse_idle({"--trust-recordings": trust}, reads == "recordings", model, reads)
    reader = Reader(loaded, resize, invert, trust, array)
    if _print(reader, paths, as_json) if out is None else _write(out, reader, paths, resume, overwrite):
        raise typer.Exit(BAD_INPUT)


def _refuse_idle(options: dict[str, bool], of_use: bool, model: Path, reads: str) -> None:
    if not of_use and (given := [name for name, on in options.items() if on]):
        raise InputError(f"{given[0]} does nothing here: {model} reads {reads}; leave it out")


def _print(reader: Reader, paths: Paths, as_json: bool) -> int:
    """Results on standard output; how many are errors."""
    from bstdg.cli.predicting import work

    failed = 0
    if not as_json:
        say(f"{'decision':>14}  {'step':>4}  {'hidden spikes':>13}  {'silent':>6}  file")
    for found in work.read(reader, paths, Written()):
        for row in work.decided(reader.model, found):
            if "error" in row:
                failed += 1
                complain(row["error"])
            elif as_json:
                print(json.dumps(row))
            else:
                say(_columns(row, found.many))
    return failed


def _columns(row: dict[str, Any], many: bool) -> str:
    silent, decided = "yes" if row["silent"] else "no", name(row["class"])
    room = " " * (14 - columns(decided))
    counts = f"{row['step']:>4}  {row['hidden_spikes_to_decision']:>13}  {silent:>6}"
    where = f"[{row['index']}]" if many else ""
    return f"{room}{decided}  {counts}  {line(row['file'])}{where}"


def _write(out: Path, reader: Reader, paths: Paths, resume: bool, overwrite: bool) -> int:
    """Results into a file; how many of this run are errors."""
    from bstdg import disk
    from bstdg.cli.predicting import results, work
    from bstdg.model import packed

    digest = hashlib.sha256(packed.to_bytes(reader.model.packed)).hexdigest()
    of = {"model": digest, "--resize": reader.resize, "--invert": reader.invert, "--array": reader.array}
    with disk.making(out), ExitStack() as stopped:
        file = results.results(out, of, resume=resume, overwrite=overwrite)
        stopped.callback(file.close)
        reader = replace(reader, begun=partial(results.begin_array, out))
        written, told = Written(file.keys(), str(out)), _Told()
        with _kept(out), told.bar(_total(reader, paths), written):
            for found in work.read(reader, paths, written):
                rows = work.decided(reader.model, found)
                file.add(rows)
                told.of(rows)
            file.finish()
            stopped.pop_all()
    said = f", {written.count:,} of them from before" if written.count else ""
    errors = f"; {told.failed:,} error{'s' * (told.failed > 1)}" if told.failed else ""
    say(f"{out}: {written.count + told.count:,} results{said}{errors}")
    return told.failed


class _Told:
    """What is said of results while they are written."""

    def __init__(self) -> None:
        self.count = self.failed = 0
        self._start = self._last = time.monotonic()
        self._advance: Callable[[int], object] = lambda number: None
        self._lines = True

    @contextmanager
    def bar(self, total: int | None, written: Written) -> Iterator[None]:
        """A bar, or lines from time to time where nobody watches one."""
        from bstdg.progress import bar, is_watched

        self._lines, self._written, self._total = not is_watched(), written, total
        with bar("predicting", total, "results") as self._advance:
            yield

    def of(self, rows: list[dict[str, Any]]) -> None:
        """So many more."""
        if not self.count and self._written.count:
            self._advance(self._written.count)
        for row in rows:
            if "error" in row:
                self.failed += 1
                if self.failed <= COMPLAINTS:
                    complain(row["error"])
                elif self.failed == COMPLAINTS + 1:
                    complain("more errors are not told here; the results hold all of them")
        self.count += len(rows)
        self._advance(len(rows))
        now = time.monotonic()
        if self._lines and now - self._last > PATIENCE:
            self._last = now
            of = "" if self._total is None else f" of {self._total:,}"
            rate = self.count / (now - self._start)
            note(f"predicted {self._written.count + self.count:,}{of}, {rate:,.0f} a second")


def _total(reader: Reader, paths: Paths) -> int | None:
    """How many results there will be, where that can be known soon."""
    if len(paths.named) > COUNTED or STDIN in paths.named:
        return None
    counts = [reader.count(path) for path in paths.named]
    return None if None in counts else sum(count for count in counts if count is not None)


@contextmanager
def _kept(out: Path) -> Iterator[None]:
    """What stops the writing says that what is there stays, and how to go on, where that can be."""
    hint = f"what was written is kept; to go on, repeat the command with --out {quoted(out)} --resume"
    try:
        yield
    except KeyboardInterrupt:
        complain(f"stopped; {hint}")
        raise typer.Exit(INTERRUPTED) from None
    except (OSError, MemoryError) as error:
        error.add_note(hint)
        raise
