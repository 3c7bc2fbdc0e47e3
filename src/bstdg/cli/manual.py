"""The manual page, made of what the commands say of themselves:  python -m bstdg.cli.manual > docs/bstdg.1"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from bstdg import __version__
from bstdg.cli import app
from bstdg.datasets.files import DATA_VARIABLE
from bstdg.datasets.recordings.isolation import TRUST_VARIABLE

ENVIRONMENT = {
    DATA_VARIABLE: "Folder with the data sets' files, where --data-dir names none.",
    TRUST_VARIABLE: "1 has recordings read in this process, which a damaged file may crash, not in one of their own.",
    "BSTDG_ISA": "Instruction set of the native engine, one of those that bstdg doctor lists.",
}
STATUS = {
    "0": "All is well.",
    "1": "Something failed: a check, a download, memory.",
    "2": "Bad usage or input; one line on standard error says what to do.",
    "130": "Interrupted.",
}


def page() -> str:
    """The page in roff, as `man` reads it."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="bstdg")
    lines = [
        f'.TH BSTDG 1 "" "bstdg {__version__}" "User Commands"',
        ".SH NAME",
        "bstdg \\- binarized spiking networks in which every neuron fires at most once",
        ".SH SYNOPSIS",
        ".B bstdg",
        "\\fICOMMAND\\fR [\\fIARGUMENTS\\fR]",
        ".SH DESCRIPTION",
        _plain(group.help),
        "Results go to standard output, everything said about them to standard error.",
        ".SH COMMANDS",
    ]
    for name, command in group.commands.items():
        lines += _command(name, command, typer.Context(command, info_name=name, parent=context))
    lines += [".SH ENVIRONMENT", *_terms(ENVIRONMENT), ".SH EXIT STATUS", *_terms(STATUS)]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any, context: Any) -> Iterator[str]:
    yield f".SS bstdg {name} {_plain(' '.join(command.collect_usage_pieces(context)))}"
    for paragraph in (command.help or "").split("\n\n"):
        yield _plain(" ".join(paragraph.split()))
        yield ".PP"
    told = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    yield from _terms(dict(filter(None, told)))
    if command.epilog:
        yield ".PP"
        yield ".nf"
        yield from map(_plain, command.epilog.strip("\n").splitlines())
        yield ".fi"


def _terms(listed: dict[str, str]) -> Iterator[str]:
    for term, said in listed.items():
        yield ".TP"
        yield f".B {_plain(term)}"
        yield _plain(said)


def _plain(text: str) -> str:
    """A text in which roff finds nothing to obey; a hyphen stays one that can be copied."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


if __name__ == "__main__":
    print(page(), end="")
