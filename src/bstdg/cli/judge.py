"""`bstdg eval` and `bstdg predict`: a model at work."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bstdg.cli import complete
from bstdg.cli.console import BAD_INPUT, complain, say, show_table
from bstdg.cli.options import AsJson, DataDir, EngineName, ModelFile
from bstdg.errors import FileFormatError, InputError
from bstdg.shown import columns, line, name

if TYPE_CHECKING:
    from bstdg.model.runtime import Model

EVALUATE_EXAMPLES = """
Examples:
  bstdg eval runs/digits-seed0/model.bstdg
  bstdg eval model.bstdg --data mnist --data-dir ~/data --json
"""

PREDICT_EXAMPLES = """
Examples:
  bstdg predict model.bstdg seven.png eight.jpg
  ls drawings/*.png | bstdg predict model.bstdg --json
  bstdg predict model.bstdg photo.jpg --resize --invert   dark ink on white
  bstdg predict spoken.bstdg recordings.h5                a network of events: HDF5 of the layout of SHD
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

    Accuracy, ties, silence, decision step, spikes and synaptic operations.
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


def predict(
    model: ModelFile,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="PNG, JPEG, NPY images or HDF5 recordings; none, or -, reads paths from stdin.",
        ),
    ] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Bring images of another size to the model's.")] = False,
    invert: Annotated[
        bool, typer.Option("--invert", help="Make dark light: for dark strokes on a light ground.")
    ] = False,
    engine: EngineName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Decide images, or recordings of events: class, step and spikes."""
    from bstdg.datasets import spoken
    from bstdg.model import images, runtime

    loaded, paths = runtime.load(model, engine), _paths(files)
    failed = False
    if not as_json:
        say(f"{'decision':>14}  {'step':>4}  {'hidden spikes':>13}  {'silent':>6}  file")
    for path in paths:
        try:
            if loaded.packed.input.samples != "recordings":
                spikes = loaded.encode(images.read(path, loaded.packed, resize=resize, invert=invert))
            else:
                spikes = loaded.encode_events(*spoken.read(path, "recordings", "test").rows(slice(None)))
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


def _paths(files: list[Path] | None) -> Iterable[Path]:
    """The files that were named; `-`, or none at all, stands for the paths on standard input, one a line."""
    if not files and (sys.stdin is None or sys.stdin.isatty()):
        raise InputError("name image files, or pipe their paths in, one a line")
    listed = (Path(line.rstrip("\n")) for line in sys.stdin or () if line.strip())
    stdin = Path("-")
    return itertools.chain.from_iterable(listed if file == stdin else (file,) for file in files or (stdin,))


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
