"""Fuzzing: every reader has a target and seeds that are good, and a run that sees nothing is no success."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from support import needs
from support.paths import ROOT

FUZZ = ROOT / "fuzz"
READERS = {
    *("model", "classifier", "checkpoint", "teacher", "vectors", "manifest", "nir", "npy", "npz", "picture"),
    *("recordings", "nmnist", "cifar10", "tar", "idx", "recipe", "results", "history"),
}  # fmt: skip


@pytest.fixture
def readers(tmp_path):
    found = runpy.run_path(str(FUZZ / "readers.py"))
    found["put"].__globals__["FILES"] = tmp_path
    return found


@pytest.fixture(scope="module")
def driver():
    return runpy.run_path(str(FUZZ / "run.py"))


def seeds(name: str) -> list[Path]:
    return sorted((FUZZ / "corpus" / name).iterdir())


def test_every_reader_has_a_target_and_a_corpus(readers):
    assert set(readers["TARGETS"]) == READERS
    assert {path.name for path in (FUZZ / "corpus").iterdir()} == READERS
    assert all(seeds(name) for name in READERS)


def test_the_corpus_is_small():
    sizes = {path: path.stat().st_size for path in (FUZZ / "corpus").rglob("*") if path.is_file()}
    assert max(sizes.values()) <= 8192
    assert sum(sizes.values()) < 200_000


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_target_takes_its_seeds_and_what_is_cut_out_of_them(readers, name):
    needs.package("h5py"), needs.package("nir")
    run = readers["TARGETS"][name]
    for path in seeds(name):
        data = path.read_bytes()
        run(data)
        if len(data) < 2000 and not path.name.startswith("found-"):
            run(data[: len(data) // 2])
            run(data[: len(data) // 3] + data[len(data) // 2 :])
    run(b"")


# At least one seed of each is read to its end: what is refused at the door guides no mutation.
GOOD = {
    "classifier": "bstdg.classifier.saving.restore",
    "vectors": "bstdg.export.golden.from_bytes",
    "manifest": "bstdg.export.folder.read_manifest",
    "nir": "bstdg.export.nir.importer.from_graph",
    "picture": "bstdg.model.images.read",
    "npy": "bstdg.model.images.read",
    "npz": "bstdg.datasets.arrays.load",
    "recordings": "bstdg.datasets.spoken.read",
    "nmnist": "bstdg.datasets.recordings.nmnist.read",
    "cifar10": "bstdg.datasets.colour.pickled.read_batch",
    "tar": "bstdg.datasets.archive.read_members",
    "idx": "bstdg.datasets.idx.read_idx",
    "recipe": "bstdg.learning.recipe_file.load_recipe",
    "results": "bstdg.lab.experiments.results.load",
    "history": "bstdg.report.history.beside",
    "teacher": "bstdg.training.distillation.load",
    "model": "bstdg.model.packed.from_bytes",
    "checkpoint": "bstdg.training.checkpoint.load",
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_seeds_are_good_files(readers, name, monkeypatch):
    needs.package("h5py"), needs.package("nir")
    import importlib

    module, _, function = GOOD[name].rpartition(".")
    home, read = importlib.import_module(module), []
    real = getattr(home, function)

    def watched(*arguments, **options):
        read.append(real(*arguments, **options))
        return read[-1]

    monkeypatch.setattr(home, function, watched)
    for path in seeds(name):
        readers["TARGETS"][name](path.read_bytes())
    assert len(read) >= 1


@pytest.mark.parametrize(
    ("said", "branches"),
    [
        ("", 0),
        ("INFO: no interesting inputs were found so far. Is the code instrumented for coverage?", 0),
        ("#2\tINITED cov: 0 ft: 0", 0),
        ("#2\tINITED cov: 14 ft: 15 corp: 1/1b\n#9\tDONE   cov: 210 ft: 300", 210),
    ],
)
def test_coverage_is_what_libfuzzer_said_last(driver, said, branches):
    assert driver["covered"](said) == branches


BLIND = """
import sys
import atheris
atheris.Setup(sys.argv[:1] + sys.argv[2:], lambda data: None)
atheris.Fuzz()
"""


def test_a_run_that_sees_nothing_fails_and_one_that_sees_the_package_does_not(driver, tmp_path, capsys):
    needs.package("atheris")
    blind = tmp_path / "blind.py"
    blind.write_text(BLIND)
    driver["fuzz"].__globals__["BUILD"] = tmp_path / "build"
    assert "0 branches seen" in driver["fuzz"]("idx", 1, blind)
    assert driver["fuzz"]("idx", 1) is None
    assert "branches" in capsys.readouterr().out


def test_a_target_that_fails_is_named(driver, tmp_path):
    needs.package("atheris")
    broken = tmp_path / "broken.py"
    broken.write_text(BLIND.replace("None", "1 / 0"))
    driver["fuzz"].__globals__["BUILD"] = tmp_path / "build"
    assert driver["fuzz"]("idx", 1, broken).startswith("idx: failed (")


def test_the_corpus_is_what_seeds_write(tmp_path, monkeypatch):
    needs.package("h5py"), needs.package("nir")
    written = runpy.run_path(str(FUZZ / "seeds.py"))
    monkeypatch.setitem(written["put"].__globals__, "HERE", tmp_path / "fuzz")
    for name in ("tables", "arrays", "batches", "archives"):
        written[name]()
    for path in (tmp_path / "fuzz" / "corpus").rglob("*"):
        if path.is_file():
            assert (FUZZ / "corpus" / path.relative_to(tmp_path / "fuzz" / "corpus")).read_bytes() == path.read_bytes()
