"""The `bstdg` command, which is `python -m bstdg` too: light, so that who stops it at once is answered."""

from __future__ import annotations

import signal
import sys


def run() -> None:
    """Entry point of the command."""
    try:
        from bstdg.cli import app

        app()
    except KeyboardInterrupt:  # while the command line was loaded, which takes a moment; afterwards it answers itself
        print("bstdg: stopped", file=sys.stderr)
        sys.exit(130)
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is said: what is left is to end


if __name__ == "__main__":
    run()
