"""An export's folder: written whole or not at all, and never over what is not ours."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from bstdg import disk, files, locks
from bstdg.errors import FileFormatError, InputError
from bstdg.export import names

FORMAT = "bstdg-export"
VERSION = 1
LOCK = "lock"
MANIFEST, MODEL, GOLDEN = "manifest.json", "model.bstdg", "golden.safetensors"
_LARGEST_MANIFEST = 1 << 24  # bytes


def sha256(data: bytes) -> str:
    """The hash of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()


def check_replaceable(folder: Path, force: bool, keep: Path | None = None) -> None:
    """Refuse a folder that must not be replaced.

    What may be replaced is nothing, an empty folder, or an export of ours as it was written; with `force` any folder
    but the current one, home, the root, and those that hold one of these or the file `keep`.

    Raises:
        InputError: says why, and what to do.
    """
    if folder.name:
        mend(folder)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder} is no folder; name another with --out")
    if not folder.exists():
        return
    place = folder.resolve()
    for what, path in (("the current folder", Path.cwd()), ("your home", Path.home())):
        if path.resolve().is_relative_to(place):
            raise InputError(f"{folder} is or holds {what}, which is not replaced; name another with --out")
    if keep is not None and keep.resolve().is_relative_to(place) and not _is_ours(folder):
        raise InputError(f"{folder} holds {keep}, which would be lost; name another with --out")
    if not force and any(folder.iterdir()):
        _check_ours(folder)


def _is_ours(folder: Path) -> bool:
    try:
        read_manifest(folder)
    except (FileFormatError, OSError):
        return False
    return True


def _check_ours(folder: Path) -> None:
    if not _is_ours(folder):
        raise InputError(f"{folder} is there and is no export of bstdg; name another with --out, or add --force")
    manifest = read_manifest(folder)
    known = {MANIFEST, *manifest["files"]}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    changed = sorted(there - known) or changed_files(folder, manifest)
    if changed:
        raise InputError(
            f"{folder} holds {changed[0]}, which this export did not write so; "
            "name another folder with --out, or add --force to lose it"
        )


def write(folder: Path, contents: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Write an export beside where it goes, then rename it; what was there is replaced in the same move.

    Raises:
        InputError: another process is writing this export.
        OSError: the disk is full, say; it names the file, and what was there is then as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    fresh, old = (disk.beside(folder, f"{token}.{end}") for end in ("tmp", "old"))
    listed = {name: sha256(data) for name, data in sorted(contents.items())}
    # What UTF-8 cannot hold, bytes of names that are no text, is escaped as JSON escapes it.
    text = json.dumps({**manifest, "files": listed}, indent=2, ensure_ascii=False) + "\n"
    with _alone(folder):
        try:
            for name, data in {**contents, MANIFEST: text.encode("utf-8", "backslashreplace")}.items():
                with disk.naming(folder / name):
                    path = fresh / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    files.write_atomic(path, data)
            with disk.naming(folder):
                _put(fresh, folder, old)
                disk.sync_folder(folder.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)  # which is what was there before, where they changed places


def _put(fresh: Path, folder: Path, old: Path) -> None:
    """Let `folder` name the fresh one. Where the two cannot change places, a kill may leave the old one as `old`."""
    if folder.exists() and disk.exchange(fresh, folder):
        return
    if folder.exists():
        folder.replace(old)
    try:
        fresh.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)  # only now that the new one is in its place


def mend(folder: Path) -> None:
    """Put back and clear away what a writer of this export left behind when it was killed.

    Raises:
        InputError: another process is writing this export.
    """
    locks.look(disk.beside(folder, LOCK), folder)
    if disk.leftovers(folder, "old") or disk.leftovers(folder, "tmp"):
        with _alone(folder):
            pass


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process writes this export meanwhile; what one that was killed left behind is mended first."""
    with ExitStack() as holding:
        with disk.naming(folder):
            holding.enter_context(locks.hold(disk.beside(folder, LOCK), folder))
            for old in disk.leftovers(folder, "old"):
                if not folder.exists():
                    old.replace(folder)
        for left in (*disk.leftovers(folder, "old"), *disk.leftovers(folder, "tmp")):
            shutil.rmtree(left, ignore_errors=True)
        yield


def read_manifest(folder: Path) -> dict[str, Any]:
    """What an export says of itself.

    Raises:
        FileFormatError: the folder is no export, its manifest is damaged or of a later version.
        OSError: it cannot be read.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise FileFormatError(f"{folder} is no folder that bstdg exported to")
    if not path.is_file():
        raise FileFormatError(f"{folder} is no export of bstdg: it has no {MANIFEST}")
    manifest = files.read_object(path, _LARGEST_MANIFEST, "any manifest", names=True)
    if manifest.get("format") != FORMAT:
        raise FileFormatError(f"{path} is no manifest of a bstdg export")
    if type(manifest.get("version")) is not int or manifest["version"] != VERSION:
        found = manifest.get("version")
        raise FileFormatError(f"{path} has version {found!r}; this program reads version {VERSION}: upgrade it")
    problem = _damage(manifest)
    if problem:
        raise FileFormatError(f"{path} is damaged: {problem}")
    return manifest


def _damage(manifest: Mapping[str, Any]) -> str | None:
    """What is wrong with a manifest, in words: everything that is read of it has its type."""
    kinds = {"target": str, "name": str, "golden": dict, "figures": dict, "files": dict}
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            return f"its {key} is missing, or no {'text' if kind is str else 'table'}"
    try:
        names.check(manifest["name"])
    except InputError as error:
        return str(error)
    for name, digest in manifest["files"].items():
        if not isinstance(digest, str) or not is_inside(name):
            return f"{name!r} is no file of an export"
    parts = manifest["golden"].get("parts")
    if not isinstance(parts, list) or not all(
        isinstance(p, dict) and isinstance(p.get("what"), str) and type(p.get("vectors")) is int and p["vectors"] >= 0
        for p in parts
    ):
        return "its golden parts are not listed with what they are and how many vectors"
    return None


def is_inside(name: str) -> bool:
    """Whether a path with forward slashes names a file below a folder, and nothing else."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\\" not in name and os.sep not in parts


def changed_files(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Files that are gone or not as they were written, by name."""
    changed = []
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file() or sha256(path.read_bytes()) != digest:
            changed.append(name)
    return sorted(changed)
