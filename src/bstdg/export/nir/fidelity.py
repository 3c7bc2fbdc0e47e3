"""What other libraries make of the exported graphs, held to the oracle: exact, approximate or unsupported, and why.

Each library runs in a process of its own, so that one that fails, or prints, or is slow, is one line of the report. Of
every graph the library loads the whole, for its output spikes, and the same nodes cut behind each hidden layer, for
hidden spikes, and behind the last weights, for the currents from which V, and our decision, follow. The first spike of
every neuron counts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.export.base import Golden
from bstdg.export.nir import file as nir_file
from bstdg.export.nir import graph as nir_graph
from bstdg.export.nir import once
from bstdg.export.nir import simulators as nir_simulators
from bstdg.export.tools import NotRun, run
from bstdg.layers import size
from bstdg.model.packed import PackedModel

PART = 128  # vectors the oracle runs at once


class Library(NamedTuple):
    """A library that imports NIR.

    Attributes:
        name: what pip calls it.
        file: the file to give it.
        late: steps by which each layer's spikes come late.
        remarks: why it is not exact, by file, as far as its source says.
        sliding: what else is said instead where windows slide.
    """

    name: str
    file: str
    late: int
    remarks: Mapping[str, str]
    sliding: Mapping[str, str] = MappingProxyType({})

    def remark(self, file: str, model: PackedModel) -> str:
        """Why it does not run a file of a model exactly."""
        return (self.sliding.get(file) if once.slides(model) else None) or self.remarks.get(file, "")


LIBRARIES = (
    Library(
        "snntorch",
        "lif",
        0,
        {
            "model": "one threshold for all neurons of a layer is all that is taken",
            "shared": "IF becomes a neuron that leaks (beta 0.9), and its spikes and membrane go on as a pair",
        },
    ),
    Library("spikingjelly", "shared", 0, {"model": "one threshold for all neurons of a layer is all that is taken"}),
    Library(
        "norse",
        "shared",
        0,
        {
            "model": "neurons fall back to 0 and fire again",
            "lif": "r of a LIF node is left out: currents are scaled by dt/tau, to nothing",
        },
        {"model": "neurons fall back to 0 and fire again, and a Flatten takes the axis of the batch along"},
    ),
    Library(
        "sinabs",
        "shared",
        0,
        {"model": "there are no Linear nodes"},
        {
            "model": "there are no Linear nodes, and the channels of one group are taken for all",
            "lif": "v_leak of a LIF node has to be a row",
        },
    ),
    Library(
        "spyx",
        "shared",
        1,
        {"model": "the threshold is subtracted after a spike: neurons fire again"},
        {
            "model": "the threshold is subtracted after a spike: neurons fire again; a Flatten puts channels last, and "
            "groups are left out"
        },
    ),
)


class Finding(NamedTuple):
    """How one library ran one file.

    Attributes:
        library: its name.
        version: its version, empty where it is not installed.
        file: "model", "shared" or "lif".
        verdict: "exact" where every hidden and output spike step, output potential and decision is the oracle's.
        hidden: share of hidden spike steps (vectors x neurons) that are the oracle's; 1 where there are none.
        outputs: share of output spike steps.
        decisions: share of vectors with the oracle's class and step, V read from the currents of the last weights.
        by_spikes: share of vectors whose first output spike, lowest index on ties, names the oracle's class.
        again: spikes that neurons fired after their first, a vector.
        reason: why it is not exact.
    """

    library: str
    version: str
    file: str
    verdict: Literal["exact", "approximate", "unsupported", "not run"]
    hidden: float = 0.0
    outputs: float = 0.0
    decisions: float = 0.0
    by_spikes: float = 0.0
    again: float = 0.0
    reason: str = ""


def python_of(library: Library) -> str:
    """The Python that has the library: what BSTDG_SINABS_PYTHON (and so on) names, or else this one.

    Not all libraries bear each other: Sinabs wants another version of nir than the rest.
    """
    return os.environ.get(f"BSTDG_{library.name.upper()}_PYTHON", sys.executable)


def examine(
    folder: Path, model: PackedModel, golden: Golden, library: Library, python: str | None = None
) -> list[Finding]:
    """Run the three files of an export's `folder` in a library; one finding a file.

    Args:
        folder: where model.nir, shared.nir and lif.nir are.
        model: what they were made of.
        golden: inputs and what the oracle makes of them.
        library: which.
        python: the Python that has it, see `python_of`.
    """
    python = python or python_of(library)
    with tempfile.TemporaryDirectory(prefix="bstdg-nir-") as scratch:
        work = Path(scratch)
        np.save(work / "plain.npy", golden.steps)
        np.save(work / "biased.npy", with_bias(golden.steps, model))
        names = tuple(nir_graph.variants(model))
        graphs = [graph for name in names for graph in _graphs(folder, work, name, len(model.layers) - 1)]
        answer, trouble = _ask(work, graphs, model, library, python)
        if trouble:
            return [Finding(library.name, "", library.file, "not run", reason=trouble)]
        return [_finding(work, name, answer, model, golden, library) for name in names]


def _graphs(folder: Path, work: Path, name: str, last: int) -> list[dict[str, Any]]:
    """What to run of a file: the whole, and its cuts."""
    path = folder / f"{name}.nir"
    graph = nir_file.read(path, apart=False)
    common = {
        "dt": nir_graph.LIF_DT if name == "lif" else 1.0,
        "steps": str(work / ("plain.npy" if name == "model" else "biased.npy")),
        "reads": [int(n) for n in graph.nodes["input"].input_type["input"]],
    }
    graphs = [{"name": f"{name}-{last}", "path": str(path.resolve()), "keep": "spikes", **common}]
    cuts = [(f"{name}-{i}", nir_graph.spikes(i), "spikes") for i in range(last)]
    for label, node, keep in [*cuts, (f"{name}-currents", nir_graph.current(last), "output")]:
        cut = work / f"{label}.nir"
        cut.write_bytes(nir_graph.to_bytes(nir_graph.cut(graph, node)))
        graphs.append({"name": label, "path": str(cut), "keep": keep, **common})
    return graphs


def _ask(
    work: Path, graphs: list[dict[str, Any]], model: PackedModel, library: Library, python: str
) -> tuple[dict[str, Any], str]:
    """The library's answer, or what kept it from answering."""
    job = {
        "library": library.name,
        "num_steps": model.num_steps,
        "total": model.num_steps + library.late * len(model.layers),
        "graphs": graphs,
        "answer": str(work),
    }
    (work / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [python, "-P", nir_simulators.__file__, str(work / "job.json")]
    try:
        done = run(command, folder=work)
    except NotRun as error:
        return {}, f"{library.name}: {error}"
    if not (work / "answer.json").exists():
        lines = done.stderr.decode("utf-8", "replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), f"exit status {done.returncode}")
        return {}, f"{library.name} ended early: {said[:300]}"
    answer = json.loads((work / "answer.json").read_text(encoding="utf-8"))
    if library.name not in answer["versions"]:
        hint = f"pip install {library.name}, or let BSTDG_{library.name.upper()}_PYTHON name a Python that has it"
        return {}, hint
    return answer, ""


def _finding(
    work: Path, name: str, answer: dict[str, Any], model: PackedModel, golden: Golden, library: Library
) -> Finding:
    version = answer["versions"][library.name]
    errors = [error for graph, error in answer["errors"].items() if graph.rpartition("-")[0] == name]
    if errors:
        error, remark = errors[0], library.remark(name, model)
        return Finding(library.name, version, name, "unsupported", reason=f"{remark} ({error})" if remark else error)
    last = len(model.layers) - 1
    steps, again = [], 0
    for i in range(last + 1):
        first, count = (np.load(work / f"{name}-{i}.{key}.npy", allow_pickle=False) for key in ("first", "count"))
        again += int((count - (count > 0)).sum())
        gives = model.layers[i].gives
        width = size(gives)  # relay neurons, where there are some, come last and are none of these
        if first.shape not in ((len(golden.label), width), (len(golden.label), width + once.places(gives))):
            reason = f"layer {i} gives {first.shape[1:]} outputs, not {width}"
            return Finding(library.name, version, name, "unsupported", reason=reason)
        steps.append(_on_our_clock(first[:, :width], library.late * (i + 1), model.num_steps))
    currents = np.load(work / f"{name}-currents.output.npy", allow_pickle=False)
    potentials = np.cumsum(currents, axis=1, dtype=np.float64)[:, library.late * last :][:, : model.num_steps]
    return compare(model, golden, steps, potentials, again, Finding(library.name, version, name, "exact"), library)


def compare(
    model: PackedModel,
    golden: Golden,
    steps: list[NDArray[np.int64]],
    potentials: NDArray[np.float64],
    again: int,
    about: Finding,
    library: Library,
) -> Finding:
    """Hold a run's first spikes `[vectors, neurons]` of each layer, and the last layer's V, to the oracle."""
    vectors, layer = len(golden.label), model.layers[-1]
    if about.file != "model":
        potentials = potentials - once.offsets(layer)
    truth = output_potentials(model, golden)
    fired = oracle.crossing(truth, layer.thresholds).steps
    hidden = [ours == theirs for ours, theirs in zip(golden.hidden, steps[:-1], strict=True)]
    decided = decide(np.round(potentials).astype(np.int64), layer.thresholds)
    right = (decided.label == golden.label) & (decided.step == golden.step) & (decided.silent == golden.silent)
    first = steps[-1].argmin(axis=1)
    by_spikes = (first == golden.label) & (steps[-1].min(axis=1) < model.num_steps)
    found = about._replace(
        hidden=float(np.mean([h.mean() for h in hidden], dtype=np.float64)) if hidden else 1.0,
        outputs=float((fired == steps[-1]).mean()),
        decisions=float(right.mean()),
        by_spikes=float(by_spikes.mean()),
        again=again / vectors,
    )
    if all(h.all() for h in hidden) and found.outputs == found.decisions == 1.0 and np.array_equal(potentials, truth):
        late = f"each layer {library.late} step late, which is taken off" if library.late else ""
        return found._replace(reason=late)
    remark = library.remark(about.file, model)
    if all((layer >= model.num_steps).all() for layer in steps) and (fired < model.num_steps).any():
        return found._replace(verdict="unsupported", reason=f"no neuron fires: {remark}")
    return found._replace(verdict="approximate", reason=remark)


def output_potentials(model: PackedModel, golden: Golden) -> NDArray[np.int64]:
    """V `[vectors, T, classes]` of the output layer, by the oracle, from the steps of the layer below."""
    below = golden.hidden[-1] if golden.hidden else golden.steps
    parts = (below[i : i + PART] for i in range(0, max(1, len(below)), PART))
    return np.concatenate([oracle.layer_potentials(model.layers[-1], part, model.num_steps) for part in parts])


def _on_our_clock(first: NDArray[np.int64], late: int, num_steps: int) -> NDArray[np.int64]:
    """Steps less the library's delay; what is after T-1 is never."""
    return np.minimum(first - late, num_steps)


def with_bias(steps: NDArray[np.uint8], model: PackedModel) -> NDArray[np.uint8]:
    """The input of the shared graphs: one more channel, or map, which spikes at step 0."""
    added = once.places(model.input.gives) if once.slides(model) else 1
    return np.hstack([steps, np.zeros((len(steps), added), np.uint8)])
