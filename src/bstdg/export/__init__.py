"""Out of Python: a model as C, Verilog, NIR or a web page, each with the proof that it computes the same steps.

A target is a module that offers `TARGET`, loaded when it is asked for. `export` writes a folder with the target's
files, a copy of the model, golden vectors and a manifest; `verify` runs the proof again from that folder alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import bstdg
from bstdg import files
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.export import folder as folders
from bstdg.export import golden as vectors
from bstdg.export import names
from bstdg.export.base import Check, Golden, Target, sampled
from bstdg.inputs import LatencyCode
from bstdg.model import packed
from bstdg.model.packed import PackedModel

__all__ = ["Check", "Exported", "Golden", "Target", "export", "target", "targets", "verify"]

_TARGETS = {
    "c": "bstdg.export.c",
    "verilog": "bstdg.export.verilog",
    "nir": "bstdg.export.nir",
    "web": "bstdg.export.web",
}


class Exported(NamedTuple):
    """What was written: the `folder`, and its `manifest`."""

    folder: Path
    manifest: dict[str, Any]


def targets() -> tuple[str, ...]:
    """Every target that this version knows.

    >>> targets()
    ('c', 'verilog', 'nir', 'web')
    """
    return tuple(_TARGETS)


def target(name: str) -> Target:
    """The target called `name`.

    Raises:
        InputError: there is none, or it needs a package that is not installed; the message says which.
    """
    if name not in _TARGETS:
        raise InputError(f"there is no target {name!r}; choose one of {', '.join(_TARGETS)}")
    try:
        return importlib.import_module(_TARGETS[name]).TARGET
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("bstdg."):
            raise InputError(f"target {name!r} is not part of this installation") from None
        package = (error.name or "").partition(".")[0]
        raise InputError(f"target {name!r} needs the package {package}: pip install {package}") from None


def export(
    target_name: str,
    model: PackedModel | Path | str,
    out: Path | str,
    *,
    name: str | None = None,
    images: int | None = None,
    data_dir: Path | str | None = None,
    force: bool = False,
) -> Exported:
    """Write a model for a target, with golden vectors and a manifest; the same model always gives the same bytes.

    A model that scales features, or finds edges, is exported without that: its inputs are the channels that the scaling
    or the edge maps feed, and the manifest says so. A target that encodes such samples itself takes the model whole.

    Args:
        target_name: one of `targets()`.
        model: a deployed model or its file.
        out: the folder to write. One that is there is replaced if it is an export of ours and unchanged.
        name: an identifier in C and Verilog; made from the data set's name unless given.
        images: how many test images become golden vectors; None takes 1,000 where the data set is at hand.
        data_dir: the folder of the data sets, else BSTDG_DATA.
        force: replace a folder that is not ours, or was changed.

    Raises:
        InputError: the target, the name or the folder will not do, or the model is beyond the target's limits.
        FileFormatError: the file is no deployed model.
        OSError: the folder cannot be written.
    """
    chosen, out = target(target_name), Path(out)
    source = None if isinstance(model, PackedModel) else Path(model)
    loaded = model if isinstance(model, PackedModel) else packed.load(model)
    whole, loaded = loaded, loaded if loaded.input.kind in chosen.encodes else packed.network_alone(loaded)
    data = (
        packed.to_bytes(loaded)
        if source is None or loaded is not whole
        else files.read(source, packed.SIZE_LIMIT, "any model")
    )
    for i, layer in enumerate(loaded.layers):
        if why := chosen.refuses(layer):
            raise InputError(f"target {target_name!r} cannot hold layer {i} ({layer}): {why}")
    called = names.check(name or _default_name(loaded))
    if images is not None and images < 0:
        raise InputError(f"the number of images cannot be {images}")
    folders.check_replaceable(out, force, source)
    coded = loaded.input.kind in chosen.encodes and sampled(loaded.input)
    signals = [vectors.signals(loaded)] if coded else []
    parts = [vectors.corners(loaded), *signals, vectors.images(whole, images, data_dir)]
    inputs = vectors.joined(*sorted(parts, key=lambda part: part.samples is not None))
    golden = Golden.of(loaded, inputs.steps, inputs.samples if coded else None)
    written = chosen.write(loaded, golden, called)
    proof = vectors.to_bytes(golden)
    taken = {folders.MANIFEST, folders.MODEL, folders.GOLDEN} & set(written.files)
    if taken or not all(map(folders.is_inside, written.files)):
        raise BstdgError(f"target {target_name!r} gives files by names that an export cannot hold")
    manifest = {
        "format": folders.FORMAT,
        "version": folders.VERSION,
        "bstdg": bstdg.__version__,
        "target": target_name,
        "name": called,
        "model": {
            "file": folders.MODEL,
            "sha256": folders.sha256(data),
            "widths": list(loaded.widths),
            "num_steps": loaded.num_steps,
            "classes": list(loaded.classes),
        },
        "golden": {
            "file": folders.GOLDEN,
            "sha256": folders.sha256(proof),
            "vectors": len(golden.steps),
            "parts": [{"what": what, "vectors": count} for what, count in inputs.parts],
        },
        "figures": {**written.figures, **_input_of(whole, loaded, chosen)},
    }
    folders.write(out, {**written.files, folders.MODEL: data, folders.GOLDEN: proof}, manifest)
    return Exported(out, folders.read_manifest(out))


def _input_of(whole: PackedModel, written: PackedModel, chosen: Target) -> dict[str, str]:
    """What is left to whoever feeds the files, besides the plain latency of pixels."""
    code = whole.input
    if written is not whole:
        done = code.done_outside()
        return {} if done is None else {"input": done}
    if isinstance(code, LatencyCode) and not code.plain and code.kind not in chosen.encodes:
        return {"input": f"steps alone: bstdg.load(…).encode makes them of images ({code.told()})"}
    return {}


def _default_name(model: PackedModel) -> str:
    data = model.trained.get("data")
    return names.suggest(f"bstdg_{data}" if isinstance(data, str) else "bstdg_model")


def verify(out: Path | str, *, even_if_changed: bool = False) -> Iterator[Check]:
    """Run the proof of an export again, as far as this machine has the tools: one check after the other.

    The files are compared with the manifest, the golden vectors with the oracle, and then the target's own proof runs,
    which compiles and runs what the folder holds. Where a file is not as it was written nothing of that is done.

    Args:
        out: the export's folder.
        even_if_changed: go on where files were changed.

    Raises:
        FileFormatError: the folder is no export.
        OSError: it cannot be read.
    """
    out = Path(out)
    manifest = folders.read_manifest(out)
    changed = folders.changed_files(out, manifest)
    missing = {folders.MODEL, folders.GOLDEN} - set(manifest["files"])
    if changed or missing:
        said = f"changed since they were written, or gone: {', '.join([*changed, *sorted(missing)])}"
        yield Check("files", "failed", said)
        if not even_if_changed:
            why = "files were changed, and it runs what they hold: give --even-if-changed to go on all the same"
            yield Check(f"{manifest['target']} proof", "not run", why)
            return
    else:
        yield Check("files", "passed", f"{len(manifest['files'])} files are as they were written")
    try:
        model = packed.load(out / folders.MODEL)
        golden = vectors.from_bytes(
            files.read(out / folders.GOLDEN, packed.SIZE_LIMIT, "any golden vectors"), model, folders.GOLDEN
        )
    except (FileFormatError, OSError) as error:
        yield Check("golden vectors", "failed", str(error))
        return
    listed = sum(part["vectors"] for part in manifest["golden"]["parts"])
    if listed != len(golden.steps):
        said = f"{folders.GOLDEN} holds {len(golden.steps)}, {folders.MANIFEST} lists {listed}"
        yield Check("golden vectors", "failed", said)
        return
    computed = Golden.of(model, golden.steps, golden.samples)
    differs = vectors.difference(computed, golden)
    said = f"the oracle gives all {len(golden.steps)}" if differs is None else f"the oracle gives others: {differs}"
    yield Check("golden vectors", "passed" if differs is None else "failed", said)
    try:
        chosen = target(manifest["target"])
    except InputError as error:
        yield Check(manifest["target"], "not run", str(error))
        return
    yield from chosen.verify(out, model, computed)
