"""Export to NIR, the interchange format of spiking networks: graphs, and the proof of what runs them alike."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.engine import oracle
from bstdg.engine.base import knows_own_kinds
from bstdg.engine.decide import Decision, decide
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.export.base import Check, Golden, Target, Written
from bstdg.export.nir import fidelity as nir_fidelity
from bstdg.export.nir import file as nir_file
from bstdg.export.nir import graph as nir_graph
from bstdg.export.nir import importer as nir_import
from bstdg.export.nir import interpreter as nir_interpreter
from bstdg.export.nir import once
from bstdg.export.nir.fidelity import Finding, Library
from bstdg.model import packed
from bstdg.model.packed import PackedModel


def write(model: PackedModel, golden: Golden, name: str) -> Written:
    """Three graphs of the model, see `bstdg.export.nir.graph`; the first alone where `bstdg.export.nir.once` says why.

    Raises:
        InputError: the package nir is not installed.
    """
    nir = nir_graph.package()
    graphs = {variant: build(model) for variant, build in nir_graph.variants(model).items()}
    content = {f"{variant}.nir": nir_graph.to_bytes(graph) for variant, graph in graphs.items()}
    figures: dict[str, Any] = {f"{file.removesuffix('.nir')}_bytes": len(data) for file, data in content.items()}
    if why := once.refuses(model):
        figures["left_out"] = f"shared.nir and lif.nir: {why}"
    return Written(content, {**figures, "nodes": len(graphs["model"].nodes), "nir": nir.version})


def verify(folder: Path, model: PackedModel, golden: Golden) -> Iterator[Check]:
    """The graphs read back and run by the reference interpreter, then by every library that is installed.

    What was found of the libraries is left in the folder too, as fidelity.json and fidelity.md.
    """
    try:
        nir_graph.package()
    except InputError as error:
        yield Check("graphs", "not run", str(error))
        return
    graphs = [_read_back(folder, model)]
    outputs = nir_fidelity.output_potentials(model, golden)
    for variant in nir_graph.variants(model):
        graphs += _interpreted(folder, variant, model, golden, outputs)
    if why := once.refuses(model):
        graphs.append(Check("shared.nir and lif.nir", "not run", f"there are none: {why}"))
    yield from graphs
    if any(check.status == "failed" for check in graphs):
        yield Check("other libraries", "not run", "the graphs themselves are wrong")
        return
    findings: list[Finding] = []
    for library in nir_fidelity.LIBRARIES:
        found = nir_fidelity.examine(folder, model, golden, library)
        findings += found
        yield check_of(library, found)
    with contextlib.suppress(OSError):  # a folder that cannot be written to was checked all the same
        report = [finding._asdict() for finding in findings]
        files.write_atomic(folder / "fidelity.json", (json.dumps(report, indent=1) + "\n").encode())
        files.write_atomic(folder / "fidelity.md", markdown(findings, len(golden.label)).encode())


def _read_back(folder: Path, model: PackedModel) -> Check:
    """model.nir, imported, is the model again."""
    try:
        again = nir_import.read(folder / "model.nir", apart=False)
    except (BstdgError, OSError) as error:
        return Check("model.nir imported", "failed", str(error))
    if packed.to_bytes(again) != packed.to_bytes(model):
        return Check("model.nir imported", "failed", "gives another model")
    return Check("model.nir imported", "passed", f"the same {model.weight_bits:,} weights, thresholds and settings")


def _interpreted(
    folder: Path, variant: str, model: PackedModel, golden: Golden, outputs: NDArray[np.int64]
) -> Iterator[Check]:
    """A graph run by the reference interpreter: under our rule, or under either reset of plain simulators."""
    modes = (
        {"once": "firing once"} if variant == "model" else {"value": "reset to 0", "subtract": "reset by subtraction"}
    )
    for reset, said in modes.items():
        name = f"{variant}.nir interpreted, {said}"
        try:
            graph = nir_file.read(folder / f"{variant}.nir", apart=False)
            wrong = differences(graph, variant, model, golden, reset, outputs)
        except (FileFormatError, InputError, OSError) as error:
            yield Check(name, "failed", str(error))
            continue
        if wrong:
            yield Check(name, "failed", f"differs from the oracle in {', '.join(wrong)}")
        else:
            yield Check(
                name, "passed", f"{len(golden.label)} vectors: hidden steps, output steps, decisions the oracle's"
            )


def differences(
    graph: Any,
    variant: str,
    model: PackedModel,
    golden: Golden,
    reset: Any,
    outputs: NDArray[np.int64] | None = None,
) -> list[str]:
    """What the interpreter makes of a graph that the oracle does not; nothing where they agree.

    `outputs` are the oracle's potentials of the last layer, `[vectors, T, classes]`, where they are at hand.
    """
    dt, wrong = nir_graph.LIF_DT if variant == "lif" else 1.0, set()
    outputs = nir_fidelity.output_potentials(model, golden) if outputs is None else outputs
    for i in range(0, len(golden.label), nir_fidelity.PART):
        part = slice(i, i + nir_fidelity.PART)
        steps = golden.steps[part]
        inputs = steps if variant == "model" else nir_fidelity.with_bias(steps, model)
        run = nir_interpreter.run(graph, oracle.spike_train(inputs, model.num_steps), reset=reset, dt=dt)
        fired = oracle.crossing(outputs[part], model.layers[-1].thresholds).steps
        expected = [*(hidden[part] for hidden in golden.hidden), fired]
        for k, (ours, theirs) in enumerate(zip(expected, run.steps, strict=True)):
            if not np.array_equal(ours, theirs[:, : ours.shape[1]]):
                wrong.add(f"the steps of layer {k}")
        if any((count > 1).any() for count in run.counts):
            wrong.add("how often neurons fire")
        decided = _decide(graph, variant, model, run.currents)
        for field in ("label", "step", "silent"):
            if not np.array_equal(getattr(decided, field), getattr(golden, field)[part]):
                wrong.add(f"the decision's {field}")
    return sorted(wrong)


def _decide(graph: Any, variant: str, model: PackedModel, currents: NDArray[np.float64]) -> Decision:
    """The decision from output currents: of model.nir by the graph's own thresholds, else by the model's."""
    if variant == "model":
        return nir_interpreter.decide(graph, currents)
    layer = model.layers[-1]
    potentials = np.round(np.cumsum(currents, axis=1)) - once.offsets(layer)
    return decide(potentials.astype(np.int64), layer.thresholds)


def check_of(library: Library, found: Sequence[Finding]) -> Check:
    """A library's line: passed where the file meant for it is exact, with what became of the others."""
    best = next((finding for finding in found if finding.file == library.file), found[0])
    name = f"{library.name} {best.version}".strip()
    if best.verdict == "not run":
        return Check(name, "not run", best.reason)
    others = "; ".join(f"{f.file}.nir {f.verdict}" for f in found if f is not best)
    detail = f"{best.file}.nir {best.verdict}: {_shares(best)}" if best.verdict != "unsupported" else best.reason
    said = f"{detail} ({others})" + (f"; {best.reason}" if best.reason and best.verdict == "exact" else "")
    return Check(name, "passed" if best.verdict == "exact" else "failed", said)


def _shares(finding: Finding) -> str:
    return (
        f"decisions {finding.decisions:.2%}, hidden steps {finding.hidden:.2%}, output steps {finding.outputs:.2%}, "
        f"decisions by output spikes alone {finding.by_spikes:.2%}"
    )


def markdown(findings: Sequence[Finding], vectors: int) -> str:
    """The fidelity report as a table."""
    lines = [
        f"Agreement with the oracle over {vectors:,} inputs.",
        "",
        "| library | file | | decisions | hidden steps | output steps | class by output spikes alone "
        "| spikes after the first, an input | why |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for f in findings:
        name = f"{f.library} {f.version}".strip()
        reason = f.reason.replace("|", "\\|")
        if f.verdict in ("unsupported", "not run"):
            lines.append(f"| {name} | {f.file}.nir | {f.verdict} | | | | | | {reason} |")
            continue
        shares = " | ".join(f"{share:.2%}" for share in (f.decisions, f.hidden, f.outputs, f.by_spikes))
        lines.append(f"| {name} | {f.file}.nir | {f.verdict} | {shares} | {f.again:.1f} | {reason} |")
    return "\n".join(lines) + "\n"


TARGET = Target(
    name="nir",
    gives="NIR graphs: the network itself, and two that simulators of integrate-and-fire neurons run exactly",
    needs="Python package nir; to compare with: snntorch, spikingjelly, norse, sinabs, spyx",
    write=write,
    verify=verify,
    refuses=knows_own_kinds,
)
