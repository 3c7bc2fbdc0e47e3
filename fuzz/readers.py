"""Atheris targets: whatever bytes come in, a reader gives something that works, or says in one line why not.

    python fuzz/readers.py model -max_total_time=60 build/fuzz/model fuzz/corpus/model

`make fuzz` runs all of them, see `run.py`. Altered bytes seldom pass a checksum, so what has one is given it anew; what
is packed, or laid out by a library that is not ours to try, is made of plainer bytes first.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
FILES = ROOT / "build" / "fuzz" / "files"
TARGETS: dict[str, Callable[[bytes], None]] = {}


def target(function: Callable[[bytes], None]) -> Callable[[bytes], None]:
    TARGETS[function.__name__] = function
    return function


def place() -> Path:
    """A folder of this process for readers that open files; whoever started it removes it."""
    return FILES / str(os.getpid())


def put(name: str, data: bytes) -> Path:
    path = place() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@contextlib.contextmanager
def allowed():
    """Errors of the project may come, in one line that ends; nothing else."""
    from bstdg.errors import BstdgError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BstdgError as error:
        said = str(error)
        assert "\n" not in said, said
        assert len(said) < 10_000, said[:200]


def sealed(data: bytes) -> bytes:
    """`data` with its checksum set right, if it has a place for one."""
    from bstdg import files

    with contextlib.suppress(ValueError):
        return files.seal(re.sub(rb'("sha256":")[0-9a-f]{64}"', rb"\g<1>" + files.UNSEALED.encode() + b'"', data))
    return data


def with_text(whole: bytes, key: str, text: bytes) -> bytes:
    """A sealed file whose metadata `key` is another text."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    header["__metadata__"] |= {key: text.decode("utf-8", "replace"), "sha256": "0" * 64}
    written = json.dumps(header, separators=(",", ":")).encode()
    return sealed(len(written).to_bytes(8, "little") + written + whole[8 + length :])


@cache
def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


@cache
def known(kind: str) -> Any:
    """A model that is good."""
    from bstdg.model import packed

    return packed.load(GOLDEN / f"{kind}.bstdg")


@target
def model(data: bytes) -> None:
    """A model file, or the configuration of one."""
    from bstdg.model import packed, runtime
    from bstdg.model.describe import describe

    if data.startswith(b"{"):
        wholes = [
            with_text(golden(f"model-{kind}v2.bstdg"), "config", data)
            for kind in ("", "scaled-", "edges-", "recordings-", "convolution-", "signal-", "pixels-")
        ]
    else:
        wholes = [data, sealed(data)]
    for whole in wholes:
        with allowed():
            read = packed.from_bytes(whole)
            assert packed.to_bytes(packed.from_bytes(packed.to_bytes(read))) == packed.to_bytes(read)
            str(runtime.Model(read).summary())
            json.dumps(describe(read), allow_nan=False)


@target
def classifier(data: bytes) -> None:
    """What a model file says of the classifier that it is."""
    from bstdg.classifier import saving
    from bstdg.classifier.estimator import BSTDGClassifier
    from bstdg.model import packed

    config = b'{"classes":["a","b"],"input":{"kind":"latency","reads":[5],"silent_below":0.0,"white":255},"layers":'
    config += b'[{"kind":"full","neurons":2}],"num_steps":4,"trained":{"estimator":' + data + b","
    config += b'"validation":{"accuracy":0.5,"decision_step_mean":1.0,"hidden_spikes_to_decision":0.0,"samples":4}}}'
    with allowed():
        read = packed.from_bytes(with_text(_small(), "config", config))
        loaded = saving.restore(BSTDGClassifier(), read, "it")
        loaded.predict([[0, 9, 99, 255, 3]])
        packed.to_bytes(saving.packed_model(loaded))


@cache
def _small() -> bytes:
    import numpy as np

    from bstdg.inputs import LatencyCode
    from bstdg.layers import FullLayer
    from bstdg.model import packed

    layer = FullLayer(np.ones((2, 5), np.int8), np.array([1, 2]))
    return packed.to_bytes(packed.PackedModel(LatencyCode((5,)), (layer,), 4, ("a", "b")))


@target
def checkpoint(data: bytes) -> None:
    """A checkpoint, or the state in one; what a run goes on from is checked too."""
    from bstdg.training import checkpoint as checkpoints

    whole = golden("checkpoint-v1.safetensors")
    own, best, optimized = _tensors()
    for each in [with_text(whole, "state", data)] if data.startswith(b"{") else [data, sealed(data)]:
        with allowed():
            checkpoints.check(checkpoints.load(put("checkpoint.safetensors", each)), own, best, optimized)


@cache
def _tensors() -> tuple[dict[str, Any], dict[str, Any], set[str]]:
    """What a run that could go on from the checkpoint has: its own tensors, the best ones, and what is optimised."""
    from bstdg.training import checkpoint as checkpoints

    own = checkpoints.load(GOLDEN / "checkpoint-v1.safetensors").tensors
    best = {key.removeprefix("best."): own.pop(key) for key in list(own) if key.startswith("best.")}
    optimized = {key.removeprefix("optimizer.").rpartition(".")[0] for key in own if key.startswith("optimizer.")}
    return {key: tensor for key, tensor in own.items() if not key.startswith("optimizer.")}, best, optimized


@target
def teacher(data: bytes) -> None:
    """A teacher that a resumed run takes up."""
    from bstdg.learning.recipe import TeacherConfig
    from bstdg.training import distillation

    config = TeacherConfig(structure=("1c3s2p1", "1c3s2p1", 1))
    with allowed():
        distillation.load(put("teacher", sealed(data)), distillation.blank((1, 4, 4), 2, config), {"seed": 1})


@target
def vectors(data: bytes) -> None:
    """Golden vectors of an export."""
    from bstdg.export import golden as exported
    from bstdg.export.base import Golden

    read = known("model-v2")
    with allowed():
        found = exported.from_bytes(sealed(data), read)
        if len(found.steps):
            exported.difference(Golden.of(read, found.steps[:4]), Golden.of(read, found.steps[:4]))


@target
def manifest(data: bytes) -> None:
    """What an export's folder says of itself."""
    from bstdg.export import folder

    path = put("export/manifest.json", data)
    with allowed():
        folder.changed_files(path.parent, folder.read_manifest(path.parent))


def hdf5(data: bytes) -> bytes | None:
    """An HDF5 file that says what JSON does: tables are groups, all else datasets; None where it cannot be said so.

    The library that takes such files apart is not ours to try, and dies of some of them.
    """
    import h5py
    import numpy as np

    def write(group: Any, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(value, dict) and set(value) == {"rows"}:  # rows of different lengths
                kinds = {"times": np.float16, "units": np.uint16}
                rows = [np.ravel(np.asarray(row, kinds.get(key, np.int64))) for row in value["rows"]]
                ragged = group.create_dataset(key, (len(rows),), h5py.vlen_dtype(kinds.get(key, np.int64)))
                for i, row in enumerate(rows):
                    ragged[i] = row
            elif isinstance(value, dict):
                write(group.create_group(key), value)
            elif value is not None:
                array = np.asarray(value)
                texts = array.dtype.kind == "U"
                made = {"data": array.astype(object), "dtype": h5py.string_dtype()} if texts else {"data": array}
                group.create_dataset(key, **made)

    content = io.BytesIO()
    try:
        values = json.loads(data)
        with h5py.File(content, "w") as file:
            write(file, values)
    except (ValueError, TypeError, AttributeError, RuntimeError, OSError, OverflowError, RecursionError, KeyError):
        return None
    return content.getvalue()


@target
def recordings(data: bytes) -> None:
    """Recordings of events in HDF5."""
    from bstdg.datasets import spoken

    if (content := hdf5(data)) is not None:
        with allowed():
            # In this process: what is tried is what we make of them.
            spoken.read(put("recordings.h5", content), "recordings", "test", isolated=False)


@target
def nmnist(data: bytes) -> None:
    """A recording of an event camera."""
    from bstdg.datasets.recordings import nmnist as reader

    with allowed():
        found = reader.read(put("recording.bin", data))
        assert found.num_channels > found.channels.max()
        assert (found.times[1:] >= found.times[:-1]).all()


@target
def cifar10(data: bytes) -> None:
    """A batch of pictures, which is a pickle."""
    from bstdg.datasets.colour import pickled

    with allowed():
        images, labels = pickled.read_batch(data, "batch")
        assert images.shape == (len(labels), pickled.PIXELS)


@target
def nir(data: bytes) -> None:
    """A NIR graph."""
    from bstdg.export.nir import file, importer

    if (content := hdf5(data)) is not None:
        with allowed():
            importer.from_graph(file.from_bytes(content), 4)


@target
def npy(data: bytes) -> None:
    """An array given to predict."""
    _predicted("image.npy", data)


@target
def picture(data: bytes) -> None:
    """A PNG, with its checksums set right, or another picture."""
    _predicted("image.png", _checked_png(data) if data.startswith(b"\x89PNG") else data)


def _predicted(name: str, data: bytes) -> None:
    from bstdg.model import images, runtime

    path = put(name, data)
    for kind in ("model-v2", "model-colour-v2", "model-scaled-v2"):
        with allowed():
            read = known(kind)
            runtime.Model(read).predict(images.read(path, read, resize=True, invert=True))


def _checked_png(data: bytes) -> bytes:
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at += 12 + length
    return b"".join(parts)


@target
def npz(data: bytes) -> None:
    """Arrays in an .npz file, or one of them, `images`, among good others."""
    from bstdg.datasets import arrays

    if not data.startswith(b"PK"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("images.npy", data)
            for name in ("labels", "classes", "white"):
                archive.writestr(f"{name}.npy", (ROOT / "fuzz" / "corpus" / "npy" / f"{name}.npy").read_bytes())
        data = content.getvalue()
    path = put("data.npz", data)
    for split in ("train", "test"):
        with allowed():
            arrays.load(path, split)


@target
def tar(data: bytes) -> None:
    """An archive, packed here."""
    from bstdg.datasets import archive

    with allowed():
        packed = gzip.compress(data, 1, mtime=0) if data[:2] != b"\x1f\x8b" else data
        archive.read_members(put("a.tar.gz", packed), {"a/b.jpg", "b"}, max_file=1 << 12, max_bytes=1 << 16)


@target
def idx(data: bytes) -> None:
    """Images or labels of MNIST, packed and not."""
    from bstdg.datasets import idx as reader

    for content in (data, gzip.compress(data, 1, mtime=0)):
        for ndim in (1, 3):
            with allowed():
                reader.read_idx(put("idx", content), ndim=ndim, max_bytes=1 << 16)


@target
def recipe(data: bytes) -> None:
    """A recipe."""
    from bstdg.learning import recipe_file

    with allowed():
        read = recipe_file.load_recipe(put("recipe.toml", data))
        assert recipe_file.recipe_of(read.to_dict()) == read


@target
def results(data: bytes) -> None:
    """The JSON of a run, and the page that is made of it."""
    from bstdg.lab.experiments import page
    from bstdg.lab.experiments import results as runs

    with allowed():
        run = runs.load(put("results/runs/mnist/seed0.json", data), place() / "results")
        page.text({run.name: [run]}, []).encode()


@target
def history(data: bytes) -> None:
    """What lies beside a model: its report, log and first thresholds; the first byte says which."""
    from bstdg.report import history as beside

    names = ("report.json", "log.jsonl", "start.json")
    for name in names:
        (place() / "run" / name).unlink(missing_ok=True)
    path = put(f"run/{names[data[0] % 3] if data else names[0]}", data[1:])
    with allowed():
        beside.beside(path.parent / "model.bstdg", known("model-v2"))


def main() -> None:
    import atheris

    # The package is imported from where its sources lie: the loader of an editable installation takes the instrumented
    # code for its own and throws it away. That one stays, last, for the compiled module.
    own = [finder for finder in sys.meta_path if "Redirecting" in type(finder).__name__]
    sys.meta_path[:] = [*(finder for finder in sys.meta_path if finder not in own), *own]
    sys.path.insert(0, str(ROOT / "src"))
    one = TARGETS[sys.argv.pop(1)]
    with atheris.instrument_imports(include=["bstdg"]):
        one(b"")  # imports much of what it needs, before the clock runs
        one(b"{}")
        atheris.Setup(sys.argv, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
