"""A report from files to a file: models are read, measured and drawn, and the page is written whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bstdg import files, locks
from bstdg.drawing.figure import save
from bstdg.errors import InputError
from bstdg.model import packed, runtime
from bstdg.model import samples as reading
from bstdg.progress import bar
from bstdg.report import history
from bstdg.report.credit import can_be_credited
from bstdg.report.measure import check_samples, measure, telling
from bstdg.report.neurons import has_fields
from bstdg.report.page import MARK, Page
from bstdg.report.plates import Plate, Subject
from bstdg.report.sliding import with_kernels, with_maps

KINDS = ("svg", "png")
LOCK = ".lock"  # of the folder of figures, while they are written
START = 4096  # bytes within which a file of ours says so


def write(
    models: Sequence[Path | str],
    out: Path | str,
    *,
    data: str | None = None,
    split: str = "test",
    data_dir: Path | str | None = None,
    figures: Path | str | None = None,
    samples: Sequence[int] | None = None,
    limit: int | None = None,
    engine: str | None = None,
    force: bool = False,
    show_progress: bool = False,
    load: Callable[..., Any] = reading.load,
) -> dict[str, Any]:
    """Write the report of one or several models into the file `out`; the same inputs give the same bytes.

    Args:
        models: model files; the log and the thresholds of their training are looked for beside them.
        out: the HTML file.
        data: the data set; by default the one that the first was trained on.
        split: "test" or "train".
        data_dir: see `bstdg.datasets.load`.
        figures: a folder for every figure as SVG and PNG, too.
        samples: positions of the samples to draw; by default a few telling ones.
        limit: judge the first so many samples only.
        engine: which engine runs the models.
        force: replace files that no report wrote.
        show_progress: show bars on standard error, or in a notebook.
        load: gives the samples instead of `bstdg.model.samples.load`, for data of one's own.

    Returns:
        What `bstdg report --json` prints.

    Raises:
        InputError: a model does not fit the data, a sample is not there, or a file would be lost.
        FileFormatError: a model or log is damaged.
        OSError: a file cannot be read or written.
    """
    out, folder = Path(out), None if figures is None else Path(figures)
    paths = [Path(path) for path in models]
    if not paths:
        raise InputError("name at least one model")
    _check_out(out, force)
    if folder is not None:
        _check_folder(folder, force)
    contents = [packed.read(path) for path in paths]
    loaded = [
        runtime.Model(packed.from_bytes(content, str(path)), engine)
        for path, content in zip(paths, contents, strict=True)
    ]
    data = data or _trained_on(paths, loaded)
    names = _names(paths)
    sets = [
        load(model.packed, data, split, data_dir, called=str(path), progress=show_progress)
        for model, path in zip(loaded, paths, strict=True)
    ]
    total = sum(len(one) if limit is None else max(0, min(limit, len(one))) for one in sets)
    subjects = []
    with bar("measuring", total, show=show_progress) as advance:
        for path, content, model, one, name in zip(paths, contents, loaded, sets, names, strict=True):
            told = measure(model, one, name=name, limit=limit, advance=advance)
            chosen = telling(told) if samples is None else check_samples(samples, told.samples)
            subjects.append(
                Subject(model, told, one, chosen, history.beside(path, model.packed), str(path), len(content),
                        packed.version_of(content), hashlib.sha256(content).hexdigest())
            )  # fmt: skip
    drawn: dict[str, Plate] = {}
    with bar("drawing", _plates(subjects), "figures", show=show_progress) as advance:

        def keep(name: str, plate: Plate) -> None:
            drawn[name] = plate
            advance(1)

        page = Page(subjects, keep).html().encode()
    if folder is not None:
        _write_figures(folder, drawn, show_progress)
    files.write_atomic(out, page)
    return _told(out, len(page), subjects, folder)


def _plates(subjects: Sequence[Subject]) -> int:
    """How many figures there will be."""
    number = int(len(subjects) > 1)
    for subject in subjects:
        told = subject.measured
        hidden = (3 + has_fields(told) + bool(with_kernels(told)) + bool(with_maps(told))) if told.fired else 0
        drawn = len(subject.chosen) + bool(subject.chosen and can_be_credited(told.model))
        number += drawn + 3 + hidden + bool(subject.history.epochs) + 1 + 2
    return number


def _told(out: Path, size: int, subjects: Sequence[Subject], folder: Path | None) -> dict[str, Any]:
    return {
        "report": str(out),
        "bytes": size,
        "figures": None if folder is None else str(folder),
        "models": [
            {
                "model": subject.file,
                "data": subject.measured.data,
                "split": subject.measured.split,
                **subject.measured.figures,
                "name": subject.measured.name,
                "drawn": list(subject.chosen),
                "confusion": subject.measured.confusion.tolist(),
                "decided_by_step": subject.measured.decided.tolist(),
                "right_by_step": subject.measured.right.tolist(),
                "right_if_stopped": subject.measured.stopped.tolist(),
                "dead_neurons": [len(layer) for layer in subject.measured.dead()],
                "saturated_neurons": [len(layer) for layer in subject.measured.saturated()],
                "synaptic_operations_to_decision_by_layer": list(subject.measured.operations),
                "synaptic_operations_by_layer": list(subject.measured.all_operations),
                "dense_operations_by_layer": list(subject.measured.dense_operations),
            }
            for subject in subjects
        ],
    }


def _trained_on(paths: Sequence[Path], models: Sequence[runtime.Model]) -> str | None:
    """The data set that all models name; None, which `load` refuses, where the first names none."""
    names = [model.packed.trained.get("data") for model in models]
    for path, name in zip(paths, names, strict=True):
        if name != names[0]:
            raise InputError(
                f"{paths[0]} was trained on {names[0]}, {path} on {name}: say with --data on what to judge both"
            )
    return names[0]


def _names(paths: Sequence[Path]) -> list[str]:
    """A short name for each model that tells it from the others: its folder's for a run, else its file's."""
    short = [path.resolve().parent.name if path.name == "model.bstdg" else path.stem for path in paths]
    short = [name or path.stem for name, path in zip(short, paths, strict=True)]
    if len(set(short)) < len(short):
        short = [str(path) for path in paths]
    if len(set(short)) < len(short):
        raise InputError("a model is named twice")
    return short


def _check_out(out: Path, force: bool) -> None:
    if out.is_dir():
        raise InputError(f"{out} is a folder; --out names a file such as {out / 'report.html'}")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent} is no folder; make it first, or name another file with --out")
    if not out.exists() or force:
        return
    if MARK.encode() not in _start(out):
        raise InputError(f"{out} is there and is no report of bstdg; name another file, or add --force to lose it")


def _start(path: Path) -> bytes:
    """What a file begins with."""
    with files.open_regular(path) as file:
        return file.read(START)


def _check_folder(folder: Path, force: bool) -> None:
    """Refuse a folder for figures that holds pictures of somebody else's."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --figures names a folder")
    locks.look(folder / LOCK, folder)
    for path in () if force or not folder.exists() else sorted(folder.iterdir()):
        if path.suffix[1:] in KINDS and b"bstdg" not in _start(path):
            raise InputError(f"{path} is there and was not drawn by bstdg; name another folder, or add --force")


def _write_figures(folder: Path, drawn: dict[str, Plate], show_progress: bool) -> None:
    """Every figure as SVG and PNG; what else is in the folder stays."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {folder / f"{name}.{kind}": plate for name, plate in drawn.items() for kind in KINDS}
    with locks.hold(folder / LOCK, folder), bar("writing figures", len(paths), "files", show=show_progress) as advance:
        for path, plate in paths.items():
            save(plate.figure, path, path.suffix[1:], dpi=200)
            advance(1)
