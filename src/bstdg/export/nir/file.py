"""Reading NIR files of unknown origin: everything they promise is checked before anything is read."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bstdg.errors import FileFormatError
from bstdg.export.nir.graph import package

if TYPE_CHECKING:
    from nir import NIRGraph

FILE_LIMIT = 1 << 30  # bytes
DATA_LIMIT = 1 << 32  # bytes of all arrays once they are unpacked; ten full layers in float32 need 2.6e9
OBJECT_LIMIT = 10_000
DEPTH_LIMIT = 16
_HDF5 = b"\x89HDF\r\n\x1a\n"
_FILTERS = (None, "gzip", "lzf", "szip")


def read(path: Path | str) -> NIRGraph:
    """The graph in a NIR file.

    Raises:
        FileFormatError: it is no NIR file, damaged, or larger than any network of ours; the message says which.
        InputError: the package nir is not installed.
        OSError: it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise FileFormatError(f"{path} is a folder; a NIR graph is a file such as {path / 'model.nir'}")
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise FileFormatError(f"{path} has {size} bytes, more than any NIR graph read here ({FILE_LIMIT})")
    return from_bytes(path.read_bytes(), str(path))


def from_bytes(data: bytes, name: str = "the graph") -> NIRGraph:
    """The graph in a NIR file's content; `name` is what errors call it."""
    nir = package()
    if not data.startswith(_HDF5):
        hint = ": it is a bstdg model already" if b'"format":"bstdg-model"' in data[:4096] else ""
        raise FileFormatError(f"{name} is no NIR file (NIR files are HDF5){hint}")
    try:
        _check(data, name)
        graph = nir.read(io.BytesIO(data))
    except FileFormatError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # h5py and nir raise whatever the bytes lead them to
        said = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{name} is no readable NIR graph: {said[:200]}") from None
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{name} holds a single {type(graph).__name__} node, not a graph")
    return graph


def _check(data: bytes, name: str) -> None:
    """Refuse links out of the file, filters that would load code, and arrays that would fill the memory."""
    import h5py

    with h5py.File(io.BytesIO(data), "r") as file:
        found = [0, 0]  # objects, bytes
        _check_group(file, name, found, 0)


def _check_group(group: Any, name: str, found: list[int], depth: int) -> None:
    import h5py

    if depth > DEPTH_LIMIT:
        raise FileFormatError(f"{name} nests groups deeper than {DEPTH_LIMIT}")
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise FileFormatError(f"{name} holds the link {key!r} to elsewhere; NIR graphs hold their own data")
        item = group[key]
        found[0] += 1
        if found[0] > OBJECT_LIMIT:
            raise FileFormatError(f"{name} holds more than {OBJECT_LIMIT} objects")
        if isinstance(item, h5py.Group):
            _check_group(item, name, found, depth + 1)
        elif isinstance(item, h5py.Dataset):
            _check_dataset(item, name, found)


def _check_dataset(item: Any, name: str, found: list[int]) -> None:
    if item.external or item.is_virtual:
        raise FileFormatError(f"{name}: {item.name} keeps its data in other files")
    if item.compression not in _FILTERS or item.shape is None:
        raise FileFormatError(f"{name}: {item.name} is empty, or packed in a way that is not read here")
    found[1] += math.prod(item.shape) * item.dtype.itemsize
    if found[1] > DATA_LIMIT:
        raise FileFormatError(f"{name} promises {found[1]} bytes of arrays, more than any graph read here")
