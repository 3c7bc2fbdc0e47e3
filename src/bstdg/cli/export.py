"""The commands that take a model out of Python, and into it: export, verify, import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bstdg.cli import complete
from bstdg.cli.console import FAILURE, say, show_table, table
from bstdg.cli.options import AsJson, DataDir
from bstdg.commands import quoted
from bstdg.errors import InputError

if TYPE_CHECKING:
    from bstdg.export import Check

EXPORT_EXAMPLES = """
Examples:
  bstdg export --list                                       what there is, and what each needs
  bstdg export c runs/mnist-seed0/model.bstdg --out mnist-c
  bstdg export c model.bstdg --out firmware/net --name digits --images 200
  bstdg verify mnist-c                                      proves it again, on any machine

The folder gets the target's files, the model, golden vectors (inputs with what the NumPy oracle
makes of them) and manifest.json (checksums and figures). The same model always gives the same bytes.
"""

VERIFY_EXAMPLES = """
Examples:
  bstdg verify mnist-c
  bstdg verify mnist-c --json
  bstdg verify mnist-c --even-if-changed                    proves what you changed by hand

Exit status: 0 if nothing failed, 1 if something did. What could not be run for want of a tool is said, and is no
failure. This compiles and runs what the folder holds: verify only what you would run. It stops where a file is not as
it was written.
"""

IMPORT_EXAMPLES = """
Examples:
  bstdg import exported/model.nir --out model.bstdg
  bstdg import theirs.nir --out theirs.bstdg --steps 16 --first-spikes
  bstdg import spikingjelly.nir --out theirs.bstdg --steps 16 --first-spikes --at-threshold
"""


def export(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", autocompletion=complete.targets, help="c, verilog, nir or web.", show_default=False
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL", help="A deployed model, such as runs/digits-seed0/model.bstdg.", show_default=False
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write.", show_default=False)] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="What the code is called: an identifier in C and Verilog. [default: bstdg_DATA]", show_default=False
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many test images become golden vectors. [default: 1000 where the data set is at hand]",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a folder that is no export, or was changed since.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the targets and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as C, Verilog, NIR or a web page, with its proof."""
    if list_:
        _show_targets(as_json)
        return
    if target is None or model is None or out is None:
        raise InputError(
            "say what, and where to: bstdg export TARGET MODEL --out DIR; bstdg export --list shows targets"
        )
    from bstdg.export import export as write

    done = write(target, model, out, name=name, images=images, data_dir=data_dir, force=force)
    if as_json:
        print(json.dumps({"folder": str(done.folder), **done.manifest}))
        return
    manifest = done.manifest
    told = table(title=f"{out}: {target} export of {model}", show_header=False)
    told.add_row("name", manifest["name"])
    told.add_row("files", ", ".join(manifest["files"]))
    parts = (f"{part['vectors']:,} {part['what']}" for part in manifest["golden"]["parts"])
    told.add_row("golden vectors", f"{manifest['golden']['vectors']:,}: {'; '.join(parts)}")
    for key, value in manifest["figures"].items():
        told.add_row(key.replace("_", " "), _plain(value))
    show_table(told)
    say(f"prove it with:  bstdg verify {quoted(out)}")


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that bstdg export wrote.")],
    even_if_changed: Annotated[
        bool,
        typer.Option(
            "--even-if-changed", help="Go on where files are not as they were written, and run what they hold now."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the proof of an export again, on this machine.

    Compares the files with the manifest, the golden vectors with the oracle, then runs the target's own proof with
    every compiler, simulator or browser that is here.
    """
    from bstdg.export import verify as run

    checks = list(run(folder, even_if_changed=even_if_changed))
    failed = any(check.status == "failed" for check in checks)
    if as_json:
        print(json.dumps({"folder": str(folder), "passed": not failed, "checks": [c._asdict() for c in checks]}))
    else:
        _show_checks(folder, checks)
    if failed:
        raise typer.Exit(FAILURE)


def _show_checks(folder: Path, checks: list[Check]) -> None:
    told = table("check", "status", "what was compared, or is missing", title=folder)
    for check in checks:
        told.add_row(*check)
    show_table(told)
    counts = {status: sum(c.status == status for c in checks) for status in ("passed", "failed", "not run")}
    say(", ".join(f"{count} {status}" for status, count in counts.items()))


def _show_targets(as_json: bool) -> None:
    from bstdg import export as exports

    rows = [_described(name) for name in exports.targets()]
    if as_json:
        print(json.dumps(rows))
        return
    told = table("target", "gives", "what verify uses")
    for row in rows:
        told.add_row(*row.values())
    show_table(told)


def _described(name: str) -> dict[str, str]:
    """A target for the list; one that cannot be loaded says why."""
    from bstdg import export as exports

    try:
        target = exports.target(name)
    except InputError as error:
        return {"target": name, "gives": str(error), "needs": ""}
    return {"target": name, "gives": target.gives, "needs": target.needs}


def _plain(value: Any) -> str:
    """A figure as a person reads it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{value:,}"


def import_nir(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A NIR graph, such as model.nir.")],
    out: Annotated[Path, typer.Option(help="Model to write.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="T. [default: what the graph says, if bstdg wrote it]", show_default=False)
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option(
            help="Seconds a step: a unit of current adds dt * r to a potential. [default: 1 / r, where r is the same "
            "for all neurons]",
            show_default=False,
        ),
    ] = None,
    first_spikes: Annotated[
        bool, typer.Option("--first-spikes", help="Keep first spikes alone where neurons could fire again.")
    ] = False,
    at_threshold: Annotated[
        bool,
        typer.Option(
            "--at-threshold", help="Neurons fire at v_threshold, as those of SpikingJelly and Sinabs, not above it."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a model of a NIR graph of binary weights and integrate-and-fire neurons."""
    from bstdg.export.nir import file as nir_file
    from bstdg.export.nir import importer as nir_import
    from bstdg.export.nir.stages import step_length
    from bstdg.model import packed

    if out.exists() and not force:
        raise InputError(f"{out} is there already; name another file, or give --force")
    graph = nir_file.read(file)
    model = nir_import.from_graph(graph, steps, dt=dt, first_spikes=first_spikes, at_threshold=at_threshold)
    size = packed.save(model, out)
    step = step_length(graph) if dt is None else dt
    say(f"{out}: {model.structure}, T = {model.num_steps}, a step of {step:g} s, {size:,} bytes")
