"""`bstdg eval` and `bstdg predict`: a model at work."""

from __future__ import annotations

import codecs
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bstdg.cli import complete
from bstdg.cli.console import BAD_INPUT, complain, say, show_table
from bstdg.cli.options import AsJson, DataDir, EngineName, ModelFile, Trust
from bstdg.errors import FileFormatError, InputError
from bstdg.shown import columns, line, name

if TYPE_CHECKING:
    from bstdg.inputs import InputCode
    from bstdg.model.runtime import Model

LONGEST_PATH = 1 << 16  # bytes

EVALUATE_EXAMPLES = """
Examples:
  bstdg eval runs/digits-seed0/model.bstdg
  bstdg eval model.bstdg --data mnist --data-dir ~/data --json
"""

PREDICT_EXAMPLES = """
Examples:
  bstdg predict model.bstdg seven.png eight.jpg
  ls drawings/*.png | bstdg predict model.bstdg --json
  find drawings -name '*.png' -print0 | bstdg predict model.bstdg -0
  bstdg predict model.bstdg photo.jpg --resize --invert   dark ink on white
  bstdg predict spoken.bstdg recordings.h5                a network of events: HDF5 of the layout of SHD
  bstdg predict nmnist.bstdg Test/7/00001.bin Test/3      a camera's events: files of N-MNIST, a folder
"""


def evaluate(
    model: ModelFile,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            autocompletion=complete.data_sets,
            help="digits, mnist, hd-spikes, … [default: the one it was trained on]",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="test or train.")] = "test",
    data_dir: DataDir = None,
    engine: EngineName = None,
    as_json: AsJson = False,
) -> None:
    """Judge a model on a data set, all figures together.

    Accuracy, ties, silence, decision step, spikes and synaptic operations; sensitivity and predictive value by class.
    """
    from bstdg.datasets import EventDataset
    from bstdg.model import runtime, samples

    loaded = runtime.load(model, engine)
    judged = samples.load(loaded.packed, data, split, data_dir, called=str(model), progress=True)
    if isinstance(judged, EventDataset):
        row = loaded.evaluate_events(judged)
    else:
        row = loaded.evaluate(judged.images, judged.labels)
    if as_json:
        print(json.dumps({"model": str(model), "data": judged.name, "split": split, **row}))
        return
    from bstdg.cli import show

    show_table(show.figures(f"{model} on {name(judged.name)} ({split})", row))
    show_table(show.by_class(loaded.packed.classes, row))


def predict(
    model: ModelFile,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Pictures, NPY images, recordings (HDF5, .bin, folders of .bin); none, or -, reads paths from stdin.",
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
    """Decide images, or recordings of events: class, step and spikes."""
    from bstdg.model import runtime

    loaded, paths = runtime.load(model, engine), _paths(files, null)
    code, failed = loaded.packed.input, False
    pixels = code.samples == "recordings" and len(code.reads) == 3
    reads = f"{code.samples} of pixels" if pixels else code.samples
    _refuse_idle({"--resize": resize, "--invert": invert}, reads == "images", model, reads)
    _refuse_idle({"--trust-recordings": trust}, reads == "recordings", model, reads)
    if not as_json:
        say(f"{'decision':>14}  {'step':>4}  {'hidden spikes':>13}  {'silent':>6}  file")
    for path in _spread(paths, code):
        try:
            spikes = _encoded(loaded, path, resize, invert, trust)
            rows = list(_decisions(loaded, spikes, str(path)))
        except (InputError, FileFormatError) as error:
            failed = True
            complain(error if line(path) in str(error) else f"{line(path)}: {error}")
            continue
        for row in rows:
            if as_json:
                print(json.dumps(row))
            else:
                say(_columns(row))
    if failed:
        raise typer.Exit(BAD_INPUT)


def _spread(paths: Iterable[Path], code: InputCode) -> Iterator[Path]:
    """The files that paths stand for; a folder stands for its recordings where a model reads those of pixels."""
    from bstdg.datasets.recordings import reading

    for path in paths:
        if code.samples == "recordings" and len(code.reads) == 3 and path.is_dir():
            yield from reading.below(path) or [path]  # the folder itself, which is then refused by name
        else:
            yield path


def _encoded(model: Model, path: Path, resize: bool, invert: bool, trust: bool) -> Any:
    """What a file holds, as the first layer reads it."""
    if model.packed.input.samples == "recordings":
        from bstdg.datasets.recordings import reading

        recordings = reading.read(path, model.packed.input.reads, isolated=False if trust else None)
        return model.encode_events(*recordings.rows(slice(None)))
    from bstdg.model import images

    return model.encode(images.read(path, model.packed, resize=resize, invert=invert))


def _refuse_idle(options: dict[str, bool], of_use: bool, model: Path, reads: str) -> None:
    if not of_use and (given := [name for name, on in options.items() if on]):
        raise InputError(f"{given[0]} does nothing here: {model} reads {reads}; leave it out")


def _paths(files: list[Path] | None, null: bool) -> Iterable[Path]:
    """The files that were named; `-`, or none at all, stands for the paths on standard input."""
    stdin = Path("-")
    if null and files and stdin not in files:
        raise InputError("-0 says how paths on standard input end: name no files, or - among them")
    if not files and (sys.stdin is None or sys.stdin.isatty()):
        raise InputError("name image files, or pipe their paths in, one a line")
    return itertools.chain.from_iterable(_listed(null) if file == stdin else (file,) for file in files or (stdin,))


def _listed(null: bool) -> Iterator[Path]:
    """Paths on standard input, each ending in NUL, or in a newline as any system writes it; empty ones are left out."""
    if sys.stdin is None:
        return
    for n, part in enumerate(_parts(sys.stdin.buffer, b"\0" if null else b"\n")):
        path = part if null else part.removesuffix(b"\r")
        if n == 0 and not null:
            path = path.removeprefix(codecs.BOM_UTF8)
        if b"\0" in path:
            raise InputError("the paths on standard input have a NUL in them: add -0 if they end in NUL")
        if path.strip():
            yield Path(os.fsdecode(path))


def _parts(stream: Any, end: bytes) -> Iterator[bytes]:
    """What comes before each `end`, as soon as it has come, and what comes after the last."""
    rest = b""
    while part := stream.read1(LONGEST_PATH):
        *whole, rest = (rest + part).split(end)
        yield from whole
        if len(rest) > LONGEST_PATH:
            raise InputError(f"standard input has more than {LONGEST_PATH:,} bytes without an end of a path: no paths")
    yield rest


def _decisions(model: Model, spikes: Any, file: str) -> Iterator[dict[str, Any]]:
    from bstdg.model.metrics import input_to_decision

    run = model.run(spikes)
    many = len(spikes) > 1
    for i, label in enumerate(run.decision.label):
        step = int(run.decision.step[i])
        yield {
            "file": f"{file}[{i}]" if many else file,
            "label": int(label),
            "class": model.packed.classes[label],
            "step": step,
            "num_steps": model.packed.num_steps,
            "silent": bool(run.decision.silent[i]),
            "tie": bool(run.decision.tie[i]),
            "hidden_spikes_to_decision": sum(int((h[i] <= step).sum()) for h in run.trace.hidden),
            "input_spikes_to_decision": input_to_decision(spikes[i : i + 1], run.decision.step[i : i + 1]),
            "engine": model.engine.NAME,
        }


def _columns(row: dict[str, Any]) -> str:
    silent, decided = "yes" if row["silent"] else "no", name(row["class"])
    room = " " * (14 - columns(decided))
    counts = f"{row['step']:>4}  {row['hidden_spikes_to_decision']:>13}  {silent:>6}"
    return f"{room}{decided}  {counts}  {line(row['file'])}"
