"""What the folder of a run tells of its training: the thresholds it began with, and the log of its epochs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bstdg import files, strict_json
from bstdg.errors import FileFormatError
from bstdg.model.figures import is_number
from bstdg.model.packed import PackedModel
from bstdg.training.run_folder import LOG, LOG_LIMIT, REPORT, START

THRESHOLD = 2**31  # what no threshold reaches


@dataclass(frozen=True)
class History:
    """How a model came to be.

    Attributes:
        epochs: a row an epoch, as training logged it; empty where there is no log.
        start: thresholds of every layer before training; None where the folder does not hold them.
        best_epoch: the epoch that was deployed; None where nobody says.
    """

    epochs: tuple[dict[str, Any], ...] = ()
    start: tuple[tuple[float, ...], ...] | None = None
    best_epoch: int | None = None


def beside(model_file: Path, model: PackedModel) -> History:
    """The history in the folder of a model file, as far as it is there.

    Raises:
        FileFormatError: a file is there and is damaged, or belongs to another network.
        OSError: a file is there and cannot be read.
    """
    folder = model_file.parent
    report = _read(folder / REPORT) or {}
    widths, best = report.get("widths", []), report.get("best_epoch")
    if not isinstance(widths, list) or not (best is None or type(best) is int):
        raise FileFormatError(f"{folder / REPORT} is damaged: it is no report of a training")
    if report and widths != list(model.widths):
        return History()  # several models lie in this folder, and the log is another's
    return History(_epochs(folder / LOG), _start(folder / START, model), best)


def _read(path: Path) -> dict[str, Any] | None:
    return files.read_object(path, most="any file of a run") if path.exists() else None


def _epochs(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.exists():
        return ()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(files.read(path, LOG_LIMIT, "any log of a run").splitlines(), 1):
        try:
            row = strict_json.loads(line)
            rows.append({name: row[name] for name in ("epoch", "accuracy", "flip_ratio", "silent_share")})
            shares = row["silent_share"]
            whole = type(row["epoch"]) is int and isinstance(shares, list)
            whole = whole and all(map(is_number, (row["accuracy"], row["flip_ratio"], *shares)))
            whole = whole and len(shares) == len(rows[0]["silent_share"])
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise FileFormatError(f"{path} is damaged: line {number} is no row of an epoch")
    return tuple(rows)


def _start(path: Path, model: PackedModel) -> tuple[tuple[float, ...], ...] | None:
    start = _read(path)
    if start is None:
        return None
    layers = start.get("thresholds")
    widths = [len(layer.thresholds) for layer in model.layers]
    if not isinstance(layers, list) or not all(isinstance(layer, list) for layer in layers):
        raise FileFormatError(f"{path} is damaged: it holds no thresholds")
    if [len(layer) for layer in layers] != widths or not all(
        is_number(value) and abs(value) <= THRESHOLD for layer in layers for value in layer
    ):
        raise FileFormatError(f"{path} holds thresholds of another network than the model beside it")
    return tuple(tuple(layer) for layer in layers)
