"""What a person sees while something takes long: a live line on a terminal or in a notebook, else a line an epoch."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

PATIENCE = 0.2  # seconds between two updates of a notebook's output, each of which is a message to the browser


class Progress(Protocol):
    """Told of every batch and epoch."""

    def batch(self, epoch: int, samples: int) -> None: ...

    def epoch(self, row: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class Quiet:
    """Says nothing."""

    def batch(self, epoch: int, samples: int) -> None: ...

    def epoch(self, row: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


def live(epochs: int, samples: int, done: int = 0) -> Progress:
    """What suits where we run: `Notebook` in a Jupyter kernel, else `Live`; arguments as there."""
    return (Notebook if in_notebook() else Live)(epochs, samples, done)


class Live:
    """Accuracy, spikes, decision step, samples a second and time left, on standard error.

    Args:
        epochs: passes in all.
        samples: training samples a pass.
        done: epochs that an earlier run already made.
    """

    def __init__(self, epochs: int, samples: int, done: int = 0):
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._console = Console(stderr=True)
        self._epochs, self._samples = epochs, samples
        self._start, self._seen = time.monotonic(), 0
        self._bar = None
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
                BarColumn(bar_width=20),
                TextColumn("{task.fields[figures]}"),
                TextColumn("{task.fields[rate]:,.0f} samples/s"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self._console,
            )
            self._task = self._bar.add_task(
                "",
                total=epochs * samples,
                completed=done * samples,
                epoch=done + 1,
                epochs=epochs,
                figures="",
                rate=0.0,
            )
            self._bar.start()

    def batch(self, epoch: int, samples: int) -> None:
        self._seen += samples
        if self._bar is not None:
            rate = self._seen / (time.monotonic() - self._start)
            self._bar.update(self._task, advance=samples, epoch=epoch, rate=rate)

    def epoch(self, row: Mapping[str, Any]) -> None:
        if self._bar is not None:
            self._bar.update(self._task, figures=figures(row))
            return
        spent = time.monotonic() - self._start
        left = spent / self._seen * self._samples * (self._epochs - row["epoch"])
        self._console.print(
            f"epoch {row['epoch']}/{self._epochs}  {figures(row)}  "
            f"{row['samples_per_second']:,.0f} samples/s  {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


class Notebook:
    """The same in a notebook: one output that is updated, and that holds the last figures when it is saved.

    Arguments as for `Live`.
    """

    def __init__(self, epochs: int, samples: int, done: int = 0):
        self._epochs, self._samples, self._seen = epochs, samples, done * samples
        self._begun, self._start = self._seen, time.monotonic()
        self._line, self._cell = "", Cell()
        self._show(done + 1)

    def batch(self, epoch: int, samples: int) -> None:
        self._seen += samples
        self._show(epoch)

    def epoch(self, row: Mapping[str, Any]) -> None:
        self._line = figures(row)
        self._show(row["epoch"], at_once=True)

    def close(self) -> None:
        self._cell.flush()

    def _show(self, epoch: int, *, at_once: bool = False) -> None:
        total = self._epochs * self._samples
        rate = (self._seen - self._begun) / max(time.monotonic() - self._start, 1e-9)
        left = f", {(total - self._seen) / rate:.0f} s left" if rate and self._seen < total else ""
        text = f"epoch {min(epoch, self._epochs)}/{self._epochs}  {self._line}  {rate:,.0f} samples/s{left}"
        self._cell.show(self._seen, total, text, at_once=at_once)


def figures(row: Mapping[str, Any]) -> str:
    """The figures of an epoch's row in one line."""
    return (
        f"accuracy {row['accuracy']:.2%}  hidden spikes {row['hidden_spikes_to_decision']:.1f}  "
        f"decision step {row['decision_step_mean']:.2f} of {row['num_steps']}"
    )


def in_notebook() -> bool:
    """Whether this process is a Jupyter kernel, whose outputs a browser shows."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class Cell:
    """One output of a notebook, a bar and a text, updated in place and not too often."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown, self._waiting = 0.0, ""

    def show(self, done: float, total: float | None, text: str, *, at_once: bool = False) -> None:
        bounds = f'max="{total:g}" value="{done:g}"' if total else ""
        words = html.escape(" ".join(text.split()))
        self._waiting = f'<progress {bounds} style="vertical-align: middle"></progress> <code>{words}</code>'
        if at_once or time.monotonic() - self._shown >= PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Show what is waiting."""
        if not self._waiting:
            return
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        shown, self._waiting, self._shown = HTML(self._waiting), "", time.monotonic()
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)


@contextmanager
def bar(label: str, total: int, unit: str = "samples", *, show: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on standard error or in a notebook, moved on by calling what this yields; nothing where output is piped."""
    if not show:
        yield lambda step: None
        return
    if in_notebook():
        cell, done = Cell(), 0

        def move(step: int) -> None:
            nonlocal done
            done += step
            cell.show(done, total, f"{label}: {done:,} of {total:,} {unit}")

        move(0)
        yield move
        cell.flush()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task(label, total=total)
        yield lambda step: shown.advance(task, step)
