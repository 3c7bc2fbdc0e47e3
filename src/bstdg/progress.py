"""What a person sees while a network trains: a live line on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol


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
        line = (
            f"accuracy {row['accuracy']:.2%}  hidden spikes {row['hidden_spikes_to_decision']:.1f}  "
            f"decision step {row['decision_step_mean']:.2f} of {row['num_steps']}"
        )
        if self._bar is not None:
            self._bar.update(self._task, figures=line)
            return
        spent = time.monotonic() - self._start
        left = spent / self._seen * self._samples * (self._epochs - row["epoch"])
        self._console.print(
            f"epoch {row['epoch']}/{self._epochs}  {line}  "
            f"{row['samples_per_second']:,.0f} samples/s  {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
