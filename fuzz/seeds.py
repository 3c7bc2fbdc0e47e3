"""Writes the corpus: a few small good files for each target of `readers.py`, always the same bytes.

    python fuzz/seeds.py

Inputs that a reader once failed on are kept beside them, by names that begin with `found-`.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "tests" / "golden"


def put(name: str, data: bytes | str) -> None:
    path = HERE / "corpus" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def metadata(data: bytes, key: str) -> str:
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"][key]


def sealed() -> None:
    from bstdg import files
    from bstdg.export import golden
    from bstdg.export.base import Golden
    from bstdg.learning.recipe import TeacherConfig
    from bstdg.model import packed
    from bstdg.training import distillation

    for path in sorted(GOLDEN.glob("model-*.bstdg")):
        if path.stat().st_size < 5000:
            put(f"model/{path.stem}", path.read_bytes())
        if path.stem.endswith("v2"):
            put(f"model/{path.stem}.json", metadata(path.read_bytes(), "config"))
    whole = (GOLDEN / "checkpoint-v1.safetensors").read_bytes()
    put("checkpoint/state.json", metadata(whole, "state"))
    said = {"format": "bstdg-checkpoint", "version": "1", "state": metadata(whole, "state")}
    put("checkpoint/small", files.tensor_file(said, [("generator", np.zeros(8, np.uint8), "U8")]))
    model = packed.load(GOLDEN / "model-v2.bstdg")
    steps = np.arange(40, dtype=np.uint8).reshape(2, 20) % (model.num_steps + 1)
    put("vectors/two", golden.to_bytes(Golden.of(model, steps)))
    put("vectors/none", golden.to_bytes(Golden.of(model, steps[:0])))
    path = HERE / "corpus" / "teacher" / "small"
    path.parent.mkdir(parents=True, exist_ok=True)
    teacher = distillation.blank((1, 4, 4), 2, TeacherConfig(structure=("1c3s2p1", "1c3s2p1", 1)))
    for parameter in teacher.state_dict().values():
        parameter.zero_()
    distillation.save(path, teacher, {"seed": 1})


def tables() -> None:
    figures = {"samples": 4, "accuracy": 0.5, "decision_step_mean": 1.0, "hidden_spikes_to_decision": 2.0}
    figures |= {"hidden_spikes_by_layer": [2.0], "engine": "native"}
    estimator = {"version": 1, "params": {"hidden": [5], "num_steps": 4}, "n_iter": 2, "best_iter": 1, "scale": 1.5}
    estimator |= {"classes": {"dtype": "<i8", "values": [0, 1]}, "history": [{"loss": 0.5}]}
    put("classifier/numbers", json.dumps(estimator))
    texts = {"classes": {"dtype": "|O", "values": ["a", "b"]}, "feature_names": list("abcde")}
    put("classifier/texts", json.dumps(estimator | texts))
    export = {"format": "bstdg-export", "version": 1, "target": "c", "name": "net", "model": {"file": "model.bstdg"}}
    export |= {"golden": {"parts": [{"what": "corners", "vectors": 3}]}, "figures": {}, "files": {"a.c": "0" * 64}}
    put("manifest/c", json.dumps(export))
    run = {"format": "bstdg-run", "version": 1, "name": "runs/mnist", "method": "spike-timing gradient"}
    run |= {"data": "mnist", "widths": [784, 600, 10], "seed": 0, "quick": False, "config": {"data": {"name": "mnist"}}}
    run |= {"epochs": 3, "best_epoch": 2, "seconds": 1.5, "validation": figures, "test": figures, "engine": "native"}
    speakers = {"by_speaker": {"4": figures}, "speakers": {"known": figures}, "exits": [{"offset": None, **figures}]}
    run |= {"machine": {"processor": "one", "threads": 1}, "model_bytes": 7, "extra": speakers}
    put("results/run", json.dumps(run))
    report = {"recipe": {"data": {"name": "mnist"}}, "widths": [20, 13, 9, 3], "seed": 0, "epochs": 2, "best_epoch": 1}
    report |= {"seconds": 1.5, "validation": figures, "test": figures, "training_engine": "native", "machine": {}}
    put("results/report", json.dumps(report))
    put("history/report", "\0" + json.dumps(report))
    row = {"epoch": 1, "accuracy": 0.5, "flip_ratio": 0.1, "silent_share": [0.5, 0.25]}
    put("history/log", "\1" + "".join(json.dumps(row | {"epoch": epoch}) + "\n" for epoch in (1, 2)))
    put("history/start", "\2" + json.dumps({"thresholds": [[1] * 13, [2] * 9, [3] * 3]}))


def in_hdf5() -> None:
    from bstdg.export.nir import graph
    from bstdg.model import packed

    rows = {"times": {"rows": [[0.5, 0.25], []]}, "units": {"rows": [[3, 699], []]}}
    said = {"spikes": rows, "labels": [0, 1], "extra": {"speaker": [1, 2], "keys": ["zero", "one"]}}
    put("recordings/two", json.dumps(said))
    model = packed.load(GOLDEN / "model-colour-v2.bstdg")
    build = graph.VARIANTS["model"]
    put("nir/model", json.dumps(_plain(graph.to_bytes(build(packed.network_alone(model))))))
    model = packed.load(GOLDEN / "model-convolution-v2.bstdg")
    put("nir/slides", json.dumps(_plain(graph.to_bytes(build(model)))))
    pair = {"type": "Affine", "weight": [[1.0, -1.0], [-1.0, 1.0]], "bias": [0.0, 0.0]}
    neurons = {"type": "IF", "r": [1.0, 1.0], "v_threshold": [0.5, 0.5], "v_reset": [-9.0, -9.0]}
    shape = {"type": "Input", "shape": [2]}
    nodes = {"input": shape, "a": pair, "b": neurons, "output": {**shape, "type": "Output"}}
    edges = [["input", "a"], ["a", "b"], ["b", "output"]]
    metadata = {"format": "bstdg-nir", "version": "1", "variant": "model", "config": '{"num_steps": 4}'}
    node = {"type": "NIRGraph", "nodes": nodes, "edges": edges}
    put("nir/foreign", json.dumps({"version": "1.0.8", "node": node}))
    put("nir/ours", json.dumps({"version": "1.0.8", "node": {**node, "metadata": metadata}}))


def _plain(content: bytes) -> dict[str, Any]:
    import h5py

    def read(group: Any) -> dict[str, Any]:
        return {key: read(item) if isinstance(item, h5py.Group) else value(item[()]) for key, item in group.items()}

    def value(item: Any) -> Any:
        if isinstance(item, bytes):
            return item.decode()
        plain = item.tolist()
        return [[part.decode() for part in row] for row in plain] if item.dtype == object else plain

    with h5py.File(io.BytesIO(content), "r") as file:
        return read(file)


def arrays() -> None:
    def npy(array: np.ndarray) -> bytes:
        content = io.BytesIO()
        np.save(content, array)
        return content.getvalue()

    parts = {
        "labels": np.arange(20) % 2,
        "classes": np.array(["a", "b"]),
        "white": np.array(255),
        "images": np.arange(20 * 20, dtype=np.uint8).reshape(20, 4, 5),
        "fortran": np.asfortranarray(np.linspace(0, 1, 40).reshape(2, 4, 5)),
        "features": np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6),
    }
    for name, array in parts.items():
        put(f"npy/{name}.npy", npy(array))
    put("npz/images.npy", npy(parts["images"]))
    put("npz/colours.npy", npy(np.zeros((20, 2, 2, 3), np.uint8)))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("labels", "images", "classes"):
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy(parts[name]))
    put("npz/whole.npz", content.getvalue())
    put("idx/images", b"\0\0\x08\3" + np.array([2, 3, 4], ">u4").tobytes() + bytes(range(24)))
    put("idx/labels", b"\0\0\x08\1" + np.array([5], ">u4").tobytes() + bytes(range(5)))


def pictures() -> None:
    from PIL import Image

    levels = (np.arange(20).reshape(4, 5) * 13).astype(np.uint8)
    images = {
        "grey.png": Image.fromarray(levels),
        "colour.png": Image.fromarray(np.stack([levels, 255 - levels, levels // 2], axis=2)),
        "wide.png": Image.fromarray(levels.astype(np.uint16) * 257),
        "palette.png": Image.fromarray(levels).convert("P"),
        "clear.png": Image.fromarray(levels).convert("RGBA"),
        "bits.png": Image.fromarray(levels > 99),
        "grey.jpg": Image.fromarray(levels),
    }
    for name, image in images.items():
        content = io.BytesIO()
        options = {"transparency": 3} if name.startswith("palette") else {}
        image.save(content, "JPEG" if name.endswith("jpg") else "PNG", **options)
        put(f"picture/{name}", content.getvalue())


def batches() -> None:
    """Pictures of CIFAR-10, events of N-MNIST. A batch of no picture is small, and has all of one but pixels."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from support.pickles import Python2

    for name, count in (("none", 0), ("one", 1)):
        put(f"cifar10/{name}", Python2().batch(np.zeros((count, 3072), np.uint8), [7] * count))
    events = [(3, 4, 0, 0, 9), (33, 0, 0x80, 1, 0), (0, 33, 0x80, 1, 0), (5, 5, 0x7F, 255, 255)]
    put("nmnist/four", bytes(byte for event in events for byte in event))


def archives() -> None:
    for kind, form in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=form) as archive:
            for name in ("a/b.jpg", "b", "c" * 99 if kind == "ustar" else "é" * 120):
                info = tarfile.TarInfo(name)
                info.size = 5
                archive.addfile(info, io.BytesIO(b"spike"))
        put(f"tar/{kind}", content.getvalue().rstrip(b"\0") + bytes(1024))


def recipes() -> None:
    for path in sorted((HERE.parent / "recipes").glob("*.toml")):
        if path.stem in ("digits", "mnist-edges", "hd-spikes"):
            put(f"recipe/{path.name}", path.read_bytes())


if __name__ == "__main__":
    for write in (sealed, tables, in_hdf5, arrays, pictures, batches, archives, recipes):
        write()
