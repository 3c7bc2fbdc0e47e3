"""Templates: what is given is put in, what is missing is an error, and only pages are escaped."""

from __future__ import annotations

import sys

import jinja2
import pytest

from bstdg import templates


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with templates of its own; gives what writes one and fills it."""
    folder = tmp_path / "some_templates" / "templates"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "some_templates", raising=False)
    templates._environment.cache_clear()

    def filled(file, text, **values):
        (folder / file).write_text(text, encoding="utf-8")
        return templates.fill("some_templates", file, values)

    return filled


def test_code_keeps_its_braces_and_its_last_line(package):
    text = "always @(posedge clk) x = {{2{@{NAME}}}, @{BITS}'d0};  // {# {% @*\n"
    assert package("a.v", text, NAME="n<1>", BITS=3) == "always @(posedge clk) x = {{2{n<1>}}, 3'd0};  // {# {% @*\n"


def test_blocks_leave_no_lines(package):
    assert package("a.c", "a\n  @% for i in ALL %@\nb@{i}\n  @% endfor %@\nc\n", ALL=[1, 2]) == "a\nb1\nb2\nc\n"


def test_pages_are_escaped(package):
    assert package("a.html", "<p>{{ name }}</p>\n", name="<&>") == "<p>&lt;&amp;&gt;</p>\n"


@pytest.mark.parametrize(("name", "text"), [("a.c", "@{MISSING}"), ("a.html", "{{ missing }}")])
def test_a_value_that_is_not_given_is_an_error(package, name, text):
    with pytest.raises(jinja2.UndefinedError, match=r"(?i)missing"):
        package(name, text)


def test_a_source_is_taken_as_it_is():
    assert "{" in templates.source("bstdg.report", "style.css")
