"""The folder of a run: which files it has, and how they come, stay and go."""

from __future__ import annotations

from pathlib import Path

from bstdg import files
from bstdg.errors import InputError

MODEL = "model.bstdg"  # the deployed network of the best validation epoch
START = "start.json"  # the thresholds it began with
LOG = "log.jsonl"  # a line an epoch
REPORT = "report.json"  # figures on the test set, which is read once, at the end
CHECKPOINT = "checkpoint.safetensors"  # to go on from
PREVIOUS = "checkpoint.previous.safetensors"  # the one before
STAGED = f"{CHECKPOINT}.next"  # written whole, and about to take the name
TEACHER = "teacher.safetensors"  # what a resumed run need not train again
LOG_LIMIT = 1 << 28  # bytes: far more than any log
RUN_FILES = (CHECKPOINT, PREVIOUS, TEACHER, MODEL, START, LOG, REPORT)


def check(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Raise `InputError` where a run is there that is neither to go on nor to be replaced."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out names a folder")
    held = [name for name in RUN_FILES if (out / name).exists()]
    if held and not resume and not overwrite:
        raise InputError(f"{out} holds a run ({held[0]}): add --resume to go on, --overwrite to start anew")


def prepare(out: Path, *, overwrite: bool) -> None:
    """Make the folder, and remove what an earlier run left half-written; its files too, if they are to go."""
    out.mkdir(parents=True, exist_ok=True)
    for name in RUN_FILES if overwrite else ():
        (out / name).unlink(missing_ok=True)
    for name in (STAGED, *(f".{kept}.*.tmp" for kept in (*RUN_FILES, STAGED))):
        for leftover in out.glob(name):  # half-written when an earlier run was killed
            leftover.unlink(missing_ok=True)


def cut_log(path: Path, epochs: int) -> None:
    """Drop lines of epochs that a killed run logged but did not bring into a checkpoint."""
    if path.exists():
        lines = files.read(path, LOG_LIMIT, "any log").splitlines()[:epochs]
        files.write_atomic(path, b"".join(line + b"\n" for line in lines))
