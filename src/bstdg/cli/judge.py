"""`bstdg eval`: a model judged on a data set."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bstdg.cli import complete
from bstdg.cli.console import show_table
from bstdg.cli.options import AsJson, DataDir, EngineName, ModelFile
from bstdg.shown import name

EXAMPLES = """
Examples:
  bstdg eval runs/digits-seed0/model.bstdg
  bstdg eval model.bstdg --data mnist --data-dir ~/data --json
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
    from bstdg.datasets import StoredDataset
    from bstdg.model import runtime, samples
    from bstdg.progress import bar

    loaded = runtime.load(model, engine)
    judged = samples.load(loaded.packed, data, split, data_dir, called=str(model), progress=True)
    with bar("evaluating", len(judged), show=isinstance(judged, StoredDataset)) as advance:
        row = loaded.evaluate_dataset(judged, advance)
    if as_json:
        print(json.dumps({"model": str(model), "data": judged.name, "split": split, **row}))
        return
    from bstdg.cli import show

    show_table(show.figures(f"{model} on {name(judged.name)} ({split})", row))
    show_table(show.by_class(loaded.packed.classes, row))
