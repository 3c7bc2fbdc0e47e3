"""Holds claims against the runs there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bstdg.lab.experiments.claims import UNSEEN_SPEAKERS, Claim
from bstdg.lab.experiments.results import Run, energy
from bstdg.lab.experiments.run import spread


@dataclass(frozen=True)
class Verdict:
    """A claim beside what was measured."""

    claim: Claim
    target: float | None
    values: tuple[float, ...]

    @property
    def outcome(self) -> Literal["PASS", "NOT MET", "NOT MEASURED"]:
        """NOT MEASURED where a run is missing on either side."""
        if self.target is None or not self.values:
            return "NOT MEASURED"
        mean, _ = spread(self.values)
        met = {
            "at least": mean >= self.target,
            "at most": mean <= self.target,
            "above": mean > self.target,
        }[self.claim.relation]
        return "PASS" if met else "NOT MET"

    @property
    def is_share(self) -> bool:
        """The figure is a share, so shown in percent."""
        return self.claim.fraction_of is None and self.claim.figure in ("accuracy", "macro_f1", UNSEEN_SPEAKERS)


def judge(claim: Claim, runs: Mapping[str, Sequence[Run]]) -> Verdict:
    """Hold a claim against the runs there are."""
    target = claim.target
    if isinstance(target, str):
        measured = _figures(runs.get(target, ()), claim.figure)
        target = spread(measured)[0] - claim.less if measured else None
    figures = _figures(runs.get(claim.run, ()), claim.figure)
    whole = claim.fraction_of
    if isinstance(whole, str):
        others = _figures(runs.get(whole, ()), claim.figure, claim.blocks)
        if not others:
            return Verdict(claim, None, ())
        whole = spread(others)[0]
    return Verdict(claim, target, tuple(_value(whole, figure) for figure in figures))


def _value(whole: float | None, figure: float) -> float:
    if whole is None:
        return figure
    return whole / figure if figure else float("inf")


def _figures(runs: Sequence[Run], figure: str, blocks: int = 0) -> list[float]:
    return [value for run in runs if (value := figure_of(run, figure, blocks)) is not None]


def figure_of(run: Run, figure: str, blocks: int = 0) -> float | None:
    """A figure of the test set (see `Claim.figure` and `blocks`); None where the run does not hold it."""
    if figure == "energy":
        return energy(run)
    if figure == "steps":
        rows = [row for row in run.extra.get("blocks", ()) if row["blocks"] == blocks] if blocks else [run.test]
        mean = rows[0].get("decision_step_mean") if rows else None
        return None if mean is None else mean + 1
    if figure == UNSEEN_SPEAKERS:
        held = run.extra.get("by_speaker", {})
        speakers = [held[speaker] for speaker in ("4", "5") if "samples" in held.get(speaker, ())]
        right = sum(speaker["accuracy"] * speaker["samples"] for speaker in speakers)
        heard = sum(speaker["samples"] for speaker in speakers)
        return right / heard if len(speakers) == 2 and heard else None
    return run.test.get(figure)
