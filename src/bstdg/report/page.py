"""The page: one self-contained file of HTML that loads nothing and runs nothing.

Its Content-Security-Policy allows the one style written in it, by hash, and pictures that are in it; no script at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import bstdg
from bstdg.export.web.proof import allow
from bstdg.report import inside, plates
from bstdg.report.neurons import has_fields, has_pictures
from bstdg.report.plates import Plate, Subject, Table
from bstdg.report.svg import inline
from bstdg.report.words import FIGURES, KEY, facts, headline

TEMPLATES = Path(__file__).parent / "templates"
MARK = '<meta name="generator" content="bstdg report'  # tells a report from any other page

Keep = Callable[[str, Plate], None]


RASTERS = (
    "From input to decision, spike by spike. The red line is the step of the decision; what is pale would have come "
    "after it. Outputs are drawn as potential minus threshold: the first at zero decides."
)


class Place(NamedTuple):
    """Where sections stand: start of their addresses, level of their headings, and of several whose they are."""

    prefix: str
    level: int
    owner: str

    def label(self, title: str) -> str:
        """A title that no other model's section has."""
        return f"{self.owner}: {title}" if self.owner else title


ALONE = Place("", 2, "")


class Page:
    """Puts a report together, counting its figures.

    Args:
        subjects: the models, all on the same data.
        keep: given every figure with a name of its own, for who wants them as files too.
    """

    def __init__(self, subjects: Sequence[Subject], keep: Keep = lambda name, plate: None):
        self._subjects, self._keep = list(subjects), keep
        self._several = len(self._subjects) > 1
        self._number = 0
        self._contents: list[tuple[str, str]] = []

    def html(self) -> str:
        """The whole file."""
        main = "\n".join(self._parts())
        style = _template("style.css")
        policy = f"default-src 'none'; style-src {allow(style)}; img-src data:; base-uri 'none'; form-action 'none'"
        over, heading, lead = headline([subject.measured for subject in self._subjects])
        parts = {
            "policy": policy,
            "version": escape(bstdg.__version__),
            "style": style,
            "title": escape(f"{heading}: {over}"),
            "over": escape(over),
            "heading": escape(heading),
            "lead": escape(lead),
            "contents": "".join(f'<li><a href="#{key}">{escape(name)}</a></li>' for key, name in self._contents),
            "main": main,
        }
        return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _template("page.html"))

    def _parts(self) -> Iterator[str]:
        if not self._several:
            yield from self._sections(self._subjects[0], ALONE)
            return
        table = _wide(_table(_side_by_side(self._subjects), "full"), "Figures side by side")
        drawn = self._plate("comparison", plates.comparison(self._subjects))
        both = f'<div class="plates">{drawn}{table}</div>'
        yield self._section(ALONE, "comparison", "Side by side", "", both)
        for i, subject in enumerate(self._subjects, 1):
            key = f"model-{i}"
            self._contents.append((key, subject.name))
            body = "\n".join(self._sections(subject, Place(f"{key}-", 3, subject.name)))
            name = f'<h2 id="{key}-name">{escape(subject.name)}</h2>'
            yield f'<article id="{key}" aria-labelledby="{key}-name">{name}{body}</article>'

    def _sections(self, subject: Subject, place: Place) -> Iterator[str]:
        measured = subject.measured
        every = _details(place.label("All figures"), _table(_all_figures(subject), "full"))
        yield self._section(place, "figures", "Figures", "", _key_figures(measured.figures) + every)
        drawn = self._plates(place, plates.decisions(subject), "many")
        numbers = _details(place.label("The samples in numbers"), _table(plates.decision_table(subject)))
        yield self._section(place, "decisions", "Decisions", RASTERS, drawn + numbers)
        no_log = "" if subject.history.epochs else "There is no log of the training beside the model file."
        parts: tuple[tuple[str, str, Callable[[Subject], Iterator[Plate]], str], ...] = (
            ("time", "Time and errors", plates.behaviour, ""),
            ("neurons", "Hidden neurons", inside.hidden, _left_out(subject)),
            ("training", "Training", inside.training, no_log),
            ("cost", "Cost", inside.cost, ""),
        )
        for key, title, gives, words in parts:
            some = list(gives(subject))
            yield self._section(place, key, title, words, self._plates(place, some, "many" if len(some) > 2 else ""))
        recipe = measured.model.trained.get("recipe")
        text = json.dumps(recipe, indent=1, sort_keys=True, ensure_ascii=False)
        written = "" if recipe is None else _details(place.label("The recipe"), f"<pre>{escape(text)}</pre>")
        yield self._section(place, "model", "The model", "", _words(facts(subject)) + written)

    def _section(self, place: Place, name: str, title: str, words: str, content: str) -> str:
        key = f"{place.prefix}{name}"
        if not place.owner:
            self._contents.append((key, title))
        said = f"<p>{escape(words)}</p>" if words else ""
        heading = f"<h{place.level}>{escape(title)}</h{place.level}>"
        label = escape(place.label(title))
        return f'<section id="{key}" aria-label="{label}">{heading}{said}{content}</section>'

    def _plates(self, place: Place, drawn: Iterable[Plate], kind: str) -> str:
        text = "".join(self._plate(f"{place.prefix}{plate.key}", plate) for plate in drawn)
        return f'<div class="{f"plates {kind}".strip()}">{text}</div>' if text else ""

    def _plate(self, key: str, plate: Plate) -> str:
        self._number += 1
        self._keep(key, plate)
        title, drawn = f"Figure {self._number}", inline(plate.figure, f"fig-{key}")
        numbers = ""
        if plate.table is not None:
            numbers = _details(f"The numbers of figure {self._number}", _table(plate.table))
        return (
            f'<figure id="fig-{key}"><div class="plate" role="img" aria-label="{escape(plate.says)}">'
            f"{drawn}</div><figcaption><b>{title}.</b> {escape(plate.caption)}</figcaption>"
            f"{numbers}</figure>"
        )


def _left_out(subject: Subject) -> str:
    if not subject.measured.fired:
        return "The network has no hidden layer, so there is nothing to say of hidden neurons."
    if not has_pictures(subject.measured):
        return "The input is no image, so there are no pictures of receptive fields."
    if not has_fields(subject.measured):
        return "No neuron of the first layer fired, so there are no pictures of receptive fields."
    return ""


def _key_figures(figures: dict[str, Any]) -> str:
    """The figures that belong together, each with its exact value for programs."""
    cells = []
    for i, (key, name, show, more) in enumerate(KEY):
        small = f" <small>{escape(more(figures))}</small>" if more else ""
        first = ' class="first"' if i == 0 else ""
        cells.append(f"<div{first}><dt>{escape(name)}</dt><dd>{_data(figures[key], show)}{small}</dd></div>")
    return f'<dl class="key">{"".join(cells)}</dl>'


def _data(value: float, show: Callable[[Any], str]) -> str:
    return f'<data value="{escape(json.dumps(value))}">{escape(show(value))}</data>'


def _all_figures(subject: Subject) -> Table:
    figures = subject.measured.figures
    return Table(("figure", "value"), tuple((name, show(figures[key])) for key, name, show in FIGURES))


def _side_by_side(subjects: Sequence[Subject]) -> Table:
    head = ("", *(subject.name for subject in subjects))
    rows = [("structure", *("-".join(map(str, s.measured.model.widths)) for s in subjects))]
    rows += [(name, *(show(s.measured.figures[key]) for s in subjects)) for key, name, show in FIGURES]
    rows.append(("model file, bytes", *(f"{s.file_bytes:,}" for s in subjects)))
    return Table(head, tuple(rows))


def _details(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{_scroll(content, title)}</details>"


def _wide(content: str, title: str) -> str:
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{content}</div>'


def _scroll(content: str, title: str) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">{content}</div>'


def _table(table: Table, kind: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(str(cell))}</th>' if cell else "<td></td>" for cell in table.head)
    body = "".join(
        f'<tr><th scope="row">{escape(str(row[0]))}</th>{"".join(f"<td>{escape(str(c))}</td>" for c in row[1:])}</tr>'
        for row in table.rows
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _words(rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f'<table class="words"><tbody>{body}</tbody></table>'


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
