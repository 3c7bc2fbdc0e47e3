"""The deployed model file: what is written is what is read, and nothing else is read."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.model_files import resealed, set_config
from support.paths import GOLDEN, ROOT
from support.strategies import random_model

from bstdg.errors import FileFormatError, InputError
from bstdg.inputs.recordings import InputCoding
from bstdg.model import packed, runtime
from bstdg.model.packed import PackedModel


def assert_same(a: PackedModel, b: PackedModel) -> None:
    for x, y in zip(a.layers, b.layers, strict=True):
        np.testing.assert_array_equal(x.signs, y.signs)
        np.testing.assert_array_equal(x.thresholds, y.thresholds)
    for name in ("num_steps", "image_shape", "white", "silent_below", "classes", "trained"):
        assert getattr(a, name) == getattr(b, name), name


@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=5),
    st.integers(1, 254),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 5, 2**15 - 1, 2**15, 2**31 - 1]),
)
def test_round_trip(widths, num_steps, seed, threshold):
    model = random_model(widths, num_steps, seed, threshold, trained={"data": "é", "figures": [0.5, None]})
    data = packed.to_bytes(model)
    assert_same(packed.from_bytes(data), model)
    assert packed.to_bytes(packed.from_bytes(data)) == data


def test_mnist_sized_model_is_under_64_kB_and_opens_as_safetensors(tmp_path):
    model = random_model((784, 600, 10), trained={"recipe": "x" * 1500})
    size = packed.save(model, tmp_path / "m.bstdg")
    assert size == (tmp_path / "m.bstdg").stat().st_size < 64_000
    from safetensors import safe_open

    with safe_open(tmp_path / "m.bstdg", framework="numpy") as file:
        bits = file.get_tensor("layer0.signs")
        assert file.metadata()["format"] == "bstdg-model"
    signs = np.unpackbits(bits, axis=1, bitorder="little")[:, :784].astype(np.int8) * 2 - 1
    np.testing.assert_array_equal(signs, model.layers[0].signs)


@pytest.fixture(scope="module")
def small() -> bytes:
    return packed.to_bytes(random_model((5, 3, 2), trained={"data": "none"}))


def test_cut_at_every_byte(small):
    for end in range(len(small)):
        with pytest.raises(FileFormatError, match=r"truncated|no file of this program|damaged"):
            packed.from_bytes(small[:end])


def test_every_flipped_payload_and_header_bit(small):
    for at in range(len(small)):
        altered = bytearray(small)
        altered[at] ^= 1 << (at % 8)
        with pytest.raises(FileFormatError):
            packed.from_bytes(bytes(altered))


def test_trailing_bytes(small):
    with pytest.raises(FileFormatError, match="trailing"):
        packed.from_bytes(small + b"\0")


def set_metadata(**fields):
    def change(header, metadata, payload):
        metadata.update(fields)
        return payload

    return change


def set_padding_bit(header, metadata, payload):
    begin = header["layer0.signs"]["data_offsets"][0]
    payload[begin] |= 0x80  # five channels: bits 5 … 7 are padding
    return payload


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_metadata(version="2"), "version 2"),
        (set_metadata(format="other"), "no bstdg model"),
        (set_metadata(format="bstdg-checkpoint"), "training checkpoint"),
        (set_metadata(config="{"), "damaged configuration"),
        (set_metadata(config="[]"), "damaged configuration"),
        (set_config(num_steps=255), "damaged configuration"),
        (set_config(num_steps="8"), "damaged configuration"),
        (set_config(widths=None), "damaged configuration"),
        (set_config(widths=[]), "tensors for 0 layers"),
        (set_config(widths=[5, 3]), "4 tensors for 1 layers"),
        (set_config(widths=[5, 3, 2, 1]), "damaged configuration"),
        (set_config(widths=[9, 3, 2]), "rows of 9 bits"),
        (set_config(widths=[5, 4, 2]), "should hold 4"),
        (set_config(widths=[5, -3, 2]), "should hold -3"),
        (set_config(image_shape=[2, 2]), "damaged configuration"),
        (set_config(image_shape=3), "damaged configuration"),
        (set_config(classes=["one"]), "damaged configuration"),
        (set_config(white=0), "damaged configuration"),
        (set_config(white="255"), "damaged configuration"),
        (set_config(silent_below=2), "damaged configuration"),
        (set_config(trained=[]), "damaged configuration"),
        (set_padding_bit, "beyond its 5 channels"),
    ],
)
def test_a_sealed_file_that_makes_no_sense(small, change, message):
    with pytest.raises(FileFormatError, match=message):
        packed.from_bytes(resealed(small, change))


def test_resealing_alone_changes_nothing(small):
    assert_same(packed.from_bytes(resealed(small, set_config())), packed.from_bytes(small))


def test_parts_that_do_not_fit_each_other():
    layers = random_model((4, 3, 2)).layers
    for wrong in (
        {"layers": ()},
        {"layers": layers[::-1]},
        {"image_shape": (5,)},
        {"classes": ("a",)},
        {"num_steps": 0},
        {"layers": (replace(layers[0], thresholds=np.zeros(2, np.int64)), layers[1])},
        {"layers": (replace(layers[0], thresholds=np.full(3, 2**31)), layers[1])},
        {"white": 0},
        {"silent_below": 1.0},
    ):
        good = {"layers": layers, "num_steps": 8, "image_shape": (4,), "white": 255, "silent_below": 0.0}
        with pytest.raises(InputError):
            PackedModel(**{**good, "classes": ("a", "b"), **wrong})


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        packed.load(tmp_path / "none")
    with pytest.raises(FileFormatError, match="is a folder"):
        packed.load(tmp_path)


def test_a_full_disk_keeps_the_old_model(tmp_path):
    """A real write that fails: the file size limit of the process is below the model's size."""
    path = tmp_path / "m.bstdg"
    packed.save(random_model((8, 4, 2)), path)
    before = path.read_bytes()
    program = f"""
import resource, signal, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from support.paths import GOLDEN, ROOT
from support.model_files import resealed, set_config
from support.strategies import random_model
from bstdg.model import packed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.getrlimit(resource.RLIMIT_FSIZE)[1]}))
try:
    packed.save(random_model((784, 600, 10)), {str(path)!r})
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "27"  # EFBIG
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.bstdg"]


@pytest.mark.parametrize("name", ["model-v1", "model-scaled-v1"])
def test_golden_files_of_version_1(name):
    """Models written by the first version keep being read, and give the same steps."""
    model = runtime.load(GOLDEN / f"{name}.bstdg")
    expected = np.load(GOLDEN / f"{name}.npz")
    run = model.run(model.encode(expected["images"]))
    for i, steps in enumerate(run.trace.hidden):
        np.testing.assert_array_equal(steps, expected[f"hidden{i}"])
    np.testing.assert_array_equal(run.trace.potentials, expected["potentials"])
    np.testing.assert_array_equal(run.decision.label, expected["label"])
    np.testing.assert_array_equal(run.decision.step, expected["step"])
    assert packed.to_bytes(model.packed) == (GOLDEN / f"{name}.bstdg").read_bytes()


@pytest.mark.parametrize(("white", "fits"), [(1, True), (255, True), (256, False), (65_535, False)])
def test_edges_are_found_in_images_of_bytes_alone(white, fits):
    def with_edges() -> packed.PackedModel:  # 4 maps of 3 x 3 cells
        return random_model((36, 5, 3), image_shape=(6, 6), white=white, edges=2)

    if fits:
        assert packed.from_bytes(packed.to_bytes(with_edges())).edges == 2
    else:
        with pytest.raises(InputError, match="images of bytes alone"):
            with_edges()


def test_edges_are_not_found_in_events_or_features():
    with pytest.raises(InputError, match="images of bytes alone"):
        random_model((36, 5, 3), image_shape=(6, 6), edges=2, input=InputCoding(duration=1.0))


@pytest.mark.parametrize("white", [256, 65_535])
def test_a_file_that_asks_for_edges_of_wide_pixels_is_refused(white):
    whole = packed.to_bytes(random_model((36, 5, 3), image_shape=(6, 6), edges=2))
    with pytest.raises(FileFormatError, match="images of bytes alone"):
        packed.from_bytes(resealed(whole, set_config(white=white)))
