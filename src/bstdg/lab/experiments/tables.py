"""Tables made from runs: means over seeds with their spread, as Markdown or on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bstdg.lab.experiments import sweeps
from bstdg.lab.experiments.claims import ENOUGH_SEEDS, Claim
from bstdg.lab.experiments.judge import Verdict, judge
from bstdg.lab.experiments.published import STATED
from bstdg.lab.experiments.results import OURS, Run, energy
from bstdg.lab.experiments.run import spread
from bstdg.model.figures import FIGURES, TOGETHER, Figure
from bstdg.shown import line

Runs = Mapping[str, Sequence[Run]]
NONE = "-"


@dataclass(frozen=True)
class Sheet:
    """A table: a title, names of columns, and rows of texts."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table without its title.

        >>> print(Sheet("", ("a", "b"), (("1", "2"),)).markdown())
        | a | b |
        |---|---|
        | 1 | 2 |
        """
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        text = "\n".join(f"| {' | '.join(map(plain, row))} |" for row in lines)
        return text.replace("| --- | ", "|---|").replace("--- | ", "---|").replace("--- |", "---|")


def plain(text: str) -> str:
    """A line in which Markdown finds neither the end of a cell nor a tag."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", line(text).replace("|", "\\|"))


COLUMNS = tuple(FIGURES[key] for key in TOGETHER if key != "input_spikes_to_decision")
SPREAD = ("accuracy", "decision_step_mean", "hidden_spikes_to_decision")  # shown with it
LENIENT = FIGURES["accuracy_ties_correct"]  # the predecessors' metric, for comparison only


def head(figure: Figure) -> str:
    """The head of a figure's column."""
    return f"{figure.column}, %" if figure.is_share else figure.column


def cell(tests: Iterable[Mapping[str, Any]], figure: Figure) -> str:
    """A mean over seeds' figures, with its spread where that is shown; a dash where a network has no such figure."""
    scale = 100.0 if figure.is_share else 1.0
    values = [scale * test[figure.key] for test in tests if figure.key in test]
    return mean_and_spread(values, figure.digits, figure.key in SPREAD)


def cells(runs: Sequence[Run]) -> tuple[str, ...]:
    """The figures of a setting that belong together."""
    return tuple(cell([run.test for run in runs], figure) for figure in COLUMNS)


def mean_and_spread(values: Sequence[float], digits: int, shows_spread: bool = True) -> str:
    """Such as "97.96 ± 0.06"; one value alone has no spread.

    >>> mean_and_spread([97.9, 98.0], 2), mean_and_spread([5.0], 1), mean_and_spread([], 1)
    ('97.95 ± 0.07', '5.0', '-')
    """
    if not values:
        return NONE
    mean, deviation = spread(values)
    text = f"{mean:,.{digits}f}"
    return f"{text} ± {deviation:,.{digits}f}" if shows_spread and len(values) > 1 else text


def steps_of(runs: Sequence[Run]) -> str:
    """T, where the network has steps."""
    return str(runs[0].test.get("num_steps", NONE))


def settings(title: str, named: Iterable[tuple[str, Sequence[Run]]]) -> Sheet:
    """One row a setting, all its figures together."""
    figures = map(head, (*COLUMNS, LENIENT))
    columns = ("network", "structure", "T", "epochs", "seeds", *figures, "energy, nJ", "training, s")
    return Sheet(title, columns, tuple(_setting(name, runs) for name, runs in named if runs))


def _setting(name: str, runs: Sequence[Run]) -> tuple[str, ...]:
    epochs = sorted({run.epochs for run in runs})
    return (
        name if runs[0].method == OURS else f"{runs[0].method} ({name})",
        runs[0].structure,
        steps_of(runs),
        " to ".join(str(e) for e in (epochs[0], epochs[-1])[: 1 + (len(epochs) > 1)]),
        str(len(runs)),
        *cells(runs),
        cell([run.test for run in runs], LENIENT),
        mean_and_spread([e for run in runs if (e := energy(run)) is not None], 2, False),
        mean_and_spread([run.seconds for run in runs], 0, False),
    )


def overview(title: str, named: Iterable[tuple[str, Sequence[Run]]]) -> Sheet:
    """As much of `settings` as a terminal's width holds."""
    whole = settings(title, named)
    kept = [
        whole.columns.index(c)
        for c in whole.columns
        if c not in ("structure", "ties, %", "silent, %", head(LENIENT), "energy, nJ")
    ]
    rows = tuple(tuple(row[i] for i in kept) for row in whole.rows)
    return Sheet(title, tuple(whole.columns[i] for i in kept), rows)


def short(name: str) -> str:
    """A setting's own name, without the folder."""
    return name.rpartition("/")[2]


def stated(data: str) -> Sheet:
    """What others state of a data set: figures that were not measured here."""
    rows = tuple((k.what, k.figure, k.value, k.source, k.note) for k in STATED if k.data == data)
    return Sheet("stated elsewhere", ("network", "figure", "value", "source", "note"), rows)


def claims(chosen: Sequence[Claim], runs: Runs) -> Sheet:
    """Each claim, its target, what was measured, and whether it is met."""
    return Sheet(
        "claims",
        ("data", "claim", "judged on", "target", "source of the target", "measured", "seeds", "outcome"),
        tuple(_claim(judge(claim, runs)) for claim in chosen),
    )


def _claim(verdict: Verdict) -> tuple[str, ...]:
    claim, times = verdict.claim, verdict.claim.fraction_of is not None
    scale, unit = (100.0, " %") if verdict.is_share else (1.0, " times" if times else "")
    target = NONE if verdict.target is None else f"{claim.relation} {scale * verdict.target:.2f}{unit}"
    measured = mean_and_spread([scale * value for value in verdict.values], 2)
    few = 0 < len(verdict.values) < ENOUGH_SEEDS
    return (
        claim.experiment,
        claim.text,
        short(claim.run),
        target,
        f"{claim.source}: {claim.basis}",
        measured + (unit if verdict.values else ""),
        f"{len(verdict.values)}{' (few)' if few else ''}",
        verdict.outcome,
    )


def ablation(data: str, runs: Runs) -> Sheet:
    """What changes with each respect in which the base is changed."""
    rows = [
        (variant.group, variant.label, str(len(mine)), *cells(mine))
        for variant in sweeps.ablations(data)
        if (mine := runs.get(variant.name))
    ]
    return Sheet(f"ablations, {data}", ("changed", "to", "seeds", *map(head, COLUMNS)), tuple(rows))


def exits(data: str, runs: Runs) -> Sheet:
    """The base's trained networks with their output thresholds raised, and without an early exit."""
    base = sweeps.base(data).name
    by_offset: dict[int | None, list[dict]] = {0: [run.test for run in runs.get(base, ())]}
    for run in runs.get(base, ()):
        for row in run.extra.get("exits", ()):
            by_offset.setdefault(row["offset"], []).append(row)
    rows = []
    for offset in sorted(by_offset, key=lambda o: float("inf") if o is None else o):
        figures = [_exit(by_offset[offset], figure, offset) for figure in COLUMNS]
        rows.append((_offset(offset), *figures))
    filled = tuple(rows) if by_offset[0] else ()
    return Sheet(f"early exit, {data}", ("output thresholds", *map(head, COLUMNS)), filled)


def _exit(rows: Sequence[dict], figure: Figure, offset: int | None) -> str:
    if offset is None and figure.key == "silent_rate":
        return NONE  # nobody was to fire
    return cell(rows, figure)


def _offset(offset: int | None) -> str:
    return "no early exit" if offset is None else "as trained" if offset == 0 else f"{offset:+d}"


def tradeoff(data: str, runs: Runs) -> Sheet:
    """Every point of the sweep."""
    rows = [
        (variant.label, str(len(mine)), *cells(mine))
        for variant in sweeps.tradeoff(data)
        if (mine := runs.get(variant.name))
    ]
    return Sheet(f"trade-off, {data}", ("weights", "seeds", *map(head, COLUMNS)), tuple(rows))


def speakers(named: Iterable[tuple[str, Sequence[Run]]]) -> Sheet:
    """Accuracy by speaker, where runs hold it: of those who are in the training set, of the others, and of each."""
    held = [(name, [run for run in runs if "by_speaker" in run.extra]) for name, runs in named]
    held = [(name, runs) for name, runs in held if runs]
    keys = [("speakers", "known"), ("speakers", "unseen")]
    who = sorted({key for _, runs in held for run in runs for key in run.extra["by_speaker"]}, key=_number)
    keys += [("by_speaker", speaker) for speaker in who]
    rows = tuple((short(name), *(_of_speaker(runs, *key) for key in keys)) for name, runs in held)
    titles = ("speakers trained on", "other speakers", *(f"speaker {speaker}" for speaker in who))
    return Sheet("accuracy by speaker, %", ("network", *titles), rows)


def _of_speaker(runs: Sequence[Run], table: str, key: str) -> str:
    found = [run.extra[table][key]["accuracy"] for run in runs if key in run.extra.get(table, {})]
    return mean_and_spread([100 * accuracy for accuracy in found], 2)


def _number(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdecimal() else (1 << 30, key)
