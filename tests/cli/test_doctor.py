"""`bstdg doctor` says what is here, and notices what is wrong."""

from __future__ import annotations

import importlib.metadata
import json
import tomllib

import numpy as np
import pytest
from support.paths import ROOT

from bstdg import __version__
from bstdg.cli import examine
from bstdg.engine import native


def findings(**options) -> dict[tuple[str, str], examine.Finding]:
    return {(f.part, f.name): f for f in examine.examine(**options)}


def test_all_is_well_here(bstdg, monkeypatch):
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    status, out, _ = bstdg("doctor", "--json")
    told = json.loads(out)
    assert (status, told["well"]) == (0, True)
    rows = {(f["part"], f["name"]): f for f in told["findings"]}
    assert __version__ in rows["bstdg", "version"]["said"]
    assert rows["engine", "instruction set"]["said"].startswith(native.instruction_sets()[0])
    assert rows["engine", "same spikes as the reference"]["said"].startswith("600 decisions")
    assert rows["packages", "numpy"]["said"] == np.__version__
    assert rows["data", "digits"]["status"] == "ok"
    status, out, _ = bstdg("doctor")
    assert status == 0
    assert out.endswith("nothing is wrong\n")
    assert all(f["name"] in out for f in told["findings"])


def test_a_wrong_engine_is_noticed(bstdg, monkeypatch):
    whole = native.forward

    def one_more(layers, spikes, num_steps):
        trace = whole(layers, spikes, num_steps)
        trace.potentials[0, 0, 0] += 1
        return trace

    monkeypatch.setattr(native, "forward", one_more)
    found = findings()["engine", "same spikes as the reference"]
    assert found.status == "wrong"
    assert "differ" in found.said
    status, out, _ = bstdg("doctor")
    assert status == 1
    assert out.endswith("1 wrong: see above\n")


def test_an_instruction_set_that_is_not_there_is_wrong(monkeypatch):
    monkeypatch.setenv("BSTDG_ISA", "abacus")
    found = findings()["engine", "same spikes as the reference"]
    assert found.status == "wrong"
    assert "abacus" in found.said


def test_a_missing_package_is_wrong_and_an_extra_is_not(monkeypatch):
    whole = examine._version
    monkeypatch.setattr(examine, "_version", lambda name: None if name in ("rich", "nir") else whole(name))
    found = findings()
    assert found["packages", "rich"].status == "wrong"
    assert found["packages", "nir"] == examine.Finding(
        "packages", "nir", "absent", "for export to and import from other simulators: pip install 'bstdg[nir]'"
    )


def test_packages_are_those_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in examine.PURPOSES:
        wanted += project["optional-dependencies"][extra]
    assert [name for part, name in findings() if part == "packages"] == [line.partition(">=")[0] for line in wanted]


def test_a_package_that_is_not_installed_is_told(monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(examine.importlib.metadata, "requires", requires)
    found = findings()["packages", "bstdg"]
    assert (found.status, found.said) == ("wrong", "is not installed, only found: pip install bstdg")


@pytest.mark.parametrize("by_option", [True, False])
def test_data_are_looked_for_where_they_are_said_to_be(monkeypatch, tmp_path, by_option):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte.gz").touch()
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    if not by_option:
        monkeypatch.setenv("BSTDG_DATA", str(tmp_path))
    found = findings(data_dir=tmp_path if by_option else None)
    assert found["data", "mnist"].said == f"in {folder}"
    assert found["data", "fashion-mnist"].status == "absent"


def test_a_data_folder_that_is_none_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setenv("BSTDG_DATA", str(tmp_path / "nowhere"))
    assert findings()["data", "BSTDG_DATA"].status == "wrong"
