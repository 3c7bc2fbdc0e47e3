"""The results page, written from the runs' JSON alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bstdg import datasets, files, shown
from bstdg.errors import InputError
from bstdg.lab.experiments import alike, figures, notes, results, steps, sweeps, tables
from bstdg.lab.experiments.claims import CLAIMS, ENOUGH_SEEDS
from bstdg.lab.experiments.judge import judge
from bstdg.lab.experiments.results import Run
from bstdg.lab.experiments.tables import Runs, Sheet

HEAD = """\
# Results

Written by `bstdg reproduce --report docs/results.md` from the JSON in `results/`, one file a run; nothing here is typed
by hand. `bstdg reproduce --list` says what each experiment tests and how long it takes.

Accuracy is strict: the output that fires first, then the greatest V - threshold, then the lowest index. The test set is
read once, at the end of a run; the epoch is chosen on a validation part of the training set. Figures are means over
seeds, ± is the sample standard deviation. Steps count from 0; spikes and synaptic operations are means a sample, up to
the decision. "Published" is a figure from a paper, by that paper's metric; "released weights" is a predecessor's
published network run by its own conventions; "measured" was trained and run here. "Ties right" counts a decision as
right if the label is among the outputs that fired first, as the predecessors' papers do; it is there for comparison
only. Networks called "-edges" read the edges of pictures (see the data sets page) in place of pixels; the sixteen
additions and comparisons a pixel that find them are in neither operations nor energy. Energy is an estimate, from
counted operations and memory accesses and a table of a 45 nm process (see `bstdg.model.energy`); it was not measured.
"""
ABLATIONS = (
    "One respect is changed at a time, from `recipes/{recipe}.toml`, {epochs} epochs; what is not named is the base's."
)
ONE_SEED = "A setting with one seed has no spread: small differences between such settings say nothing."
EXITS = """\
The base's trained networks, with every output threshold raised or lowered by a number of units of potential. Without an
early exit all steps are run and the greatest V - threshold decides at the last.
"""
TRADEOFF = "The same short schedule, with a weight on the expected decision step, on hidden spikes, or on both."


def text(runs: Runs, figure_names: Sequence[tuple[str, str]]) -> str:
    """The page in Markdown.

    Args:
        runs: see `results.load_all`.
        figure_names: data set and file of each trade-off figure.
    """
    claimed = (_verdicts(runs), *steps.said(runs), _table(tables.claims(CLAIMS, runs)))
    parts = [HEAD, *_machines(runs), "## Claims\n", *claimed]
    for data in datasets.names():
        parts += _data_set(data, datasets.source(data).title, runs)
    if (same := alike.sheet(runs)).rows:
        parts += ["## One input, network by network\n", alike.SAID, _table(same)]
    for data in ("mnist", "digits"):
        parts += _ablations(data, runs)
    for data in ("mnist", "digits"):
        parts += _tradeoff(data, runs, [name for of, name in figure_names if of == data])
    return "\n".join(parts)


def _table(sheet: Sheet) -> str:
    return f"{sheet.markdown()}\n"


def _machines(runs: Runs) -> list[str]:
    """Where it was measured: a line for each different machine."""
    lines = {_machine(run) for mine in runs.values() for run in mine}
    return ["".join(f"- Measured on {line}.\n" for line in sorted(lines))] if lines else []


def _machine(run: Run) -> str:
    about = run.machine
    versions = ", ".join(f"{name} {about[name]}" for name in ("bstdg", "python", "numpy", "torch") if name in about)
    place = ", ".join(str(about[key]) for key in ("processor", "system") if about.get(key))
    return tables.plain(f"{place}, {about.get('threads', '?')} thread(s) a run; {versions}")


def _verdicts(runs: Runs) -> str:
    verdicts = [judge(claim, runs) for claim in CLAIMS]
    outcomes = [verdict.outcome for verdict in verdicts]
    met, missed = outcomes.count("PASS"), outcomes.count("NOT MET")
    rest = len(outcomes) - met - missed
    few = sum(0 < len(v.values) < ENOUGH_SEEDS and v.outcome != "NOT MEASURED" for v in verdicts)
    said = f"{len(CLAIMS)} claims: {met} met, {missed} not met, {rest} not measured."
    return f"{said} {few} are judged on fewer than {ENOUGH_SEEDS} seeds, and marked so.\n" if few else f"{said}\n"


def _data_set(data: str, title: str, runs: Runs) -> Iterator[str]:
    mine = [(name, r) for name, r in runs.items() if name.startswith("runs/") and r[0].data == data]
    stated = tables.stated(data)
    if not mine and not stated.rows:
        return
    yield f"## {title}\n"
    yield from notes.of(data, runs)
    if mine:
        yield _table(tables.settings(title, [(tables.short(name), r) for name, r in mine]))
    if (in_blocks := steps.sheet(mine)).rows:
        yield steps.BLOCKS_OF
        yield _table(in_blocks)
    by_speaker = tables.speakers(mine)
    if by_speaker.rows:
        yield "Accuracy by speaker, %:\n"
        yield _table(by_speaker)
    if stated.rows:
        yield "Stated elsewhere, not measured here:\n"
        yield _table(stated)


def _ablations(data: str, runs: Runs) -> Iterator[str]:
    sheet, exits = tables.ablation(data, runs), tables.exits(data, runs)
    if not sheet.rows:
        return
    epochs = sorted({str(run.epochs) for run in runs.get(sweeps.base(data).name, ())})
    yield f"## Ablations, {datasets.source(data).title}\n"
    yield ABLATIONS.format(recipe=sweeps.base(data).recipe, epochs=" or ".join(epochs)) + "\n"
    yield from _few(sheet)
    yield _table(sheet)
    if exits.rows:
        yield EXITS
        yield _table(exits)


def _few(sheet: Sheet) -> Iterator[str]:
    """A warning where a setting was trained once."""
    seeds = sheet.columns.index("seeds")
    if any(row[seeds] == "1" for row in sheet.rows):
        yield f"{ONE_SEED}\n"


def _tradeoff(data: str, runs: Runs, names: Sequence[str]) -> Iterator[str]:
    sheet = tables.tradeoff(data, runs)
    if len(sheet.rows) < 2:  # the base alone is no curve
        return
    title = datasets.source(data).title
    yield f"## Trade-off, {title}\n"
    yield f"{TRADEOFF}\n"
    yield from _few(sheet)
    for name in names:
        axis = name.rpartition("-")[2].removesuffix(".svg")
        yield f"![{title}: accuracy against {axis}](figures/{name})\n"
    yield _table(sheet)


def write(out: Path, page: Path) -> list[Path]:
    """Write the page of the runs below `out`, and its figures into `figures` beside it; gives what was written.

    Raises:
        InputError: there are no runs, or the page is no .md file.
        FileFormatError: a file in a run's place is none.
    """
    if page.suffix != ".md":
        raise InputError(f"the results page is a Markdown file, such as docs/results.md, not {page}")
    runs = results.load_all(out) if out.is_dir() else {}
    if not runs:
        raise InputError(f"there are no results in {out}: run an experiment first (bstdg reproduce --list)")
    drawn = []
    for data in ("mnist", "digits"):
        if len(tables.tradeoff(data, runs).rows) < 2:
            continue
        for axis in figures.AXES:
            path = page.parent / "figures" / f"tradeoff-{data}-{axis}.svg"
            figures.save(figures.tradeoff(data, axis, runs), path)
            drawn.append((data, path))
    page.parent.mkdir(parents=True, exist_ok=True)
    written = shown.lines(text(runs, [(data, path.name) for data, path in drawn]))
    files.write_atomic(page, written.encode())
    return [page, *(path for _, path in drawn)]
