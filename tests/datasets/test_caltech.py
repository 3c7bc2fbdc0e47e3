"""Faces and motorbikes: archives and folders give the same grey images, and hostile or damaged ones are refused."""

from __future__ import annotations

import functools
import gzip
import io
import tarfile
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageFile
from support import needs

from bstdg import datasets
from bstdg.datasets import archive, caltech
from bstdg.errors import FileFormatError, InputError

NAME = "caltech-face-motorbike"


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    """Three pictures a category: two to train on, one to test on."""
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    monkeypatch.setattr(caltech, "CATEGORIES", {"Faces": 3, "Motorbikes": 3})
    monkeypatch.setattr(caltech, "TRAINING_PER_CLASS", 2)
    monkeypatch.setattr(caltech, "_PUBLISHED", {"train": (0b101, 0b011), "test": (0b010, 0b100)})


def jpeg(shade=128, size=(90, 60), mode="RGB"):
    out = io.BytesIO()
    Image.new(mode, size, (shade, shade, shade) if mode == "RGB" else shade).save(out, "JPEG", quality=95)
    return out.getvalue()


def pictures():
    """All six, each of its own grey."""
    names = [f"{category}/image_{n:04d}.jpg" for category in ("Faces", "Motorbikes") for n in (1, 2, 3)]
    return {name: jpeg(30 * (n + 1), mode="L" if n == 5 else "RGB") for n, name in enumerate(names)}


def tar(path, members):
    """A .tar.gz of (name, content) pairs, or of whole TarInfos."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content or b"")
            file.addfile(info, io.BytesIO(content or b""))
    return path


def usual(content=None):
    found = pictures() if content is None else content
    other = [("101_ObjectCategories/BACKGROUND_Google/tmp", b"not wanted")]
    return other + [(f"101_ObjectCategories/{name}", data) for name, data in found.items()]


def refusal(kind, folder, split="train", **options):
    with pytest.raises(kind) as caught:
        datasets.load(NAME, split, folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("place", ["caltech101", "."])
@pytest.mark.parametrize("name", caltech.ARCHIVES)
def test_the_published_split_from_an_archive(tmp_path, place, name):
    tar(tmp_path / place / name, usual())
    train, test = (datasets.load(NAME, split, tmp_path) for split in ("train", "test"))
    assert train.images.shape == (4, 32, 48)
    assert train.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(train.images.mean((1, 2)), [30, 90, 120, 150], atol=1)
    np.testing.assert_allclose(test.images.mean((1, 2)), [60, 180], atol=1)
    assert test.classes == ("face", "motorbike")


def test_another_split_is_looked_at_without_its_pixels(tmp_path, monkeypatch):
    there, test = pictures(), "Motorbikes/image_0003.jpg"
    training = datasets.load(NAME, "train", tar(tmp_path / "good" / caltech.ARCHIVES[0], usual()).parent)
    with monkeypatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, "load", None)
        datasets.look(training, "test", tmp_path / "good")
    for change in ({test: b"none"}, {test: b""}, {}):
        changed = {**{name: data for name, data in there.items() if name != test}, **change}
        tar(tmp_path / "bad" / caltech.ARCHIVES[0], usual(changed))
        with pytest.raises((InputError, FileFormatError), match=test):
            datasets.look(training, "test", tmp_path / "bad")


@pytest.mark.parametrize("place", ["caltech101/101_ObjectCategories", "caltech101", "101_ObjectCategories", "."])
def test_folders_of_images_give_the_same(tmp_path, place):
    for name, data in pictures().items():
        path = tmp_path / "folders" / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    tar(tmp_path / "archive" / caltech.ARCHIVES[0], usual())
    one, two = (datasets.load(NAME, "train", tmp_path / kind) for kind in ("folders", "archive"))
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.labels, two.labels)


def test_the_seeded_split_takes_every_picture_once(tmp_path):
    tar(tmp_path / caltech.ARCHIVES[0], usual())
    train, test = (datasets.load(f"{NAME}-all", split, tmp_path) for split in ("train", "test"))
    shades = [round(float(image.mean()) / 30) for part in (train, test) for image in part.images]
    assert sorted(shades) == [1, 2, 3, 4, 5, 6]
    assert (len(train), len(test)) == (4, 2)
    np.testing.assert_array_equal(train.images, datasets.load(f"{NAME}-all", "train", tmp_path).images)


def test_a_picture_is_brought_to_the_size_whole_by_means_of_areas(tmp_path):
    left = Image.new("RGB", (80, 40), "black")
    left.paste("white", (0, 0, 40, 40))
    out = io.BytesIO()
    left.save(out, "JPEG", quality=100)
    tar(tmp_path / caltech.ARCHIVES[0], usual({**pictures(), "Faces/image_0001.jpg": out.getvalue()}))
    image = datasets.load(NAME, "train", tmp_path, size=(2, 3)).images[0]
    np.testing.assert_allclose(image, [[255, 127, 0]] * 2, atol=2)  # the middle is half white: nothing was cropped
    with pytest.raises(InputError, match="size is for photographs"):
        datasets.load("digits", "train", size=(2, 3))


def test_a_picture_keeps_its_colours_where_these_are_asked_for(tmp_path):
    out = io.BytesIO()
    Image.new("RGB", (90, 60), (200, 90, 10)).save(out, "JPEG", quality=100, subsampling=0)
    tar(tmp_path / caltech.ARCHIVES[0], usual({**pictures(), "Faces/image_0001.jpg": out.getvalue()}))
    found = datasets.load(NAME, "train", tmp_path, channels=3)
    assert found.shape == (3, 32, 48)
    np.testing.assert_allclose(found.images[0].mean((1, 2)), [200, 90, 10], atol=2)
    grey = datasets.load(NAME, "train", tmp_path)
    np.testing.assert_allclose(found.images[1:].mean(1), grey.images[1:], atol=1)  # the others are grey
    for options in ({"channels": 1}, {"channels": 0}):
        assert np.array_equal(datasets.load(NAME, "train", tmp_path, **options).images, grey.images)
    assert "1 channel (grey) or 3" in refusal(InputError, tmp_path, channels=2)


def test_what_is_no_photograph_has_the_channels_it_has():
    for channels in (1, 3):
        with pytest.raises(
            InputError, match="channels is for photographs and arrays; digits has as many as it comes with"
        ):
            datasets.load("digits", "test", channels=channels)
    with pytest.raises(InputError, match="channels is for photographs and arrays; shd are recordings"):
        datasets.load("shd", "test", channels=3)


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (member("../../etc/cron.d/x"), "leads out of the archive"),
        (member("101_ObjectCategories/../../x"), "leads out of the archive"),
        (member("..\\..\\x"), "leads out of the archive"),
        (member("/etc/passwd"), "absolute path"),
        (member("C:\\x"), "absolute path"),
        (member("C:"), "absolute path"),
        (member("../" + "a" * 100), f"its member '../{'a' * 77}' leads out"),
        (member("101_ObjectCategories/Faces/image_0001.jpg", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
        (member("x", tarfile.LNKTYPE, "101_ObjectCategories/Faces/image_0001.jpg"), "is a link"),
        (member("x", tarfile.CHRTYPE), "is a device"),
        (member("x", tarfile.FIFOTYPE), "is a device"),
    ],
)
def test_a_hostile_archive_is_refused_and_nothing_is_written(tmp_path, hostile, message):
    tar(tmp_path / caltech.ARCHIVES[0], [*usual(), (hostile, None)])
    before = sorted(tmp_path.rglob("*"))
    assert message in refusal(FileFormatError, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_member_twice_or_too_large_is_refused(tmp_path, monkeypatch):
    tar(tmp_path / caltech.ARCHIVES[0], [*usual(), *usual()[-6:-5]])
    assert "is there twice" in refusal(FileFormatError, tmp_path)
    tar(tmp_path / caltech.ARCHIVES[0], usual())
    monkeypatch.setattr(caltech, "MAX_FILE", 100)
    assert "more than the 100 allowed" in refusal(FileFormatError, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    assert "more than 3 members" in refusal(FileFormatError, tmp_path)


def test_an_archive_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError) as caught:
        archive.read_members(tmp_path / "none", [], max_file=1, max_bytes=1)
    assert str(caught.value) == f"cannot read {tmp_path / 'none'}: No such file or directory"


def test_no_more_is_unpacked_than_is_allowed(tmp_path, monkeypatch):
    tar(tmp_path / caltech.ARCHIVES[0], [*usual(), ("zeros", bytes(1 << 22))])
    monkeypatch.setattr(caltech, "MAX_ARCHIVE", 1 << 20)
    assert "more bytes than are allowed" in refusal(FileFormatError, tmp_path)


def test_the_limits_of_an_archive_are_exact(tmp_path, monkeypatch):
    path = tar(tmp_path / "a.tar.gz", [("a", b"one"), ("b", b"three")])
    unpacked = len(gzip.decompress(path.read_bytes()))
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    read = functools.partial(archive.read_members, path, ["a", "c"])
    assert read(max_file=3, max_bytes=unpacked) == {"a": b"one"}
    with pytest.raises(FileFormatError, match="a has 3 bytes, more than the 2 allowed"):
        read(max_file=2, max_bytes=unpacked)
    with pytest.raises(FileFormatError, match="more bytes than are allowed"):
        read(max_file=3, max_bytes=unpacked - 1)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 1)
    with pytest.raises(FileFormatError, match="more than 1 members"):
        read(max_file=3, max_bytes=unpacked)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_half_an_archive_is_refused(tmp_path, share):
    path = tar(tmp_path / caltech.ARCHIVES[0], usual())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    said = refusal(FileFormatError, tmp_path)
    assert str(path) in said
    assert "truncated" in said or "no tar archive" in said


def test_what_is_no_archive_is_refused(tmp_path):
    path = tmp_path / caltech.ARCHIVES[0]
    path.write_bytes(b"<html>not found</html>")
    assert "no gzip archive" in refusal(FileFormatError, tmp_path)
    path.write_bytes(gzip.compress(b"no tar, but long enough to be a header " * 30))
    assert "no tar archive" in refusal(FileFormatError, tmp_path)
    data = bytearray(tar(path, usual()).read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    assert "damaged" in refusal(FileFormatError, tmp_path)


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def records(count: int) -> bytes:
    """That many PAX records, each of a key of its own."""
    return b"".join(b"15 %09d=\n"[:3] + b"%09d=x\n" % n for n in range(count))


PAX_MEMBERS = header("a", tarfile.XHDTYPE, 15 * 4000) + padded(records(4000)) + header("f", b"0", 0)
LONG = padded(b"a" * 40 + b"\0")
BOMBS = {
    "PAX records of one member": header("a", tarfile.XHDTYPE, 15 * 10**6) + padded(records(10**6)),
    "PAX records for all": b"".join(header("a", tarfile.XGLTYPE, 15 * 4000) + padded(records(4000)) for _ in range(9)),
    "PAX records of many members": PAX_MEMBERS * 500,
    "nested long names": (header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 41) + LONG) * 3000 + header("f", b"0", 0),
    "nested PAX": (header("a", tarfile.XHDTYPE, 15) + padded(records(1))) * 3000 + header("f", b"0", 0),
    "a long name without end": header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 25) + bytes(1 << 25),
    "sparse maps": header("f", tarfile.GNUTYPE_SPARSE, 0),
    "sparse maps of PAX": header("a", tarfile.XHDTYPE, 48)
    + padded(b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n" + b"4 a\n")
    + header("f", b"0", 1 << 25)
    + b"9999999999\n"
    + b"0\n" * (1 << 24),
}


@pytest.mark.parametrize("name", BOMBS)
def test_headers_about_headers_are_bounded_in_memory_and_time(tmp_path, name):
    path = tmp_path / caltech.ARCHIVES[0]
    path.write_bytes(gzip.compress(BOMBS[name], 1))
    begin, before = time.process_time(), tracemalloc.start()
    message = refusal(FileFormatError, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert before is None
    assert str(path) in message
    assert peak < 32 << 20
    assert time.process_time() - begin < 30  # traced, and slow for it


def test_long_names_and_pax_records_of_honest_archives_are_read(tmp_path):
    for format_ in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = tmp_path / caltech.ARCHIVES[0]
        with tarfile.open(path, "w:gz", format=format_, pax_headers={"comment": "all of them"}) as file:
            for name, content in [("101_ObjectCategories/" + "x" * 300 + "/ä", b"not wanted"), *usual()]:
                info = tarfile.TarInfo(name)
                info.size, info.mtime, info.pax_headers = len(content), 1.5, {"SCHILY.xattr.a": "b" * 400}
                file.addfile(info, io.BytesIO(content))
        assert len(datasets.load(NAME, "train", tmp_path)) == 4


@pytest.mark.parametrize(
    "field", ["size", "mtime", "uid", "gid", "GNU.sparse.size", "GNU.sparse.map", "path", "hdrcharset"]
)
@pytest.mark.parametrize("value", ["-1", "x", "1e9", "nan", "9" * 5000, "", "\0", "1" + "0" * 30, "\udcff"])
def test_no_number_of_a_pax_record_ends_in_another_error(tmp_path, field, value):
    said = f" {field}={value}\n".encode("utf-8", "surrogateescape")
    length = len(said)
    while len(str(length)) + len(said) != length:
        length = len(str(length)) + len(said)
    record = str(length).encode() + said
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as file:
        for name, content in usual():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    content = header("a", tarfile.XHDTYPE, len(record)) + padded(record) + raw.getvalue()
    (tmp_path / caltech.ARCHIVES[0]).write_bytes(gzip.compress(content))
    try:
        datasets.load(NAME, "train", tmp_path)
    except (InputError, FileFormatError) as error:
        assert "\n" not in str(error) and str(tmp_path) in str(error)


def test_no_byte_of_an_archive_that_is_changed_brings_another_error(tmp_path):
    whole = gzip.decompress(tar(tmp_path / caltech.ARCHIVES[0], usual()).read_bytes())
    headers = [at for start in range(0, 6 * 512, 1536) for at in range(start, start + 512, 5)]
    for at in headers:
        broken = whole[:at] + bytes([whole[at] ^ 0x95]) + whole[at + 1 :]
        (tmp_path / caltech.ARCHIVES[0]).write_bytes(gzip.compress(broken, 1))
        try:
            datasets.load(NAME, "train", tmp_path)
        except (InputError, FileFormatError) as error:
            assert "\n" not in str(error)


def test_an_archive_unfolds_to_no_more_than_its_bytes_allow(tmp_path):
    path = tmp_path / caltech.ARCHIVES[0]
    path.write_bytes(gzip.compress(header("f", b"0", 100 << 20) + bytes(100 << 20)))
    assert "unpacks to more bytes than are allowed" in refusal(FileFormatError, tmp_path)


@pytest.mark.parametrize("damaged", [jpeg()[:300], b"no picture", b""])
def test_a_corrupt_picture_is_named(tmp_path, damaged):
    tar(tmp_path / caltech.ARCHIVES[0], usual({**pictures(), "Faces/image_0003.jpg": damaged}))
    assert "Faces/image_0003.jpg is no picture, or a damaged one" in refusal(FileFormatError, tmp_path)


def test_missing_pictures_archives_and_folders_are_told(tmp_path):
    said = refusal(InputError, tmp_path)
    assert str(tmp_path / "caltech101") in said
    assert "doi:10.22002/D1.20086" in said
    with pytest.raises(InputError, match="is not a folder"):
        datasets.load(NAME, "train", tmp_path / "nowhere")
    few = {name: data for name, data in pictures().items() if name != "Faces/image_0003.jpg"}
    tar(tmp_path / caltech.ARCHIVES[0], usual(few))
    assert "lacks 1 of the 4 pictures" in refusal(InputError, tmp_path)


def test_the_lists_of_the_published_split(monkeypatch):
    monkeypatch.undo()
    train, test = (caltech._published(split) for split in ("train", "test"))
    assert [len(numbers) for numbers in (*train, *test)] == [200, 200, 198, 198]
    for learnt, judged in zip(train, test, strict=True):
        assert not set(learnt) & set(judged)
        assert 1 <= min(*learnt, *judged) <= max(*learnt, *judged) <= 435
    blocks = [caltech.SPLITS[f"{NAME}-blocks"](split) for split in ("train", "test")]
    for learnt, judged in zip(*blocks, strict=True):
        assert (learnt, judged) == (list(range(1, 201)), list(range(231, 436)))
    seeded = [caltech._seeded(split) for split in ("train", "test")]
    assert [len(numbers) for part in seeded for numbers in part] == [200, 200, 235, 598]


def test_what_of_a_split_is_next_to_what_is_learnt_from(monkeypatch):
    parts = {"train": [[1, 2, 6], [1]], "test": [[3, 4, 5, 9], [3, 4]]}
    monkeypatch.setattr(caltech, "SPLITS", {"some": parts.get})
    assert caltech.next_to_training("some") == {"face": 0.5, "motorbike": 0.0}
    monkeypatch.undo()
    shares = {name: caltech.next_to_training(name) for name in caltech.SPLITS}
    assert shares[f"{NAME}-blocks"] == {"face": 0.0, "motorbike": 0.0}
    assert shares[f"{NAME}-all"]["face"] == pytest.approx(0.711, abs=5e-4)


@pytest.mark.slow
@needs.data("caltech101")
def test_the_real_pictures(monkeypatch):
    monkeypatch.undo()
    found = datasets.load(NAME, "test", needs.DATA)
    assert len(found) == 396
    assert np.bincount(found.labels).tolist() == [198, 198]
    assert 60 < found.images[:198].mean() < 160
