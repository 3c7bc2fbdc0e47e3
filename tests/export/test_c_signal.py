"""Signals in C become the steps that `bstdg.inputs.signal` makes of them, and decisions follow."""

from __future__ import annotations

import ctypes
import dataclasses
import math
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.compiled import Library
from support.exported import model_and_vectors
from test_c_windows import network

from bstdg import export, files
from bstdg.errors import FileFormatError
from bstdg.export import golden as vectors
from bstdg.export.base import Golden
from bstdg.export.c import proof
from bstdg.export.c.signal import silent_share
from bstdg.inputs import SignalCode
from bstdg.inputs.signal import SignalMap
from bstdg.model import packed
from bstdg.model.packed import PackedModel

NAMES = get_args(SignalMap)


def model_of(code: SignalCode, layers: tuple[int | str, ...], num_steps: int = 8) -> PackedModel:
    """A network of random bits that reads signals."""
    return dataclasses.replace(network(code.gives, layers, num_steps), input=code)


def many_codes() -> list[PackedModel]:
    """Each map alone and mixed, sides of 1, bytes and words, shares that float64 rounds, tops of one's own."""
    rng, models = np.random.default_rng(0), []
    for n in range(14):
        maps = (NAMES[n],) if n < 6 else tuple(map(str, rng.permutation(NAMES)[: rng.integers(1, 7)]))
        reads = tuple(int(rng.integers(1, most)) for most in (4, 4, 30))
        white = (255, 1, 2, 256, 2047, 65_535)[n % 6]
        top = (0, 0, 0, 1, 77, 65_535)[int(rng.integers(0, 6))]
        code = SignalCode(reads, maps, white, (0.0, 0.1, 0.3, 1 / 3, 0.7, 0.999)[int(rng.integers(0, 6))], top)
        models.append(model_of(code, (7, 5) if n % 2 else ("3c1", 5), (1, 8, 254)[n % 3]))
    return models


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    return Library(many_codes(), tmp_path_factory.mktemp("compiled"))


def steps_in_c(library: Library, i: int, sample: np.ndarray) -> list[int] | None:
    """The steps of every channel; None where the sample was refused."""
    code = library.models[i].input
    kind = ctypes.c_uint8 if code.white <= 255 else ctypes.c_uint16
    steps = (ctypes.c_uint8 * library.models[i].widths[0])()
    refused = getattr(library.code, f"n{i}_encode_samples")((kind * sample.size)(*sample.tolist()), steps)
    return None if refused else list(steps)


@pytest.mark.parametrize("i", range(14))
def test_steps_are_those_of_training(library, i):
    model = library.models[i]
    inputs = vectors.signals(model)
    assert inputs.samples.max() == model.input.white
    for sample, steps in zip(inputs.samples, inputs.steps, strict=True):
        assert steps_in_c(library, i, sample) == steps.tolist()


@settings(deadline=None, max_examples=60)
@given(data=st.data(), i=st.integers(0, 13))
def test_steps_are_those_of_training_whatever_comes(library, data, i):
    model = library.models[i]
    width, white = math.prod(model.input.reads), model.input.white
    few = data.draw(st.lists(st.integers(0, white), min_size=1, max_size=4))  # ties, and shares that come out even
    sample = np.array(data.draw(st.lists(st.sampled_from(few), min_size=width, max_size=width)))
    assert steps_in_c(library, i, sample) == model.input.encode(sample[None], model.num_steps)[0].tolist()


def test_a_sample_above_white_is_refused(library):
    for i, model in enumerate(library.models):
        white, width = model.input.white, math.prod(model.input.reads)
        sample = np.zeros(width, np.int64)
        sample[-1] = white + 1
        if white not in (255, 65_535):  # where a wider number does not fit the type
            assert steps_in_c(library, i, sample) is None
        sample[-1] = white
        assert steps_in_c(library, i, sample) is not None


@settings(max_examples=300)
@given(top=st.integers(1, 65_535), value=st.integers(0, 65_535), nudge=st.sampled_from([-2, -1, 0, 1, 2]))
def test_the_share_that_is_silent_is_as_float64_rounds(top, value, nudge):
    value = min(value, top)
    share = value / top
    for _ in range(abs(nudge)):
        share = float(np.nextafter(share, np.sign(nudge) * 9.0))
    if 0.0 <= share < 1.0:
        found = silent_share(share)
        assert max(found.numerator, found.denominator) <= 65_535  # products fit 32 bits
        for near in (value - 1, value, value + 1):
            assert (near / top <= share) == (Fraction(near, top) <= found)


# --- the folder ------------------------------------------------------------------------------------------------------

HEARTBEATS = SignalCode((1, 1, 128), ("level", "depth"), white=2047)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> export.Exported:
    layers = ("8c1x7s1x2", "pool1x2", "16c1x5", "pool1x2", 32, 4)
    model = dataclasses.replace(network(HEARTBEATS.gives, layers, 8, (2, 6)), input=HEARTBEATS)
    return export.export("c", model, tmp_path_factory.mktemp("signal") / "out", name="net")


def test_the_folder_reads_signals(exported):
    """The model is whole, samples are among the golden vectors, and nothing has to be done outside."""
    model, golden = model_and_vectors(exported.folder)
    assert model.input == HEARTBEATS
    assert "input" not in exported.manifest["figures"]
    assert len(golden.samples) == 92
    assert np.array_equal(model.input.encode(golden.samples, 8), golden.steps[-92:])
    assert len(set(golden.step[-92:].tolist())) > 1
    header = (exported.folder / "net.h").read_text()
    assert "net_classify_samples" in header
    assert "pixel" not in header


def test_other_targets_write_the_network_alone(tmp_path):
    model = model_of(SignalCode((1, 1, 8), white=100), (5, 3))
    made = export.export("web", model, tmp_path / "web")
    assert "above, below" in made.manifest["figures"]["input"]
    assert packed.load(made.folder / "model.bstdg").input.kind == "latency"


@pytest.fixture(scope="module")
def checks(exported):
    return {check.name: check for check in export.verify(exported.folder)}


@pytest.mark.parametrize("build", proof.BUILDS, ids=lambda build: build.title)
def test_every_compiler_encodes_alike(checks, build):
    if checks[build.title].status == "not run":
        needs.skip(build.compiler, more=checks[build.title].detail)
    assert checks[build.title].status == "passed", checks[build.title].detail
    assert "156 vectors" in checks[build.title].detail


@needs.program("gcc")
def test_the_self_test_passes(checks):
    assert "0 of 16 golden vectors wrong" in checks["self-test for a board"].detail


@needs.program("arm-none-eabi-gcc")
@needs.program("arm-none-eabi-size")
@needs.program("qemu-system-arm")
@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_a_cortex_m_encodes_and_decides(checks, level):
    check = checks[f"Cortex-M3 without a library under qemu-system-arm, {level}"]
    assert check.status == "passed", check.detail
    assert int(check.detail.split("stack at most ")[1].split(";")[0]) < 1024


@needs.program("avr-gcc")
@needs.program("avr-size")
@needs.program("simavr")
@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_an_int_of_16_bits_is_enough(checks, level):
    check = checks[f"AVR, whose int has 16 bits, under simavr, {level}"]
    assert check.status == "passed", check.detail


@needs.program("gcc")
def test_one_wrong_step_of_one_sample_fails_the_proof(exported):
    """What the C code makes of samples is compared step by step, not by the decision alone."""
    model, golden = model_and_vectors(exported.folder)
    samples = golden.samples.copy()
    samples[70, 5] += 999
    wrong = golden._replace(samples=samples)
    with pytest.raises(proof.Failed, match="input 134: the ways to run it do not agree"):
        proof._run_build(exported.folder, "net", wrong, proof.BUILDS[0])
    differs = vectors.difference(Golden.of(model, wrong.steps, wrong.samples), wrong)
    assert differs.startswith("steps differs in 1 of 156 vectors, the first is vector 134")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda samples: None, "does not fit the model"),
        (lambda samples: samples[:, 1:], "does not fit the model"),
        (lambda samples: np.concatenate([samples, samples]), "does not fit the model"),
        (lambda samples: samples + 1, "holds samples beyond 2047"),
    ],
)
def test_golden_vectors_without_fitting_samples_are_refused(exported, change, said):
    model, golden = model_and_vectors(exported.folder)
    data = vectors.to_bytes(golden._replace(samples=change(golden.samples)))
    assert files.parse(data, "golden").tensors
    with pytest.raises(FileFormatError, match=said):
        vectors.from_bytes(data, model)
