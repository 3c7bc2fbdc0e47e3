"""What a person sees while something takes long: tqdm's bar on a terminal or in a notebook, else a line an epoch."""

from __future__ import annotations

import html
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm.std import tqdm

from bstdg.shown import line

PATIENCE = 0.2  # seconds between two updates; in a notebook each is a message to the browser
GAUGE = "{bar:20}"  # where a terminal's bar stands in a line
EPOCHS = "{desc} " + GAUGE + " {rate_noinv_fmt}, {remaining} left{postfix}"  # tqdm puts a comma before the figures
COUNT = "{desc}: " + GAUGE + " {n:,} of {total:,} {unit}, {remaining} left"
SO_FAR = "{desc}: {n:,} {unit}, {rate_noinv_fmt}"
FETCHED = "{desc}: " + GAUGE + " {n_fmt}/{total_fmt} {rate_noinv_fmt}, {remaining} left"

Show = Callable[[int, int | None], None]  # bytes so far, bytes in all if known


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
    """What suits where we run: `Live` on a terminal and in a Jupyter kernel, else `Lines`; arguments as there."""
    return (Live if is_watched() else Lines)(epochs, samples, done)


def live_if_watched(epochs: int, samples: int) -> Progress:
    """`Live` on a terminal and in a Jupyter kernel, else nothing: for trainings of which each has a line."""
    return Live(epochs, samples) if is_watched() else Quiet()


class Lines:
    """A line an epoch on standard error: accuracy, spikes, decision step, samples a second and time left.

    Args:
        epochs: passes in all.
        samples: training samples a pass.
        done: epochs that an earlier run already made.
    """

    def __init__(self, epochs: int, samples: int, done: int = 0):
        self._epochs, self._samples = epochs, samples
        self._start, self._seen = time.monotonic(), 0

    def batch(self, epoch: int, samples: int) -> None:
        self._seen += samples

    def epoch(self, row: Mapping[str, Any]) -> None:
        spent = time.monotonic() - self._start
        left = spent / self._seen * self._samples * (self._epochs - row["epoch"])
        rate = f"{row['samples_per_second']:,.0f} samples/s  {left:.0f} s left"
        print(f"epoch {row['epoch']}/{self._epochs}  {figures(row)}  {rate}", file=sys.stderr, flush=True)

    def close(self) -> None: ...


class Live:
    """The same as one bar over all epochs, which holds the last figures when it is done; arguments as for `Lines`."""

    def __init__(self, epochs: int, samples: int, done: int = 0):
        self._epochs, total = epochs, epochs * samples
        self._bar = _bar(self._name(done + 1), total, " samples", EPOCHS, initial=done * samples, unit_scale=True)

    def _name(self, epoch: int) -> str:
        return f"epoch {min(epoch, self._epochs)}/{self._epochs}"

    def batch(self, epoch: int, samples: int) -> None:
        self._bar.set_description_str(self._name(epoch), refresh=False)
        self._bar.update(samples)

    def epoch(self, row: Mapping[str, Any]) -> None:
        self._bar.set_postfix_str(figures(row))

    def close(self) -> None:
        self._bar.close()


def figures(row: Mapping[str, Any]) -> str:
    """The figures of an epoch's row in one line."""
    return (
        f"accuracy {row['accuracy']:.2%}  hidden spikes {row['hidden_spikes_to_decision']:.1f}  "
        f"decision step {row['decision_step_mean']:.2f} of {row['num_steps']}"
    )


@contextmanager
def bar(
    label: str, total: int | None, unit: str = "samples", *, show: bool = True
) -> Iterator[Callable[[int], object]]:
    """A bar on standard error or in a notebook, moved on by calling what this yields; nothing where output is piped.

    Where nobody knows the total it shows how many there were, and how fast.
    """
    form = COUNT if total is not None else SO_FAR
    with _bar(label, total, unit, form, disable=not (show and is_watched()), leave=in_notebook()) as shown:
        yield shown.update


@contextmanager
def download_bar(label: str, show: bool) -> Iterator[Show]:
    """A bar with bytes, speed and time left, told how many bytes there are and how many there will be, if known.

    Where output is piped only the beginning and the end are told.
    """
    pace = PATIENCE if is_watched() else float("inf")
    with _bar(label, None, "B", FETCHED, unit_scale=True, disable=not show, mininterval=pace) as shown:

        def tell(done: int, total: int | None) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield tell


def in_notebook() -> bool:
    """Whether this process is a Jupyter kernel, whose outputs a browser shows."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def is_watched() -> bool:
    """Whether somebody watches standard error, who is shown a bar."""
    return in_notebook() or sys.stderr.isatty()


def _bar(label: str, total: int | None, unit: str, form: str, **more: Any) -> tqdm:
    """A bar where we run. Updates depend on time alone, so that tqdm needs no thread to watch over them."""
    screen = shutil.get_terminal_size()  # 80 x 24 where a terminal does not tell; tqdm would then show nothing
    size = {"ncols": screen.columns, "nrows": screen.lines}
    settings = {"miniters": 1, "mininterval": PATIENCE, "smoothing": 0, **size, **more}
    return (Cell if in_notebook() else Bar)(desc=line(label), total=total, unit=unit, bar_format=form, **settings)


class Bar(tqdm):
    """tqdm on standard error."""

    monitor_interval = 0

    def close(self) -> None:
        """Show the end, which came too soon after the last update to be shown, and stop."""
        if not self.disable and (not self.leave or self.gui):  # else tqdm shows it
            self.refresh()
        super().close()


class Cell(Bar):
    """tqdm in a notebook: one output of plain HTML, updated in place and kept when the notebook is saved.

    tqdm's own needs ipywidgets, and what it shows is gone when the notebook is opened again.
    """

    def __init__(self, **settings: Any):
        self._handle: Any = None
        super().__init__(gui=True, **settings)  # nothing of it on standard error
        self.display()

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show how far it is."""
        if self.disable:
            return
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        state = self.format_dict
        text = self.format_meter(**{**state, "bar_format": state["bar_format"].replace(GAUGE, "")})
        bounds = f'max="{self.total:g}" value="{self.n:g}"' if self.total else ""
        words = html.escape(" ".join(text.split()))
        shown = HTML(f'<progress {bounds} style="vertical-align: middle"></progress> <code>{words}</code>')
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)
