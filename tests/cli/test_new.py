"""A starter recipe explains every field, and read again is the recipe it was made of."""

from __future__ import annotations

import dataclasses
import json
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
    assert f"bstdg train {file}" in err[-1]
    assert load_recipe(file).data.name == "digits"
    small = ["--set", "epochs=1", "--set", "hidden=[8]", "--set", "limit=100"]
    assert bstdg("train", file, "--out", tmp_path / "run", *small)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "layers"),
    [
        (["--conv"], ("16c3p1", 128)),
        (["--like", "mnist", "--data", "digits", "--conv"], ("16c3p1", 128)),
        (["--layers", " 8c3s2, pool2s1n2 ,16"], ("8c3s2", "pool2s1n2", 16)),
    ],
)
def test_a_recipe_of_other_layers_trains(bstdg, tmp_path, arguments, layers):
    file = tmp_path / "mine.toml"
    status, _, err = bstdg("new", file, *arguments)
    assert (status, len(err)) == (0, 1)
    assert load_recipe(file).network.layers == layers
    small = ["--set", "epochs=1", "--set", "limit=60", "--json"]
    status, out, err = bstdg("train", file, "--out", tmp_path / "run", *small)
    assert status == 0
    assert json.loads(out)["structure"] == "-".join(map(str, ("1x8x8", *layers, 10)))
    said = [line for line in err if "lie in no window" in line]
    assert said == (
        ["bstdg: layer 0 (8c3s2): 1 of 8 rows and 1 of 8 columns lie in no window"] if "8c3s2" in layers else []
    )
    shown = bstdg("info", tmp_path / "run" / "model.bstdg")[1]
    assert ("layer 0 (8c3s2): 1 of 8 rows" in shown) == bool(said)


def test_convolutions_suit_the_size_of_the_pictures(bstdg, tmp_path):
    sizes = {
        "mnist": ("16c5s2p2", "32c3s2p1", 128),
        "fashion-mnist-edges": ("16c3p1", 128),  # maps of 14 x 14
        "caltech": ("16c5s2p2", "32c3s2p1", 128),
    }
    for like, layers in sizes.items():
        assert bstdg("new", tmp_path / f"{like}.toml", "--like", like, "--conv")[0] == 0
        assert load_recipe(tmp_path / f"{like}.toml").network.layers == layers
    assert new._sliding("caltech", (1, 200, 200)) == ("16c5s4p2", "32c3s2p1", 128)


def test_who_has_pictures_is_told_of_convolutions(bstdg, tmp_path):
    assert "digits holds pictures: --conv writes" in bstdg("new", tmp_path / "a.toml")[2][0]
    assert bstdg("new", tmp_path / "none.toml", "--layers", "")[0] == 0
    assert load_recipe(tmp_path / "none.toml").network.layers == ()
    for arguments in (["--conv"], ["--layers", "300"], ["--like", "hd-spikes"]):
        assert len(bstdg("new", tmp_path / "a.toml", "--force", *arguments)[2]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mine.json"], "ends in .toml"),
        (["there.toml"], "--force"),
        (["mine.toml", "--like", "nothing"], "there is no recipe 'nothing'"),
        (["mine.toml", "--data", "nothing"], "unknown data set 'nothing'"),
        (["mine.toml", "--conv", "--layers", "300"], "--conv chooses layers, --layers says which: give one of them"),
        (["mine.toml", "--conv", "--like", "hd-spikes"], "--conv is for pictures, and hd-spikes holds recordings"),
        (["mine.toml", "--conv", "--data", "folder"], "--conv needs to know the size of the pictures of folder"),
        (
            ["mine.toml", "--layers", "16c3,pol2"],
            "--layers: layers[1]: 'pol2' is no layer known here; did you mean 'pool2'",
        ),
        (["mine.toml", "--layers", "16c3,,5"], "--layers: layers[1]: '' is no layer known here"),
        (["mine.toml", "--layers", "16c9"], "--layers: layer 0 (16c9) has a kernel of 9 x 9, larger than the 8 x 8"),
        (["mine.toml", "--layers", "0"], "--layers: layers[0] must be in 1 … 65535, not 0"),
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
