"""The deployed model file: what is written is what is read, and nothing else is read."""

from __future__ import annotations

import dataclasses
import json
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
from bstdg.inputs import LatencyCode
from bstdg.model import packed, runtime
from bstdg.model.packed import PackedModel


def assert_same(a: PackedModel, b: PackedModel) -> None:
    for x, y in zip(a.layers, b.layers, strict=True):
        np.testing.assert_array_equal(getattr(x, "signs", None), getattr(y, "signs", None))  # a pooling has none
        assert (x.kind, str(x), x.gives) == (y.kind, str(y), y.gives)
        np.testing.assert_array_equal(x.thresholds, y.thresholds)
    for name in ("num_steps", "classes", "trained"):
        assert getattr(a, name) == getattr(b, name), name
    assert (a.input.kind, a.input.header()) == (b.input.kind, b.input.header())
    for (name, array, _), (other, again, _) in zip(a.input.tensors(), b.input.tensors(), strict=True):
        assert name == other
        np.testing.assert_array_equal(array, again)


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
    model = random_model((784, 600, 10), trained={"recipe": {"title": "x" * 1500}})
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


READS = {"kind": "latency", "reads": [1, 1, 5], "white": 255, "silent_below": 0.0}


def full(*neurons: int) -> list[dict]:
    return [{"kind": "full", "neurons": number} for number in neurons]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_metadata(version="3"), "version 3; this program reads up to 2"),
        (set_metadata(format="other"), "no bstdg model"),
        (set_metadata(format="bstdg-checkpoint"), "training checkpoint"),
        (set_metadata(config="{"), "damaged configuration"),
        (set_metadata(config="[]"), "damaged configuration"),
        (set_config(num_steps=255), "damaged configuration"),
        (set_config(num_steps="8"), "damaged configuration"),
        (set_config(layers=None), "damaged configuration"),
        (set_config(layers=7), "damaged configuration"),
        (set_config(layers=[]), "tensors, layer0.signs among them, for 0 layers"),
        (set_config(layers=full(3)), "tensors, layer1.signs among them, for 1 layers"),
        (set_config(layers=full(3, 2, 1)), "damaged configuration"),
        (set_config(layers=full(4, 2)), "layer 0 should hold 4"),
        (set_config(layers=full(-3, 2)), "layer 0 should hold -3"),
        (set_config(layers=[{"kind": "swirl"}, *full(2)]), "layer 0 is of kind 'swirl', which is not known here .full"),
        (set_config(layers=[{}, *full(2)]), "damaged configuration: 'kind'"),
        (
            set_config(input={**READS, "kind": "smell"}),
            "the input is of kind 'smell', which is not known here .latency",
        ),
        (set_config(input={**READS, "reads": [1, 2, 2]}), "beyond its 4 channels"),
        (set_config(input={**READS, "reads": [9]}), "rows of 9 bits"),
        (set_config(input={**READS, "reads": [5, 1]}), "damaged configuration"),
        (set_config(input={**READS, "reads": 3}), "damaged configuration"),
        (set_config(input={**READS, "reads": [1, 256, 256]}), "images of 256 x 256 are more than 65535"),
        (set_config(input={**READS, "white": 0}), "damaged configuration"),
        (set_config(input={**READS, "white": "255"}), "damaged configuration"),
        (set_config(input={**READS, "silent_below": 2}), "damaged configuration"),
        (set_config(classes=["one"]), "damaged configuration"),
        (set_config(trained=[]), "damaged configuration"),
        (set_padding_bit, "beyond its 5 channels"),
    ],
)
def test_a_sealed_file_that_makes_no_sense(small, change, message):
    with pytest.raises(FileFormatError, match=message):
        packed.from_bytes(resealed(small, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_config(widths=None), "damaged configuration"),
        (set_config(widths=[]), "for 0 layers"),
        (set_config(widths=[20, 13]), "for 1 layers"),
        (set_config(widths=[20, 13, 9, 3, 1]), "damaged configuration"),
        (set_config(widths=[20, 14, 9, 3]), "layer 0 should hold 14"),
        (set_config(widths=[20, -13, 9, 3]), "widths are"),
        (set_config(widths=[20, 0, 9, 3]), "widths are"),
        (set_config(widths=[20, 1, 9, 3]), "layer 0 should hold 1"),
        (set_config(widths="20"), "damaged configuration"),
        (set_config(image_shape=[2, 2]), "rows of 4 bits"),
        (set_config(image_shape=3), "damaged configuration"),
        (set_config(white=0), "damaged configuration"),
        (set_config(silent_below=2), "damaged configuration"),
        (set_config(edges=3), "do not fill"),
        (set_config(edges=True), "edges must be a number of pixels, not True"),
        (set_config(edges=-1), "edges must be a number of pixels, not -1"),
        (set_config(edges=1, white=256), "white must be an integer in 1 … 255"),
        (set_config(classes=["one"]), "damaged configuration"),
    ],
)
def test_a_file_of_version_1_that_makes_no_sense(change, message):
    data = (GOLDEN / "model-v1.bstdg").read_bytes()
    with pytest.raises(FileFormatError, match=message):
        packed.from_bytes(resealed(data, change))


def test_resealing_alone_changes_nothing(small):
    assert_same(packed.from_bytes(resealed(small, set_config())), packed.from_bytes(small))


def test_parts_that_do_not_fit_each_other():
    layers = random_model((4, 3, 2)).layers
    for wrong in (
        {"layers": ()},
        {"layers": layers[::-1]},
        {"input": LatencyCode((5,))},
        {"classes": ("a",)},
        {"num_steps": 0},
        {"layers": (replace(layers[0], thresholds=np.zeros(2, np.int64)), layers[1])},
        {"layers": (replace(layers[0], thresholds=np.full(3, 2**31)), layers[1])},
        {"trained": []},
    ):
        good = {"input": LatencyCode((4,)), "layers": layers, "num_steps": 8}
        with pytest.raises(InputError):
            PackedModel(**{**good, "classes": ("a", "b"), **wrong})


def test_more_than_a_header_holds_is_refused():
    with pytest.raises(InputError, match="the model: what is said takes 1,"):
        packed.to_bytes(random_model((4, 2), trained={"recipe": {"title": "x" * (1 << 20)}}))
    with pytest.raises(ValueError, match="not JSON compliant"):  # what a NaN is in a file, readers do not agree on
        packed.to_bytes(random_model((4, 2), trained={"accuracy": float("nan")}))


def test_a_file_larger_than_any_model_is_not_read(tmp_path):
    path = tmp_path / "huge.bstdg"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # takes no room
    with pytest.raises(FileFormatError, match=r"has 1073741825 bytes, more than any model \(1073741824\)"):
        packed.load(path)


def test_the_network_alone_reads_what_its_code_would_feed_it():
    whole = packed.load(GOLDEN / "model-edges-v1.bstdg")
    alone = packed.network_alone(whole)
    assert (alone.input, alone.widths) == (LatencyCode((16,), 200, 0.05), whole.widths)
    plain = packed.load(GOLDEN / "model-v1.bstdg")
    assert packed.network_alone(plain) is plain


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


VERSIONS = [("v1", ""), ("v1", "scaled-"), ("v1", "edges-"), ("v1", "recordings-")]
VERSIONS += [("v2", ""), ("v2", "scaled-"), ("v2", "edges-"), ("v2", "recordings-")]
VERSIONS += [("v2", f"{kind}-") for kind in ("colour", "convolution", "signal", "signal-top")]
VERSIONS += [("v2", f"{kind}-") for kind in ("pixels", "relative", "levels")]


@pytest.mark.parametrize(("version", "kind"), VERSIONS)
def test_golden_files_stay_readable_for_ever(version, kind):
    """Models that each version wrote are read, and give the same steps; the present one writes them byte for byte."""
    data = (GOLDEN / f"model-{kind}{version}.bstdg").read_bytes()
    model = runtime.Model(packed.from_bytes(data))
    expected = np.load(GOLDEN / f"model-{kind}{version}.npz")
    if "images" in expected:
        run = model.run(model.encode(expected["images"]))
    else:
        run = model.run(model.encode_events(*(expected[name] for name in ("offsets", "channels", "times"))))
    for i, steps in enumerate(run.trace.hidden):
        np.testing.assert_array_equal(steps, expected[f"hidden{i}"])
    np.testing.assert_array_equal(run.trace.potentials, expected["potentials"])
    np.testing.assert_array_equal(run.decision.label, expected["label"])
    np.testing.assert_array_equal(run.decision.step, expected["step"])
    again = packed.to_bytes(model.packed)
    if version == f"v{packed.VERSION}":
        assert again == data
    assert_same(packed.from_bytes(again), model.packed)


def test_both_versions_say_the_same():
    for kind in ("", "scaled-", "edges-", "recordings-"):
        one, two = (packed.load(GOLDEN / f"model-{kind}{version}.bstdg") for version in ("v1", "v2"))
        assert packed.to_bytes(one) == packed.to_bytes(two)


@pytest.mark.parametrize(("white", "fits"), [(1, True), (255, True), (256, False), (65_535, False)])
def test_edges_are_found_in_images_of_bytes_alone(white, fits):
    def with_edges() -> packed.PackedModel:  # 4 maps of 3 x 3 cells
        return random_model((36, 5, 3), shape=(6, 6), white=white, edges=2)

    if fits:
        again = packed.from_bytes(packed.to_bytes(with_edges()))
        assert (again.input.white, again.input.gives) == (white, (4, 3, 3))
    else:
        with pytest.raises(InputError, match="white must be an integer in 1 … 255"):
            with_edges()


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("white", [256, 65_535])
def test_a_file_that_asks_for_edges_of_wide_pixels_is_refused(white, version):
    def wider(header, metadata, payload):
        config = json.loads(metadata["config"])
        (config if version == "v1" else config["input"])["white"] = white
        metadata["config"] = json.dumps(config)
        return payload

    whole = (GOLDEN / f"model-edges-{version}.bstdg").read_bytes()
    assert packed.from_bytes(whole).input.white <= 255
    with pytest.raises(FileFormatError, match="white must be an integer in 1 … 255"):
        packed.from_bytes(resealed(whole, wider))


@pytest.mark.parametrize("name", ["\ud83e", "half \udfff of it", "\ud800\udc80x"])
def test_names_that_no_file_holds_are_refused_at_once(name):
    with pytest.raises(InputError, match="holds half a surrogate pair") as caught:
        dataclasses.replace(random_model((4, 3, 2)), classes=("a", name))
    assert "\n" not in str(caught.value)


def test_bytes_of_names_that_are_no_text_are_held():
    odd = dataclasses.replace(random_model((4, 3, 2)), classes=("caf\udce9", "猫"))
    assert packed.from_bytes(packed.to_bytes(odd)).classes == odd.classes
