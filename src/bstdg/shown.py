"""Texts of others made fit to show: names of classes and files, titles, what a server says.

Whoever made such a text chose its characters. Shown as it is, one of them moves a terminal's cursor, another ends the
line, turns the direction of writing, or is no XML. What people read therefore goes through here; what programs read,
JSON, keeps the text itself.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 80  # columns of a name; a model file holds the whole of it
SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
WIDE_SPACES = "\u00a0\u202f\u3000"  # which French and Japanese names have
JOINERS = "\u200c\u200d"  # between letters of Persian, Hindi, … and in emoji
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and marks in which there is nothing to see

_JOINED = re.compile(rf"(?<=[^\x00-\x9f])[{JOINERS}](?=[^\x00-\x9f])")
_BLANKS = re.compile(rf"^[ {WIDE_SPACES}]+|(?<=[ {WIDE_SPACES}])[ {WIDE_SPACES}]+|[ {WIDE_SPACES}]+$")


def line(text: object) -> str:
    r"""A text as one line in which everything can be seen and nothing acts; any other character is spelled out.

    Spelled out are control characters and ends of lines, marks without a width or for the direction of writing, code
    points without a meaning, and the bytes of a file name that are no text (`surrogateescape`). Letters, signs and
    marks of all scripts stay, and so does a backslash: a line of a line is that line.

    >>> print(line("a\tb\x1b[1m"), line("caf\udce9"), line("caf\u00e9"), line("\u202eright"))
    a\tb\x1b[1m caf\xe9 café \u202eright
    """
    said = str(text)
    if said.isprintable() and not any(character in said for character in BLANK):
        return said
    joined = {found.start() for found in _JOINED.finditer(said)}
    return "".join(c if i in joined or _seen(c) else spelled(c) for i, c in enumerate(said))


def lines(text: object) -> str:
    r"""A text of several lines, each as `line` has it.

    >>> lines("one\ntwo\b")
    'one\ntwo\\x08'
    """
    return "\n".join(map(line, str(text).split("\n")))


def name(text: object, most: int = LONGEST) -> str:
    r"""A name as a `line` of at most so many columns, the middle left out; spaces that nobody could count are seen.

    Those are spaces at an end or beside another, so that no name looks like several columns, or like another name. A
    name of nothing is a pair of quotes.

    >>> print(name(" a  b"), name(""), name("a" * 50 + "b" * 50, 9))
    \x20a \x20b '' aaaa…bbbb
    """
    return cut(_BLANKS.sub(lambda found: "".join(map(spelled, found[0])), line(text)) or "''", most)


def cut(said: str, most: int) -> str:
    """A line of at most so many columns, what is too much left out of its middle.

    >>> cut("abcdefgh", 5), cut("abcde", 5)
    ('ab…gh', 'abcde')
    """
    if len(said) <= most and columns(said) <= most:
        return said
    before, behind = most // 2, (most - 1) // 2
    start, end = said[:before], said[max(before, len(said) - behind) :]  # each cut to its columns, for wide letters
    while columns(start) > before:
        start = start[:-1]
    while columns(end) > behind:
        end = end[1:]
    return f"{start}…{end}"


def columns(said: str) -> int:
    """How many columns of a terminal a line takes: two for each wide letter of East Asia, none for a mark above one.

    >>> columns("cat"), columns("猫"), columns("e\u0301")
    (3, 2, 1)
    """
    marks = sum(unicodedata.category(c) in ("Mn", "Me", "Cf") for c in said)
    return len(said) - marks + sum(unicodedata.east_asian_width(c) in "WF" for c in said)


def spelled(character: str) -> str:
    r"""A character as Python writes it in a text; a byte of a file name that is no text as that byte.

    >>> print(spelled("\x1b"), spelled("\x9b"), spelled("\udc9b"), spelled("\U000e0001"))
    \x1b \u009b \x9b \U000e0001
    """
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    elif code >= 0x80:
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return SHORT.get(character, f"\\x{code:02x}")


def _seen(character: str) -> bool:
    return (character.isprintable() and character not in BLANK) or character in WIDE_SPACES
