"""An atheris target: whatever bytes a model file holds, reading it gives a valid model or a `FileFormatError`.

    python fuzz/packed.py -max_total_time=60        (pip install 'bstdg[fuzz]'; `make fuzz` does both)

Altered files seldom pass the checksum, so each input is also read with its checksum set right.
"""

from __future__ import annotations

import re
import sys

import atheris

with atheris.instrument_imports(include=["bstdg.model.packed", "bstdg.files"]):
    from bstdg import files
    from bstdg.model import packed
from bstdg.errors import FileFormatError


def read(data: bytes) -> None:
    try:
        model = packed.from_bytes(data)
    except FileFormatError:
        return
    assert packed.from_bytes(packed.to_bytes(model)).widths == model.widths


def test_one_input(data: bytes) -> None:
    read(data)
    unsealed = re.sub(rb'("sha256":")[0-9a-f]{64}"', rb"\g<1>" + files.UNSEALED.encode() + b'"', data)
    try:
        sealed = files.seal(unsealed)
    except ValueError:
        return  # there is no place for a checksum
    read(sealed)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
