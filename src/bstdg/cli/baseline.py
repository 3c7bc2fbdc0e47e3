"""`bstdg baseline`: train a predecessor or a plain network, or run released weights, in the same harness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bstdg import disk
from bstdg.cli import complete
from bstdg.cli.console import INTERRUPTED, complain, note, say, show_table, table
from bstdg.cli.options import AsJson, DataDir, whole_numbers
from bstdg.errors import InputError

EXAMPLES = """
Examples:
  bstdg baseline binary --set epochs=3                    a minute, no spikes
  bstdg baseline bptt --data fashion-mnist --set hidden=[1000] --seed 1
  bstdg baseline s4nn --weights ~/s4nn                    the network its authors released
  bstdg baseline bs4nn --weights ~/bs4nn --blocks 8,4     the same at 8 and at 4 steps in place of 256
  bstdg baseline ann --recipe mnist-best                  float32, the structure and data of a recipe
  bstdg baseline ann --recipe mnist-best --set steps=8    the same on the eight steps that the recipe's network reads
  bstdg baseline bnn --recipe mine.toml --set epochs=30 --resume
  bstdg baseline logistic --recipe caltech-edges          what no hidden layer is needed for

Baselines: s4nn, bs4nn, binary, binary-relu, bptt, mlp; and, of the structure of any recipe, with what it learns from
and as it is augmented there: ann (float32), bnn (one-bit weights and activations) and bnn-relu (one-bit weights); and
logistic, logistic regression on what a recipe's network reads. What each is: docs/baselines.md.
"""

UNTIMED = {  # the figures of a network without spikes, by other names: no step decides
    "accuracy": "accuracy (greatest output, then lowest index)",
    "macro_f1": "macro F1, the mean over classes",
    "accuracy_ties_correct": "  if a tie with the label counted",
    "synaptic_operations_to_decision": "synaptic operations",
    "samples": "samples",
}


def baseline(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", autocompletion=complete.baselines, help="Which baseline; they are listed below."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            autocompletion=complete.data_sets,
            help="Data set to learn from and be judged on. [default: mnist]",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            autocompletion=complete.recipes,
            help="ann, bnn, bnn-relu, logistic: the recipe, or TOML file, whose structure, data and augmentation are "
            "taken.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, validation split and every random draw.")] = 0,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting; repeatable. With --recipe, section.field=VALUE changes a field of the recipe.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Folder with released weights, a plain .npy file a layer: run them, train nothing."),
    ] = None,
    blocks: Annotated[
        str | None,
        typer.Option(
            metavar="8,4",
            help="s4nn, bs4nn: also judge it with its 256 input steps put into so many equal blocks, T = 8 and T = 4.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="bs4nn with --blocks: leave the network there as a model file for each number."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Report to write. [default: runs/baseline-NAME-DATA/seedN.json]", show_default=False),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="With --recipe: go on from the checkpoint beside the report, if there is one."),
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train and judge a predecessor or a plain network, with this project's split and figures.

    Accuracy is judged by the strict rule and by the predecessors' own. The report has the keys of a run's report.json.
    """
    from bstdg.lab import predecessors
    from bstdg.lab.predecessors.base import write
    from bstdg.lab.predecessors.settings import settings_of
    from bstdg.learning import overrides

    _fitting(name, data, recipe, weights, resume=resume)
    if recipe is not None and (blocks is not None or models is not None):
        raise InputError(f"--blocks and --models are for s4nn and bs4nn; {name} has no 256 steps: leave them out")
    in_blocks = {"blocks": _numbers(blocks), "models": models}
    if weights is not None:
        if override:
            raise InputError("--weights runs a network as it was released: --set has nothing to change")
        report = predecessors.run_released(name, weights, data or "mnist", data_dir=data_dir, **in_blocks)
        if out is not None:
            write(report, out)
    elif recipe is not None:
        report, out = _counterpart(name, recipe, seed, override or [], out, data_dir, resume=resume)
    else:
        data = data or "mnist"
        settings = overrides.apply({}, override or (), predecessors.settings_kind(name))
        settings_of(predecessors.settings_kind(name), settings)  # before a folder is made
        out = out or Path("runs") / f"baseline-{name}-{data}" / f"seed{seed}.json"
        with disk.making(out):
            report = predecessors.train(
                name, data, seed=seed, settings=settings, data_dir=data_dir, on_epoch=_print_epoch, **in_blocks
            )
            write(report, out)
    if as_json:
        print(json.dumps(report))
        return
    _show(report, out)


def _numbers(blocks: str | None) -> list[int]:
    return [] if blocks is None else whole_numbers(blocks, "--blocks takes whole numbers with commas, such as 8,4")


def _fitting(name: str, data: str | None, recipe: str | None, weights: Path | None, *, resume: bool) -> None:
    """Raise `InputError` where options do not go together, or with this baseline."""
    from bstdg.lab import predecessors

    predecessors.settings_kind(name)  # before anything else: is there such a baseline
    if name in predecessors.COUNTERPARTS and recipe is None:
        raise InputError(f"{name} takes structure and data of a recipe: give --recipe, a TOML file or a recipe's name")
    if recipe is None:
        if resume:
            raise InputError(f"--resume is for trainings with --recipe; {name} keeps no checkpoint: leave it out")
        return
    if name == "logistic" and resume:
        raise InputError("--resume does nothing for logistic, which keeps no checkpoint: leave it out")
    if name not in predecessors.COUNTERPARTS:
        raise InputError(f"{name} takes no --recipe, only {', '.join(predecessors.COUNTERPARTS)} do: give --data")
    for given, what in ((data, "--data"), (weights, "--weights")):
        if given is not None:
            raise InputError(f"{what} does nothing with --recipe, which says what is learnt from: leave it out")


def _counterpart(
    name: str, recipe: str, seed: int, override: list[str], out: Path | None, data_dir: Path | None, *, resume: bool
) -> tuple[dict[str, Any], Path]:
    """Train a counterpart of a recipe; its report, and where that was written."""
    from bstdg.cli.train import recipe_file
    from bstdg.lab import predecessors
    from bstdg.lab.predecessors.base import forget, write
    from bstdg.lab.predecessors.settings import settings_of
    from bstdg.learning import overrides
    from bstdg.learning.recipe_file import load_recipe

    of_recipe = [each for each in override if "." in each.partition("=")[0]]
    path, kind = recipe_file(recipe), predecessors.settings_kind(name)
    values = load_recipe(path, of_recipe)
    settings = overrides.apply({}, [each for each in override if each not in of_recipe], kind)
    settings_of(kind, settings)
    out = out or Path("runs") / f"baseline-{name}-{path.stem}" / f"seed{seed}.json"
    folder = out.with_name(f"{out.stem}-training")
    try:
        with disk.making(out):
            report = predecessors.train_counterpart(
                name,
                values,
                seed=seed,
                settings=settings,
                data_dir=data_dir,
                folder=folder,
                resume=resume,
                on_epoch=_print_epoch,
            )
            write(report, out)
            forget(folder)
    except KeyboardInterrupt:
        if not folder.exists():
            raise
        complain("stopped; to go on, repeat the command with --resume")
        raise typer.Exit(INTERRUPTED) from None
    return report, out


def _print_epoch(row: dict[str, Any]) -> None:
    """One line an epoch on standard error."""
    step = f"C = {row['strength']:g}, {row['epoch']}" if "strength" in row else f"epoch {row['epoch']}"
    line = f"{step}/{row['epochs']}  accuracy {row['accuracy']:.2%}"
    if row.get("hidden_spikes") is not None:
        line += (
            f"  hidden spikes {row['hidden_spikes_to_decision']:.1f}"
            f"  decision step {row['decision_step_mean']:.2f} of {row['num_steps']}"
        )
    note(f"{line}  {row['seconds']:.0f} s")


def _show(report: dict[str, Any], out: Path | None) -> None:
    from bstdg.cli import show
    from bstdg.model import energy
    from bstdg.model.figures import FIGURES

    row, structure = report["test"], report.get("structure") or "-".join(map(str, report["widths"]))
    origin = f"seed {report['seed']}" if "seed" in report else "released weights"
    title = f"{report['baseline']} on {report['recipe']['data']['name']} test set, {structure}, {origin}"
    if row["hidden_spikes"] is not None:
        show_table(show.figures(title, row))
    else:
        told = table(title=title, show_header=False)
        for key, caption in UNTIMED.items():
            told.add_row(caption, FIGURES[key].show(row[key]))
        show_table(told)
    if "blocks" in report:
        show_table(_in_blocks(report["blocks"]))
    if "accuracy_lowest_index" in row:
        say(f"accuracy if the lowest index won among the first: {row['accuracy_lowest_index']:.2%}")
    picojoules = energy.of_report(report)["estimate_pj"]
    say(
        f"energy an image, an estimate: {picojoules['arithmetic']:,.0f} pJ of arithmetic, {picojoules['sram']:,.0f} pJ "
        "of memory (docs/baselines.md says what is assumed)"
    )
    if report["baseline"] == "logistic":
        say(f"{report['recipe']['title']}; {report['seconds']:.1f} s of training")
    elif "best_epoch" in report:
        say(f"best of {report['epochs']} epochs: {report['best_epoch']}; {report['seconds']:.1f} s of training")
    if out is not None:
        say(out)


def _in_blocks(rows: list[dict[str, Any]]) -> Any:
    """The figures that belong together, a row for each number of blocks."""
    from bstdg.model.figures import FIGURES, TOGETHER

    told = table("T", *(FIGURES[key].column for key in TOGETHER), title="input times put into T blocks")
    for row in rows:
        told.add_row(str(row["blocks"]), *(FIGURES[key].show(row[key]) for key in TOGETHER))
    return told
