"""`bstdg info` and `bstdg raster`: what a model is, and what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli.console import say, show_table
from bstdg.cli.options import AsJson, DataDir, ModelFile, Trust
from bstdg.errors import InputError

INFO_EXAMPLES = "\nExample:\n  bstdg info runs/digits-seed0/model.bstdg"
RASTER_EXAMPLES = """
Examples:
  bstdg raster runs/digits-seed0/model.bstdg --sample 3 --out three.svg
  bstdg raster runs/digits-seed0/model.bstdg --sample 3 --out three.gif    the same as a film
  bstdg raster nmnist.bstdg --file Test/7/00001.bin --out seven.gif        of a camera's events
"""


def info(model: ModelFile, as_json: AsJson = False) -> None:
    """Describe a model file: structure, origin and figures."""
    from bstdg.cli import show
    from bstdg.engine import choose
    from bstdg.model import packed

    data = packed.read(model)
    described = packed.from_bytes(data, str(model))
    about = len(data), packed.version_of(data, str(model)), choose.FASTEST
    if as_json:
        print(json.dumps(show.as_dict(described, *about)))
        return
    show_table(show.model(described, str(model), *about))
    for part in ("validation", "test"):
        if part in described.trained:
            show_table(show.figures(f"figures on the {part} part", described.trained[part]))


def raster(
    model: ModelFile,
    out: Annotated[Path, typer.Option(help="Figure to write: svg, png or pdf by its ending; gif is a film.")] = Path(
        "raster.svg"
    ),
    sample: Annotated[int, typer.Option(min=0, help="Which image or recording, counted from 0.")] = 0,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A file of images or recordings, or a folder of .bin, instead of the test set."),
    ] = None,
    data_dir: DataDir = None,
    trust: Trust = False,
) -> None:
    """Draw a decision: input, hidden and output spikes."""
    from bstdg.datasets.recordings import reading
    from bstdg.drawing.rasters import save_decision
    from bstdg.model import images, runtime, samples

    loaded, label = runtime.load(model), None
    reads = loaded.packed.input.samples
    if reads == "features":
        raise InputError(f"{model} reads features; bstdg raster draws decisions about images and recordings")
    shape = loaded.packed.input.reads
    if trust and (file is None or reads != "recordings" or len(shape) == 3):
        raise InputError("--trust-recordings does nothing here: it is for a --file of HDF5 recordings; leave it out")
    if file is None:
        tests = samples.load(loaded.packed, None, "test", data_dir, called=str(model), progress=True)
        _there(sample, len(tests), f"{tests.name} (test)", reads)
        chosen, label = samples.one(loaded, tests, sample), tests.classes[tests.labels[sample]]
    elif reads == "images":
        pictures = images.read(file, loaded.packed)
        _there(sample, len(pictures), str(file), "images")
        chosen = pictures[sample]
    elif len(shape) == 3 and file.is_dir() and (found := reading.below(file)):
        _there(sample, len(found), str(file), "recordings")
        chosen = samples.one(loaded, reading.read(found[sample], shape), 0)
    else:
        recordings = reading.read(file, shape, isolated=False if trust else None)
        _there(sample, len(recordings), str(file), "recordings")
        chosen = samples.one(loaded, recordings, sample)
    save_decision(loaded, chosen, out, label)
    say(out)


def _there(sample: int, number: int, name: str, what: str) -> None:
    if sample >= number:
        raise InputError(f"--sample {sample} is not there: {name} has {number} {what}, counted from 0")
