"""Names that somebody may give a folder, a class or a title, and what of each is to be recognised where it is shown."""

from __future__ import annotations

import re

# Of a folder: what a file system takes. Where bytes are no text they are surrogates, as Python reads them.
FOLDERS = {
    "caf\udce9": r"caf\xe9",
    "c1\udc9b31m": r"c1\x9b31m",
    "red\x1b[31mbold\x1b[1m": r"red\x1b[31mbold",
    "title\x1b]0;owned\x07": r"title\x1b]0;owned\x07",
    "csi\x9b2J": r"csi\u009b2J",
    "two\nlines": r"two\nlines",
    "back\rward": r"back\rward",
    "erased\b\b\b": r"erased\x08",
    "tab\there": r"tab\there",
    "cat     3              1      no  forged.png": "cat ",
    " edges ": r"\x20edges\x20",
    "A$ and B$": "A$ and B$",
    r"$\bad{$": r"$\bad{$",
    r"\$x": r"\$x",
    "a_b^c{": "a_b^c{",
    "[bold]loud": "[bold]loud",
    "[[]": "[[]",
    "[link=file:x]y": "[link=file:x]y",
    ":smile:": ":smile:",
    "<script>alert(1)<!--&": "<script>alert(1)<!--&",
    "\"quoted\" 'twice'": "\"quoted\" 'twice'",
    "\u202egnp.tac": r"\u202egnp.tac",
    "zero\u200bwidth": r"zero\u200bwidth",
    "\u2066isolated": r"\u2066isolated",
    "\ufeffmark": r"\ufeffmark",
    "next\u0085line\u2028end": r"next\u0085line\u2028end",
    "none\ufffe\uffff": r"none\ufffe\uffff",
    "private\ue000\U000e0001": r"private\ue000\U000e0001",
    "filler\u3164": r"filler\u3164",
    "l" * 200: "l" * 5,
    "-rf": "-rf",
    "=cmd|' '!A1": "=cmd|' '!A1",
    "%s %d {0}": "%s %d {0}",
    "猫": "猫",
    "고양이": "고양이",
    "قطة": "قطة",
    "बिल्ली": "बिल्ली",
    "🦊": "🦊",
}
# Of a model file or an array: any text at all.
TEXTS = {
    **FOLDERS,
    "\x00zero": r"\x00zero",
    "[bold]a[/]b": "[bold]a[/]b",
    "": "''",
    "w" * 20_000: "w" * 5,
}

ACTS = re.compile(r"[^\n\x20-\x7e\u00a0-\uffff\U00010000-\U0010ffff]|[\u200b\u2028\u202e\u2066\ufeff\ufffe\uffff]")


def acting(text: str) -> list[str]:
    """Characters of an output that a terminal or a parser obeys, or that nobody sees; ends of lines are its own."""
    return ACTS.findall(text) + [c for c in text if 0xD800 <= ord(c) <= 0xDFFF]
