"""The page: one self-contained file of HTML that loads nothing and runs nothing.

What is on it is collected here; how it is written is in `templates/page.html` and `templates/parts.html`. Its
Content-Security-Policy allows the one style written in it, by hash, and pictures that are in it; no script at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import bstdg
from bstdg import templates
from bstdg.model import classes
from bstdg.model.figures import FIGURES, TOGETHER
from bstdg.report import inside, plates
from bstdg.report.neurons import has_fields, has_pictures
from bstdg.report.plates import Plate, Subject, Table
from bstdg.report.svg import inline
from bstdg.report.words import beside, facts, headline

PACKAGE = "bstdg.report"  # whose templates
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


class Drawn(NamedTuple):
    """A figure on the page: the last part of its address, its number, its plate, and its picture as SVG."""

    key: str
    number: int
    plate: Plate
    svg: str


class Cell(NamedTuple):
    """One of the key figures: what it is called, how it is shown, its exact value for programs, and what is small."""

    name: str
    shown: str
    exact: str
    small: str


class Details(NamedTuple):
    """What is folded away under a title: a table, or a text that is shown as it is written."""

    title: str
    content: Table | str
    kind: str = ""


@dataclass(frozen=True)
class Section:
    """A section: where it stands, its title, and what is in it as far as it has such: words, figures, tables."""

    place: Place
    name: str
    title: str
    words: str = ""
    cells: Sequence[Cell] = ()
    drawn: Sequence[Drawn] = ()
    kind: str = ""  # how figures are laid out
    facts: Sequence[tuple[str, str]] = ()
    details: Sequence[Details] = ()

    @property
    def key(self) -> str:
        """Its address."""
        return f"{self.place.prefix}{self.name}"


@dataclass(frozen=True)
class Part:
    """A model's sections; `key` is the address of the whole where there are several models."""

    key: str
    name: str
    sections: Sequence[Section]


@dataclass
class Page:
    """Puts a report together, counting its figures.

    Args:
        subjects: the models, all on the same data.
        keep: given every figure with a name of its own, for who wants them as files too.
    """

    subjects: Sequence[Subject]
    keep: Keep = lambda name, plate: None
    _number: int = field(default=0, init=False)

    def html(self) -> str:
        """The whole file."""
        several = len(self.subjects) > 1
        together = self._together() if several else None
        parts = list(self._parts())
        sections = parts[0].sections if not several else ()
        over, heading, lead = headline([subject.measured for subject in self.subjects])
        return _filled(
            {
                "over": over,
                "heading": heading,
                "lead": lead,
                "contents": [("comparison", "Side by side"), *((part.key, part.name) for part in parts)]
                if several
                else [(section.key, section.title) for section in sections],
                "together": together,
                "side_by_side": _side_by_side(self.subjects) if several else None,
                "parts": parts,
                "command": "bstdg report",
                "promise": "The same model, data and version give the same bytes.",
            }
        )

    def _together(self) -> Section:
        drawn = self._draw("comparison", plates.comparison(self.subjects))
        return Section(ALONE, "comparison", "Side by side", drawn=[drawn])

    def _parts(self) -> Iterator[Part]:
        if len(self.subjects) == 1:
            yield Part("", self.subjects[0].name, list(self._sections(self.subjects[0], ALONE)))
            return
        for i, subject in enumerate(self.subjects, 1):
            place = Place(f"model-{i}-", 3, subject.name)
            yield Part(f"model-{i}", subject.name, list(self._sections(subject, place)))

    def _sections(self, subject: Subject, place: Place) -> Iterator[Section]:
        measured = subject.measured
        every = Details(place.label("All figures"), _all_figures(subject), "full")
        by_class = Details(place.label("Every class"), _by_class(subject), "full")
        yield Section(
            place, "figures", "Figures", cells=list(_key_figures(measured.figures)), details=[every, by_class]
        )
        drawn = self._plates(place, (*plates.decisions(subject), *plates.where(subject)))
        numbers = Details(place.label("The samples in numbers"), plates.decision_table(subject))
        yield Section(place, "decisions", "Decisions", RASTERS, drawn=drawn, kind="many", details=[numbers])
        no_log = "" if subject.history.epochs else "There is no log of the training beside the model file."
        parts: tuple[tuple[str, str, Callable[[Subject], Iterator[Plate]], str], ...] = (
            ("time", "Time and errors", plates.behaviour, ""),
            ("neurons", "Hidden neurons", inside.hidden, _left_out(subject)),
            ("training", "Training", inside.training, no_log),
            ("cost", "Cost", inside.cost, ""),
        )
        for name, title, gives, words in parts:
            drawn = self._plates(place, list(gives(subject)))
            yield Section(place, name, title, words, drawn=drawn, kind="many" if len(drawn) > 2 else "")
        recipe = measured.model.trained.get("recipe")
        text = json.dumps(recipe, indent=1, sort_keys=True, ensure_ascii=False)
        written = [] if recipe is None else [Details(place.label("The recipe"), text)]
        yield Section(place, "model", "The model", facts=facts(subject), details=written)

    def _plates(self, place: Place, drawn: Iterable[Plate]) -> list[Drawn]:
        return [self._draw(f"{place.prefix}{plate.key}", plate) for plate in drawn]

    def _draw(self, key: str, plate: Plate) -> Drawn:
        self._number += 1
        self.keep(key, plate)
        return Drawn(key, self._number, plate, inline(plate.figure, f"fig-{key}"))


def shell(*, over: str, heading: str, lead: str, sections: Sequence[Section], command: str, promise: str) -> str:
    """Another page of the same kind.

    Args:
        over, heading, lead: above all: a line, the title, and what it is about.
        sections: what is on it.
        command: what writes it.
        promise: what is to be known of such pages, at the end.
    """
    contents = [(section.key, section.title) for section in sections]
    parts = [Part("", "", sections)]
    told = {"over": over, "heading": heading, "lead": lead, "command": command, "promise": promise}
    return _filled({**told, "contents": contents, "together": None, "side_by_side": None, "parts": parts})


def _filled(values: dict[str, Any]) -> str:
    """The template with its style, and the policy that allows it."""
    style = templates.source(PACKAGE, "style.css")
    only = f"style-src {templates.allowed(style)}; img-src data:"
    policy = f"default-src 'none'; {only}; base-uri 'none'; form-action 'none'"
    own = {"policy": policy, "version": bstdg.__version__, "style": style}
    return templates.fill(PACKAGE, "page.html", {**own, **values})


def _left_out(subject: Subject) -> str:
    if not subject.measured.fired:
        return "The network has no hidden layer, so there is nothing to say of hidden neurons."
    if not has_pictures(subject.measured):
        return "The input is no image, so there are no pictures of receptive fields."
    if not has_fields(subject.measured):
        return "No neuron of the first layer fired, so there are no pictures of receptive fields."
    return ""


def _key_figures(figures: dict[str, Any]) -> Iterator[Cell]:
    """The figures that belong together, each with its exact value for programs."""
    for figure in map(FIGURES.__getitem__, TOGETHER):
        value = figures[figure.key]
        yield Cell(figure.name.capitalize(), figure.show(value), json.dumps(value), beside(figure.key, figures))


def _all_figures(subject: Subject) -> Table:
    figures = subject.measured.figures
    return Table(("figure", "value"), tuple((one.caption, one.show(figures[key])) for key, one in FIGURES.items()))


def _by_class(subject: Subject) -> Table:
    return Table(classes.HEAD, tuple(classes.rows(subject.measured.classes, subject.measured.figures)))


def _side_by_side(subjects: Sequence[Subject]) -> Table:
    head = ("", *(subject.name for subject in subjects))
    rows = [("structure", *(s.measured.model.structure for s in subjects))]
    for key, figure in FIGURES.items():
        rows.append((figure.caption, *(figure.show(s.measured.figures[key]) for s in subjects)))
    rows.append(("model file, bytes", *(f"{s.file_bytes:,}" for s in subjects)))
    return Table(head, tuple(rows))
