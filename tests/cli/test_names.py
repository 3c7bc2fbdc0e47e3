"""Names that others chose, in every command that shows them: nothing in them acts, and programs get them exactly."""

from __future__ import annotations

import ast
import html.parser
import json
import os
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image
from support.imports import modules
from support.nasty import FOLDERS, TEXTS, acting
from support.processes import on_a_terminal
from support.strategies import random_model

from bstdg.model import packed

ODD = "odd \x1b[7m\udce9[b]$\n"  # of files and folders
RECIPE = r"""
title = "Mine \u001b[31m [bold]$a$ and $\\bad{$ \u202e \u007f <b>"
[data]
name = "folder"
[network]
layers = [24]
num_steps = 4
[train]
epochs = 1
"""
pytestmark = pytest.mark.filterwarnings("ignore::bstdg.drawing.lettering.DrawingWarning", "ignore::UserWarning:torch")


@pytest.fixture(params=["folder", "arrays"], scope="module")
def data(request, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """Pictures of classes of such names; and how each is shown."""
    place = tmp_path_factory.mktemp("names") / ODD
    random = np.random.default_rng(0)
    texts = {name: shown for name, shown in TEXTS.items() if not any("\ud800" <= c <= "\udfff" for c in name)}
    names = sorted(FOLDERS if request.param == "folder" else texts)
    images = random.integers(0, 256, (len(names), 5, 6, 6)).astype(np.uint8)
    if request.param == "folder":
        for name, pictures in zip(names, images, strict=True):
            (place / name).mkdir(parents=True)
            for n, picture in enumerate(pictures):
                Image.fromarray(picture).save(place / name / f"{n}.png")
        return place, FOLDERS
    place.mkdir()
    file = place / f"{ODD}.npz"
    np.savez(file, images=images.reshape(-1, 6, 6), labels=np.repeat(np.arange(len(names)), 5), classes=np.array(names))
    return file, texts


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> tuple[Path, Path, dict[str, str]]:
    """A model trained on them, in a folder that is no better, and its data."""
    from bstdg.cli import app

    place = tmp_path_factory.mktemp("run") / ODD
    place.mkdir()
    recipe = place / f"{ODD}.toml"
    recipe.write_text(RECIPE)
    out = place / "run\x1b]0;x\x07"
    where = ["--data-dir", str(data[0]), "--out", str(out)]
    assert app(["train", str(recipe), *where], standalone_mode=False) == 0
    return out / "model.bstdg", *data


def harmless(done: tuple[int, str, list[str]], status: int = 0) -> str:
    found, out, err = done
    assert found == status, err
    assert acting(out) == acting("".join(err)) == []
    assert len(err) <= 1
    return out


class Page(html.parser.HTMLParser):
    """All text of a page, its labels too."""

    def __init__(self, text: str):
        super().__init__()
        self.said: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.said += [value or "" for key, value in attrs if key == "aria-label"]
        self.open.append(tag)

    def handle_data(self, data):
        if "script" in self.open[-1:]:
            raise AssertionError(f"a script: {data}")
        self.said.append(data)


def test_what_a_training_says_is_harmless(bstdg, trained, tmp_path):
    model, data, _ = trained
    recipe = next(model.parent.parent.glob("*.toml"))
    status, _, err = bstdg("train", recipe, "--data-dir", data, "--out", tmp_path / f"t{ODD}", "--tensorboard")
    assert (status, len(err), acting(err[0])) == (2, 1, [])
    assert "TensorBoard cannot write" in err[0]
    out = harmless(bstdg("train", recipe, "--data-dir", data, "--out", tmp_path / ODD))
    assert r"odd \x1b[7m\xe9[b]$\n" in out
    assert bstdg("train", recipe, "--data-dir", data, "--out", tmp_path / ODD)[0] == 2
    told = json.loads(bstdg("train", recipe, "--data-dir", data, "--out", tmp_path / ODD, "--overwrite", "--json")[1])
    assert told["recipe"]["title"].startswith("Mine \x1b[31m [bold]$a$")
    checkpoint = tmp_path / ODD / "checkpoint.safetensors"
    assert checkpoint.exists()
    harmless(bstdg("train", recipe, "--data-dir", data, "--out", tmp_path / ODD, "--resume"))


def test_a_model_file_holds_names_exactly_and_info_shows_them(bstdg, trained):
    model, _, names = trained
    assert packed.load(model).classes == tuple(sorted(names))
    assert model.read_bytes().decode("latin-1").count("\x1b") == model.read_bytes().count(b"\x1b")
    out = harmless(bstdg("info", model))
    run_together = "".join(word for line in out.splitlines() for word in line.strip("│┃ ").split())
    for shown in names.values():
        assert "".join(shown.split()) in run_together, shown
    assert json.loads(bstdg("info", model, "--json")[1])["classes"] == sorted(names)


def test_eval_and_report_show_them(bstdg, trained, tmp_path):
    model, data, names = trained
    out = harmless(bstdg("eval", model, "--data-dir", data))
    assert r"odd\x1b[7m\xe9[b]$\n" in "".join(out.split())
    page = tmp_path / f"{ODD}.html"
    figures = tmp_path / f"{ODD} figures"
    out = harmless(bstdg("report", model, "--data-dir", data, "--out", page, "--figures", figures, "--samples", "0,9"))
    assert r"odd \x1b[7m\xe9[b]$\n.html" in out
    text = page.read_bytes().decode("utf-8")
    assert acting(text) == []
    said = Page(text).said
    for shown in names.values():
        assert any(shown in part for part in said), shown
    assert any(r"Mine \x1b[31m [bold]$a$ and $\bad{$ \u202e \x7f <b>" in part for part in said)
    for svg in figures.glob("*.svg"):
        ET.parse(svg)  # noqa: S314  (written above)
    copy = model.with_name(f"second{ODD}.bstdg")
    shutil.copy(model, copy)
    told = bstdg("report", model, copy, "--data-dir", data, "--out", page, "--force", "--json")
    assert [one["name"] for one in json.loads(told[1])["models"]] == ["run\x1b]0;x\x07", copy.stem]
    assert acting(page.read_bytes().decode("utf-8")) == []
    assert any(r"secondodd \x1b[7m\xe9[b]$\n" in part for part in Page(page.read_text(encoding="utf-8")).said)


def test_rasters_and_films_show_them(bstdg, trained, tmp_path):
    model, data, names = trained
    for sample in range(0, len(names), 9):
        for ending in ("svg", "png", "pdf"):
            file = tmp_path / f"a.{ending}"
            harmless(bstdg("raster", model, "--data-dir", data, "--sample", sample, "--out", file))
        ET.parse(tmp_path / "a.svg")  # noqa: S314  (written above)
    harmless(bstdg("raster", model, "--data-dir", data, "--out", tmp_path / "a.gif"))
    odd = tmp_path / f"{ODD}.svg"
    assert r"odd \x1b[7m\xe9[b]$\n.svg" in harmless(bstdg("raster", model, "--data-dir", data, "--out", odd))


@pytest.mark.parametrize("name", TEXTS)
def test_no_name_forges_a_line_of_predict(bstdg, name, tmp_path):
    model = tmp_path / "m.bstdg"
    packed.save(replace(random_model((20, 1)), classes=(name,)), model)
    files = []
    for n, own in enumerate(("plain", "two\nlines", "caf\udce9", name if name in FOLDERS else "last")):
        files.append(tmp_path / str(n) / f"{own[:200]}.npy")
        files[-1].parent.mkdir()
        with files[-1].open("wb") as file:
            np.save(file, np.zeros((1, 20), np.uint8))
    out = harmless(bstdg("predict", model, *files))
    head, *lines = out.splitlines()
    assert head.split() == ["decision", "step", "hidden", "spikes", "silent", "file"]
    assert len(lines) == len(files)
    for line, file in zip(lines, files, strict=True):
        assert line.lstrip(" ").startswith(TEXTS[name])
        decided, step, spikes, silent, shown = line.strip(" ").split("  ")[0], *line.split()[-4:]
        assert "  " not in decided
        assert spikes.isdecimal() or " " in file.name
        assert (step.isdecimal() and silent in ("yes", "no")) or " " in str(file)
        assert shown
    rows = [json.loads(line) for line in bstdg("predict", model, *files, "--json")[1].splitlines()]
    assert [(row["class"], row["file"]) for row in rows] == [(name, str(file)) for file in files]


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "@.bstdg"),
        ("info", "@/model.bstdg"),
        ("eval", "@.bstdg"),
        ("eval", "model", "--data", "@"),
        ("eval", "model", "--split", "@"),
        ("eval", "model", "--engine", "@"),
        ("eval", "model", "--data", "folder", "--data-dir", "@"),
        ("predict", "model", "@.png"),
        ("predict", "model", "there"),
        ("raster", "model", "--out", "@.bmp"),
        ("raster", "model", "--file", "@.npy"),
        ("report", "@.bstdg"),
        ("report", "model", "--out", "@/there.html"),
        ("report", "model", "--samples", "@"),
        ("train", "@"),
        ("train", "@.toml"),
        ("train", "--set", "@=1"),
        ("train", "--set", "train.@=1"),
        ("train", "--device", "@"),
        ("train", "--set", "data.name=@"),
        ("new", "@"),
        ("new", "@.toml", "--like", "@"),
        ("new", "@.toml", "--data", "@"),
        ("export", "@", "model", "--out", "x"),
        ("export", "c", "model", "--out", "x", "--name", "@"),
        ("export", "c", "@.bstdg", "--out", "x"),
        ("verify", "@"),
        ("import", "@.nir", "--out", "x"),
        ("baseline", "@"),
        ("baseline", "binary", "--set", "@=1"),
        ("baseline", "s4nn", "--weights", "@"),
        ("reproduce", "@"),
        ("reproduce", "digits", "--seeds", "@"),
        ("reproduce", "--report", "@"),
        ("reproduce", "--report", "@.md", "--out", "@"),
        ("@",),
        ("info", "--@"),
        ("info", "model", "@"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", [ODD, "[b]\x9b2J\udcff", "\u202e" + "l" * 200])
def test_an_error_is_one_line_in_which_no_name_acts(bstdg, arguments, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSTDG_DATA", str(tmp_path / name))
    packed.save(random_model((20, 3)), "model")
    Path("there").write_bytes(b"\x1b[1m is no picture")
    status, out, err = bstdg(*(argument.replace("@", name) for argument in arguments))
    assert status == 2
    assert out in ("", f"{'decision':>14}  step  hidden spikes  silent  file\n")
    assert len(err) == 1
    assert acting(err[0]) == []


def test_an_error_about_something_endless_has_an_end(bstdg, tmp_path):
    model = tmp_path / "model.bstdg"
    packed.save(random_model((20, 3), trained={"data": "\x1b" * 50_000}), model)
    status, _, (said,) = bstdg("eval", model)
    assert status == 2
    assert len(said) < 5000
    assert said.startswith("bstdg: unknown data set")
    assert "digits" in said[-300:]


def test_other_commands_are_harmless_where_paths_are_odd(bstdg, tmp_path_factory):
    place = tmp_path_factory.mktemp("n") / ODD  # short: a long path is shown by its beginning and end
    place.mkdir()
    packed.save(random_model((20, 1)), place / "model.bstdg")
    for target in ("c", "web", "verilog"):
        harmless(bstdg("export", target, place / "model.bstdg", "--out", place / target))
    assert acting(bstdg("verify", place / "c")[1]) == []
    status, out, err = bstdg("new", place / f"{ODD}.toml")
    assert (status, acting(out), acting("".join(err)), len(err)) == (0, [], [], 2)
    status, out, _ = bstdg("doctor", "--data-dir", place)
    assert (status, acting(out)) == (0, [])
    assert r"odd\x1b[7m\xe9[b]$\n" in "".join(out.split())
    assert acting(bstdg("reproduce", "--list", "--data-dir", place)[1]) == []


def test_on_a_terminal_they_are_harmless_too(tmp_path):
    names = ("\x1b]0;mine\x07", "[bold]red[/bold]", "[/]", "two\nlines", "c1\x9b2J")
    model = tmp_path / f"{ODD}.bstdg"
    packed.save(replace(random_model((20, 5)), classes=names), model)
    out = on_a_terminal([sys.executable, "-m", "bstdg", "info", os.fsencode(model)])
    assert acting(re.sub(r"\x1b\[[\d;]*m|\r\n", "", out)) == []  # what tables are coloured with
    together = "".join(out.split())
    for shown in (r"\x1b]0;mine\x07", "[bold]red[/bold],[/]", r"two\nlines", r"c1\u009b2J"):
        assert shown in together


def test_a_recipe_made_of_another_has_its_title(bstdg, tmp_path):
    from bstdg.learning.recipe_file import load_recipe

    (tmp_path / "a.toml").write_text(RECIPE)
    assert bstdg("new", tmp_path / "b.toml", "--like", tmp_path / "a.toml")[0] == 0
    assert acting((tmp_path / "b.toml").read_text(encoding="utf-8")) == []
    assert load_recipe(tmp_path / "b.toml").title == load_recipe(tmp_path / "a.toml").title


def test_commands_print_through_one_door():
    """Results for programs apart, which are JSON, and help, which is ours."""
    for name, path in modules().items():
        if not name.startswith("bstdg.cli.") or name in ("bstdg.cli.console", "bstdg.cli.manual"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo", "sys.stdout.write"):
                said = ast.unparse(node.args[0])
                assert said.startswith(("json.dumps(", "run.as_json(")) or name == "bstdg.cli", f"{name}: {said}"


def test_drawn_names_are_read_again(tmp_path):
    """The text that a drawing holds is the name, however much of it matplotlib would have obeyed."""
    from bstdg.drawing import save_decision
    from bstdg.model.runtime import Model

    for name, shown in TEXTS.items():
        model = Model(replace(random_model((20, 1)), classes=(name,)))
        with rc_context({"svg.fonttype": "none"}):
            save_decision(model, np.zeros((1, 20), np.uint8), tmp_path / "a.svg", name)
        root = ET.parse(tmp_path / "a.svg")  # noqa: S314  (written above)
        texts = ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
        start = shown[:8]
        if start.isascii():
            assert sum(start in text for text in texts) == 2, texts  # of the picture and of the output
        assert acting("".join(texts)) == []


def test_bytes_of_a_name_that_are_no_text_come_back(bstdg, tmp_path):
    """As a file's name on the command line, and in JSON."""
    model, file = tmp_path / "caf\udce9.bstdg", tmp_path / "\udcff\udcfe.npy"
    packed.save(random_model((20, 3)), model)
    with file.open("wb") as opened:
        np.save(opened, np.zeros((1, 20), np.uint8))
    (row,) = [json.loads(line) for line in bstdg("predict", model, file, "--json")[1].splitlines()]
    assert os.fsencode(row["file"]) == os.fsencode(file)
