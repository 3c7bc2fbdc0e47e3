"""`python -m bstdg` is the `bstdg` command."""

from bstdg.cli import run

run()
