"""What others wrote is shown as one line in which nothing acts, is never two things at once, and can be told apart."""

from __future__ import annotations

import pickle
import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.nasty import TEXTS, acting

from bstdg.errors import BstdgWarning, DownloadError, InputError
from bstdg.shown import columns, line, lines, name

ANY = st.text(st.characters(codec=None), max_size=120)  # lone surrogates too


@given(ANY)
@example("\u200d")
@example("a\u200db")
@example("\udcff\x9b")
def test_a_line_is_one_line_of_what_can_be_seen(text):
    said = line(text)
    assert len(said.splitlines()) <= 1
    assert acting(said) == []
    said.encode()
    assert "".join(ET.fromstring(f"<a>{said.replace('&', '&amp;').replace('<', '&lt;')}</a>").itertext()) == said  # noqa: S314
    assert line(said) == said
    assert lines(f"{text}\n{text}") == "\n".join(lines(text).split("\n") * 2)
    if text.isascii() and text.isprintable():
        assert said == text


@given(ANY, st.integers(2, 90))
def test_a_name_has_room_and_is_no_columns(text, most):
    said = name(text, most)
    assert said
    assert columns(said) <= max(most, 2)
    assert "  " not in said
    assert said == said.strip(" ")
    assert name(said, most) == said


@given(st.lists(ANY, min_size=2, max_size=2, unique=True).filter(lambda texts: "\\" not in "".join(texts)))
def test_two_names_are_shown_as_two(texts):
    first, second = (name(text, 10_000) for text in texts)
    assert first != second or "''" in texts


@pytest.mark.parametrize("text", TEXTS)
def test_names_are_recognised(text):
    assert name(text).startswith(TEXTS[text])


@pytest.mark.parametrize("text", ["猫　犬", "می‌خواهم", "👨‍👩‍👧", "ß ẞ é e\u0301", "नमस्ते", r"C:\new\table", "1 000 €"])
def test_what_people_write_stays(text):
    assert name(text) == line(text) == text


@pytest.mark.parametrize("kind", [InputError, DownloadError, BstdgWarning])
def test_an_error_is_one_line_and_keeps_what_it_was_given(kind):
    error = kind("there is no \x1b[1mfile\nof bytes \udce9")
    assert str(error) == r"there is no \x1b[1mfile\nof bytes \xe9"
    assert error.args == ("there is no \x1b[1mfile\nof bytes \udce9",)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  (made here)
