"""How the command line speaks and ends: help pages, one-line errors, exit statuses, and output any terminal can show.

Exit status: 0 success, 2 bad usage or input, 1 failure, 130 interrupted. Results go to standard output, everything
said about them to standard error.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from bstdg.distributed import launch
from bstdg.errors import BstdgError, DownloadError, FileFormatError, InputError
from bstdg.shown import cut, line, spelled

if TYPE_CHECKING:
    from rich.table import Table

SUCCESS, FAILURE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
LONGEST = 4000  # columns of a complaint, though what it names be longer
PIPED_WIDTH = 120  # columns of a table that nobody's terminal bounds

# Which class typer derives its usage errors from depends on whether it brings its own copy of click.
_UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")
_PLAIN = {"…": "...", "→": "->"}


class Commands(TyperGroup):
    """The commands together: whatever goes wrong in one ends in one line on standard error and an exit status."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        """Run the command line; exits unless `standalone_mode` is False, and then returns the status."""
        with _speaking_plainly():
            status = _status(lambda: super(Commands, self).main(*args, standalone_mode=False, **kwargs))
        if standalone_mode:
            sys.exit(status)
        return status

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As typer does, which would end in silence where somebody stops it."""
        with _answering():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """The same."""
        with _answering():
            return super().invoke(ctx)


class Command(TyperCommand):
    """A command whose help page ends in its examples, line by line."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Written as it is: click would run the lines together."""
        formatter.write("\n" + (self.epilog or "").strip("\n") + "\n")

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`MODEL` where typer writes `{MODEL}`."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def say(message: object) -> None:
    """One line on standard output, for people: whatever others named shows as it is fit to (see `bstdg.shown`)."""
    print(line(message))


def note(message: object) -> None:
    """One line on standard error about how far something is."""
    if sys.stderr is not None:
        print(line(message), file=sys.stderr, flush=True)


def complain(message: object) -> None:
    """One line on standard error, fit to be shown like `say`."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # nobody may be listening any more
            print(f"bstdg: {cut(line(' '.join(str(message).splitlines())), LONGEST)}", file=sys.stderr)


def table(*heads: str, title: Any = None, **look: Any) -> Table:
    """An empty table for `show_table`: a title, heads, and cells of `add_row`, each a line that is fit to be shown."""
    return _table_of_lines()(*heads, title=title, title_justify="left", **look)


@functools.cache
def _table_of_lines() -> type[Table]:
    from rich.table import Table

    class Lines(Table):
        def __init__(self, *heads: Any, title: Any, **look: Any):
            super().__init__(*map(line, heads), title=None if title is None else line(title), **look)

        def add_row(self, *cells: Any, **look: Any) -> None:
            super().add_row(*map(line, cells), **look)

    return Lines


def show_table(what: Table) -> None:
    """Print a `table` for people: as wide as their terminal, or as it needs when piped."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    with console.capture() as text:  # so that it is printed here, and a closed pipe is noticed like any other
        console.print(what)
    print("\n".join(line.rstrip() for line in text.get().splitlines()))


@contextlib.contextmanager
def one_voice() -> Iterator[None]:
    """Of ranks that end together (see `bstdg.distributed.launch`), one says why; the others end in silence."""
    try:
        with launch.heeding_torchrun():
            yield
    except (KeyboardInterrupt, Exception) as error:
        if launch.speaks_last():
            raise
        interrupted, given = isinstance(error, KeyboardInterrupt), isinstance(error, (InputError, FileFormatError))
        raise typer.Exit(INTERRUPTED if interrupted else BAD_INPUT if given else FAILURE) from None


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Who stops a command is told that it has stopped."""
    try:
        yield
    except KeyboardInterrupt:
        complain("stopped")
        raise typer.Exit(INTERRUPTED) from None


def _status(command: Callable[[], Any]) -> int:
    """The exit status of `command`, after one line on standard error if it failed."""
    try:
        status = command() or SUCCESS
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except _UsageError as error:
        return _bad_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        complain("stopped")
        return INTERRUPTED
    except (SystemExit, OSError) as error:
        # Who reads our output may stop reading: click and rich then exit, with the reason as context.
        if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
            _silence_output()
            return SUCCESS
        if isinstance(error, SystemExit):
            raise
        return _failed(error)
    except (BstdgError, MemoryError, RuntimeError) as error:
        return _failed(error)


def _bad_usage(error: Any) -> int:
    message = error.format_message().rstrip(".")
    page = error.ctx.command_path if error.ctx else "bstdg"
    complain(f"{message[:1].lower()}{message[1:]}; see {page} --help")
    return BAD_INPUT


def _failed(error: Exception) -> int:
    """Say what went wrong and whose hand mends it: 2 the caller's, 1 the world's. What nobody foresaw is raised."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _says_memory(error)):
        lower = "out of memory; lower train.batch or network.layers, or give it fewer images at once"
        complain("; ".join((lower, *getattr(error, "__notes__", ()))))
        return FAILURE
    notes = getattr(error, "__notes__", ())
    if isinstance(error, (InputError, FileFormatError)):
        complain("; ".join((str(error), *notes)))
        return BAD_INPUT
    if isinstance(error, (BstdgError, DownloadError)):
        complain("; ".join((str(error), *notes)))
        return FAILURE
    if isinstance(error, OSError):
        said = ": ".join(line(part) for part in (error.filename, error.strerror or error) if part is not None)
        complain("; ".join((said, *notes)))
        mendable = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
        return BAD_INPUT if isinstance(error, mendable) else FAILURE
    raise error


def _says_memory(error: RuntimeError) -> bool:
    """How torch reports that an allocation failed."""
    return "out of memory" in str(error) or "not enough memory" in str(error) or "can't allocate memory" in str(error)


@contextlib.contextmanager
def _speaking_plainly() -> Iterator[None]:
    """Warnings become one line; characters a terminal lacks are spelled out, and file names of any bytes are read."""
    codecs.register_error("bstdg-plain", _spell_out)
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "bstdg-plain"), (sys.stderr, "bstdg-plain")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: complain(f"warning: {message}")
        yield


def _spell_out(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    return _PLAIN.get(character, spelled(character)), error.start + 1


def _silence_output() -> None:
    """Nobody reads standard output any more; let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
