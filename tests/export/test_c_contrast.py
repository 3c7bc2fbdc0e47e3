"""Pixels in C become the steps that `bstdg.inputs.contrast` says, and decisions follow."""

from __future__ import annotations

import ctypes
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.compiled import Library, decided_by_snippet
from support.exported import model_and_vectors
from test_c_windows import network

from bstdg import export, files
from bstdg.errors import FileFormatError
from bstdg.export import golden as vectors
from bstdg.export.base import Golden
from bstdg.export.c import proof
from bstdg.inputs import LatencyCode
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model

WHITES, STEPS, SHARES = (255, 1, 2, 16, 256, 65_535), (1, 8, 254), (0.0, 0.1, 1 / 3, 0.7, 0.999)


def model_of(code: LatencyCode, layers: tuple[int | str, ...], num_steps: int = 8) -> PackedModel:
    """A network of random bits that reads images."""
    return dataclasses.replace(network(code.gives, layers, num_steps), input=code)


def levels_for(rng: np.random.Generator, white: int, num_steps: int) -> tuple[int, ...]:
    """Levels of which some are equal, some out of reach."""
    return tuple(sorted(rng.integers(1, white + 2, num_steps).tolist(), reverse=True))


def many_codes() -> list[PackedModel]:
    """Relative ones and those by levels, bytes and words, shares that float64 rounds, with windows and without."""
    rng, models = np.random.default_rng(0), []
    for n in range(12):
        white, num_steps = WHITES[n % 6], STEPS[(n // 2) % 3]
        relative, by_levels = n % 4 != 3, n in (1, 2, 3, 6, 7, 10, 11)
        levels = levels_for(rng, white, num_steps) if by_levels else ()
        silent = 0.0 if by_levels else SHARES[n % 5]
        reads = (1, 1, 1) if n == 4 else tuple(int(rng.integers(1, most)) for most in (3, 4, 12))
        code = LatencyCode(reads, white, silent, relative, levels)
        models.append(model_of(code, (7, 5) if n % 3 else ("3c1", 5), num_steps))
    return models


MANY = range(12)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    return Library(many_codes(), tmp_path_factory.mktemp("compiled"))


def in_c(library: Library, i: int, image: np.ndarray) -> tuple[list[int], int] | None:
    """The step of every channel and the class decided; None where the image was refused."""
    code, call = library.models[i].input, library.code
    kind = ctypes.c_uint8 if code.white <= 255 else ctypes.c_uint16
    pixels = (kind * image.size)(*image.tolist())
    decision, memory = (ctypes.c_uint8 * 4)(), ctypes.create_string_buffer(1 << 16)
    refused = getattr(call, f"n{i}_classify_pixels")(memory, pixels, decision)
    steps = (ctypes.c_uint8 * image.size)()
    if code.relative:
        assert refused == getattr(call, f"n{i}_encode_pixels")(pixels, steps)
        found = list(steps)
    else:
        found = [getattr(call, f"n{i}_step_of_pixel")(kind(value)) for value in image.tolist()]
    return None if refused else (found, decision[0] | decision[1] << 8)


def as_trained(model: PackedModel, image: np.ndarray) -> tuple[list[int], int]:
    runner = Model(model, "oracle")
    return runner.encode(image[None])[0].tolist(), int(runner.predict(image[None])[0])


@pytest.mark.parametrize("i", MANY)
def test_steps_and_decisions_are_those_of_training(library, i):
    model = library.models[i]
    for image in vectors.signals(model).samples:
        assert in_c(library, i, image) == as_trained(model, image)


@settings(deadline=None, max_examples=100)
@given(data=st.data(), i=st.sampled_from(MANY))
def test_steps_are_those_of_training_whatever_comes(library, data, i):
    model = library.models[i]
    width, white = math.prod(model.input.reads), model.input.white
    few = data.draw(st.lists(st.integers(0, white), min_size=1, max_size=4))  # ties, and shares that come out even
    image = np.array(data.draw(st.lists(st.sampled_from(few), min_size=width, max_size=width)))
    assert in_c(library, i, image) == as_trained(model, image)


def test_every_pixel_beside_every_brightest_one(tmp_path):
    """All that two bytes can be, relative to each other."""
    share = LatencyCode((256,), 255, 0.3, relative=True)
    level = LatencyCode((256,), 255, relative=True, levels=(256, 200, 77, 77, 1))
    models = [model_of(share, (3,), 7), model_of(level, (3,), 5)]
    library = Library(models, tmp_path)
    for brightest in range(256):
        image = np.minimum(np.arange(256), brightest)
        for i, model in enumerate(models):
            assert in_c(library, i, image)[0] == model.input.encode(image[None], model.num_steps)[0].tolist()


def test_a_pixel_above_white_is_refused(library):
    for i, model in enumerate(library.models):
        white, width = model.input.white, math.prod(model.input.reads)
        image = np.zeros(width, np.int64)
        image[-1] = white + 1
        if white not in (255, 65_535):  # where a wider number does not fit the type
            assert in_c(library, i, image) is None
        image[-1] = white
        assert in_c(library, i, image) is not None


# --- the folder ------------------------------------------------------------------------------------------------------

DIM = LatencyCode((1, 6, 6), 255, 0.1, relative=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> export.Exported:
    return export.export("c", model_of(DIM, (16, 4)), tmp_path_factory.mktemp("dim") / "out", name="net")


def test_the_folder_reads_pixels(exported, tmp_path):
    """Images are among the golden vectors, and nothing has to be done outside."""
    model, golden = model_and_vectors(exported.folder)
    assert model.input == DIM
    assert "input" not in exported.manifest["figures"]
    assert np.array_equal(model.input.encode(golden.samples, 8), golden.steps[-len(golden.samples) :])
    assert len({int(image.max()) for image in golden.samples}) > 8
    header = (exported.folder / "net.h").read_text()
    assert "net_encode_pixels" in header and "net_step_of_pixel" not in header
    image = np.random.default_rng(0).integers(0, 99, (1, 36))
    assert decided_by_snippet(exported.folder, image[0], tmp_path) == Model(model).predict(image)[0]


@needs.program("gcc")
def test_the_golden_images_are_encoded_on_this_machine(exported):
    _, golden = model_and_vectors(exported.folder)
    assert f"{len(golden.steps)} vectors" in proof._run_build(exported.folder, "net", golden, proof.BUILDS[1])
    assert "0 of 16 golden vectors wrong" in proof._self_test(exported.folder, "net")


@needs.program("arm-none-eabi-gcc")
@needs.program("arm-none-eabi-size")
@needs.program("qemu-system-arm")
def test_a_cortex_m_encodes_and_decides(exported):
    _, golden = model_and_vectors(exported.folder)
    assert "vectors" in proof._run_cortex_m3(exported.folder, exported.manifest, golden, "-Os")


@needs.program("avr-gcc")
@needs.program("avr-size")
@needs.program("simavr")
def test_an_int_of_16_bits_is_enough(exported):
    _, golden = model_and_vectors(exported.folder)
    assert "vectors" in proof._run_avr(exported.folder, exported.manifest, golden, "-Os")


@needs.program("gcc")
def test_one_wrong_pixel_fails_the_proof(exported):
    """What the C code makes of an image is compared step by step, not by the decision alone."""
    model, golden = model_and_vectors(exported.folder)
    samples = golden.samples.copy()
    samples[-1] = samples[-1] // 2
    wrong = golden._replace(samples=samples)
    with pytest.raises(proof.Failed, match=f"input {len(golden.steps) - 1}: the ways to run it do not agree"):
        proof._run_build(exported.folder, "net", wrong, proof.BUILDS[0])
    assert "steps differs in 1 of" in vectors.difference(Golden.of(model, wrong.steps, wrong.samples), wrong)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda samples: samples[:, 1:], "does not fit the model"),
        (lambda samples: np.concatenate([samples] * 9), "does not fit the model"),
        (lambda samples: samples + 1, "holds samples beyond 255"),
    ],
)
def test_damaged_golden_samples_are_refused(exported, change, said):
    model, golden = model_and_vectors(exported.folder)
    damaged = vectors.to_bytes(golden._replace(samples=change(golden.samples)))
    assert files.parse(damaged, "x").tensors["samples"]
    with pytest.raises(FileFormatError, match=said):
        vectors.from_bytes(damaged, model)


@needs.program("gcc")
@pytest.mark.parametrize("white", [200, 1000])
def test_levels_alone_are_a_table(white, tmp_path):
    """Each pixel becomes a step by itself, so all of them are tried, and no image is kept."""
    code = LatencyCode((9,), white, levels=(180, 90, 90, 4))
    made = export.export("c", model_of(code, (5, 3), 4), tmp_path / "out", name="net")
    _, golden = model_and_vectors(made.folder)
    assert golden.samples is None and "net_step_of_pixel" in (made.folder / "net.h").read_text()
    assert "vectors" in proof._run_build(made.folder, "net", golden, proof.BUILDS[0])
    source = made.folder / "net.c"
    right = ", ".join(map(str, code.step_of_value(4)[:8])) if white < 256 else "180, 90, 90, 4,"
    assert source.read_text().count(right) == 1
    source.write_text(source.read_text().replace(right, right.replace("4", "3", 1)))
    with pytest.raises(proof.Failed, match="the ways to run it do not agree"):
        proof._run_build(made.folder, "net", golden, proof.BUILDS[0])
