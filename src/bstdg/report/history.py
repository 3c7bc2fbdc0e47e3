"""What the folder of a run tells of its training: the thresholds it began with, and the log of its epochs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bstdg.errors import FileFormatError
from bstdg.model.packed import PackedModel
from bstdg.training.run_folder import LOG, REPORT, START

LARGEST = 1 << 28  # bytes: far more than any log


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
    if report and list(report.get("widths", ())) != list(model.widths):
        return History()  # several models lie in this folder, and the log is another's
    return History(_epochs(folder / LOG), _start(folder / START, model), report.get("best_epoch"))


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    if path.stat().st_size > LARGEST:
        raise FileFormatError(f"{path} is too large to be of a run")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise FileFormatError(f"{path} is damaged: it is no JSON") from None
    if not isinstance(value, dict):
        raise FileFormatError(f"{path} is damaged: it is no JSON object")
    return value


def _epochs(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.is_file():
        return ()
    if path.stat().st_size > LARGEST:
        raise FileFormatError(f"{path} is too large to be the log of a run")
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append({name: row[name] for name in ("epoch", "accuracy", "flip_ratio", "silent_share")})
            whole = isinstance(row["silent_share"], list) and all(
                isinstance(value, (int, float)) for value in (*list(rows[-1].values())[:3], *row["silent_share"])
            )
        except (ValueError, RecursionError, KeyError, TypeError):
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
        isinstance(value, (int, float)) for layer in layers for value in layer
    ):
        raise FileFormatError(f"{path} holds thresholds of another network than the model beside it")
    return tuple(tuple(layer) for layer in layers)
