"""Runs NIR graphs in one other library, in a process of its own: python -P nir_simulators.py JOB.json

Stands alone (NumPy and the library are all it imports), so that the library may live in another environment than
ours. The job is a JSON object: `library`; `num_steps`, T; `total`, how many steps to run; `answer`, the folder for
results; `graphs`, a list of `name`, `path`, `dt`, `steps` (an .npy of input steps, T for never), `reads` (the shape
that the graph reads) and `keep` ("spikes" or "output"). For each graph come NAME.first.npy and NAME.count.npy (the step
of each neuron's first spike, `total` for none, and how often it fired) or NAME.output.npy `[batch, total, neurons]`;
and answer.json with versions and errors.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 100

Simulate = Callable[[np.ndarray], np.ndarray]  # [T, batch, channels …] -> [T, batch, neurons …]


def snntorch(path: str, dt: float) -> Simulate:
    """snnTorch: `import_from_nir`; neurons keep their state inside, so each batch gets a fresh network."""
    load = _module("snntorch.import_nir").import_from_nir
    return lambda train: _step_by_step(load(_read(path)), train)


def spikingjelly(path: str, dt: float) -> Simulate:
    """SpikingJelly: `import_from_nir`, told how long a step is (it wants r = 1/dt)."""
    load = _module("spikingjelly.activation_based.nir_exchange.from_nir").import_from_nir
    return lambda train: _step_by_step(load(_read(path), dt=dt), train)


def norse(path: str, dt: float) -> Simulate:
    """Norse: `from_nir`."""
    load = _module("norse.torch").from_nir
    return lambda train: _step_by_step(load(_read(path), dt=dt), train)


def sinabs(path: str, dt: float) -> Simulate:
    """Sinabs: `from_nir`; layers take batch and time as one axis."""
    load, torch = _module("sinabs.nir").from_nir, _module("torch")

    def simulate(train: np.ndarray) -> np.ndarray:
        steps, batch = train.shape[:2]
        with torch.no_grad():
            network = load(_read(path), batch_size=batch)
            out = network(torch.from_numpy(train).transpose(0, 1).reshape(batch * steps, *train.shape[2:]))
        out = out[0] if isinstance(out, tuple) else out
        return out.reshape(batch, steps, -1).transpose(0, 1).numpy()

    return simulate


def spyx(path: str, dt: float) -> Simulate:
    """Spyx: `from_nir` builds the network and runs it; channels come last in its maps."""
    load = _module("spyx.nir").from_nir

    def simulate(train: np.ndarray) -> np.ndarray:
        out = np.asarray(load(_read(path), np.moveaxis(train, 2, -1), dt)[1])
        return np.moveaxis(out, -1, 2)

    return simulate


LIBRARIES: dict[str, Callable[[str, float], Simulate]] = {
    "snntorch": snntorch,
    "spikingjelly": spikingjelly,
    "norse": norse,
    "sinabs": sinabs,
    "spyx": spyx,
}


def _read(path: str) -> Any:
    """A graph as it is in the file: nir 1.0.8 would check types, taking kernels for square and leaving groups out."""
    nir = _module("nir")
    unchecked = {"type_check": False} if "type_check" in inspect.signature(nir.read).parameters else {}
    return nir.read(path, **unchecked)


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _step_by_step(network: Any, train: np.ndarray) -> np.ndarray:
    torch = _module("torch")
    state, outputs = None, []
    with torch.no_grad():
        for x in torch.from_numpy(train):
            out, state = network(x, state)
            outputs.append(out.numpy())
    return np.stack(outputs)


def _train(steps: np.ndarray, num_steps: int, total: int) -> np.ndarray:
    clock = np.arange(total)[:, None, None]
    return ((steps == clock) & (clock < num_steps)).astype(np.float32)


def _run(job: dict[str, Any], graph: dict[str, Any]) -> dict[str, np.ndarray]:
    simulate = LIBRARIES[job["library"]](graph["path"], graph["dt"])
    steps, parts = np.load(graph["steps"], allow_pickle=False), []
    for i in range(0, len(steps), BATCH):
        train = _train(steps[i : i + BATCH], job["num_steps"], job["total"])
        out = simulate(train.reshape(*train.shape[:2], *graph["reads"]))
        out = out.reshape(*out.shape[:2], -1)
        if graph["keep"] == "output":
            parts.append({"output": out.transpose(1, 0, 2)})
            continue
        fired = out > 0
        first = np.where(fired.any(axis=0), fired.argmax(axis=0), job["total"])
        parts.append({"first": first.astype(np.int64), "count": out.sum(axis=0).astype(np.int64)})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(path: str) -> None:
    """Do the job that the file describes."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    folder, library = Path(job["answer"]), job["library"]
    answer = {"versions": _versions((library, "nir", "nirtorch", "torch", "jax")), "errors": {}}
    if library in answer["versions"]:
        warnings.simplefilter("ignore")
        for graph in job["graphs"]:
            try:
                for key, array in _run(job, graph).items():
                    np.save(folder / f"{graph['name']}.{key}.npy", array, allow_pickle=False)
            except Exception as error:  # whatever the library does with the graph is the finding
                said = " ".join(str(error).split())
                answer["errors"][graph["name"]] = f"{type(error).__name__}: {said[:300]}" if said else repr(error)
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
