"""The words of a report: what figures are called, and what is said of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bstdg.model.describe import describe
from bstdg.model.figures import FIGURES
from bstdg.shown import line, name

if TYPE_CHECKING:
    from bstdg.report.measure import Measured
    from bstdg.report.plates import Subject


def beside(key: str, figures: Mapping[str, Any]) -> str:
    """What is said small beside one of the figures that belong together."""
    shown = {name: figure.show(figures[name]) for name, figure in FIGURES.items()}
    if key == "decision_step_mean":
        return f"of 0 … {figures['num_steps'] - 1}, median {shown['decision_step_median']}"
    return f"of {shown['hidden_spikes']}" if key == "hidden_spikes_to_decision" else ""


def headline(models: Sequence[Measured]) -> tuple[str, str, str]:
    """The line above the title, the title, and the sentence below it."""
    first = models[0]
    data = name(first.data)
    over = f"{data} ({first.split}), {first.samples:,} samples"
    if len(models) > 1:
        names = ", ".join(one.called for one in models)
        return over, f"{len(models)} networks on {data}", f"Judged on the same samples: {names}. {RULE}"
    structure = first.model.structure
    title = first.model.trained.get("recipe", {}).get("title") if isinstance(first.model.trained, dict) else None
    said = f"{name(title, TITLE)}. " if isinstance(title, str) and title else ""
    return f"{over} · {structure}, T = {first.num_steps}", first.called, f"{said}{RULE}"


TITLE = 300  # columns of a recipe's title
RULE = (
    "A network of one-bit weights in which every neuron fires at most once. The first output at its threshold decides, "
    "and the network stops there; a silent decision is one that no output spoke for. Figures are means a sample."
)


def facts(subject: Subject) -> list[tuple[str, str]]:
    """What the model file is, row by row."""
    said = describe(subject.measured.model)
    trained = said["trained"]
    rows = [
        ("File", line(subject.file)),
        ("Size", f"{subject.file_bytes:,} bytes, format version {subject.file_version}"),
        ("SHA-256", subject.sha256),
        ("Structure", said["structure"]),
        ("Weights", f"{said['weight_bits']:,} of one bit"),
        ("Steps", f"T = {said['num_steps']}"),
        ("Reads", said["reads"]),
        ("Classes", ", ".join(subject.measured.classes)),
    ]
    if "data" in trained:
        rows.append(("Trained on", f"{name(trained['data'])}, seed {name(trained.get('seed'))}"))
    rows.append(
        ("Judged on", f"{name(subject.measured.data)}, {subject.measured.split}: {subject.measured.samples:,} samples")
    )
    rows.append(("Engine", str(subject.measured.figures["engine"])))
    return rows
