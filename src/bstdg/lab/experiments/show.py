"""What `bstdg reproduce` prints: the runs of an experiment, and its claims."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bstdg.lab.experiments import tables
from bstdg.lab.experiments.claims import CLAIMS
from bstdg.lab.experiments.results import QUICK, Run
from bstdg.lab.experiments.tables import Sheet
from bstdg.lab.experiments.variants import Experiment


def summary(experiment: Experiment, runs: Sequence[Run], quick: bool) -> list[Sheet]:
    """The tables; a quick try is named as one."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name.removeprefix(f"{QUICK}/"), []).append(dataclasses.replace(run))
    title = f"{experiment.name}, quick: a try with few epochs, no result" if quick else experiment.name
    made = [tables.overview(title, [(tables.short(name), mine) for name, mine in by_name.items()])]
    claims = [claim for claim in CLAIMS if claim.experiment == experiment.name]
    if claims:
        said = tables.claims(claims, by_name)
        heading = "claims, by this quick try (they are about the full run)" if quick else "claims"
        made.append(dataclasses.replace(said, title=heading))
    return made
