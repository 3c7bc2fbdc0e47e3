"""What a NIR file's HDF5 holds, checked before it is read; as a program it does so in a process of its own.

    python -P hdf5.py BYTES SECONDS < model.nir > tree

A damaged file can bring the HDF5 library down, or let it run on and on. As a program this stands alone (NumPy and h5py
are all it imports), takes no more memory and time than it is told, and writes the content in a form that nothing has to
be trusted for: the length of a JSON table in 8 bytes, the table, and the bytes of all arrays one after the other.
"""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

OBJECT_LIMIT = 10_000
DEPTH_LIMIT = 16
NAME_LIMIT = 1000  # characters
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 32_000: "lzf"}  # that h5py brings along

Tree = dict[str, Any]  # of trees, texts, and arrays of numbers or of texts


class Refused(Exception):
    """The file is not read; the message says why, and begins after the file's name."""


def read(data: bytes, limit: int) -> Tree:
    """All groups and datasets of a file, whose arrays may take `limit` bytes in all.

    Raises:
        Refused: links out of the file, filters that would load code, arrays that would fill the memory, no numbers.
        Exception: h5py raises whatever the bytes lead it to.
    """
    import h5py

    with h5py.File(io.BytesIO(data), "r") as file:
        return _Reader(limit).group(file, 0)


class _Reader:
    """Counts objects and bytes while it goes down a file."""

    def __init__(self, limit: int):
        self.limit, self.objects, self.bytes = limit, 0, 0

    def group(self, group: Any, depth: int) -> Tree:
        import h5py

        if depth > DEPTH_LIMIT:
            raise Refused(f" nests groups deeper than {DEPTH_LIMIT}")
        tree: Tree = {}
        for key in group:
            if len(key) > NAME_LIMIT:
                raise Refused(f" has a name of {len(key)} characters; {NAME_LIMIT} are read")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise Refused(f" holds the link {key!r} to elsewhere; NIR graphs hold their own data")
            item = group[key]
            self.objects += 1
            if self.objects > OBJECT_LIMIT:
                raise Refused(f" holds more than {OBJECT_LIMIT} objects")
            if isinstance(item, h5py.Group):
                tree[key] = self.group(item, depth + 1)
            elif isinstance(item, h5py.Dataset):
                tree[key] = self.dataset(item)
        return tree

    def dataset(self, item: Any) -> Any:
        import h5py

        called = f": {item.name!r}"
        if item.external or item.is_virtual:
            raise Refused(f"{called} keeps its data in other files")
        if item.shape is None or not _plainly_packed(item.id.get_create_plist()):
            raise Refused(f"{called} is empty, or packed in a way that is not read here")
        self.count(math.prod(item.shape) * item.dtype.itemsize)
        self.count(math.prod(item.chunks or ()) * item.dtype.itemsize, keep=False)
        if h5py.check_string_dtype(item.dtype) is not None:
            return self.texts(item)
        if item.dtype.kind not in "biuf":
            raise Refused(f"{called} holds neither numbers nor text")
        return item[()]

    def texts(self, item: Any) -> Any:
        """Texts one by one: one that many places point to is counted as often as it would be read."""
        if item.shape == ():
            return self.text(item[()])
        found = np.empty(item.shape, object)
        for at in np.ndindex(item.shape):
            found[at] = self.text(item[at])
        return found

    def text(self, value: Any) -> str:
        value = value if isinstance(value, (bytes, bytearray)) else str(value).encode()
        self.count(len(value))
        return bytes(value).decode("utf-8", "replace")

    def count(self, size: int, keep: bool = True) -> None:
        if self.bytes + size > self.limit:
            raise Refused(
                f" promises {self.bytes + size:,} bytes of arrays; a file of its size may have {self.limit:,}"
            )
        self.bytes += size if keep else 0


def _plainly_packed(layout: Any) -> bool:
    """Whether only filters of h5py's own are applied, each once: packed twice, a little could become anything."""
    kinds = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
    return len(set(kinds)) == len(kinds) and set(kinds) <= set(_FILTERS)


def to_bytes(tree: Tree) -> Iterator[bytes]:
    """A tree as this program writes it, part by part."""
    arrays: list[np.ndarray] = []
    text = json.dumps(_described(tree, arrays)).encode()
    yield len(text).to_bytes(8, "little")
    yield text
    for array in arrays:
        yield array.tobytes()


def _described(node: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(node, dict):
        return {"group": {key: _described(item, arrays) for key, item in node.items()}}
    if isinstance(node, str):
        return {"text": node}
    if node.dtype == object:
        return {"texts": node.ravel().tolist(), "shape": list(node.shape)}
    array = np.asarray(node, node.dtype.newbyteorder("<"))
    arrays.append(array)
    return {"array": array.dtype.str, "shape": list(array.shape)}


def from_bytes(data: bytes) -> Tree:
    """What the program wrote, read back.

    Raises:
        Refused: it did not read the file.
        ValueError: it is something else (also KeyError, TypeError).
    """
    end = 8 + int.from_bytes(data[:8], "little")
    table = json.loads(data[8:end])
    if "refused" in table:
        raise Refused(str(table["refused"]))
    tree, at = _built(table, data, end)
    if at != len(data):
        raise ValueError("there are other bytes than the table promises")
    return tree


def _built(node: Any, data: bytes, at: int) -> tuple[Any, int]:
    if "group" in node:
        tree = {}
        for key, item in node["group"].items():
            tree[key], at = _built(item, data, at)
        return tree, at
    if "text" in node:
        return str(node["text"]), at
    if "texts" in node:
        texts = np.empty(len(node["texts"]), object)
        texts[:] = [str(text) for text in node["texts"]]
        return texts.reshape(node["shape"]), at
    kind, count = np.dtype(str(node["array"])), math.prod(node["shape"])
    if kind.kind not in "biuf":
        raise ValueError("an array is not of numbers")
    array = np.frombuffer(data, kind, count, at).reshape(node["shape"])
    return array[()] if not node["shape"] else array, at + array.nbytes


def _bound(limit: int, seconds: int) -> None:
    """No more memory than the arrays in their forms take on top of what is taken, and no more time, where it can be."""
    try:
        import resource
    except ImportError:  # Windows
        return
    import h5py  # noqa: F401  # before memory is counted

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  # no import that is not needed
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + 6 * limit, taken + 6 * limit))


def _refusal(why: str) -> Iterator[bytes]:
    text = json.dumps({"refused": why}).encode()
    yield len(text).to_bytes(8, "little")
    yield text


def main(limit: int, seconds: int) -> None:
    """Standard input to standard output; a table with `refused` where the file is not read."""
    data = sys.stdin.buffer.read()
    _bound(limit + len(data), seconds)
    try:
        parts = to_bytes(read(data, limit))
    except Refused as error:
        parts = _refusal(str(error))
    except Exception as error:  # h5py raises whatever the bytes lead it to
        said = " ".join(str(error).split()) or type(error).__name__
        parts = _refusal(f" is no readable NIR graph: {said[:200]}")
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
