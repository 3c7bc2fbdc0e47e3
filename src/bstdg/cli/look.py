"""`bstdg info` and `bstdg raster`: what a model is, and what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli.options import AsJson, DataDir, ModelFile
from bstdg.console import show_table
from bstdg.errors import InputError

INFO_EXAMPLES = "\nExample:\n  bstdg info runs/digits-seed0/model.bstdg"
RASTER_EXAMPLES = "\nExample:\n  bstdg raster runs/digits-seed0/model.bstdg --sample 3 --out three.svg"


def info(model: ModelFile, as_json: AsJson = False) -> None:
    """Describe a model file: structure, origin and figures."""
    from bstdg import engine, packed, show

    described = packed.load(model)
    size, default = model.stat().st_size, engine.default_inference()
    if as_json:
        print(json.dumps(show.as_dict(described, size, default)))
        return
    show_table(show.model(described, str(model), size, default))
    for part in ("validation", "test"):
        if part in described.trained:
            show_table(show.figures(f"figures on the {part} part", described.trained[part]))


def raster(
    model: ModelFile,
    out: Annotated[Path, typer.Option(help="Figure to write; the ending tells its kind (svg, png, pdf).")] = Path(
        "raster.svg"
    ),
    sample: Annotated[int, typer.Option(min=0, help="Which image, counted from 0.")] = 0,
    file: Annotated[Path | None, typer.Option("--file", help="Image file to take instead of the test set.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Draw a decision: input, hidden and output spikes."""
    from bstdg import datasets, images, plot, runtime

    loaded = runtime.load(model)
    if loaded.packed.input is not None or loaded.packed.scaling is not None:
        read = "features" if loaded.packed.input is None else "recordings of events"
        raise InputError(f"{model} reads {read}; bstdg raster draws decisions about images")
    tests = None
    if file is not None:
        name, pictures = str(file), images.read(file, loaded.packed)
    elif "data" in loaded.packed.trained:
        tests = datasets.load(loaded.packed.trained["data"], "test", data_dir, progress=True)
        name, pictures = f"{tests.name} (test)", tests.images
    else:
        raise InputError(f"{model} does not say what it was trained on: give an image with --file")
    if sample >= len(pictures):
        raise InputError(f"--sample {sample} is not there: {name} has {len(pictures)} images, counted from 0")
    label = None if tests is None else tests.classes[tests.labels[sample]]
    plot.save_decision(loaded, pictures[sample], out, label)
    print(str(out))
