"""The words of a report: what figures are called, and what is said of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bstdg.model.packed import VERSION

if TYPE_CHECKING:
    from bstdg.report.measure import Measured
    from bstdg.report.plates import Subject

Show = Callable[[Any], str]


def percent(value: float) -> str:
    """A share."""
    return f"{value:.2%}"


def two(value: float) -> str:
    """Two digits behind the point."""
    return f"{value:,.2f}"


def one(value: float) -> str:
    """One digit behind the point."""
    return f"{value:,.1f}"


def whole(value: float) -> str:
    """No digit behind the point."""
    return f"{value:,.0f}"


# What belongs together wherever an accuracy is told: key, name, how it is shown, and what is added small.
KEY: tuple[tuple[str, str, Show, Callable[[dict[str, Any]], str] | None], ...] = (
    ("accuracy", "Accuracy", percent, None),
    ("tie_rate", "Ties", percent, None),
    ("silent_rate", "Silent decisions", percent, None),
    ("decision_step_mean", "Decision step", two,
     lambda f: f"of 0 … {f['num_steps'] - 1}, median {f['decision_step_median']:g}"),
    ("input_spikes_to_decision", "Input spikes", one, None),
    ("hidden_spikes_to_decision", "Hidden spikes", one, lambda f: f"of {f['hidden_spikes']:,.1f}"),
    ("synaptic_operations_to_decision", "Synaptic operations", whole, None),
)  # fmt: skip
FIGURES: tuple[tuple[str, str, Show], ...] = (
    ("accuracy", "accuracy (first spike, then V - threshold, then lowest index)", percent),
    ("accuracy_ties_correct", "accuracy if a tie with the label counted, as some papers do", percent),
    ("tie_rate", "ties decided by the lowest index", percent),
    ("simultaneous_rate", "several outputs fired at the deciding step", percent),
    ("silent_rate", "silent decisions (no output fired)", percent),
    ("decision_step_mean", "decision step, mean", two),
    ("decision_step_median", "decision step, median", lambda value: f"{value:g}"),
    ("num_steps", "steps, T", whole),
    ("input_spikes_to_decision", "input spikes to the decision", one),
    ("hidden_spikes_to_decision", "hidden spikes to the decision", one),
    ("hidden_spikes", "hidden spikes, all", one),
    ("synaptic_operations_to_decision", "synaptic operations to the decision", whole),
    ("samples", "samples", whole),
    ("engine", "engine", str),
)


def headline(models: Sequence[Measured]) -> tuple[str, str, str]:
    """The line above the title, the title, and the sentence below it."""
    first = models[0]
    over = f"{first.data} ({first.split}), {first.samples:,} samples"
    if len(models) > 1:
        names = ", ".join(one.name for one in models)
        return over, f"{len(models)} networks on {first.data}", f"Judged on the same samples: {names}. {RULE}"
    structure = first.model.structure
    title = first.model.trained.get("recipe", {}).get("title") if isinstance(first.model.trained, dict) else None
    said = f"{title}. " if isinstance(title, str) and title else ""
    return f"{over} · {structure}, T = {first.num_steps}", first.name, f"{said}{RULE}"


RULE = (
    "A network of one-bit weights in which every neuron fires at most once. The first output at its threshold decides, "
    "and the network stops there; a silent decision is one that no output spoke for. Figures are means a sample."
)


def facts(subject: Subject) -> list[tuple[str, str]]:
    """What the model file is, row by row."""
    model, trained = subject.measured.model, subject.measured.model.trained
    reads = model.input.describe()
    rows = [
        ("File", subject.file),
        ("Size", f"{subject.file_bytes:,} bytes, format version {VERSION}"),
        ("SHA-256", subject.sha256),
        ("Structure", model.structure),
        ("Weights", f"{model.weight_bits:,} of one bit"),
        ("Steps", f"T = {model.num_steps}"),
        ("Reads", reads),
        ("Classes", ", ".join(model.classes)),
    ]
    if "data" in trained:
        rows.append(("Trained on", f"{trained['data']}, seed {trained.get('seed')}"))
    rows.append(
        ("Judged on", f"{subject.measured.data}, {subject.measured.split}: {subject.measured.samples:,} samples")
    )
    rows.append(("Engine", str(subject.measured.figures["engine"])))
    return rows
