"""What other libraries make of the exported graphs, held to the oracle: exact, approximate or unsupported, and why.

Each library runs in a process of its own, so that one that fails, or prints, or is slow, is one line of the report. Of
every graph the library loads the whole, for its output spikes, and the same nodes cut behind each hidden layer, for
hidden spikes, and behind the last weights, for the currents from which V, and our decision, follow. The first spike of
every neuron counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.decide import decide
from bstdg.engine import oracle
from bstdg.export import nir_file, nir_graph, nir_simulators
from bstdg.export.base import Golden
from bstdg.packed import PackedModel

SECONDS = 600  # after which a library is given up


class Library(NamedTuple):
    """A library that imports NIR.

    Attributes:
        name: what pip calls it.
        file: the file to give it.
        late: steps by which each layer's spikes come late.
        remarks: why it is not exact, by file, as far as its source says.
    """

    name: str
    file: str
    late: int
    remarks: Mapping[str, str]


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
    ),
    Library("sinabs", "shared", 0, {"model": "there are no Linear nodes"}),
    Library("spyx", "shared", 1, {"model": "the threshold is subtracted after a spike: neurons fire again"}),
)


class Finding(NamedTuple):
    """How one library ran one file.

    Attributes:
        library: its name.
        version: its version, empty where it is not installed.
        file: "model", "shared" or "lif".
        verdict: "exact" where every hidden and output spike step and every decision is the oracle's.
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


def examine(
    folder: Path, model: PackedModel, golden: Golden, library: Library, python: str = sys.executable
) -> list[Finding]:
    """Run the three files of an export's `folder` in a library that `python` can import; one finding a file."""
    with tempfile.TemporaryDirectory(prefix="bstdg-nir-") as scratch:
        work = Path(scratch)
        job = _job(folder, work, model, library)
        np.save(work / "steps.npy", with_bias(golden.steps))
        np.save(work / "plain.npy", golden.steps)
        answers = {}
        for name, graphs in job.items():
            answers[name], trouble = _ask(work, name, graphs, model, library, python)
            if trouble:
                return [Finding(library.name, "", name, "not run", reason=trouble)]
        return [_finding(work, name, answer, model, golden, library) for name, answer in answers.items()]


def _job(folder: Path, work: Path, model: PackedModel, library: Library) -> dict[str, list[dict[str, Any]]]:
    """For each file the graphs to run: the whole, and its cuts."""
    last, jobs = len(model.layers) - 1, {}
    for name in nir_graph.VARIANTS:
        path = folder / f"{name}.nir"
        graph = nir_file.read(path)
        dt = nir_graph.LIF_DT if name == "lif" else 1.0
        graphs = [{"name": f"{name}-{last}", "path": str(path.resolve()), "dt": dt, "keep": "spikes"}]
        cuts = [(f"{name}-{i}", nir_graph.spikes(i), "spikes") for i in range(last)]
        for label, node, keep in [*cuts, (f"{name}-currents", nir_graph.current(last), "output")]:
            cut = work / f"{label}.nir"
            cut.write_bytes(nir_graph.to_bytes(nir_graph.cut(graph, node)))
            graphs.append({"name": label, "path": str(cut), "dt": dt, "keep": keep})
        jobs[name] = graphs
    return jobs


def _ask(
    work: Path, name: str, graphs: list[dict[str, Any]], model: PackedModel, library: Library, python: str
) -> tuple[dict[str, Any], str]:
    """The library's answer for one file, or what kept it from answering."""
    job = {
        "library": library.name,
        "steps": str(work / ("plain.npy" if name == "model" else "steps.npy")),
        "num_steps": model.num_steps,
        "total": model.num_steps + library.late * len(model.layers),
        "graphs": graphs,
        "answer": str(work),
    }
    (work / "job.json").write_text(json.dumps(job), encoding="utf-8")
    (work / "answer.json").unlink(missing_ok=True)
    command = [python, "-P", nir_simulators.__file__, str(work / "job.json")]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, cwd=work)
    except subprocess.TimeoutExpired:
        return {}, f"{library.name} did not finish within {SECONDS} s"
    except OSError as error:
        return {}, f"{python} does not run: {error.strerror}"
    if not (work / "answer.json").exists():
        lines = done.stderr.decode("utf-8", "replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), f"exit status {done.returncode}")
        return {}, f"{library.name} ended early: {said[:300]}"
    answer = json.loads((work / "answer.json").read_text(encoding="utf-8"))
    if library.name not in answer["versions"]:
        return {}, f"pip install {library.name}"
    return answer, ""


def _finding(
    work: Path, name: str, answer: dict[str, Any], model: PackedModel, golden: Golden, library: Library
) -> Finding:
    version = answer["versions"][library.name]
    if answer["errors"]:
        error, remark = next(iter(answer["errors"].values())), library.remarks.get(name)
        return Finding(library.name, version, name, "unsupported", reason=f"{remark} ({error})" if remark else error)
    last = len(model.layers) - 1
    steps, again = [], 0
    for i in range(last + 1):
        first, count = (np.load(work / f"{name}-{i}.{key}.npy", allow_pickle=False) for key in ("first", "count"))
        again += int((count - (count > 0)).sum())
        width = len(model.layers[i].signs)  # the relay neuron, where there is one, is the last and no part of the model
        if first.shape not in ((len(golden.label), width), (len(golden.label), width + 1)):
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
        potentials = potentials - nir_graph.offsets(layer)
    fired = output_steps(model, golden.steps)
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
    whole = np.array_equal(np.round(potentials), potentials)
    if all(h.all() for h in hidden) and found.outputs == found.decisions == 1.0 and whole:
        late = f"each layer {library.late} step late, which is taken off" if library.late else ""
        return found._replace(reason=late)
    remark = library.remarks.get(about.file, "")
    if all((layer >= model.num_steps).all() for layer in steps) and (fired < model.num_steps).any():
        return found._replace(verdict="unsupported", reason=f"no neuron fires: {remark}")
    return found._replace(verdict="approximate", reason=remark)


def output_steps(model: PackedModel, steps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first step `[vectors, classes]` in which each output is at its threshold, T for none; by the oracle."""
    *hidden, last = model.layers
    for layer in hidden:
        steps = oracle.crossing(oracle.potentials(steps, layer.signs, model.num_steps), layer.thresholds).steps
    return oracle.crossing(oracle.potentials(steps, last.signs, model.num_steps), last.thresholds).steps


def _on_our_clock(first: NDArray[np.int64], late: int, num_steps: int) -> NDArray[np.int64]:
    """Steps less the library's delay; what is after T-1 is never."""
    return np.minimum(first - late, num_steps)


def with_bias(steps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The input of the shared graphs: one more channel, which spikes at step 0."""
    return np.column_stack([steps, np.zeros(len(steps), np.uint8)])
