"""What other libraries make of exported networks, over test images, and of single nodes: tables of docs/export-nir.md.

    python benchmarks/nir_fidelity.py MODEL [MODEL …] [--images N] [--json FILE]

The models were trained on MNIST (BSTDG_DATA). Libraries in other environments are named by BSTDG_SINABS_PYTHON and so
on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bstdg import datasets
from bstdg.engine import oracle
from bstdg.export import nir
from bstdg.export.base import Golden
from bstdg.export.nir import fidelity as nir_fidelity
from bstdg.export.nir import graph as nir_graph
from bstdg.export.nir import interpreter, simulators
from bstdg.model import packed, runtime

BATCH, READS = 50, (4, 6, 6)


def network(path: Path, count: int) -> dict[str, Any]:
    """A network's three files in every library."""
    model = packed.load(path)
    images = datasets.load("mnist", "test").images[:count]
    golden = Golden.of(model, runtime.Model(model).encode(images))
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        for name, data in nir.write(model, golden, "mnist").files.items():
            (Path(folder) / name).write_bytes(data)
        for library in nir_fidelity.LIBRARIES:
            findings += nir_fidelity.examine(Path(folder), model, golden, library)
    print(f"{model.structure}, T = {model.num_steps}\n\n{nir.markdown(findings, count)}")
    found = [finding._asdict() for finding in findings]
    return {"structure": model.structure, "num_steps": model.num_steps, "inputs": count, "findings": found}


def single_nodes() -> dict[str, tuple[list[Any], tuple[int, ...], float]]:
    """Nodes, the shape of the neurons after them, and their threshold."""
    package, rng = nir_graph.package(), np.random.default_rng(0)

    def conv(*shape: int, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        weight = rng.choice([-1.0, 1.0], shape).astype(np.float32)
        pairs = (stride, stride), (padding, padding), (1, 1)
        return package.Conv2d(READS[1:], weight, *pairs, groups, np.zeros(shape[0], np.float32))

    def pool(kind: str, padding: int = 0) -> Any:
        return getattr(package, kind)(np.array([2, 2]), np.array([2, 2]), np.array([padding] * 2))

    flat = package.Flatten({"input": np.array(READS)}, 0, -1)
    linear = package.Linear(rng.choice([-1.0, 1.0], (5, 144)).astype(np.float32))
    return {
        "`Conv2d`, 3 x 3": ([conv(6, 4, 3, 3)], (6, 4, 4), 1.5),
        "`Conv2d`, stride 2": ([conv(6, 4, 3, 3, stride=2)], (6, 2, 2), 1.5),
        "`Conv2d`, padding 1": ([conv(6, 4, 3, 3, padding=1)], (6, 6, 6), 1.5),
        "`Conv2d`, 3 x 2": ([conv(6, 4, 3, 2)], (6, 4, 5), 1.5),
        "`Conv2d`, 2 groups": ([conv(6, 2, 3, 3, groups=2)], (6, 4, 4), 1.5),
        "`Conv2d`, a group each channel": ([conv(4, 1, 3, 3, groups=4)], (4, 4, 4), 1.5),
        "`SumPool2d`, 2 x 2": ([pool("SumPool2d")], (4, 3, 3), 1.5),
        "`SumPool2d`, padding 1": ([pool("SumPool2d", 1)], (4, 4, 4), 1.5),
        "`AvgPool2d`, 2 x 2": ([pool("AvgPool2d")], (4, 3, 3), 0.4),
        "`Flatten`, `Linear`": ([flat, linear], (5,), 1.5),
    }


def node_graph(nodes: list[Any], gives: tuple[int, ...], threshold: float, *, lif: bool) -> Any:
    """The nodes before neurons of one threshold."""
    package = nir_graph.package()
    full = {name: np.full(gives, value, np.float32) for name, value in (("v_threshold", threshold), ("v_reset", 0.0))}
    if lif:
        tau, r = (np.full(gives, x, np.float32) for x in (nir_graph.LIF_TAU, nir_graph.LIF_TAU / nir_graph.LIF_DT))
        neurons = package.LIF(tau=tau, r=r, v_leak=np.zeros(gives, np.float32), **full)
    else:
        neurons = package.IF(r=np.ones(gives, np.float32), **full)
    chain = {f"node{i}": node for i, node in enumerate(nodes)}
    whole = {
        "input": package.Input(np.array(READS)),
        **chain,
        "fires": neurons,
        "output": package.Output(np.array(gives)),
    }
    return package.NIRGraph(whole, list(pairwise(whole)), metadata={}, type_check=False)


def checked(path: Path) -> str:
    """What nir's own check of types says of a file."""
    try:
        nir_graph.package().read(path)
    except Exception as error:  # of whatever kind
        return " ".join(str(error).split())
    return "passes"


def examine_nodes(work: Path) -> list[dict[str, Any]]:
    """What libraries make of each node in one step: the spikes of the graph, others, or an error."""
    steps = np.random.default_rng(1).integers(0, 2, (BATCH, int(np.prod(READS)))).astype(np.uint8)  # T is 1
    np.save(work / "steps.npy", steps)
    cases = single_nodes()
    found: list[dict[str, Any]] = [{"node": name} for name in cases]
    for library in nir_fidelity.LIBRARIES:
        lif = library.file == "lif"
        dt, wanted, jobs = nir_graph.LIF_DT if lif else 1.0, [], []
        for i, (nodes, gives, threshold) in enumerate(cases.values()):
            path, graph = work / f"node{i}.nir", node_graph(nodes, gives, threshold, lif=lif)
            path.write_bytes(nir_graph.to_bytes(graph))
            found[i]["nir"] = checked(path)
            wanted.append(interpreter.run(graph, oracle.spike_train(steps, 1), dt=dt).steps[-1])
            run = {"name": f"node{i}", "path": str(path), "dt": dt, "steps": str(work / "steps.npy")}
            jobs.append({**run, "reads": READS, "keep": "spikes"})
        job = {"library": library.name, "num_steps": 1, "total": 1 + library.late, "answer": str(work), "graphs": jobs}
        (work / "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [nir_fidelity.python_of(library), "-P", simulators.__file__, str(work / "job.json")]
        subprocess.run(command, check=True, capture_output=True)
        answer = json.loads((work / "answer.json").read_text(encoding="utf-8"))
        for i in range(len(cases) if library.name in answer["versions"] else 0):
            if f"node{i}" in answer["errors"]:
                found[i][library.name] = answer["errors"][f"node{i}"]
                continue
            first = np.minimum(np.load(work / f"node{i}.first.npy") - library.late, 1)
            found[i][library.name] = "runs" if np.array_equal(first, wanted[i]) else "other spikes"
    return found


def markdown_of(nodes: list[dict[str, Any]]) -> str:
    """A row a node, a column a library."""
    names = ["nir", *(library.name for library in nir_fidelity.LIBRARIES)]
    lines = [f"| | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for found in nodes:
        cells = [found.get(name, "") for name in names]
        short = [cell if cell in ("runs", "passes", "other spikes", "") else "fails" for cell in cells]
        lines.append(f"| {found['node']} | {' | '.join(short)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        nodes = examine_nodes(Path(folder))
    print(markdown_of(nodes))
    report = {"nodes": nodes, "networks": [network(path, given.images) for path in given.models]}
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
