"""The `bstdg` command, which is `python -m bstdg` too: light, so that who stops it at once is answered."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


def run() -> None:
    """Entry point of the command."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where somebody asked to ignore it
    if heard:
        signal.signal(signal.SIGINT, _stop)
    try:
        from bstdg.cli import app

        app()
    except KeyboardInterrupt:  # before the command line could answer, or after
        print("bstdg: stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        if heard:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is said: what is left is to end


def _stop(_: int, frame: FrameType | None) -> NoReturn:
    """Raise `KeyboardInterrupt`; or end at once while a module is loaded, since libraries in C++ would abort of it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, b"bstdg: stopped\n")
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    run()
