"""The command line: train, eval, predict, info, raster, reproduce. How it speaks and ends is in `bstdg.console`."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bstdg import cli_baselines, cli_nir, cli_reproduce
from bstdg.console import BAD_INPUT, INTERRUPTED, Command, Commands, complain, show_table
from bstdg.errors import FileFormatError, InputError
from bstdg.shipped import shipped_recipes

if TYPE_CHECKING:
    from bstdg.runtime import Model


app = typer.Typer(
    name="bstdg",
    cls=Commands,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Binarized spiking networks in which every neuron fires at most once: train, judge and use them.",
    epilog="Start with  bstdg train : it learns scikit-learn's handwritten digits in seconds.",
)

ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A deployed model, such as runs/digits-seed0/model.bstdg.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder with the data sets' files (else BSTDG_DATA, else a download to your cache)."
    ),
]
EngineName = Annotated[str | None, typer.Option("--engine", help="Engine to run it with: native, oracle or dense.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


def _version(wanted: bool) -> None:
    if wanted:
        from bstdg import __version__

        print(f"bstdg {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(
    cls=Command,
    epilog="""
Examples:
  bstdg train                                  digits, into runs/digits-seed0
  bstdg train mnist --seed 1 --out runs/mine   a recipe by its name
  bstdg train mnist --out runs/mine --resume   go on after an interruption
  bstdg train my.toml --set epochs=5 --set network.hidden=[300,300]
  bstdg train mnist --set data.name=fashion-mnist --out runs/fashion

Data sets (data.name): digits, mnist, fashion-mnist, caltech-face-motorbike, caltech-face-motorbike-all, shd, hd-spikes.
""",
)
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help=f"A TOML file, or a recipe that comes with bstdg: {', '.join(sorted(shipped_recipes()))}.",
        ),
    ] = "digits",
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, validation split and every random draw.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run. [default: runs/RECIPE-seedN]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the recipe; repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto takes CUDA where there is one.")] = "auto",
    engine: Annotated[
        str | None, typer.Option(help="native or dense. [default: native on a CPU, else dense]", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder, if there is one.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew though the folder holds a run.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard events.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network and leave it on disk, ready to use.

    The folder gets model.bstdg (the network, one bit a weight), checkpoint.safetensors (to go on from), log.jsonl (a
    line an epoch) and report.json (figures on the test set, read once, at the end).
    """
    from bstdg.config import load_recipe

    if resume and overwrite:
        raise InputError("--resume goes on with a run, --overwrite starts it anew: give one of them")
    path = _recipe_file(recipe)
    values = load_recipe(path, override or ())
    folder = out or Path("runs") / f"{path.stem}-seed{seed}"
    # Before torch starts its threads: by default they spin while they wait, on the cores that the native engine needs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from bstdg.train import train as run

    with _resume_hint(folder):
        report = run(
            values,
            folder,
            seed=seed,
            data_dir=data_dir,
            device=device,
            engine=engine,
            resume=resume,
            overwrite=overwrite,
            show_progress=True,
            tensorboard=tensorboard,
        )
    if as_json:
        print(json.dumps(report))
        return
    from bstdg import show

    structure = "-".join(map(str, report["widths"]))
    show_table(show.figures(f"{values.data.name} test set, {structure}, seed {seed}", report["test"]))
    show_table(
        f"best of {report['epochs']} epochs: {report['best_epoch']} (validation accuracy "
        f"{report['validation']['accuracy']:.2%}); {report['seconds']:.1f} s of training with engine "
        f"{report['training_engine']} on {report['machine']['device']}\n"
        + (f"{folder / 'model.bstdg'}: {report['model_bytes']:,} bytes" if report["model_bytes"] else "no model file")
    )


@app.command(
    "eval",
    cls=Command,
    epilog="""
Examples:
  bstdg eval runs/digits-seed0/model.bstdg
  bstdg eval model.bstdg --data mnist --data-dir ~/data --json
""",
)
def evaluate(
    model: ModelFile,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
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
    from bstdg import datasets, runtime

    loaded = runtime.load(model, engine)
    name = data or loaded.packed.trained.get("data")
    if name is None:
        raise InputError(f"{model} does not say what it was trained on: name a data set with --data")
    if split not in ("test", "train"):
        raise InputError(f"--split is test or train, not {split!r}")
    resized = loaded.packed.image_shape if datasets.takes_size(name) else ()
    samples = datasets.load(name, split, data_dir, progress=True, size=resized)
    if isinstance(samples, datasets.EventDataset):
        row = loaded.evaluate_events(samples)
    else:
        if loaded.packed.input is None and samples.white != loaded.packed.white:
            raise InputError(f"{name} has white {samples.white}, the model reads 0 … {loaded.packed.white}")
        row = loaded.evaluate(samples.images, samples.labels)
    if as_json:
        print(json.dumps({"model": str(model), "data": name, "split": split, **row}))
        return
    from bstdg import show

    show_table(show.figures(f"{model} on {name} ({split})", row))


@app.command(
    cls=Command,
    epilog="""
Examples:
  bstdg predict model.bstdg seven.png eight.jpg
  ls drawings/*.png | bstdg predict model.bstdg --json
  bstdg predict model.bstdg photo.jpg --resize --invert   dark ink on white
  bstdg predict spoken.bstdg recordings.h5                a network of events: HDF5 of the layout of SHD
""",
)
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
    from bstdg import images, runtime
    from bstdg.datasets import spoken

    loaded, paths = runtime.load(model, engine), _paths(files)
    failed = False
    if not as_json:
        print(f"{'decision':>14}  {'step':>4}  {'hidden spikes':>13}  {'silent':>6}  file")
    for path in paths:
        try:
            if loaded.packed.input is None:
                spikes = loaded.encode(images.read(path, loaded.packed, resize=resize, invert=invert))
            else:
                spikes = loaded.encode_events(*spoken.read(path, "recordings", "test").rows(slice(None)))
            rows = list(_decisions(loaded, spikes, str(path)))
        except (InputError, FileFormatError) as error:
            failed = True
            complain(str(error) if str(path) in str(error) else f"{path}: {error}")
            continue
        for row in rows:
            print(json.dumps(row) if as_json else _line(row))
    if failed:
        raise typer.Exit(BAD_INPUT)


@app.command(cls=Command, epilog="\nExample:\n  bstdg info runs/digits-seed0/model.bstdg")
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


@app.command(cls=Command, epilog="\nExample:\n  bstdg raster runs/digits-seed0/model.bstdg --sample 3 --out three.svg")
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
    if loaded.packed.input is not None:
        raise InputError(f"{model} reads recordings of events; bstdg raster draws decisions about images")
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


app.command(cls=Command, epilog=cli_reproduce.EPILOG)(cli_reproduce.reproduce)
cli_nir.add_to(app)
app.command(cls=Command, epilog=cli_baselines.EXAMPLES)(cli_baselines.baseline)


@contextlib.contextmanager
def _resume_hint(folder: Path) -> Iterator[None]:
    """Who stops a training is told how to go on."""
    from bstdg.checkpoint import NAME

    try:
        yield
    except KeyboardInterrupt:
        if not (folder / NAME).exists():
            raise
        complain(f"stopped; to go on, repeat the command with --out {shlex.quote(str(folder))} --resume")
        raise typer.Exit(INTERRUPTED) from None


def _recipe_file(name: str) -> Path:
    """A recipe by path, or by the name of one that comes with the package."""
    path, shipped = Path(name), shipped_recipes()
    if path.suffix == ".toml" or (name not in shipped and path.is_file()):
        return path
    if name not in shipped:
        raise InputError(f"there is no recipe {name!r}; give a TOML file or one of {', '.join(sorted(shipped))}")
    return shipped[name]


def _paths(files: list[Path] | None) -> Iterable[Path]:
    """The files that were named; `-`, or none at all, stands for the paths on standard input, one a line."""
    if not files and (sys.stdin is None or sys.stdin.isatty()):
        raise InputError("name image files, or pipe their paths in, one a line")
    listed = (Path(line.rstrip("\n")) for line in sys.stdin or () if line.strip())
    stdin = Path("-")
    return itertools.chain.from_iterable(listed if file == stdin else (file,) for file in files or (stdin,))


def _decisions(model: Model, spikes: Any, name: str) -> Iterator[dict[str, Any]]:
    from bstdg.decide import input_to_decision

    run = model.run(spikes)
    many = len(spikes) > 1
    for i, label in enumerate(run.decision.label):
        step = int(run.decision.step[i])
        yield {
            "file": f"{name}[{i}]" if many else name,
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


def _line(row: dict[str, Any]) -> str:
    silent = "yes" if row["silent"] else "no"
    return f"{row['class']:>14}  {row['step']:>4}  {row['hidden_spikes_to_decision']:>13}  {silent:>6}  {row['file']}"


def run() -> None:
    """Entry point of the `bstdg` command."""
    app()


from bstdg import cli_export  # noqa: E402, F401  (adds its commands to `app`, which must be there first)
