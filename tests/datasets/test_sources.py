"""A data set is described once: what is true of its record is what loading, lists, checks and pages say of it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from support.paths import DOCS

from bstdg import datasets
from bstdg.cli import complete, examine
from bstdg.datasets import Dataset, Source, caltech, files
from bstdg.errors import FileFormatError, InputError
from bstdg.export import golden
from bstdg.lab.experiments import catalogue
from bstdg.shipped import shipped_recipes

NAMES = datasets.names()


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    """No folder is named, nothing was downloaded, and nothing can be."""
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(files, "fetch", lambda *_, **__: pytest.fail("a download"))
    return tmp_path / "cache"


def fill(folder, name):
    """Empty files, or folders, that are named as those of a data set."""
    source = datasets.source(name)
    for part in source.files.values():
        for file in part:
            path = folder / (source.folders or (name,))[-1] / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for category in caltech.CATEGORIES if name.startswith("caltech") else ():
        (folder / "caltech101" / category).mkdir(parents=True, exist_ok=True)
    for part in ("Train", "Test") if name.startswith("nmnist") else ():
        (folder / "nmnist" / part).mkdir(parents=True, exist_ok=True)
    if name == "cifar10":
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "cifar-10-python.tar.gz").touch()
    for picture in ("cat/1.png", "dog/2.jpeg") if name == "folder" else ():
        (folder / picture).parent.mkdir(parents=True)
        (folder / picture).touch()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_there_is_found_and_what_is_not_is_not(name, tmp_path):
    source = datasets.source(name)
    (tmp_path / "named").mkdir()
    before = source.present(tmp_path / "named")
    assert (before.at_hand, before.usable, before.downloaded) == (name == "digits", name == "digits", False)
    if name == "digits":
        return
    assert str(tmp_path / "named") in before.said and source.wanted in before.said
    fill(tmp_path / "named", name)
    after = source.present(tmp_path / "named")
    assert after.at_hand and after.said.startswith(f"in {tmp_path / 'named'}")
    alike = {n for n in NAMES if n[:6] == name[:6] and n[:6] in ("caltec", "nmnist")}
    for other in set(NAMES) - {"digits", name} - alike:
        assert not datasets.source(other).present(tmp_path / "named").at_hand, other


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_is_named_the_cache_and_the_network_remain(name, empty_cache):
    source = datasets.source(name)
    found = source.present()
    assert found.usable == bool(source.mirrors or source.comes_with)
    assert found.downloaded == bool(source.mirrors)
    if not found.usable:
        assert "--data-dir" in found.said
    assert golden._at_hand(name, None) == found.at_hand  # what an export proves with is never downloaded for it
    fill(empty_cache, name)
    assert source.present().at_hand == (name != "folder")  # pictures of one's own are never guessed at


def test_doctor_misses_nothing_that_would_be_downloaded():
    rows = {finding.name: finding.status for finding in examine.examine() if finding.part == "data"}
    assert {name: rows[name] == "ok" for name in NAMES} == {n: datasets.source(n).present().usable for n in NAMES}


def test_the_variable_names_a_folder_too(tmp_path, monkeypatch):
    fill(tmp_path, "mnist")
    assert not datasets.source("mnist").present().at_hand
    monkeypatch.setenv("BSTDG_DATA", str(tmp_path))
    assert datasets.source("mnist").present().said == f"in {tmp_path / 'mnist'}"
    assert not datasets.source("mnist").present(tmp_path / "mnist" / "nowhere").at_hand


def test_a_split_alone_may_be_there(tmp_path):
    for name, split in (("mnist", "test"), ("hd-spikes", "test")):
        source = datasets.source(name)
        for file in source.files["train"]:
            fill(tmp_path, name)
            (tmp_path / (source.folders or (name,))[-1] / file).unlink()
        assert source.present(tmp_path, split).at_hand
        assert not source.present(tmp_path, "train").at_hand and not source.present(tmp_path).at_hand


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_what_is_found_is_what_is_read(tmp_path, ending):
    """Presence and loading look at the same names: an empty file is found, and refused for what is in it."""
    fill(tmp_path, "mnist")
    for path in (tmp_path / "mnist").iterdir():
        path.rename(path.with_name(path.name.removesuffix(".gz").replace("-idx", ".idx") + ending))
    assert datasets.source("mnist").present(tmp_path).at_hand
    with pytest.raises(FileFormatError, match="truncated"):
        datasets.load("mnist", "train", tmp_path)


@pytest.mark.parametrize(
    ("content", "there"),
    [
        (("cat/1.png", "dog/2.jpg"), True),
        (("train/cat/1.png", "test/cat/1.png"), True),
        (("cat/1.png",), False),
        (("cat/1.png", "dog/2.txt"), False),
        (("cat/1.png", ".dog/2.png"), False),
        (("train/cat/1.png", "train/dog/1.png"), False),
        (("1.png", "2.png"), False),
    ],
)
def test_pictures_of_ones_own_are_a_folder_of_classes(tmp_path, content, there):
    for name in content:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert datasets.source("folder").present(tmp_path).at_hand == there
    (tmp_path / "mine.npz").touch()
    assert datasets.source("folder").present(tmp_path / "mine.npz").at_hand
    assert not datasets.source("folder").present(tmp_path / "absent.npz").at_hand


def test_a_network_says_how_it_reads_pictures():
    assert datasets.pictures_of("caltech-face-motorbike", (8, 9)) == {"size": (8, 9), "channels": 1}
    assert datasets.pictures_of("folder", (3, 8, 9)) == {"size": (8, 9), "channels": 3}
    assert datasets.pictures_of("folder", (72,)) == datasets.pictures_of("mnist", (28, 28)) == {}
    assert datasets.pictures_of("nobody's", (28, 28)) == {}


# --- a source that is added ---


def two(name, split, data_dir=None, progress=False):
    return Dataset(name, split, np.zeros((2, 4, 4), np.uint8), np.array([0, 1]), 255, ("no", "yes"))


@pytest.fixture
def added(monkeypatch):
    source = Source("moons", "Moons", "images", two, files={"test": ("moons.gz",)}, wanted="moons (.gz or not)")
    monkeypatch.setitem(datasets._SOURCES, source.name, source)


@pytest.mark.usefixtures("added")
def test_a_source_added_in_one_place_is_everywhere(bstdg, tmp_path, monkeypatch):
    assert "moons" in datasets.names() and not datasets.are_events("moons") and not datasets.takes_size("moons")
    assert len(datasets.load("moons", "test")) == 2
    with pytest.raises(InputError, match="did you mean 'moons'"):
        datasets.load("mons", "test")
    assert complete.data_sets("moo") == ["moons"]
    told = {finding.name: finding for finding in examine.examine(tmp_path)}
    assert (
        told["moons"].status == "absent" and f"put moons (.gz or not) into {tmp_path / 'moons'}" in told["moons"].said
    )
    assert not golden._at_hand("moons", tmp_path)
    experiment = catalogue.replace(catalogue.find("digits"), data="moons")
    monkeypatch.setattr(catalogue, "EXPERIMENTS", (experiment,))
    status, _, said = bstdg("reproduce", "digits", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert status == 2 and "needs the data set moons, which is not there: put moons" in said[0]
    (tmp_path / "moons").touch()
    assert golden._at_hand("moons", tmp_path)
    assert {f.name: f for f in examine.examine(tmp_path)}["moons"].said == f"in {tmp_path}"
    assert json.loads(bstdg("reproduce", "--list", "--json", "--data-dir", tmp_path)[1])[0]["there"]
    status, _, _ = bstdg("new", tmp_path / "mine.toml", "--data", "moons")
    assert status == 0


# --- what is written about them ---


def test_the_page_on_data_sets_names_every_one():
    page = (DOCS / "data.md").read_text(encoding="utf-8")
    first = page.partition("\n\n## ")[0]
    listed = re.findall(r"^\| `([\w-]+)` \|", first, re.M)
    assert tuple(listed) == NAMES
    for name in NAMES:
        source = datasets.source(name)
        row = next(line for line in first.splitlines() if line.startswith(f"| `{name}` |"))
        assert ("events" in row) == (source.kind == "recordings")
        assert ("download" in row) == bool(source.mirrors)
        for file in (file for part in source.files.values() for file in part if not file.endswith("ubyte.gz")):
            assert f"`{file}`" in page, file


def test_the_help_of_training_names_every_one(bstdg):
    said = " ".join(bstdg("train", "--help")[1].split())
    listed = re.search(r"Data sets \(data\.name\): (.*?)(\.|;|$)", said)
    assert listed is not None
    assert set(NAMES) <= set(re.findall(r"[\w-]+", listed[1]))


@pytest.mark.parametrize("recipe", sorted(shipped_recipes()))
def test_recipes_are_of_data_sets_that_exist(recipe):
    from bstdg.learning.recipe_file import load_recipe

    assert load_recipe(shipped_recipes()[recipe]).data.name in NAMES


def test_experiments_are_of_data_sets_that_exist():
    assert {experiment.data for experiment in catalogue.EXPERIMENTS} <= set(NAMES)
