"""What stands in the C files as text: arrays, names of classes, golden vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from bstdg.export import names
from bstdg.export.base import Golden, fnv1a
from bstdg.export.c.proof import records, vectors

GOLDEN_BYTES = 16_384  # of input steps in the self-test


def array(declared: str, values: Iterable[object]) -> Iterator[str]:
    """A constant array, eight numbers a line."""
    texts = [str(value) for value in values]
    yield f"static const {declared} = {{\n"
    for at in range(0, len(texts), 8):
        yield "    " + ", ".join(texts[at : at + 8]) + ",\n"
    yield "};\n"


def class_names(classes: tuple[str, ...]) -> Iterator[str]:
    """Strings, a class a line; C99 takes strings of up to 4,095 bytes."""
    for label, name in enumerate(classes):
        shown = names.cut(name)
        plain = "" if shown.isascii() and shown.isprintable() else f": {names.quoted(shown)}"
        comment = f"{label}{plain}".replace("*/", "* /").replace("/*", "/ *")
        yield f"  {names.c_text(shown)}, /* {comment} */\n"


def golden_header(golden: Golden) -> Iterator[str]:
    """Vectors evenly taken from all, with a hash of what has to come out."""
    given = vectors(golden)
    channels = given.shape[1]
    most = max(1, min(16, GOLDEN_BYTES // channels, len(given)))
    chosen = np.linspace(0, len(given) - 1, most).astype(int)
    yield f"enum {{ GOLDEN = {len(chosen)} }};\n\n"
    yield f"static const uint8_t golden_steps[GOLDEN][{channels}] = {{\n"
    for steps in given[chosen]:
        yield "    {" + ",".join(map(str, steps.tolist())) + "},\n"
    yield "};\n\n"
    hashes = [f"0x{fnv1a(row.tobytes()):08x}u" for row in records(golden)[chosen]]
    yield from array("uint32_t golden_hash[GOLDEN]", hashes)
