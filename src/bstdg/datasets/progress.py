"""The bar shown on stderr, or in a notebook, while a file is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bstdg.progress import Cell, in_notebook

Show = Callable[[int, int | None], None]  # (bytes so far, bytes in all if known)


@contextmanager
def bar(label: str, progress: bool) -> Iterator[Show]:
    """A bar with bytes, speed and time left, fed by calling what this yields; nothing unless `progress`."""
    if not progress:
        yield lambda done, total: None
        return
    if in_notebook():
        cell = Cell()
        yield lambda done, total: cell.show(done, total, f"{label}: {done / 1e6:.1f} MB")
        cell.flush()
        return
    from rich import progress as rich_progress
    from rich.console import Console

    with rich_progress.Progress(
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.DownloadColumn(),
        rich_progress.TransferSpeedColumn(),
        rich_progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as shown:
        task = shown.add_task(label, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
