"""Downloads, against a server in this process that cuts, lies, and stalls as told."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import itertools
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from support import needs
from support.nasty import acting

from bstdg import datasets
from bstdg.datasets import download, files, mnist
from bstdg.datasets.download import fetch
from bstdg.errors import DownloadError, InputError

DATA = np.random.default_rng(0).bytes(300_000)
SIZE = len(DATA)
WRONG = bytes(SIZE)
SHA256 = hashlib.sha256(DATA).hexdigest()


class Mirror(http.server.HTTPServer):
    """Answers each path as `answers` says, and remembers what was asked for and how much was sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.seen = []
        self.sent = []

    def url(self, path, answer=None):
        if answer is not None:
            self.answers[path] = answer
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests, not news for the terminal."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Range")))
        self.server.sent.append(0)
        self.server.answers.get(self.path, status(404))(self)

    def start(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, data):
        self.wfile.write(data)
        self.server.sent[-1] += len(data)

    def log_message(self, format, *args):
        """Quiet."""


def status(code, **headers):
    return lambda handler: handler.start(code, **headers)


def whole(data=DATA):
    """A server that ignores Range."""

    def answer(handler):
        handler.start(200, Content_Length=len(data))
        handler.body(data)

    return answer


def ranged(data=DATA, *, send=None, shift=0):
    """A server that honours Range; it stops after `send` bytes, or is off by `shift` in where it starts."""

    def answer(handler):
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and start >= len(data):
            handler.start(416, Content_Range=f"bytes */{len(data)}", Content_Length=0)
            return
        if asked:
            span = f"bytes {start + shift}-{len(data) - 1}/{len(data)}"
            handler.start(206, Content_Range=span, Content_Length=len(data) - start)
        else:
            handler.start(200, Content_Length=len(data))
        handler.body(data[start:][:send])

    return answer


def reset(data=DATA, after=100_000):
    """A server whose machine goes away: the connection is reset, not closed."""

    def answer(handler):
        handler.start(200, Content_Length=len(data))
        handler.body(data[:after])
        handler.wfile.flush()
        time.sleep(0.05)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return answer


def endless(handler):
    """A server that never says how much it has, and has no end."""
    handler.start(200)
    with suppress(OSError):
        while True:
            handler.body(bytes(1 << 16))


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "file.gz"


def part(target):
    return target.with_name("file.gz.part")


def get(target, *urls, size_limit=SIZE, **kwargs):
    fetch(urls, target, SHA256, size_limit=size_limit, **kwargs)


def failure(target, *urls, **kwargs):
    """The message of a download that must fail and leave nothing under the final name."""
    with pytest.raises(DownloadError) as caught:
        get(target, *urls, **kwargs)
    assert not target.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def complete(target):
    return target.read_bytes() == DATA and not part(target).exists()


def says(reason: bytes):
    """A server that says this where others give the reason of their answer."""
    return lambda handler: handler.wfile.write(b"HTTP/1.1 503 " + reason + b"\r\nContent-Length: 0\r\n\r\n")


def test_what_a_server_says_is_told_and_not_obeyed(mirror, target):
    said = failure(target, mirror.url("/a", says(b"\x1b]0;mine\x07 \x9b2J \xe2\x80\xae" + b"busy " * 5000)))
    assert said.startswith("cannot download file.gz: ")
    assert r"answered 503 \x1b]0;mine\x07 \u009b2J â\u0080®busy " in said
    assert acting(said) == []
    assert len(said) < 1000
    odd = lambda handler: handler.wfile.write(b"\x1b[1mHELLO\nnobody\r\n")  # noqa: E731  (no HTTP at all)
    assert acting(failure(target, mirror.url("/b", odd))) == []
    away = status(302, Location="ftp://\x1b[1m/x" + "y" * 5000)
    said = failure(target, mirror.url("/c", away))
    assert (acting(said), len(said) < 1000) == ([], True)


def test_a_file_is_downloaded_once(mirror, target):
    url = mirror.url("/a", ranged())
    get(target, url)
    assert complete(target)
    assert mirror.seen == [("/a", None)]
    get(target, url)
    assert len(mirror.seen) == 1


def test_an_altered_file_is_downloaded_again(mirror, target):
    target.parent.mkdir()
    target.write_bytes(WRONG)
    get(target, mirror.url("/a", ranged()))
    assert complete(target)


@pytest.mark.parametrize("cut", [ranged(send=100_000), reset()])
def test_a_download_cut_in_the_middle_is_resumed_by_the_next_call(mirror, target, cut):
    url = mirror.url("/a", cut)
    assert f"{url}: broke off after " in failure(target, url)
    have = part(target).stat().st_size
    assert 0 < have <= 100_000
    assert part(target).read_bytes() == DATA[:have]
    mirror.url("/a", ranged())
    get(target, url)
    assert complete(target)
    assert mirror.seen[-1] == ("/a", f"bytes={have}-")
    assert mirror.sent[-1] == SIZE - have


def test_an_interrupted_download_is_resumed_by_the_next_call(mirror, target, monkeypatch):
    @contextmanager
    def impatient(label, progress):
        def show(done, total):
            if done > 50_000:
                raise KeyboardInterrupt

        yield show

    url = mirror.url("/a", ranged())
    with monkeypatch.context() as patch:
        patch.setattr(download, "download_bar", impatient)
        with pytest.raises(KeyboardInterrupt):
            get(target, url)
    assert not target.exists()
    have = part(target).stat().st_size
    assert have > 50_000
    get(target, url)
    assert complete(target)
    assert mirror.seen[-1] == ("/a", f"bytes={have}-")


def test_a_cut_download_goes_on_at_the_next_mirror(mirror, target):
    get(target, mirror.url("/a", ranged(send=100_000)), mirror.url("/b", ranged()))
    assert complete(target)
    assert mirror.seen == [("/a", None), ("/b", "bytes=100000-")]
    assert mirror.sent == [100_000, SIZE - 100_000]


def leave(target, content):
    target.parent.mkdir()
    part(target).write_bytes(content)


def test_a_server_that_ignores_the_range_starts_over(mirror, target):
    leave(target, DATA[:1000])
    get(target, mirror.url("/a", whole()))
    assert complete(target)
    assert mirror.seen == [("/a", "bytes=1000-")]


def test_a_part_that_is_complete_needs_no_network(target):
    leave(target, DATA)
    get(target, "http://127.0.0.1:9/closed")
    assert complete(target)


@pytest.mark.parametrize("stale", [WRONG[:1000], WRONG, WRONG + b"longer", DATA + b"longer"])
def test_a_stale_part_is_replaced_even_if_there_is_one_mirror_only(mirror, target, stale):
    leave(target, stale)
    get(target, mirror.url("/a", ranged()), size_limit=SIZE + 100)
    assert complete(target)
    assert len(mirror.seen) == 2
    assert mirror.seen[1] == ("/a", None)


def test_a_part_above_the_size_limit_is_not_even_asked_for(mirror, target):
    leave(target, DATA + b"longer")
    get(target, mirror.url("/a", ranged()))
    assert complete(target)
    assert mirror.seen == [("/a", None)]


def test_bytes_from_the_wrong_place_are_not_appended(mirror, target):
    leave(target, DATA[:1000])
    said = failure(target, mirror.url("/a", ranged(shift=1)))
    assert "bytes from 1001 on, asked for those from 1000 on" in said
    assert part(target).read_bytes() == DATA[:1000]


def test_a_partial_answer_that_does_not_say_which_part_is_refused(mirror, target):
    assert "without saying which" in failure(target, mirror.url("/a", status(206)))


@pytest.mark.parametrize("first", [status(404), status(503), status(204), whole(WRONG), whole(b"<html>"), whole(b"")])
def test_a_bad_first_mirror_does_not_matter(mirror, target, first):
    get(target, mirror.url("/a", first), mirror.url("/b", ranged()))
    assert complete(target)
    assert mirror.seen == [("/a", None), ("/b", None)]


def test_a_redirect_is_followed_with_the_range(mirror, target):
    leave(target, DATA[:1000])
    get(target, mirror.url("/a", status(302, Location=mirror.url("/b", ranged()))))
    assert complete(target)
    assert mirror.seen[-1] == ("/b", "bytes=1000-")


@pytest.mark.parametrize(
    ("place", "said"),
    [("ftp://127.0.0.1/file", "unknown url type: ftp"), ("file:///etc/hostname", "is not allowed")],
)
def test_a_redirect_to_another_protocol_is_not_followed(mirror, target, place, said):
    assert said in failure(target, mirror.url("/a", status(302, Location=place)))


def test_if_all_fail_the_answer_of_each_is_told_and_what_to_do(mirror, target):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/c"
        said = failure(target, mirror.url("/a"), mirror.url("/b", whole(WRONG)), closed)
    assert said.startswith("cannot download file.gz: ")
    assert f"{mirror.url('/a')}: answered 404 Not Found" in said
    assert f"{mirror.url('/b')}: gave a file with another SHA-256" in said
    assert f"{closed}: no answer (Connection refused)" in said
    assert "--data-dir or BSTDG_DATA" in said
    assert not part(target).exists()  # what has the wrong sum is of no use


def test_an_answer_shorter_than_announced_is_noticed(mirror, target):
    said = failure(target, mirror.url("/a", ranged(send=100_000)))
    assert f"broke off after 100000 of {SIZE} bytes" in said
    assert part(target).read_bytes() == DATA[:100_000]


@pytest.mark.parametrize("have", [0, 1000])
def test_an_answer_announced_as_too_long_is_not_read(mirror, target, have):
    leave(target, DATA[:have])
    said = failure(target, mirror.url("/a", ranged()), size_limit=SIZE - 1)
    assert f"offers {SIZE} bytes, more than the {SIZE - 1} expected" in said
    assert part(target).stat().st_size == have


def test_an_answer_without_end_is_cut_off(mirror, target):
    assert f"sent more than the {SIZE} bytes expected" in failure(target, mirror.url("/a", endless))
    assert not part(target).exists()


def test_a_server_that_stalls_is_given_up(mirror, target):
    release = threading.Event()
    try:
        said = failure(target, mirror.url("/a", lambda handler: release.wait(10)), timeout=0.1)
    finally:
        release.set()
    assert "no answer (timed out)" in said


def test_a_server_that_stalls_in_the_middle_is_given_up(mirror, target):
    release = threading.Event()

    def stall(handler):
        handler.start(200, Content_Length=SIZE)
        handler.body(DATA[:5000])
        release.wait(10)

    try:
        said = failure(target, mirror.url("/a", stall), timeout=0.1)
    finally:
        release.set()
    assert "broke off after 5000 bytes (timed out)" in said
    assert part(target).read_bytes() == DATA[:5000]


@pytest.mark.parametrize("url", ["ftp://host/file", "file:///etc/hostname", "file", ""])
def test_only_http_and_https(target, url):
    with pytest.raises(InputError, match="only http and https"):
        get(target, url)


def test_no_address_at_all(target):
    with pytest.raises(InputError, match=r"no address to download file\.gz from"):
        get(target)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "cache").write_bytes(b"a file")
    with pytest.raises(DownloadError, match="cannot store"):
        get(tmp_path / "cache" / "file.gz", "http://127.0.0.1:9/never-asked")


def test_the_second_of_two_at_once_waits_and_takes_what_the_first_got(mirror, target):
    needs.package("fcntl")
    started = threading.Event()

    def slow(handler):
        started.set()
        time.sleep(0.2)
        whole()(handler)

    url = mirror.url("/a", slow)
    both = [threading.Thread(target=get, args=(target, url)) for _ in range(2)]
    both[0].start()
    assert started.wait(10)
    both[1].start()
    for thread in both:
        thread.join()
    assert complete(target)
    assert len(mirror.seen) == 1


def test_progress_goes_to_stderr_and_only_if_wanted(mirror, target, capsys):
    url = mirror.url("/a", ranged())
    get(target, url)
    assert capsys.readouterr() == ("", "")
    target.unlink()
    get(target, url, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "file.gz" in err
    assert "300k/300k" in err
    assert err.count("file.gz") == 2  # where nobody watches, the beginning and the end


# --- a whole data set, through the cache ---


def pack(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def published(mirror, tmp_path, monkeypatch):
    """A tiny "mnist" on the mirror, and an empty cache; gives the images of each split."""
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    images = {"train": np.full((3, 28, 28), 7), "test": np.full((2, 28, 28), 9)}
    splits = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        contents = {
            f"{stem}-images-idx3-ubyte.gz": pack(images[split]),
            f"{stem}-labels-idx1-ubyte.gz": pack(np.arange(len(images[split]))),
        }
        remote = []
        for name, content in contents.items():
            mirror.url(f"/second/{name}", ranged(content))
            remote.append(files.RemoteFile(name, hashlib.sha256(content).hexdigest(), len(content)))
        splits[split] = mnist.SplitFiles(*remote, labels_crc=0)
    mirrors = (mirror.url("/first/"), mirror.url("/second/"))
    monkeypatch.setitem(mnist.COLLECTIONS, "mnist", mnist.Collection("MNIST", mirrors, tuple("0123456789"), splits))
    return images


def test_without_a_folder_the_files_of_one_split_are_downloaded_into_the_cache(mirror, published, tmp_path):
    data = datasets.load("mnist", "train")
    assert np.array_equal(data.images, published["train"])
    wanted = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir()) == wanted
    asked = [path for path, _ in mirror.seen]
    assert asked == [f"/{place}/{name}" for name, place in itertools.product(wanted, ("first", "second"))]
    datasets.load("mnist", "train")
    assert len(mirror.seen) == len(asked)


def test_a_damaged_file_in_the_cache_is_replaced(published, tmp_path):
    datasets.load("mnist", "test")
    (tmp_path / "cache" / "mnist" / "t10k-images-idx3-ubyte.gz").write_bytes(b"damaged")
    assert np.array_equal(datasets.load("mnist", "test").images, published["test"])


def test_nothing_is_downloaded_into_a_folder_the_user_named(mirror, published, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    with pytest.raises(InputError, match="no complete mnist"):
        datasets.load("mnist", "train", own)
    monkeypatch.setenv("BSTDG_DATA", str(own))
    with pytest.raises(InputError, match="no complete mnist"):
        datasets.load("mnist", "train")
    assert mirror.seen == []
    assert list(own.iterdir()) == []
    monkeypatch.setenv("BSTDG_DATA", "")  # set to nothing is not set
    assert len(datasets.load("mnist", "train")) == 3
