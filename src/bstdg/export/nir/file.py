"""Reading NIR files of unknown origin: everything they promise is checked before anything is read, in a process apart.

Arrays may take 16 MiB and 64 times the file's bytes, which is as far as signs in 64 bits are packed: a small file
cannot ask for much memory.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bstdg import files
from bstdg.errors import FileFormatError
from bstdg.export.nir import hdf5
from bstdg.export.nir.graph import package

if TYPE_CHECKING:
    from nir import NIRGraph

FILE_LIMIT = 1 << 30  # bytes
DATA_LIMIT = 1 << 32  # bytes of all arrays once they are unpacked; ten full layers in float32 need 2.6e9
BASE, TIMES = 1 << 24, 64  # bytes of arrays that any file may have, and that each of its own bytes allows
SECONDS = 8  # of processor time for any file, and one more for every 16 MiB of arrays that it may have
PATIENCE = 8  # times as long by the clock, where others use the processor
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read(path: Path | str, *, apart: bool = True) -> NIRGraph:
    """The graph in a NIR file.

    Args:
        path: the file.
        apart: in a process of its own, so that a damaged file cannot bring down this one; else in this.

    Raises:
        FileFormatError: it is no NIR file, damaged, or larger than any network of ours; the message says which.
        InputError: the package nir is not installed.
        OSError: it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise FileFormatError(f"{path} is a folder; a NIR graph is a file such as {path / 'model.nir'}")
    return from_bytes(files.read(path, FILE_LIMIT, "any NIR graph read here"), str(path), apart=apart)


def from_bytes(data: bytes, name: str = "the graph", *, apart: bool = False) -> NIRGraph:
    """The graph in a NIR file's content; `name` is what errors call it, `apart` as for `read`."""
    nir = package()
    if not data.startswith(_HDF5):
        hint = ": it is a bstdg model already" if b'"format":"bstdg-model"' in data[:4096] else ""
        raise FileFormatError(f"{name} is no NIR file (NIR files are HDF5){hint}")
    limit = min(DATA_LIMIT, BASE + TIMES * len(data))
    try:
        tree = _read_apart(data, name, limit) if apart else hdf5.read(data, limit)
        # Shapes are looked at where the nodes are taken: exporters put the size of a batch into those of a graph.
        with np.errstate(all="ignore"):  # nir divides by strides
            graph: Any = nir.dict2NIRNode({**tree["node"], "type_check": False})
    except hdf5.Refused as error:
        raise FileFormatError(f"{name}{error}") from None
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:  # h5py and nir raise whatever the bytes lead them to
        said = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{name} is no readable NIR graph: {said[:200]}") from None
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{name} holds a single {type(graph).__name__} node, not a graph")
    return graph


def _read_apart(data: bytes, name: str, limit: int) -> hdf5.Tree:
    seconds = SECONDS + (limit >> 24)
    command = [sys.executable, "-P", hdf5.__file__, str(limit), str(seconds)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE * seconds, check=False)
    except subprocess.TimeoutExpired:
        raise FileFormatError(f"{name} is damaged: reading it takes longer than {PATIENCE * seconds} s") from None
    if done.returncode != 0:
        raise FileFormatError(
            f"{name} is damaged: reading it takes longer than {seconds} s, or more than {6 * limit:,} bytes of memory, "
            f"or brings down the HDF5 library (status {done.returncode})"
        )
    return hdf5.from_bytes(done.stdout)
