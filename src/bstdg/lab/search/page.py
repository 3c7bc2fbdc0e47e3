"""The page of a search: one self-contained file of HTML, as `bstdg.report` writes them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bstdg import files
from bstdg.commands import quoted
from bstdg.lab.search import figures, table
from bstdg.lab.search.worker import Search, short
from bstdg.report.page import ALONE, Cell, Details, Drawn, Section, shell
from bstdg.report.plates import Plate, Table
from bstdg.report.svg import inline

PAGE, BEST = "search.html", "best.toml"  # the page; the recipe of the best trial
ENOUGH = 4  # complete trials that say something of what matters


def write(search: Search, recipe: str) -> Path:
    """Write the page into the search's folder, whole or not at all; `recipe` as it is typed."""
    path = search.out / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, html(search, recipe).encode())
    return path


def html(search: Search, recipe: str) -> str:
    """The page."""
    rows = list(table.rows(search))
    best = table.best(rows)
    figure_of = search.space.base.train.choose.replace("_", " ")
    name = search.space.base.data.name
    title = f"Search over {recipe}"
    lead = (
        f"Every trial trained the recipe with other values of {len(search.space.dimensions)} fields, "
        f"and was judged by {figure_of} on the validation part of {name}, {_seeds(search.seeds)}. "
        "The test set was not read."
    )
    return shell(
        over=f"{name}, {len(rows)} of {search.trials} trials",
        heading=title,
        lead=lead,
        sections=list(_sections(search, rows, best, figure_of)),
        command="bstdg search",
        promise="The best of many trials is lucky in part: judge it by other seeds, and once on the test set.",
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"the mean of seeds {', '.join(map(str, seeds))}"


def _sections(
    search: Search, rows: list[dict[str, Any]], best: list[dict[str, Any]], figure_of: str
) -> Iterator[Section]:
    number = {state: sum(row["state"] == state for row in rows) for state in table.STATES.values()}
    cells = [Cell(f"Best {figure_of}", f"{row['value']:.2%}", json.dumps(row["value"]), "") for row in best[:1]]
    cells += [Cell(state.capitalize(), f"{count}", f"{count}", "trials") for state, count in number.items() if count]
    hours = sum(row["seconds"] for row in rows) / 3600
    cells.append(Cell("Training", f"{hours:.2f} h", json.dumps(hours), "all trials"))
    facts = _best(best[0], search.out) if best else []
    yield Section(ALONE, "best", "The best", "" if best else "No trial is complete.", cells, facts=facts)
    plates = [*_course(rows, figure_of)]
    yield Section(ALONE, "course", "The search", drawn=_drawn(plates, 0), kind="")
    fields = [*_fields(search, rows, figure_of)]
    kind = "many" if len(fields) > 2 else ""
    yield Section(ALONE, "fields", "The fields", drawn=_drawn(fields, len(plates)), kind=kind)
    listed = Details("Every trial", _table(search, rows), "full")
    space = Details("The space", json.dumps(search.space.told(), indent=1, ensure_ascii=False))
    base = Details("The recipe", json.dumps(search.space.base.to_dict(), indent=1, ensure_ascii=False))
    yield Section(ALONE, "trials", "Trials", details=[listed, space, base])


def _best(row: dict[str, Any], out: Path) -> list[tuple[str, str]]:
    told = [(name, f"{value}") for name, value in row["point"].items()]
    told += [(name.replace("_", " "), f"{value:.4g}") for name, value in row["figures"].items()]
    return [("trial", f"{row['trial']}"), *told, ("train it", command(out))]


def command(out: Path) -> str:
    """What trains the best recipe of a search."""
    return f"bstdg train {quoted(out / BEST)}"


def _course(rows: list[dict[str, Any]], figure_of: str) -> Iterator[Plate]:
    head = ("trial", "state", figure_of)
    cells = tuple((row["trial"], row["state"], f"{row['value']:.2%}") for row in rows if row["value"] is not None)
    yield Plate(
        "history",
        figures.history(rows, figure_of),
        f"The {figure_of} of every trial. Those that are crossed were stopped before their end.",
        f"A point for each of {len(cells)} trials, and a line for the best so far.",
        Table(head, cells),
    )
    yield Plate(
        "learning",
        figures.learning(rows, figure_of),
        f"The {figure_of} after every epoch; the best trial is red, and those that were stopped are pale.",
        "A curve for each trial.",
    )


def _fields(search: Search, rows: list[dict[str, Any]], figure_of: str) -> Iterator[Plate]:
    if shares := importances(search):
        yield Plate(
            "importance",
            figures.importance(shares),
            "How much of the variation between complete trials each field explains, by a forest of regression trees "
            "(functional analysis of variance).",
            ", ".join(f"{name} {share:.0%}" for name, share in shares.items()),
        )
    for one in search.space.dimensions:
        yield Plate(
            one.field.replace(".", "-"),
            figures.field(rows, figure_of, one),
            f"The {figure_of} of trials by {one.field}.",
            f"A point for each trial, by its value of {one.field}.",
        )


def importances(search: Search) -> dict[str, float]:
    """How much each field matters, where there are trials enough to say."""
    import optuna

    complete = {t.value for t in search.standing().trials if t.state == optuna.trial.TrialState.COMPLETE}
    if len(search.space.dimensions) < 2 or len(complete) < ENOUGH:
        return {}
    judge = optuna.importance.FanovaImportanceEvaluator(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(optuna.importance.get_param_importances(search.study, evaluator=judge))
        except (ValueError, RuntimeError):  # trials that differ in no field, say
            return {}


def _drawn(plates: Sequence[Plate], before: int) -> list[Drawn]:
    return [
        Drawn(plate.key, before + i, plate, inline(plate.figure, f"fig-{plate.key}"))
        for i, plate in enumerate(plates, 1)
    ]


def _table(search: Search, rows: list[dict[str, Any]]) -> Table:
    names = [one.field for one in search.space.dimensions]
    head = ("trial", "state", "value", "epochs", "seconds", *names)
    return Table(head, tuple(_cells(row, names) for row in rows))


def _cells(row: dict[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    value = "" if row["value"] is None else f"{row['value']:.2%}"
    point = (short(row["point"][name]) if name in row["point"] else "" for name in names)
    return row["trial"], row["state"], value, row["epochs"], f"{row['seconds']:.1f}", *point
