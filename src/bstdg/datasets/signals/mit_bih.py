"""MIT-BIH: heartbeats of an electrocardiogram, four classes, split by patient.

An .npz file of 100,677 beats: `beat` int16 [n, 128], the lead's samples at 180 a second around each R peak, as the
converter gave them, 0 … 4094; `label` uint8 [n], the class by AAMI EC57, 0 N, 1 S, 2 V, 3 F; `record` uint8 [n],
100 … 234; `test` uint8 [n], 1 where the record is of DS2, the test half of the usual split by patient. The paced
records 102, 104, 107 and 217 are left out, as is usual.

Sources: G. B. Moody, R. G. Mark, "The impact of the MIT-BIH Arrhythmia Database", IEEE Engineering in Medicine and
Biology 20(3), 2001; MIT-BIH Arrhythmia Database 1.0.0, PhysioNet, doi:10.13026/C2F305 (ODC-By 1.0). Split:
P. de Chazal, M. O'Dwyer, R. B. Reilly, "Automatic classification of heartbeats using ECG morphology and heartbeat
interval features", IEEE Transactions on Biomedical Engineering 51(7), 2004.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.arrays import read_npz
from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.files import RemoteFile, look_at_sum, provide
from bstdg.datasets.sources import Source
from bstdg.errors import FileFormatError, InputError

NAME, TITLE = "mit-bih", "MIT-BIH (by patient)"
CLASSES = ("N", "S", "V", "F")  # normal, supraventricular ectopic, ventricular ectopic, fusion of N and V
SAMPLES = 128  # of a beat
WHITE = 4094  # two samples of 11 bits, added
FILE = RemoteFile("mitbih_beats.npz", "4c89b76966e2716bb9224f5d63c375ed995bf928c1a3ca4f12c58b039283695a", 14568007)
FOLDERS = (NAME, "mit-bih-beats")
WANTED = f"{FILE.name} (docs/data.md says what is in it; the recordings are PhysioNet's, doi:10.13026/C2F305)"
_WHOLE = {"beat": np.int16, "label": np.uint8, "record": np.uint8, "test": np.uint8}


def load(name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False) -> Dataset:
    """Load DS1 ("train") or DS2 ("test") as pictures of one row, `[n, 1, 128]`, with the record of each as its patient.

    Raises:
        InputError: the file is missing.
        FileFormatError: it is damaged, or its arrays are not those that are said above.
    """
    path = _path(name, data_dir)
    look_at_sum(path, FILE, "MIT-BIH beats")
    beat, label, record, test = read(path)
    chosen = test == (split == "test")
    return Dataset(
        name=name,
        split=split,
        images=beat[chosen][:, None],
        labels=label[chosen].astype(np.int64),
        white=WHITE,
        classes=CLASSES,
        patients=record[chosen].astype(np.int64),
    )


def look(
    training: Dataset, split: Split, data_dir: str | Path | None, progress: bool = False, size: tuple[int, ...] = ()
) -> None:
    """See that the file is there, both splits of which are looked at when one is loaded.

    Raises:
        InputError: it is missing.
    """
    _path(training.name, data_dir)


def read(path: Path) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Beats, labels, records and whether each is of the test half, from a file of the layout said above.

    Raises:
        FileFormatError: an array is missing, or has another type, shape or range; or a patient is in both halves.
    """
    arrays = dict(zip(_WHOLE, read_npz(path, tuple(_WHOLE)), strict=True))
    beat, label, record, test = arrays.values()
    for name, kind in _WHOLE.items():
        wanted = (len(beat), SAMPLES) if name == "beat" else (len(beat),)
        found = arrays[name]
        if found.dtype != kind or found.shape != wanted:
            raise FileFormatError(
                f"{path}: {name} must be {np.dtype(kind)} {['beats', *wanted[1:]]}, one row a beat, not "
                f"{found.dtype} {list(found.shape)}".replace("'", "")
            )
    for name, array, most in (("beat", beat, WHITE), ("label", label, len(CLASSES) - 1), ("test", test, 1)):
        if array.size and not 0 <= int(array.min()) <= int(array.max()) <= most:
            raise FileFormatError(f"{path}: {name} holds {array.min()} … {array.max()}, expected 0 … {most}")
    if not 0 < int(test.sum(dtype=np.int64)) < len(test):
        raise FileFormatError(
            f"{path}: all {len(test)} beats are of one half, so there is nothing to learn or to judge"
        )
    if both := sorted({*record[test == 0].tolist()} & {*record[test == 1].tolist()}):
        raise FileFormatError(f"{path}: record {both[0]} is in both halves, which are split by patient")
    return beat, label, record, test


def _path(name: str, data_dir: str | Path | None) -> Path:
    try:
        (path,) = provide(name, [FILE], (), data_dir, folders=FOLDERS)
    except InputError as error:
        raise InputError(
            f"{error}; docs/data.md says what is in {FILE.name}, and where the recordings are from"
        ) from None
    return path


SOURCES = (
    Source(
        NAME,
        TITLE,
        "images",
        load,
        files={"train": (FILE.name,), "test": (FILE.name,)},
        folders=FOLDERS,
        look=look,
        wanted=WANTED,
    ),
)
