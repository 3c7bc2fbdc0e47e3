"""What a page would load, or where it would lead: read from its HTML, its styles and its scripts, not from its texts.

A page that names an address in a text, in a comment or in the data of its model does not go there. What its policy
(Content-Security-Policy) allows counts too, since that is what a browser holds it to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

# Attributes whose value is an address, whatever the element.
ADDRESSES = frozenset((
    "action", "archive", "background", "classid", "codebase", "data", "formaction", "href", "imagesrcset",
    "manifest", "ping", "poster", "profile", "src", "srcset", "xlink:href",
))  # fmt: skip
# What a script asks a network with, or leaves the page by.
CALLS = frozenset((
    "EventSource", "RTCPeerConnection", "SharedWorker", "WebSocket", "WebTransport", "Worker", "XMLHttpRequest",
    "fetch", "import", "importScripts", "location", "sendBeacon", "serviceWorker", "webkitRTCPeerConnection",
))  # fmt: skip
NAMESPACES = frozenset(
    f"http://www.w3.org/{name}" for name in ("2000/svg", "1999/xhtml", "1999/xlink", "1998/Math/MathML")
)
DATA_TYPES = frozenset(("application/json", "application/ld+json", "text/plain"))  # scripts that no browser runs
_HERE = re.compile(r"\s*(?:#|data:|$)", re.IGNORECASE)
_IN_STYLE = r"""(?:url|src)\(\s*["']?([^"')]*)|@import\b|["'](?:\w+:)?//[^"']*"""
_SET = frozenset(("src", "srcset", "href", "action", "formAction"))  # by scripts, of elements
_SHOWN = 60  # characters of what was found


def references(page: str) -> list[str]:
    """What a page names outside of itself, in words; nothing where all that it is made of is in it.

    >>> references('<title>src=x, http://example.org</title><script type="application/json">["<img src=x>"]</script>')
    []
    >>> references('<img src="a.png"><script>fetch("//example.org")</script>')
    ['src=a.png', 'fetch', '"//example.org"']
    """
    reader = _Page()
    reader.feed(page)
    reader.close()
    return reader.found


def policy_holes(page: str) -> list[str]:
    """What the page's policy would let it load from elsewhere, in words; nothing where it allows what is in the page.

    >>> policy_holes('<meta http-equiv="Content-Security-Policy" content="default-src \\'none\\'; img-src data:">')
    []
    >>> policy_holes("<script></script>")
    ['no policy comes before the first script, style or link']
    """
    reader = _Page()
    reader.feed(page)
    reader.close()
    if reader.policy is None:
        return ["no policy comes before the first script, style or link"]
    rules = [rule.split() for rule in reader.policy.split(";") if rule.strip()]
    sources = {rule[0].lower(): rule[1:] for rule in reversed(rules)}  # of a name that comes twice the first counts
    holes = [] if sources.get("default-src") == ["'none'"] else ["default-src is not 'none'"]
    for name, allowed in sources.items():
        here = r"'none'|'sha(?:256|384|512)-[\w+/=-]+'" + ("|data:" if name in ("img-src", "font-src") else "")
        holes += [f"{name} {source[:_SHOWN]}" for source in allowed if not re.fullmatch(here, source)]
    return holes


class _Page(HTMLParser):
    """Goes through the elements of a page; `found` is what they name, `policy` what was said before any could."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policy: str | None = None
        self._closed = False  # a policy would come too late
        self._inside: str | None = None  # a script or style, whose text is code

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in reversed(attrs)}  # of a name that comes twice the first counts
        if tag == "meta":
            self._meta(values)
        elif tag in ("script", "style", "link", "body", "img", "iframe", "object", "embed"):
            self._closed = True
        for name, value in values.items():
            self._attribute(name, value)
        if tag == "style" or (tag == "script" and values.get("type", "").strip().lower() not in DATA_TYPES):
            self._inside = tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._inside = None

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.found += _in_script(data)
        elif self._inside == "style":
            self.found += _in_style(data)

    def _meta(self, values: dict[str, str]) -> None:
        kind, content = values.get("http-equiv", "").strip().lower(), values.get("content", "")
        if kind == "content-security-policy" and not self._closed and self.policy is None:
            self.policy = content
        elif kind == "refresh" and "url" in content.lower():
            self.found.append(f"refresh {content[:_SHOWN]}")

    def _attribute(self, name: str, value: str) -> None:
        if name == "srcdoc":
            self.found += references(value)
        elif name.startswith("on"):
            self.found += _in_script(value)
        elif name in ADDRESSES:
            if value.strip().lower().startswith("javascript:"):
                self.found += _in_script(value.strip()[len("javascript:") :])
            elif not _HERE.match(value):
                self.found.append(f"{name}={value[:_SHOWN]}")
        elif name == "style" or "url(" in value.lower():
            self.found += _in_style(value)


def _in_style(text: str) -> Iterator[str]:
    """Addresses in CSS, where a backslash may spell out any letter."""
    text = re.sub(r"/\*.*?(?:\*/|$)", " ", text, flags=re.DOTALL)
    text = re.sub(r"\\([0-9a-fA-F]{1,6})\s?", lambda found: chr(min(int(found[1], 16), 0x10FFFF)), text)
    for found in re.finditer(_IN_STYLE, text, re.IGNORECASE):
        if found[1] is None or not _HERE.match(found[1]):
            yield found[0][:_SHOWN]


# A comment; a text; a template, which is read on its own; a regular expression, where no value stands before; a name; a
# number; anything else. Within the brackets of a regular expression a slash does not end it.
_TOKEN = re.compile(
    r"""(?P<comment>//[^\n\u2028\u2029]*|/\*.*?(?:\*/|$))
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<template>`)
    |(?P<regex>/(?![/*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*)
    |(?P<name>(?:[A-Za-z_$]|\\u\{?[0-9a-fA-F]+\}?)(?:[\w$]|\\u\{?[0-9a-fA-F]+\}?)*)
    |(?P<number>\.?\d[\w.]*)
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_BEFORE_REGEX = frozenset((
    "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "do", "else", "instanceof", "yield",
    "await",
))  # fmt: skip  # names after which a value comes


def _in_script(text: str) -> list[str]:
    """Calls and addresses in a script: names in its code, and its texts that are addresses."""
    return list(_code(text, 0)[0])


def _code(text: str, at: int) -> tuple[list[str], int]:
    """What is found from `at` on, up to the brace that closes what was open there; and where that is."""
    found: list[str] = []
    before: list[str] = []  # the last two words
    depth, value = 0, False  # whether what stands before a slash is a value, which it then divides
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            break
        kind, said = str(token.lastgroup), token[0]
        if kind == "regex" and value:
            kind, said = "other", "/"
        at += len(said)
        if kind in ("comment", "space"):
            continue
        if kind == "text":
            found += _address(said[1:-1])
            word = _spelled(said[1:-1])
            if (before[-1:] == ["["] and word in CALLS) or (before == ["setAttribute", "("] and word in ADDRESSES):
                found.append(word)
        elif kind == "template":
            inner, at = _template(text, at)
            found += inner
        elif kind == "name" and _spelled(said) in CALLS:
            found.append(_spelled(said))
        elif kind == "name" and before[-1:] == ["."] and said in _SET and re.match(r"\s*=(?!=)", text[at : at + 9]):
            found.append(f".{said} =")
        elif said == "{":
            depth += 1
        elif said == "}":
            if depth == 0:
                break
            depth -= 1
        value = (kind == "name" and said not in _BEFORE_REGEX) or kind in ("text", "template", "regex", "number")
        value = value or said in (")", "]", "}")
        before = [*before[-1:], said]
    return found, at


def _template(text: str, at: int) -> tuple[list[str], int]:
    """What is found in a template whose text begins at `at`, and in the code in it; and where it ends."""
    found: list[str] = []
    begin = at
    while at < len(text) and text[at] != "`":
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at):
            found += _address(text[begin:at])
            inner, at = _code(text, at + 2)
            found += inner
            begin = at
        else:
            at += 1
    return [*found, *_address(text[begin:at])], at + 1


def _address(text: str) -> list[str]:
    """A text of a script, if it is an address elsewhere."""
    text = _spelled(text)
    if text in NAMESPACES:
        return []
    if re.search(r"\w:[/\\]{2}|^\s*[/\\]{2}[^/\\\s]", text):
        return [f'"{text[:_SHOWN]}"']
    if re.search(r"<[A-Za-z]", text):  # of a page
        return references(text)
    return list(_in_style(text)) if "url(" in text.lower() else []


def _spelled(text: str) -> str:
    r"""A text of a script with its letters spelled out.

    >>> _spelled("\\x68\\u0074\\u{74}p:\\/\\/")
    'http://'
    """
    text = re.sub(
        r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\})",
        lambda found: chr(min(int(found[1] or found[2] or found[3], 16), 0x10FFFF)),
        text,
    )
    return re.sub(r"\\(?:\n|(.))", lambda found: found[1] or "", text)
