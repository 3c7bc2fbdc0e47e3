"""What the trials of a search came to, for programs: a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bstdg import files
from bstdg.lab.search import study as studies
from bstdg.lab.search.trial import Outcome
from bstdg.lab.search.worker import OUTCOME, SAME_AS, Search

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TABLE = "trials.jsonl"
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


def rows(search: Search) -> Iterator[dict[str, Any]]:
    """A row for each trial that counts, by number.

    Each has `trial`, its number; `state`, one of `STATES`; `value`, the validation figure; `point`, the values drawn,
    and as `set` what `--set` takes; `epochs` and `seconds` of training; `figures` of the epoch that would be deployed,
    means over `seeds`; `by_epoch`, pairs of an epoch and the figure after it; `host`, `started` and `ended`; `error`
    of one that failed; `same_as`, the earlier trial of the same point; `lost`, numbers of trials of this point whose
    workers died; and the whole `recipe`.
    """
    for trial in search.standing().trials:
        yield _row(search, trial)


def _row(search: Search, trial: FrozenTrial) -> dict[str, Any]:
    point, attributes = search.space.point(trial.params), trial.user_attrs
    outcome = Outcome(**attributes[OUTCOME]) if OUTCOME in attributes else None
    whole = len(point) == len(search.space.dimensions)
    return {
        "trial": trial.number,
        "state": STATES[trial.state.name],
        "value": None if outcome is None else outcome.value,
        "point": point,
        "set": settings(point),
        "epochs": 0 if outcome is None else outcome.epochs,
        "seconds": 0.0 if outcome is None else round(outcome.seconds, 2),
        "figures": {} if outcome is None else outcome.figures,
        "seeds": list(search.seeds),
        "by_epoch": [list(pair) for pair in sorted(trial.intermediate_values.items())],
        "host": attributes.get("host"),
        "started": None if trial.datetime_start is None else trial.datetime_start.isoformat(timespec="seconds"),
        "ended": None if trial.datetime_complete is None else trial.datetime_complete.isoformat(timespec="seconds"),
        "error": attributes.get(studies.ERROR),
        "same_as": attributes.get(SAME_AS),
        "lost": attributes.get(studies.AGAIN, []),
        "recipe": search.space.recipe(point).to_dict() if whole and studies.ERROR not in attributes else None,
    }


def settings(point: dict[str, Any]) -> list[str]:
    """A point as `--set` takes it."""
    return [f"{name}={json.dumps(value)}" for name, value in point.items()]


def write(search: Search) -> Path:
    """Write the table into the search's folder, whole or not at all."""
    path = search.out / TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows(search)).encode())
    return path


def best(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of trials that were trained to the end, best first."""
    return sorted((row for row in found if row["state"] == "complete"), key=lambda row: (-row["value"], row["trial"]))
