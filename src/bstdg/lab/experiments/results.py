"""One run as JSON: what was trained, how, on what machine, and its figures. Written whole, checked when read."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bstdg import files
from bstdg.errors import FileFormatError, InputError
from bstdg.model import energy as model_energy
from bstdg.model import figures as known_figures
from bstdg.model.sizes import Size

FORMAT, VERSION = "bstdg-run", 1
NEEDED = ("accuracy", "samples")  # without which figures tell nothing
OURS = "spike-timing gradient"  # the method of this package; every other is a predecessor
QUICK = "quick"  # the folder of runs that are only a try
_FILE = re.compile(r"seed(0|[1-9][0-9]{0,8})\.json")
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "an object"}


@dataclass(frozen=True)
class Run:
    """One training and its figures.

    Attributes:
        name: its place below the results folder, such as "runs/mnist"; all seeds of a setting share it.
        method: `OURS`, or the predecessor's name.
        data: the data set.
        widths: neurons of every layer, input first.
        seed: what decided every random draw.
        quick: a try with fewer epochs, which no published table holds.
        config: the recipe, whole.
        epochs: passes made; `best_epoch` is the one that validation chose.
        seconds: of training, validation included.
        validation: figures on the validation part (see `bstdg.model.metrics.Tally.figures`).
        test: the same on the test set, read once.
        engine: what computed.
        machine: versions and hardware (`bstdg.about.about_machine`).
        model_bytes: size of the deployed model, 0 if there is none.
        extra: further figures, such as those by speaker, at other `exits`, or with input times in `blocks`; of
            networks with shared weights also their `structure` and the `sizes` of their layers
            (`bstdg.model.sizes.Size`), which widths do not tell.
    """

    name: str
    method: str
    data: str
    widths: tuple[int, ...]
    seed: int
    quick: bool
    config: dict[str, Any]
    epochs: int
    best_epoch: int
    seconds: float
    validation: dict[str, Any]
    test: dict[str, Any]
    engine: str
    machine: dict[str, Any]
    model_bytes: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def structure(self) -> str:
        """Such as "784-600-10"."""
        return self.extra.get("structure") or "-".join(map(str, self.widths))


_TYPES = {
    "name": str,
    "method": str,
    "data": str,
    "seed": int,
    "quick": bool,
    "config": dict,
    "epochs": int,
    "best_epoch": int,
    "seconds": float,
    "validation": dict,
    "test": dict,
    "engine": str,
    "machine": dict,
    "model_bytes": int,
    "extra": dict,
}


def from_report(report: Mapping[str, Any], name: str, *, quick: bool = False, extra: Any = None) -> Run:
    """A run from what training reports (`report.json`), or from what a predecessor's training returns."""
    config = report.get("recipe") or report.get("config") or {}
    return Run(
        name=name,
        method=report.get("baseline") or OURS,
        data=report["data"] if "data" in report else config["data"]["name"],
        widths=tuple(report["widths"]),
        seed=report["seed"],
        quick=quick,
        config=config,
        epochs=report["epochs"],
        best_epoch=report["best_epoch"],
        seconds=round(report["seconds"], 2),
        validation=_there(report["validation"]),
        test=_there(report["test"]),
        engine=report["training_engine"],
        machine=report["machine"],
        model_bytes=report.get("model_bytes", 0),
        extra={**_shared(report), **_in_blocks(report), **(report.get("extra") or {}), **(extra or {})},
    )


def _shared(report: Mapping[str, Any]) -> dict[str, Any]:
    """Structure and sizes of a network whose widths do not tell them: one that begins with maps, as in 1x28x28."""
    structure = report.get("structure", "")
    if "x" not in structure:
        return {}
    return {"structure": structure, "sizes": report["sizes"]}


def _in_blocks(report: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of a predecessor with its input times put into blocks, where it was judged so too."""
    return {"blocks": report["blocks"]} if report.get("blocks") else {}


def _there(figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Without what is not a figure of such a network: one that does not spike has no decision step."""
    return {name: value for name, value in (figures or {}).items() if value is not None}


def energy(run: Run) -> float | None:
    """An estimate of a decision's energy in nJ (see `bstdg.model.energy`); None where its figures do not suffice."""
    if "synaptic_operations_to_decision" not in run.test:
        return None
    report = {"recipe": run.config, "widths": list(run.widths), "test": run.test}
    if "sizes" in run.extra:
        report["sizes"] = run.extra["sizes"]
    if run.method != OURS:
        report["baseline"] = run.method
    try:
        return model_energy.of_report(report)["estimate_pj"]["total"] / 1000
    except InputError:
        return None


def path_of(results: Path, name: str, seed: int) -> Path:
    """Where the run of a seed is kept.

    >>> path_of(Path("results"), "runs/mnist", 2).as_posix()
    'results/runs/mnist/seed2.json'
    """
    return results / name / f"seed{seed}.json"


def save(run: Run, results: Path) -> Path:
    """Write a run to its place, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path = path_of(results, run.name, run.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(run)}
    files.write_atomic(path, (json.dumps(values, indent=1) + "\n").encode())
    return path


def load(path: Path, results: Path) -> Run:
    """Read and check one run.

    Raises:
        FileFormatError: the file is no JSON, of another program or version, or holds what no run can hold.
        OSError: it cannot be read.
    """
    try:
        values = files.read_object(path, most="any run", names=True)
    except FileFormatError as error:
        raise FileFormatError(f"{error}: restore it, or remove it to run that seed again") from None
    try:
        return _checked(values, path, results)
    except _Odd as odd:
        raise FileFormatError(f"{path} holds no run of this program: {odd}") from None


class _Odd(Exception):
    """What is wrong with a file's content."""


def _as_run(report: dict[str, Any], path: Path, results: Path) -> dict[str, Any]:
    """A report as training leaves it, put into a run's place, is that run."""
    name = path.parent.relative_to(results).as_posix()
    try:
        run = from_report(report, name, quick=name.partition("/")[0] == QUICK)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _Odd(f"as a report of a training it lacks or misstates {error}") from None
    return {"format": FORMAT, "version": VERSION, **dataclasses.asdict(run), "widths": list(run.widths)}


def _checked(values: Any, path: Path, results: Path) -> Run:
    if isinstance(values, dict) and "format" not in values and "training_engine" in values:
        values = _as_run(values, path, results)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise _Odd(f'"format" should be "{FORMAT}"')
    if values.get("version") != VERSION:
        raise _Odd(f"its version is {values.get('version')!r}, this program reads {VERSION}")
    values = {k: v for k, v in values.items() if k not in ("format", "version")}
    known = {f.name: f for f in dataclasses.fields(Run)}
    needed = {name for name, f in known.items() if name not in ("model_bytes", "extra")}
    if values.keys() - known.keys() or needed - values.keys():
        odd = sorted((values.keys() - known.keys()) | (needed - values.keys()))
        raise _Odd(f"unknown or missing: {', '.join(odd)}")
    for name, kind in _TYPES.items():
        if name in values and not _is(values[name], kind):
            raise _Odd(f"{name} should be {_WORDS[kind]}, not {str(values[name])[:40]!r}")
    widths = values["widths"]
    if not isinstance(widths, list) or len(widths) < 2 or not all(_is(w, int) and 1 <= w < 2**31 for w in widths):
        raise _Odd("widths should be a list of at least two layer sizes")
    _check_figures(values["validation"], "validation")
    _check_figures(values["test"], "test", *NEEDED)
    _check_extra(values.get("extra", {}))
    expected = path_of(results, values["name"], values["seed"])
    if expected.resolve() != path.resolve():
        raise _Odd(f'"name" and "seed" belong to {str(expected)[:200]!r}')
    return Run(**{**values, "widths": tuple(widths)})


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return known_figures.is_number(value) and 0 <= value <= known_figures.MOST
    if kind is int:
        return type(value) is int and 0 <= value <= known_figures.MOST
    return isinstance(value, kind)


def _check_figures(figures: Any, part: str, *needed: str) -> None:
    try:
        known_figures.check(figures, part)
    except InputError as error:
        raise _Odd(str(error)) from None
    for name in needed:
        if name not in figures:
            raise _Odd(f"{part}.{name} is missing")


def _check_extra(extra: dict[str, Any]) -> None:
    """Figures of speakers and of other exits, structure and sizes, where there are such."""
    if not isinstance(extra.get("structure", ""), str):
        raise _Odd("extra.structure should be a text")
    sizes = extra.get("sizes", [])
    if not isinstance(sizes, list) or not all(_is_size(each) for each in sizes):
        raise _Odd(f"extra.sizes should be a list of objects of {', '.join(Size._fields)}, numbers of 0 or more")
    for table in ("speakers", "by_speaker"):
        if not isinstance(groups := extra.get(table, {}), dict):
            raise _Odd(f"extra.{table} should be an object")
        for name, figures in groups.items():
            _check_figures(figures, f"extra.{table}.{name[:20]}", *NEEDED[:1])
    for table, key, others in (("exits", "offset", (None,)), ("blocks", "blocks", ())):
        if not isinstance(rows := extra.get(table, []), list):
            raise _Odd(f"extra.{table} should be a list")
        for i, row in enumerate(rows):
            number = row.get(key, "") if isinstance(row, dict) else ""
            if number not in others and (type(number) is not int or abs(number) >= 2**31):
                raise _Odd(f"extra.{table}[{i}].{key} should be a whole number{' or null' if others else ''}")
            needed = NEEDED[:1] if table == "blocks" else ()
            _check_figures({name: value for name, value in row.items() if name != key}, f"extra.{table}[{i}]", *needed)


def _is_size(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == set(Size._fields) and all(_is(n, float) for n in value.values())


def load_all(results: Path) -> dict[str, list[Run]]:
    """Every published run below a folder, by name, its seeds in order; quick tries are left out.

    Raises:
        FileFormatError: a file in a run's place is none.
    """
    found: dict[str, list[Run]] = {}
    for path in _run_files(results):
        run = load(path, results)
        if not run.quick:
            found.setdefault(run.name, []).append(run)
    return {name: sorted(runs, key=lambda run: run.seed) for name, runs in sorted(found.items())}


def _run_files(results: Path) -> Iterator[Path]:
    for path in sorted(results.rglob("seed*.json")):
        if _FILE.fullmatch(path.name) and path.relative_to(results).parts[0] not in (QUICK, "training"):
            yield path
