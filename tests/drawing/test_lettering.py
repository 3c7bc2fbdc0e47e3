"""Names in figures: in a font that has their letters, spelled out where none has, and never obeyed."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, rc_context
from PIL import Image
from support.nasty import TEXTS, acting
from support.strategies import random_model

from bstdg import drawing, report
from bstdg.datasets import Dataset
from bstdg.drawing import lettering
from bstdg.drawing.figure import Drawing, save
from bstdg.drawing.films import Film
from bstdg.drawing.lettering import DrawingWarning
from bstdg.drawing.scene import scene
from bstdg.model.runtime import Model
from bstdg.report.svg import inline

FAMILY = "Squares of Test"
LETTERS = "𓃠𓃡"  # hieroglyphs, which no font here has
TEXT = "{http://www.w3.org/2000/svg}text"


def font_file(letters: str, family: str, path) -> str:
    """A font in which every letter is a black square."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((900, 0), (900, 800), (100, 800)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    names = [".notdef", *(f"square{ord(c):X}" for c in letters)]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"square{ord(c):X}" for c in letters})
    builder.setupGlyf({name: TTGlyphPen(None).glyph() if name == ".notdef" else square for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture(autouse=True)
def own_fonts():
    """Matplotlib finds the fonts that come with it, on every machine."""
    found = font_manager.fontManager.ttflist
    before = list(found)
    found[:] = [entry for entry in before if Path(entry.fname).is_relative_to(matplotlib.get_data_path())]
    lettering._fonts.cache_clear()
    yield
    found[:] = before
    lettering._fonts.cache_clear()


@pytest.fixture
def squares(tmp_path):
    """… and a font of the letters."""
    font_manager.fontManager.addfont(font_file(LETTERS, FAMILY, tmp_path / "squares.ttf"))


def model(*names: str) -> Model:
    return Model(replace(random_model((20, len(names))), classes=names))


def blank() -> np.ndarray:
    return np.zeros((1, 20), np.uint8)


def texts(figure) -> list[str]:
    file = io.BytesIO()
    with rc_context({"svg.fonttype": "none"}):
        save(figure, file, "svg")
    return ["".join(one.itertext()) for one in ET.fromstring(file.getvalue()).iter(TEXT)]  # noqa: S314  (written above)


@pytest.mark.usefixtures("squares")
@pytest.mark.parametrize("kind", ["svg", "png", "pdf", "gif"])
def test_a_font_that_has_the_letters_is_named(kind, tmp_path):
    """Without a warning, which would be an error here, and in ink."""
    figure = drawing.raster(model(LETTERS), blank(), label=LETTERS)
    title = figure.axes[-1].title
    assert title.get_text() == f"output: {LETTERS} at step 0"
    assert title.get_fontfamily() == ["sans-serif", FAMILY]
    drawing.save_decision(model(LETTERS), blank(), tmp_path / f"a.{kind}", LETTERS)
    if kind == "png":
        plain = drawing.raster(model("x"), blank(), label="x")
        save(plain, tmp_path / "x.png", "png")
        dark = [(np.asarray(Image.open(tmp_path / f"{name}.png").convert("L")) < 90).sum() for name in "ax"]
        assert dark[0] > dark[1] + 4 * 300  # four squares of some 20 x 20 pixels


def test_letters_that_no_font_has_are_spelled_out_and_said_once(tmp_path):
    with pytest.warns(DrawingWarning, match=r"no font .* 𓃠 \(U\+130E0\), 𓃡 \(U\+130E1\): .* install") as said:
        figure = drawing.raster(model(LETTERS), blank(), label=LETTERS)
    assert len(said) == 1
    assert figure.axes[-1].get_title() == "output: \\U000130…00130e1\nat step 0"
    assert figure.axes[0].get_title() == "image of\n\\U000130…00130e1"
    for kind in ("svg", "png", "pdf"):
        save(figure, tmp_path / f"a.{kind}", kind)  # without another warning, of matplotlib
    page = inline(figure, "a")  # where a browser may have a font
    assert f">output: {LETTERS}<" in page
    assert r"\U000130e0" not in page


def test_as_many_letters_are_spelled_out_as_there_is_room_for():
    with pytest.warns(DrawingWarning):
        drawn, _ = lettering.lettering(Drawing(), ["고양이가족", "고양이"])
    assert drawn == (r"\uace0\uc591…\uc871", r"\uace0\uc591\uc774")


def test_names_alike_when_spelled_out_are_not_mixed_up():
    figure = Drawing()
    with pytest.warns(DrawingWarning):
        drawn, _ = lettering.lettering(figure, ["𓃢", r"\U000130e2", "x𓃢", "plain"])
    assert drawn == (r"\U000130e2", r"\U000130e2", r"x\U000130e2", "plain")
    assert figure.spelled == {r"x\U000130e2": "x𓃢"}


def test_what_cannot_be_seen_of_a_letter_is_left_out_where_no_font_has_it():
    figure = Drawing()
    drawn, font = lettering.lettering(figure, ["é\u3000é"])
    assert (drawn, font) == (("é é",), {"usetex": False, "parse_math": True})
    assert figure.spelled == {}


@pytest.mark.parametrize("name", [text for text, shown in TEXTS.items() if shown.isascii()])
def test_a_name_is_drawn_and_not_obeyed(name):
    """Titles, ticks, and the panels of arrays."""
    shown = TEXTS[name][:8]
    decided = drawing.raster(model(name), blank(), label=name)
    steps = drawing.raster({name: np.zeros(3, np.uint8)}, num_steps=4)
    for figure, start in ((decided, "output: "), (steps, "")):
        (title,) = [text for text in texts(figure) if text.startswith(start + shown)]
        assert acting(title) == []
    with rc_context({"text.parse_math": False}):
        assert any(text.startswith(f"output: {shown}") for text in texts(drawing.raster(model(name), blank())))


def test_the_film_says_the_same():
    film = Film(scene(model("A$ and $B$\n"), blank()), "C$ and $D$\x1b")
    film.show(film.frames - 1)
    drawn = texts(film.figure)
    assert drawn[drawn.index("image of") + 1] == r"C$ and $D$\x1b"
    assert drawn[drawn.index(r"output: A$ and $B$\n") + 1] == "at step 0"


def test_the_figures_of_a_report_draw_all_names():
    names = ("$\\bad{$", "two\nlines", "caf\udce9", "l" * 300)
    network = model(*names)
    rng = np.random.default_rng(0)
    data = Dataset(
        "mine\x1b", "test", rng.integers(0, 256, (40, 1, 20)).astype(np.uint8), np.arange(40) % 4, 255, names
    )
    measured = report.measure(network, data, name="run $1 and $2\n")
    said = texts(report.confusion(measured))
    for shown in ("$\\bad{$", r"two\nlines", r"caf\xe9", "l" * 12 + "…" + "l" * 11):
        assert said.count(shown) == 2
    assert texts(report.comparison([measured, measured])).count(r"run $1 and $2\n") >= 2
    assert measured.name == "run $1 and $2\n"


def test_a_long_name_leaves_room_for_the_figure():
    names = tuple("l" * 500 + str(k) for k in range(10))
    data = Dataset("mine", "test", np.zeros((10, 1, 20), np.uint8), np.arange(10), 255, names)
    (axes,) = report.confusion(report.measure(model(*names), data)).axes
    assert min(axes.get_position().width, axes.get_position().height) > 0.4
    first, *_ = drawing.raster(model(*names), blank(), label=names[0]).axes
    assert first.get_position().width > 0.05
