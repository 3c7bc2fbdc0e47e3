"""Files of recordings that a person names, as a model reads them: HDF5 of a row of channels, or `.bin` of pixels."""

from __future__ import annotations

import math
from pathlib import Path

from bstdg.datasets import spoken
from bstdg.datasets.base import EventDataset
from bstdg.datasets.recordings import nmnist
from bstdg.errors import InputError
from bstdg.inputs.base import by

CAMERA = ".bin"  # what recordings of N-MNIST end in


def below(folder: Path) -> list[Path]:
    """All recordings of a camera in a folder and those in it, in the order of their names; none where it has none.

    Raises:
        InputError: it cannot be looked through.
    """
    try:
        return sorted(folder.rglob(f"*{CAMERA}"))
    except OSError as error:
        raise InputError(f"cannot read {error.filename or folder}: {error.strerror or error}") from error


def read(path: Path, reads: tuple[int, ...], *, isolated: bool | None = None) -> EventDataset:
    """The recordings of one file: one of a `.bin`, any number of HDF5.

    Args:
        path: the file.
        reads: what the model reads, (channels,) or (channels, rows, columns) of a sensor with pixels.
        isolated: as for `bstdg.datasets.spoken.read`; a `.bin` is read by this process, of plain numbers.

    Raises:
        InputError: it is a file of another sensor than the model's, or cannot be read.
        FileFormatError: it is damaged.
    """
    if path.is_dir():
        why = f" without recordings, whose names end in {CAMERA}" if len(reads) == 3 else ", not a file of recordings"
        raise InputError(f"{path} is a folder{why}")
    camera = path.suffix.lower() == CAMERA
    if len(reads) == 3 and reads != nmnist.GRID:
        raise InputError(
            f"no file is read here that has events on {by(reads)}; {CAMERA} of N-MNIST have {by(nmnist.GRID)}"
        )
    if camera and len(reads) != 3:
        raise InputError(
            f"{path} is a recording of {by(nmnist.GRID)} pixels, the model reads {math.prod(reads)} channels"
        )
    if len(reads) == 3 and not camera:
        raise InputError(f"the model reads events of {by(reads)} pixels: give {CAMERA} as of N-MNIST, not {path}")
    return nmnist.read(path) if camera else spoken.read(path, "recordings", "test", isolated=isolated)
