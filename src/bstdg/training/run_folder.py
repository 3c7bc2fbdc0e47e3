"""The folder of a run: which files it has, and how they come, stay and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bstdg import disk, files, locks
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
LOCK = ".lock"  # who is training in it now
RUN_FILES = (CHECKPOINT, PREVIOUS, TEACHER, MODEL, START, LOG, REPORT)


def check(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Raise `InputError` where a run is there that is neither to go on nor to be replaced, or that somebody trains."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out names a folder")
    locks.look(out / LOCK, out)
    _check_files(out, resume=resume, overwrite=overwrite)


def _check_files(out: Path, *, resume: bool, overwrite: bool) -> None:
    held = [name for name in RUN_FILES if (out / name).exists()]
    if held and not resume and not overwrite:
        raise InputError(f"{out} holds a run ({held[0]}): add --resume to go on, --overwrite to start anew")


@contextmanager
def taken(out: Path, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Have the folder for one training alone while the context lasts: it is made, and half-written files of an earlier
    run are removed; all of its files, if they are to go.

    Raises:
        InputError: as for `check`.
    """
    with ExitStack() as holding:
        with disk.naming(out):
            out.mkdir(parents=True, exist_ok=True)
            holding.enter_context(locks.hold(out / LOCK, out))
        _check_files(out, resume=resume, overwrite=overwrite)  # another may have trained here since this was looked at
        for name in RUN_FILES if overwrite else ():
            (out / name).unlink(missing_ok=True)
        (out / STAGED).unlink(missing_ok=True)
        for name in (*RUN_FILES, STAGED):
            for left in disk.leftovers(out / name, "tmp"):  # half-written when an earlier run was killed
                left.unlink(missing_ok=True)
        yield


def cut_log(path: Path, epochs: int) -> None:
    """Drop lines of epochs that a killed run logged but did not bring into a checkpoint."""
    if path.exists():
        lines = files.read(path, LOG_LIMIT, "any log").splitlines()[:epochs]
        files.write_atomic(path, b"".join(line + b"\n" for line in lines))
