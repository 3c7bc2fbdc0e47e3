"""Names in figures: letters that a font here has, and nothing in them that matplotlib obeys.

A name may be of any script, and the font that a figure is set in has the letters of some. For the others a font is
looked for among those that matplotlib finds; a letter that none of them has is drawn as its code point, and said once.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bstdg.errors import BstdgWarning
from bstdg.shown import JOINERS, columns, name, spelled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

File = tuple[str, int]  # of a font: its path, and which font of the file it is
USUAL = (400, "normal", "regular", "book")  # weights
LONGEST = 24  # columns of a name beside a matrix or bars
IN_TITLE = 16  # … and on a line of a panel's title
BESIDE = 12  # … up to which there is room for more on that line
SPACE = "\u3000"  # of East Asia: drawn as any other where no font has it
UNSEEN = re.compile(rf"[{JOINERS}\ufe00-\ufe0f]")  # choose how letters are drawn; nothing where no font has them
NO_FONTS = re.compile(r"last ?resort|notdef|blank", re.IGNORECASE)  # that have a sign for every letter, and no letters
PREFERRED = (re.compile(r"^Noto Sans\b"), re.compile(r"Sans|Gothic|Hei|Gulim|Meiryo"))  # to go with a sans serif


class DrawingWarning(BstdgWarning):
    """A figure shows a name otherwise than it is written."""


class Letters(NamedTuple):
    """Names as a figure draws them: their `texts`, and the `font` as arguments of whatever writes them."""

    texts: tuple[str, ...]
    font: dict[str, Any]


def lettering(figure: Figure, names: Iterable[object], most: int = LONGEST) -> Letters:
    """Make names fit to be drawn in a figure, in the fonts that matplotlib is set to and others for what these lack.

    Args:
        figure: what is drawn on; one of this package's learns what was spelled out, for pages that have other fonts.
        names: of classes, models, layers, whoever gave them.
        most: columns of the longest.

    Warns:
        DrawingWarning: no font here has a letter.
    """
    from matplotlib import font_manager
    from matplotlib.font_manager import FontProperties

    fit = [name(one, most) for one in names]
    wanted = frozenset(c for one in fit for c in one if not c.isascii())
    more, absent = _fonts(wanted, _families(), len(font_manager.fontManager.ttflist)) if wanted else ((), ())
    texts = [_drawn(one, absent, most) for one in fit]
    letters = [c for c in absent if not _unseen(c)]
    owners: dict[str, set[str]] = {}
    for text, one in zip(texts, fit, strict=True) if letters else ():
        owners.setdefault(text, set()).add(one)
    for text, (one, *others) in owners.items():
        if not others and any(letter in one for letter in letters):
            getattr(figure, "spelled", {})[text] = one
    font: dict[str, Any] = {"usetex": False, "parse_math": True}
    if more:
        font["fontfamily"] = [*FontProperties().get_family(), *more]
    return Letters(tuple(text.replace("$", r"\$") for text in texts), font)


def gap(text: str) -> str:
    """What parts a name from the rest of a title: the end of the line, where it is long."""
    return " " if columns(text) <= BESIDE else "\n"


def _drawn(text: str, absent: Iterable[str], most: int) -> str:
    """A name with what is absent spelled out, as many of its letters as there is room for."""
    table = {ord(c): spelled(c) if not _unseen(c) else " " if c == SPACE else "" for c in absent}
    rooms = (name(text, room).translate(table) for room in range(most, 2, -1))
    return next((said for said in rooms if columns(said) <= most), name(text.translate(table), most))


def _unseen(letter: str) -> bool:
    """Whether there is nothing to see of it, so that nobody misses it where no font has it."""
    return letter == SPACE or bool(UNSEEN.match(letter))


@functools.lru_cache(64)
def _fonts(
    wanted: frozenset[str], families: tuple[str, ...], installed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Families that have, together, what those in use lack; and the letters that none has, which is said.

    How many fonts are installed is asked for the cache's sake.
    """
    left = set(wanted)
    for file in _in_use(families):
        left -= _has(file, left)
    chosen = []
    while left:
        having = {family: has for family, file in _regular().items() if (has := _has(file, left))}
        if not having:
            break
        best = min(having, key=lambda family: (-len(having[family]), *_order(family)))
        chosen.append(best)
        left -= having[best]
    if letters := sorted(c for c in left if not _unseen(c)):
        codes = ", ".join(f"{c} (U+{ord(c):04X})" for c in letters[:4]) + (", …" if len(letters) > 4 else "")
        warnings.warn(
            f"no font that matplotlib finds has {codes}: figures spell it out; install one that does, such as one of "
            "the Noto fonts",
            DrawingWarning,
            stacklevel=4,
        )
    return tuple(chosen), tuple(sorted(left))


def _families() -> tuple[str, ...]:
    """Families that matplotlib is set to, the generic ones replaced by all that they stand for."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    stands_for: Mapping[str, Any] = rcParams  # pyright: ignore[reportAssignmentType]
    listed = ((family, stands_for.get(f"font.{family}")) for family in FontProperties().get_family())
    return tuple(one for family, every in listed for one in (every if isinstance(every, list) else [family]))


def _in_use(families: Iterable[str]) -> list[File]:
    """The fonts of those families that are here; matplotlib's own where none is."""
    from matplotlib import font_manager

    files = []
    for family in families:
        try:
            path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:
            continue
        files.append((str(path), getattr(path, "face_index", 0)))
    own = font_manager.FontProperties(family=["DejaVu Sans"])
    return files or [(str(font_manager.findfont(own)), 0)]


def _regular() -> dict[str, File]:
    """Every other family with its upright font of usual weight, which matplotlib then takes without a word."""
    from matplotlib import font_manager

    return {
        entry.name: (entry.fname, getattr(entry, "index", 0))
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal" and entry.weight in USUAL and not NO_FONTS.search(entry.name)
    }


def _order(family: str) -> tuple[int, int, str]:
    kind = next((i for i, pattern in enumerate(PREFERRED) if pattern.search(family)), len(PREFERRED))
    return kind, len(family), family


def _has(file: File, letters: Iterable[str]) -> set[str]:
    """Those letters that a font can draw."""
    from matplotlib.ft2font import FT2Font

    path, face = file
    try:
        font = FT2Font(path, face_index=face) if face else FT2Font(path)  # earlier ones know the first face alone
        font.set_size(12, 72)
        found = {letter for letter in letters if font.get_char_index(ord(letter))}
        for letter in found:
            font.load_char(ord(letter))
    except (RuntimeError, ValueError, OSError):  # it is gone, or one of pictures, which matplotlib does not draw
        return set()
    return found
