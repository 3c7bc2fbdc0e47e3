"""Files are whole or not there, and an altered one is told from a whole one."""

from __future__ import annotations

import json
import os
import stat

import numpy as np
import pytest

from bstdg import files
from bstdg.errors import FileFormatError


def sealed(header: dict, payload: bytes = b"") -> bytes:
    """A file with a valid seal and whatever header."""
    header = {"__metadata__": {"sha256": files.UNSEALED}, **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    return files.seal(len(text).to_bytes(8, "little") + text + payload)


def test_atomic_write_replaces_whole_files_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a"
    files.write_atomic(path, b"one")
    files.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write_atomic(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_file_and_then_its_folder_are_brought_to_the_disk(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def remember(handle):
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        synced.append(("folder" if folder else "file", (tmp_path / "a").exists()))
        fsync(handle)

    monkeypatch.setattr(files.os, "fsync", remember)
    files.write_atomic(tmp_path / "a", b"one")
    assert synced == [("file", False), ("folder", True)]


@pytest.mark.parametrize("hard_links", [True, False])
def test_keep_previous(tmp_path, monkeypatch, hard_links):
    if not hard_links:
        monkeypatch.setattr(files.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    now, before = tmp_path / "now", tmp_path / "before"
    files.keep_previous(now, before)  # nothing to keep is no error
    for content in (b"1", b"2"):
        files.write_atomic(now, content)
        files.keep_previous(now, before)
        assert now.read_bytes() == before.read_bytes() == content
    files.write_atomic(now, b"3")
    assert before.read_bytes() == b"2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["before", "now"]


def test_parse_gives_back_what_was_written():
    payload = np.arange(6, dtype="<i2").tobytes() + b"xyz"
    parsed = files.parse(
        sealed(
            {
                "a": {"dtype": "I16", "shape": [2, 3], "data_offsets": [0, 12]},
                "b": {"dtype": "U8", "shape": [3], "data_offsets": [12, 15]},
            },
            payload,
        ),
        "it",
    )
    assert bytes(parsed.tensors["a"].data) == payload[:12]
    assert parsed.tensors["a"].shape == (2, 3)
    assert bytes(parsed.tensors["b"].data) == b"xyz"


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("U8", 1), ("I8", 1), ("BOOL", 1), ("I16", 2), ("I32", 4), ("I64", 8), ("F32", 4), ("F64", 8)],
)
def test_every_type_has_its_size(dtype, size):
    payload = bytes(range(3 * size))
    entry = {"dtype": dtype, "shape": [3], "data_offsets": [0, 3 * size]}
    assert bytes(files.parse(sealed({"a": entry}, payload), "it").tensors["a"].data) == payload


@pytest.mark.parametrize(("there", "what"), [(3, "is truncated"), (6, "has trailing bytes")])
def test_a_file_of_another_length_is_refused_with_both_lengths(there, what):
    data = sealed({"a": {"dtype": "U8", "shape": [5], "data_offsets": [0, 5]}}, b"spike")
    with pytest.raises(FileFormatError) as caught:
        files.parse(data[: len(data) + there - 5] + b"!" * (there - 5), "it")
    said = f"it {what}: its header promises {len(data)} bytes, the file has {len(data) + there - 5}"
    assert str(caught.value) == said


def test_what_is_said_of_a_file_may_take_what_can_be_read_and_no_more():
    there = len(files.tensor_file({"said": ""}, [])) - 8
    room = (1 << 20) - there  # both are multiples of 8
    assert files.parse(files.tensor_file({"said": "x" * room}, []), "it").metadata["said"] == "x" * room
    with pytest.raises(ValueError, match="what is said takes 1,048,584 bytes, more than 1,048,576"):
        files.tensor_file({"said": "x" * (room + 8)}, [])


def test_a_seal_is_looked_for_in_the_header_alone():
    seal = b'"sha256":"' + files.UNSEALED.encode() + b'"'
    with pytest.raises(ValueError, match="not found"):
        files.seal((2).to_bytes(8, "little") + b"{}" + seal)


def test_a_header_may_be_as_long_as_the_limit_and_no_longer():
    text = json.dumps({"__metadata__": {"sha256": files.UNSEALED}}, separators=(",", ":")).encode()
    limit = 1 << 20
    for length in (limit, limit + 1):
        data = files.seal(length.to_bytes(8, "little") + text.ljust(length))
        if length == limit:
            assert files.parse(data, "it").tensors == {}
        else:
            with pytest.raises(FileFormatError, match=r"no file of this program \(header length 1048577\)"):
                files.parse(data, "it")


HUGE = 2**47
BAD_HEADERS = [
    ({"a": 3}, "not described"),
    ({"a": {"dtype": "U8", "shape": [1]}}, "not described"),
    ({"a": {"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}}, "unknown dtype"),
    ({"a": {"dtype": ["U8"], "shape": [1], "data_offsets": [0, 1]}}, "unknown dtype"),
    ({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]}}, "no sizes"),
    ({"a": {"dtype": "U8", "shape": [True], "data_offsets": [0, 1]}}, "no sizes"),
    ({"a": {"dtype": "U8", "shape": 1, "data_offsets": [0, 1]}}, "no sizes"),
    ({"a": {"dtype": "U8", "shape": [2**48], "data_offsets": [0, 1]}}, "no sizes"),
    ({"a": {"dtype": "U8", "shape": [2**48 - 1], "data_offsets": [0, 1]}}, "should lie at"),
    ({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 1]}}, r"should lie at \[0, 2\], not at \[0, 1\]"),
    ({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}, "should lie at"),
    ({"a": {"dtype": "U8", "shape": [HUGE, HUGE, HUGE], "data_offsets": [0, 1]}}, "should lie at"),
    ({"a": {"dtype": "U8", "shape": [HUGE], "data_offsets": [0, HUGE]}}, "truncated"),
    ({}, r"trailing bytes: its header promises 102 bytes, the file has 103"),
    ({"__metadata__": {"sha256": 3}}, "no metadata"),
    ({"__metadata__": []}, "no metadata"),
]


@pytest.mark.parametrize(("header", "message"), BAD_HEADERS)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(header, message):
    text = json.dumps({"__metadata__": {"sha256": files.UNSEALED}, **header}, separators=(",", ":")).encode()
    with pytest.raises(FileFormatError, match=message):
        files.parse(len(text).to_bytes(8, "little") + text + b"x", "it")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"1234567", "truncated"),
        (bytes(8), "no JSON"),
        (b"\xff" * 16, "no file of this program"),
        (b"\2\0\0\0\0\0\0\1{}", "header length 72057594037927938"),
        ((3).to_bytes(8, "little") + b"{}", "truncated: its header has 3 bytes, the file 10 in all"),
        ((9).to_bytes(8, "little") + b"{}", "truncated"),
        ((2).to_bytes(8, "little") + b"[]", "no JSON object"),
        ((2).to_bytes(8, "little") + b"\xff\xff", "no JSON"),
        ((2).to_bytes(8, "little") + b"{}", "no metadata"),
        ((60_000).to_bytes(8, "little") + b"[" * 60_000, "no JSON"),
        ((22).to_bytes(8, "little") + b'{"__metadata__":{   }}', "no checksum"),
    ],
)
def test_a_file_that_is_none_is_refused(data, message):
    with pytest.raises(FileFormatError, match=message):
        files.parse(data, "it")


def test_every_flipped_bit_is_seen():
    data = sealed({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}, b"spik")
    files.parse(data, "it")
    for at in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[at] ^= 1 << bit
            with pytest.raises(FileFormatError):
                files.parse(bytes(altered), "it")
