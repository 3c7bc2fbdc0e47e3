"""A starter recipe explains every field, and read again is the recipe it was made of."""

from __future__ import annotations

import dataclasses
from typing import get_type_hints

import pytest

from bstdg import datasets
from bstdg.cli import new
from bstdg.inputs.options import FOR_IMAGES, FOR_RECORDINGS
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import load_recipe
from bstdg.shipped import shipped_recipes

SHIPPED = shipped_recipes()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_it_is_the_recipe_it_was_made_of(name, tmp_path):
    recipe = load_recipe(SHIPPED[name])
    for of_events in (datasets.are_events(recipe.data.name), None):
        file = tmp_path / "mine.toml"
        file.write_text(new.text(recipe, of_events=bool(of_events)), encoding="utf-8")
        if of_events is not None or not datasets.are_events(recipe.data.name):
            assert load_recipe(file) == recipe


def test_every_field_is_there_with_its_meaning():
    for of_events in (False, True):
        text, left_out = (
            new.text(Recipe(), of_events=of_events),
            ("distort", "teacher") if of_events else ("events",),
        )
        for section, kind in get_type_hints(Recipe).items():
            if not dataclasses.is_dataclass(kind):
                continue
            assert (f"\n[{section}]\n" in text) == (section not in left_out)
            part = text.partition(f"\n[{section}]\n")[2].partition("\n\n")[0].splitlines()
            for field in dataclasses.fields(kind) if section not in left_out else ():
                if section == "input" and field.name not in (FOR_RECORDINGS if of_events else FOR_IMAGES):
                    assert not any(line.startswith((f"# {field.name} = ", f"{field.name} = ")) for line in part)
                    continue
                at = part.index(next(line for line in part if line.startswith(f"# {field.name} = ")))
                assert part[at - 1].startswith("# "), field.name
                assert " = " not in part[at - 1], field.name


def test_new_writes_a_recipe_that_trains(bstdg, tmp_path):
    file = tmp_path / "mine.toml"
    status, out, err = bstdg("new", file, "--like", "mnist", "--data", "digits")
    assert (status, out) == (0, f"{file}\n")
    assert f"bstdg train {file}" in err[0]
    assert load_recipe(file).data.name == "digits"
    small = ["--set", "epochs=1", "--set", "hidden=[8]", "--set", "limit=100"]
    assert bstdg("train", file, "--out", tmp_path / "run", *small)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mine.json"], "ends in .toml"),
        (["there.toml"], "--force"),
        (["mine.toml", "--like", "nothing"], "there is no recipe 'nothing'"),
        (["mine.toml", "--data", "nothing"], "unknown data set 'nothing'"),
    ],
)
def test_new_refuses(bstdg, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.toml").write_text("kept")
    status, _, err = bstdg("new", *arguments)
    assert status == 2
    assert words in err[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there.toml"]
    assert (tmp_path / "there.toml").read_text() == "kept"
