"""The C export where an int has 16 bits: on a simulated AVR it is the oracle too, and what is too large is refused."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import numpy as np
import pytest
from support import needs
from support.strategies import make_signs, make_thresholds, reading

from bstdg import export
from bstdg.export import c
from bstdg.export.base import Golden
from bstdg.export.c import proof
from bstdg.export.golden import corners
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel

avr_gcc, avr_size, simavr = map(needs.program, ("avr-gcc", "avr-size", "simavr"))
LEVELS = [f"AVR, whose int has 16 bits, under simavr, {level}" for level in ("-Os", "-O2")]
NETWORKS = {  # widths, T, white, thresholds
    "64-32-10": ((64, 32, 10), 8, 16, "near"),
    "neurons 16 to 31 of a word": ((20, 33, 63), 5, 255, "near"),
    "pixels of 16 bits, many steps": ((64, 32, 10), 254, 65_535, "near"),
    "pixels of 16 bits, fewer than 65,535": ((30, 20, 3), 200, 40_000, "wide"),
    "counters of more than 16 bits": ((300, 20, 4), 254, 255, "wide"),
    "extreme thresholds": ((16, 12, 7), 8, 255, "extreme"),
    "more than 255 classes": ((8, 300), 4, 255, "near"),
    "three layers": ((40, 70, 32, 31), 8, 255, "near"),
    "one neuron": ((1, 1), 1, 1, "zero"),
}


def network(widths: tuple[int, ...], num_steps: int, white: int, thresholds: str) -> PackedModel:
    rng = np.random.default_rng(sum(widths))
    layers = tuple(
        FullLayer(
            make_signs(rng, "random", above, below),
            np.maximum(make_thresholds(rng, thresholds, above, below), 1 - 2**31),
        )
        for below, above in itertools.pairwise(widths)
    )
    names = tuple(map(str, range(widths[-1])))
    return PackedModel(reading((1, widths[0]), white), layers, num_steps, names)


@avr_gcc
@avr_size
@simavr
@pytest.mark.parametrize("name", NETWORKS)
def test_golden_vectors_on_an_avr(tmp_path, name):
    model = network(*NETWORKS[name])
    folder = export.export("c", model, tmp_path / "out", name="net").folder
    checks = {check.name: check for check in proof.verify(folder, model, Golden.of(model, corners(model).steps))}
    for level in LEVELS:
        assert checks[level].status == "passed", checks[level].detail
        assert "64 vectors, " in checks[level].detail


@avr_gcc
@avr_size
@simavr
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("__builtin_ctzl(word)", "__builtin_ctz((unsigned)word)"),
        ("(uint32_t)(NET_WHITE - pixel)", "(NET_WHITE - pixel)"),
    ],
)
def test_the_proof_sees_what_goes_wrong_in_16_bits(tmp_path, before, after):
    model = network((64, 33, 30), 254, 65_535, "near")
    folder = export.export("c", model, tmp_path / "out", name="net").folder
    text = (folder / "net.c").read_text()
    assert before in text
    (folder / "net.c").write_text(text.replace(before, after))
    checks = {check.name: check for check in proof.verify(folder, model, Golden.of(model, corners(model).steps))}
    assert [checks[level].status for level in LEVELS] == ["failed", "failed"]


def test_a_network_that_does_not_fit_the_processor_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(proof, "need", lambda *_: None)
    model = network((784, 600, 10), 8, 255, "near")
    folder = export.export("c", model, tmp_path / "out", name="net").folder
    monkeypatch.setattr(proof, "BUILDS", ())
    for name in ("_self_test", "_run_cortex_m3"):
        monkeypatch.setattr(proof, name, lambda *_: "elsewhere")
    checks = list(proof.verify(folder, model, Golden.of(model, corners(model).steps)))[-2:]
    assert [check.status for check in checks] == ["not run", "not run"]
    assert "bytes of RAM, atmega1284p has 16,384" in checks[0].detail


@avr_gcc
@pytest.mark.parametrize(("widths", "bytes_needed"), [((600, 600, 10), 45_676), ((600, 1000, 10), 76_928)])
def test_an_array_beyond_16_bits_of_address_is_an_error(tmp_path, widths, bytes_needed):
    """Rows of 601 words for every 32 neurons: GCC itself refuses more than 32,767 bytes, we what no size_t holds."""
    model = network(widths, 8, 255, "near")
    for path, data in c.write(model, Golden.of(model, corners(model).steps[:1]), "net").files.items():
        if path in ("net.c", "net.h"):
            (tmp_path / path).write_bytes(data)
    command = ["avr-gcc", f"-mmcu={proof.AVR}", "-std=c99", "-c", "net.c", "-o", "net.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    if bytes_needed > 65_535:
        assert f'#error "net has an array of {bytes_needed} bytes' in done.stderr
    else:
        assert "is too large" in done.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_way_of_compilers_that_cannot_count_zeros(tmp_path, compiler):
    """The plain loop that stands in for the builtin, on this machine."""
    if shutil.which(compiler) is None:
        needs.skip(compiler)
    model = network((40, 70, 32, 31), 8, 255, "near")
    folder = export.export("c", model, tmp_path / "out", name="net").folder
    text = (folder / "net.c").read_text()
    assert text.count("defined(__GNUC__)") == 2
    (folder / "net.c").write_text(text.replace("defined(__GNUC__)", "0"))
    build = next(build for build in proof.BUILDS if build.compiler == compiler)
    golden = Golden.of(model, corners(model).steps)
    assert "64 vectors" in proof._run_build(folder, "net", golden, build)
