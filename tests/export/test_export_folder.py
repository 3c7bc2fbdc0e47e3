"""Exports as folders: the same bytes every time, never over what is not ours, and a proof that notices what changed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.strategies import random_model, reading

from bstdg import datasets, export
from bstdg import export as exports
from bstdg.engine import oracle
from bstdg.errors import DownloadError, FileFormatError, InputError
from bstdg.export import folder as folders
from bstdg.export import golden as vectors
from bstdg.export import names
from bstdg.export.base import Golden
from bstdg.inputs.coding import InputCoding
from bstdg.inputs.latency import latency
from bstdg.model import packed

MODEL = random_model((20, 12, 5, 3), 8, threshold=4)


@pytest.fixture
def out(tmp_path) -> Path:
    """A fresh export of the small model."""
    return exports.export("c", MODEL, tmp_path / "out").folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def damaged(**changes: object) -> str:
    """A manifest that is whole but for the changes."""
    whole = {"format": "bstdg-export", "version": 1, "target": "c", "name": "n", "golden": {"parts": []}}
    return json.dumps({**whole, "figures": {}, "files": {}, **changes})


def framework_checks(folder: Path, **options: bool) -> list[export.Check]:
    """What comes before the target's own proof."""
    checks = exports.verify(folder, **options)
    return [next(checks), next(checks)]


# --- what is written -------------------------------------------------------------------------------------------------


def test_the_same_model_gives_the_same_bytes(tmp_path):
    packed.save(MODEL, tmp_path / "model.bstdg")
    here = exports.export("c", MODEL, tmp_path / "here").folder
    exports.export("c", tmp_path / "model.bstdg", tmp_path / "there")
    command = [sys.executable, "-m", "bstdg", "export", "c", "model.bstdg", "--out", "deep/down/other"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert contents(here) == contents(tmp_path / "there") == contents(tmp_path / "deep" / "down" / "other")
    assert {p.name for p in tmp_path.iterdir()} == {"model.bstdg", "here", "there", "deep"}  # nothing temporary is left


def test_the_manifest_says_what_is_there(out):
    manifest = json.loads((out / "manifest.json").read_text())
    files = contents(out)
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    assert all(folders.sha256(files[name]) == digest for name, digest in manifest["files"].items())
    assert manifest["model"]["sha256"] == folders.sha256(packed.to_bytes(MODEL))
    assert manifest["golden"]["sha256"] == folders.sha256(files["golden.safetensors"])
    assert manifest["golden"]["vectors"] == sum(part["vectors"] for part in manifest["golden"]["parts"])
    assert (manifest["target"], manifest["name"]) == ("c", "bstdg_model")
    assert manifest["figures"]["ram_bytes"] > 0


def test_the_name_comes_from_the_data_or_is_given(tmp_path):
    model = dataclasses.replace(MODEL, trained={"data": "fashion-mnist"})
    made = exports.export("c", model, tmp_path / "a", images=0)
    assert made.manifest["name"] == "bstdg_fashion_mnist"
    assert (made.folder / "bstdg_fashion_mnist.c").exists()
    assert exports.export("c", model, tmp_path / "b", images=0, name="shoes").manifest["name"] == "shoes"


def test_golden_vectors_are_what_the_oracle_computes(out):
    golden = vectors.from_bytes((out / "golden.safetensors").read_bytes(), MODEL)
    steps = golden.steps
    assert (steps[0] == 8).all() and (steps[1] == 0).all() and (steps[2] == 7).all() and (steps[3] < 8).sum() == 1
    shares = (steps < 8).mean(axis=1)
    assert shares[-12:].min() == 1.0 and 0.02 < shares[28:40].mean() < 0.4
    for i, one in enumerate(steps):
        trace = oracle.forward(MODEL.layers, one[None], 8)
        label, step, silent, _ = oracle.decide_one(trace.potentials[0], MODEL.layers[-1].thresholds)
        assert (golden.label[i], golden.step[i], golden.silent[i]) == (label, step, silent)
        assert all((a[i] == b[0]).all() for a, b in zip(golden.hidden, trace.hidden, strict=True))


def test_golden_vectors_do_not_depend_on_how_many_are_computed_at_once(monkeypatch):
    steps = vectors.corners(MODEL).steps
    expected = Golden.of(MODEL, steps)
    monkeypatch.setattr("bstdg.export.base._CELLS", 8 * 20 * 3)
    assert vectors.difference(Golden.of(MODEL, steps), expected) is None


def test_test_images_become_golden_vectors(tmp_path):
    model = random_model((64, 9, 10), 6, threshold=5, shape=(8, 8), white=16, trained={"data": "digits"})
    manifest = exports.export("c", model, tmp_path / "all").manifest
    assert manifest["golden"]["parts"][-1] == {"what": "the first test images of digits", "vectors": 360}
    made = exports.export("c", model, tmp_path / "some", images=5)
    golden = vectors.from_bytes((made.folder / "golden.safetensors").read_bytes(), model)
    expected = latency(datasets.load("digits", "test").images[:5], 6, white=16)
    np.testing.assert_array_equal(golden.steps[-5:], expected)


def test_test_images_that_cannot_be_had(tmp_path):
    with pytest.raises(InputError, match="does not name the data set"):
        exports.export("c", MODEL, tmp_path / "x", images=5)
    other = dataclasses.replace(MODEL, trained={"data": "digits"})  # of another shape
    with pytest.raises(InputError, match="does not read the images of digits"):
        exports.export("c", other, tmp_path / "x", images=5)
    assert exports.export("c", other, tmp_path / "x").manifest["golden"]["vectors"] == 64
    missing = dataclasses.replace(MODEL, trained={"data": "mnist"})
    assert exports.export("c", missing, tmp_path / "y", data_dir=tmp_path).manifest["golden"]["vectors"] == 64
    with pytest.raises(InputError, match="mnist"):
        exports.export("c", missing, tmp_path / "z", data_dir=tmp_path, images=5)
    with pytest.raises(InputError, match="cannot be -1"):
        exports.export("c", MODEL, tmp_path / "z", images=-1)


@pytest.fixture
def network_door(tmp_path, monkeypatch):
    """No folder of data, an empty cache, and a proxy that counts who knocks and lets nobody through."""
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    knocks: list[bytes] = []

    class Door(socketserver.StreamRequestHandler):
        def handle(self):
            knocks.append(self.rfile.readline())
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Door) as server:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        yield knocks
        server.shutdown()
        thread.join()


def test_test_images_are_downloaded_only_when_they_were_asked_for(tmp_path, network_door):
    model = random_model((784, 5, 10), shape=(28, 28), trained={"data": "mnist"})
    assert exports.export("c", model, tmp_path / "x").manifest["golden"]["vectors"] == 64
    assert network_door == []
    with pytest.raises(DownloadError):
        exports.export("c", model, tmp_path / "y", images=5)
    assert network_door


def test_a_model_of_events_has_no_test_images(tmp_path):
    coding = InputCoding(duration=1.0, windows=(2,))
    model = dataclasses.replace(MODEL, input=reading((10,), coding=coding), trained={"data": "hd-spikes"})
    assert exports.export("c", model, tmp_path / "out", data_dir=tmp_path).manifest["golden"]["vectors"] == 64
    with pytest.raises(InputError, match="reads events"):
        exports.export("c", model, tmp_path / "more", images=5)


def test_export_needs_no_torch(tmp_path):
    packed.save(MODEL, tmp_path / "m.bstdg")
    program = (
        "import sys; from bstdg import export; export.export('c', 'm.bstdg', 'o'); list(zip(range(2), "
        "export.verify('o'))); sys.exit(bool({'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


# --- where it is written ---------------------------------------------------------------------------------------------


def test_an_export_as_it_was_written_is_replaced(out):
    exports.export("c", MODEL, out, name="another")
    assert (out / "another.c").exists()
    assert not (out / "bstdg_model.c").exists()
    assert [p.name for p in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["foreign", "added to", "changed", "manifest damaged"])
def test_a_folder_with_something_of_yours_needs_force(tmp_path, kind):
    out = tmp_path / "out"
    if kind == "foreign":
        out.mkdir()
        (out / "thesis.tex").write_text("years of work")
    else:
        exports.export("c", MODEL, out)
        name = {"added to": "mine.c", "changed": "bstdg_model.c", "manifest damaged": "manifest.json"}[kind]
        (out / name).write_text("years of work")
    before = contents(out)
    with pytest.raises(InputError, match="--force"):
        exports.export("c", MODEL, out)
    assert contents(out) == before
    exports.export("c", MODEL, out, force=True)
    assert [check.status for check in framework_checks(out)] == ["passed", "passed"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    assert exports.export("c", MODEL, tmp_path / "out").folder.is_dir()


def test_some_places_are_never_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "link").symlink_to(tmp_path / "models")
    inner = tmp_path / "work" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "models").mkdir()
    packed.save(MODEL, tmp_path / "models" / "m.bstdg")
    monkeypatch.chdir(inner)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    (tmp_path / "home" / "me").mkdir(parents=True)
    for place in (".", "..", "/", tmp_path / "home", tmp_path / "home" / "me", tmp_path / "file", tmp_path / "link"):
        with pytest.raises(InputError, match="name another with --out"):
            exports.export("c", MODEL, place, force=True)
    with pytest.raises(InputError, match="would be lost"):
        exports.export("c", tmp_path / "models" / "m.bstdg", tmp_path / "models", force=True)
    assert (tmp_path / "models" / "m.bstdg").exists()


def test_the_model_in_an_export_can_be_exported_anew(out):
    exports.export("c", out / "model.bstdg", out, name="again")
    assert packed.to_bytes(packed.load(out / "model.bstdg")) == packed.to_bytes(MODEL)


def test_a_failed_write_leaves_what_was_there(out, monkeypatch):
    before, write, calls = contents(out), folders.files.write_atomic, []

    def full(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(folders.files, "write_atomic", full)
    with pytest.raises(OSError, match="No space"):
        exports.export("c", MODEL, out, name="other")
    assert contents(out) == before
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_a_failed_rename_puts_back_what_was_there(out, monkeypatch):
    before, rename = contents(out), Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.is_dir() and path.name.endswith(".tmp"):
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        exports.export("c", MODEL, out, name="other")
    assert contents(out) == before
    assert [p.name for p in out.parent.iterdir()] == ["out"]


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("2fast", "net_2fast"),
        ("fashion-mnist", "fashion_mnist"),
        ("int", "int_net"),
        ("Module", "Module_net"),
        ("always_ff", "always_ff_net"),
        ("_hidden", "hidden"),
        ("a b", "a_b"),
        ("a__b", "a_b"),
        ("größe", "gr_e"),
        ("x;y", "x_y"),
        ("../up", "up"),
        ("", "net"),
    ],
)
def test_names_that_are_no_identifiers_are_refused(tmp_path, name, suggestion):
    with pytest.raises(InputError, match=f"take for instance '{suggestion}'"):
        names.check(name)
    if name:
        with pytest.raises(InputError, match=r"identifier|keyword"):
            exports.export("c", MODEL, tmp_path / "out", name=name)
        assert not (tmp_path / "out").exists()


@given(st.text())
def test_a_suggestion_is_always_taken(text):
    assert names.check(names.suggest(text))


def test_a_name_may_be_too_long():
    assert names.check("n" * 40)
    with pytest.raises(InputError, match="at most 40"):
        names.check("n" * 41)


def test_unknown_targets_and_missing_packages(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"no target 'fpga'; choose one of c, verilog, nir, web"):
        exports.export("fpga", MODEL, tmp_path / "out")
    (tmp_path / "needy_target.py").write_text("import package_that_nobody_has.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(exports._TARGETS, "needy", "needy_target")
    with pytest.raises(InputError, match=r"needs the package package_that_nobody_has: pip install package_that_nob"):
        exports.target("needy")


def test_a_checkpoint_is_no_model(tmp_path, bstdg):
    from bstdg.training.checkpoint import Checkpoint, save

    save(tmp_path, Checkpoint({}, {}))
    status, _, errors = bstdg("export", "c", tmp_path / "checkpoint.safetensors", "--out", tmp_path / "out")
    assert status == 2
    assert "is a training checkpoint, not a deployed model" in errors[0]


# --- verify ----------------------------------------------------------------------------------------------------------


def test_verify_passes_what_was_written(out):
    assert [(c.name, c.status) for c in framework_checks(out)] == [("files", "passed"), ("golden vectors", "passed")]


@pytest.mark.parametrize("change", ["altered", "gone", "unlisted"])
def test_verify_notices_a_change(out, change):
    path = out / ("model.bstdg" if change == "unlisted" else "bstdg_model.c")
    if change == "altered":
        path.write_bytes(path.read_bytes().replace(b"0x0", b"0x1", 1))
    elif change == "gone":
        path.unlink()
    else:
        manifest = json.loads((out / "manifest.json").read_text())
        del manifest["files"]["model.bstdg"]
        (out / "manifest.json").write_text(json.dumps(manifest))
    check = next(exports.verify(out))
    assert check.status == "failed"
    assert path.name in check.detail


def test_verify_notices_golden_vectors_that_are_not_the_oracles(out):
    golden = vectors.from_bytes((out / "golden.safetensors").read_bytes(), MODEL)
    wrong = golden.step.copy()
    wrong[17] = (wrong[17] + 1) % 8
    (out / "golden.safetensors").write_bytes(vectors.to_bytes(golden._replace(step=wrong)))
    check = framework_checks(out, even_if_changed=True)[1]
    assert check.status == "failed"
    assert "step differs in 1 of 64 vectors, the first is vector 17" in check.detail


@pytest.mark.parametrize("place", [9, 100, 4000])
@pytest.mark.parametrize("file", ["golden.safetensors", "model.bstdg"])
def test_verify_survives_damaged_files(out, file, place):
    data = bytearray((out / file).read_bytes())
    data[min(place, len(data) - 1)] ^= 0x55
    (out / file).write_bytes(bytes(data))
    assert [c.status for c in exports.verify(out, even_if_changed=True)] == ["failed", "failed"]


def spy_on_programs(monkeypatch, folder: Path) -> Path:
    """Nothing but programs that say that they ran is on the path; where they say it."""
    (folder / "ran").mkdir()
    for name in (
        "gcc",
        "clang",
        "cc",
        "node",
        "chromium",
        "verilator",
        "iverilog",
        "vvp",
        "yosys",
        "avr-gcc",
        "simavr",
    ):
        program = folder / name
        program.write_text(f"#!/bin/sh\n: > {folder}/ran/{name}\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder / "ran"


@pytest.mark.parametrize(
    ("target", "file"),
    [("c", "bstdg_model.c"), ("verilog", "bstdg_model.v"), ("web", "index.html"), ("c", "README.md")],
)
def test_verify_runs_nothing_of_what_was_changed_unless_told(tmp_path, bstdg, monkeypatch, target, file):
    out = exports.export(target, MODEL, tmp_path / "out").folder
    (tmp_path / "bin").mkdir()
    ran = spy_on_programs(monkeypatch, tmp_path / "bin")
    (out / file).write_bytes((out / file).read_bytes() + b" ")
    status, text, _ = bstdg("verify", out)
    assert status == 1 and not list(ran.iterdir())
    assert file in text and "--even-if-changed" in text
    checks = list(exports.verify(out))
    assert [(check.name, check.status) for check in checks] == [("files", "failed"), (f"{target} proof", "not run")]
    status, _, _ = bstdg("verify", out, "--even-if-changed")
    assert status == 1 and list(ran.iterdir())


def test_files_that_an_export_did_not_write_are_no_sources(tmp_path):
    """What lies beside them is neither compiled nor in the way."""
    from bstdg.export.verilog import proof

    out = exports.export("verilog", MODEL, tmp_path / "out").folder
    listed = proof._sources(out, test=True)
    (out / "more.v").write_text("module more; initial $finish; endmodule\n")
    (out / "test" / "more.v").write_text("this is no Verilog")
    assert proof._sources(out, test=True) == listed and len(listed) == 8
    assert all((out / name).is_file() for name in listed)


def sealed(out: Path, golden: Golden, vectors_listed: int) -> None:
    """Put golden vectors into an export as if it had been written with them."""
    data = vectors.to_bytes(golden)
    (out / "golden.safetensors").write_bytes(data)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["golden"]["parts"] = [{"what": "vectors", "vectors": vectors_listed}]
    manifest["files"]["golden.safetensors"] = folders.sha256(data)
    (out / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("target", ["c", "verilog", "nir", "web"])
def test_golden_vectors_of_no_samples_prove_nothing(tmp_path, bstdg, target):
    if target == "nir":
        needs.package("nir")
    out = exports.export(target, MODEL, tmp_path / "out").folder
    sealed(out, Golden.of(MODEL, np.empty((0, 20), np.uint8)), 0)
    status, text, errors = bstdg("verify", out)
    assert (status, errors) == (1, [])
    assert "holds no vectors, and proves nothing" in text


@pytest.mark.parametrize("target", ["c", "verilog", "web"])
@pytest.mark.parametrize("listed", [0, 1, 65, 10**9])
def test_the_manifest_lists_as_many_vectors_as_there_are(tmp_path, target, listed):
    out = exports.export(target, MODEL, tmp_path / "out").folder
    sealed(out, Golden.of(MODEL, vectors.corners(MODEL).steps), listed)
    checks = framework_checks(out)
    assert [check.status for check in checks] == ["passed", "failed"]
    assert f"golden.safetensors holds 64, manifest.json lists {listed}" in checks[1].detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("\ud800") | st.just("[/]"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
PLACES = st.sampled_from((
    "format", "version", "target", "name", "model", "golden", "golden/parts", "golden/parts/0",
    "golden/parts/0/what", "golden/parts/0/vectors", "figures", "figures/ram_bytes", "figures/flash_bytes", "files",
    "files/bstdg_model.c", "files/x\0y",
))  # fmt: skip


@given(st.sampled_from(["c", "verilog", "web"]), PLACES, JSON, st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_manifest_of_foreign_shape_is_one_line(tmp_path_factory, target, place, value, marked):
    """Whatever stands in it, in whatever encoding of JSON."""
    folder = tmp_path_factory.mktemp("export")
    made = exports.export(target, MODEL, folder / "out")
    manifest = json.loads(json.dumps(made.manifest))
    inner, (*way, last) = manifest, place.split("/")
    for key in way:
        inner = inner[0 if key == "0" else key]
    inner[0 if last == "0" else last] = value
    (made.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8-sig" if marked else "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder))
        try:
            for check in exports.verify(made.folder):
                assert isinstance(check.detail, str) and check.status in ("passed", "failed", "not run")
        except (FileFormatError, OSError) as error:
            assert "\n" not in str(error)


def test_golden_vectors_of_another_model_are_refused(out):
    other = random_model((20, 12, 6, 3), 8)
    with pytest.raises(FileFormatError, match="does not fit the model"):
        vectors.from_bytes((out / "golden.safetensors").read_bytes(), other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no manifest.json"),
        ("{", "no JSON"),
        ("[1]", "no manifest of a bstdg export"),
        ('{"format": "bstdg-export", "version": 2}', "version 2; this program reads version 1"),
        ('{"format": "bstdg-export", "version": 1}', "damaged"),
        (damaged(files={"../../etc/passwd": "0"}), "'../../etc/passwd' is no file of an export"),
        (damaged(files={"/etc/passwd": "0"}), "'/etc/passwd' is no file of an export"),
        (damaged(name="../n"), "'../n' is no identifier"),
        (damaged(golden={"parts": [{"what": 1}]}), "golden parts"),
        (damaged(figures=None), "its figures is missing, or no table"),
    ],
)
def test_folders_that_are_no_export_are_refused(tmp_path, bstdg, text, message):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    status, _, errors = bstdg("verify", tmp_path)
    assert status == 2
    assert message in errors[0]


def test_verify_says_what_it_could_not_run(out, bstdg, monkeypatch, tmp_path):
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    status, text, _ = bstdg("verify", out, "--json")
    report = json.loads(text)
    assert status == 0
    assert report["passed"]
    assert {c["status"] for c in report["checks"][2:]} == {"not run"}
    assert all("install" in c["detail"] for c in report["checks"][2:])


def test_verify_of_a_target_that_is_not_here(out):
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["target"] = "abacus"
    (out / "manifest.json").write_text(json.dumps(manifest))
    checks = list(exports.verify(out))
    assert [c.status for c in checks] == ["passed", "passed", "not run"]


# --- command line ----------------------------------------------------------------------------------------------------


def test_export_and_its_list_on_the_command_line(tmp_path, bstdg):
    packed.save(MODEL, tmp_path / "m.bstdg")
    status, text, _ = bstdg("export", "--list")
    assert status == 0
    assert all(name in text for name in exports.targets())
    assert [row["target"] for row in json.loads(bstdg("export", "--list", "--json")[1])] == list(exports.targets())
    status, text, _ = bstdg("export", "c", tmp_path / "m.bstdg", "--out", tmp_path / "out")
    assert status == 0
    assert "flash bytes" in text and "bstdg verify" in text
    status, text, _ = bstdg("export", "c", tmp_path / "m.bstdg", "--out", tmp_path / "out", "--json")
    assert json.loads(text)["files"] == json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]


def test_a_failed_proof_ends_in_status_1(out, bstdg, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (out / "README.md").write_text("changed")
    status, text, _ = bstdg("verify", out, "--even-if-changed")
    assert status == 1
    assert "failed" in text and "README.md" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export"], "bstdg export TARGET MODEL --out DIR"),
        (["export", "c", "m.bstdg"], "bstdg export TARGET MODEL --out DIR"),
        (["export", "abacus", "m.bstdg", "--out", "x"], "no target 'abacus'"),
        (["export", "c", "nowhere.bstdg", "--out", "x"], "nowhere.bstdg: No such file"),
        (["export", "c", "m.bstdg", "--out", "x", "--name", "for"], "keyword"),
        (["export", "c", "m.bstdg", "--out", "x", "--images", "-3"], "images"),
        (["export", "c", "m.bstdg", "--out", "m.bstdg"], "is no folder"),
        (["verify", "nowhere"], "no folder that bstdg exported to"),
    ],
)
def test_mistakes_end_in_one_line_and_status_2(tmp_path, monkeypatch, bstdg, arguments, message):
    monkeypatch.chdir(tmp_path)
    packed.save(MODEL, tmp_path / "m.bstdg")
    status, text, errors = bstdg(*arguments)
    assert (status, text, len(errors)) == (2, "", 1)
    assert message in errors[0]
    assert [p.name for p in tmp_path.iterdir()] == ["m.bstdg"]


def test_an_export_moves_with_its_folder(out, tmp_path):
    shutil.move(out, tmp_path / "elsewhere")
    assert [c.status for c in framework_checks(tmp_path / "elsewhere")] == ["passed", "passed"]
