"""The figures of a network: what each is called, in short and at length, and how it is shown.

One table for the terminal, the report and the results page, so that a figure has one name wherever it is told; its keys
are those of `bstdg.model.metrics.Tally.figures`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from bstdg.errors import InputError
from bstdg.model.classes import BY_CLASS, SAMPLES


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        key: what `bstdg.model.metrics.Tally.figures` calls it.
        column: as the head of a narrow column.
        name: in a few words.
        caption: in full, on a line of its own.
        form: how its value is written, as `format` takes it; shares are in 0 … 1 and end with "%".
    """

    key: str
    column: str
    name: str
    caption: str
    form: str

    def show(self, value: Any) -> str:
        """The value as a text.

        >>> FIGURES["tie_rate"].show(0.0028), FIGURES["samples"].show(10000)
        ('0.28%', '10,000')
        """
        return format(value, self.form)

    @property
    def is_share(self) -> bool:
        """Whether it lies in 0 … 1 and is shown in percent."""
        return self.form.endswith("%")

    @property
    def digits(self) -> int:
        """How many stand behind the point where it is shown."""
        found = re.search(r"\.(\d+)[f%]", self.form)
        return int(found[1]) if found else 0


_TABLE = (
    # key, head of a column, name, caption, form
    ("accuracy", "accuracy", "accuracy",
     "accuracy (first spike, then V - threshold, then lowest index)", ".2%"),
    ("macro_f1", "macro F1", "macro F1", "macro F1, the mean over classes", ".2%"),
    ("accuracy_ties_correct", "ties right", "accuracy if ties counted",
     "accuracy if a tie with the label counted, as some papers do", ".2%"),
    ("tie_rate", "ties", "ties", "ties decided by the lowest index", ".2%"),
    ("simultaneous_rate", "several", "several at once", "several outputs fired at the deciding step", ".2%"),
    ("silent_rate", "silent", "silent decisions", "silent decisions (no output fired)", ".2%"),
    ("decision_step_mean", "decision step", "decision step", "decision step, mean", ",.2f"),
    ("decision_step_median", "median step", "median decision step", "decision step, median", "g"),
    ("num_steps", "T", "steps", "steps, T", ",.0f"),
    ("input_spikes_to_decision", "input spikes", "input spikes", "input spikes to the decision", ",.1f"),
    ("hidden_spikes_to_decision", "hidden spikes", "hidden spikes", "hidden spikes to the decision", ",.1f"),
    ("hidden_spikes", "all hidden spikes", "all hidden spikes", "hidden spikes, all", ",.1f"),
    ("synaptic_operations_to_decision", "operations", "synaptic operations",
     "synaptic operations to the decision", ",.0f"),
    ("samples", "samples", "samples", "samples", ",.0f"),
    ("engine", "engine", "engine", "engine", ""),
)  # fmt: skip
FIGURES = {row[0]: Figure(*row) for row in _TABLE}
# What belongs together wherever an accuracy is told.
TOGETHER = (
    "accuracy",
    "tie_rate",
    "silent_rate",
    "decision_step_mean",
    "input_spikes_to_decision",
    "hidden_spikes_to_decision",
    "synaptic_operations_to_decision",
)
BY_LAYER = "hidden_spikes_by_layer"  # a list, as those by class are
MOST = 1e18  # nothing that is counted here comes near it
SHARES = tuple(key for key, figure in FIGURES.items() if figure.is_share)


def check(figures: Any, where: str) -> None:
    """Raise `InputError` unless these are figures that can be shown and computed with; `where` is what has them.

    Figures that are not in the table may be anything, but a number is one of 0 or more there too.

    >>> check({"accuracy": "good"}, "test")
    Traceback (most recent call last):
    bstdg.errors.InputError: test.accuracy should be a number of 0 or more, not 'good'
    """
    if not isinstance(figures, dict):
        raise InputError(f"{where} should be a table of figures, not {_short(figures)}")
    for key, value in figures.items():
        figure = FIGURES.get(key)
        if figure is not None and figure.form == "":
            if not isinstance(value, str):
                raise InputError(f"{where}.{key} should be a text, not {_short(value)}")
        elif key == BY_LAYER:
            if not isinstance(value, list) or not all(is_number(each) and 0 <= each <= MOST for each in value):
                raise InputError(f"{where}.{key} should be numbers of 0 or more, not {_short(value)}")
        elif key in BY_CLASS:
            counted = key == SAMPLES
            held: list[Any] = value if isinstance(value, list) else [-1]
            known = [one for one in held if counted or one is not None]
            if not all(is_number(one) and 0 <= one <= (MOST if counted else 1) for one in known):
                what = "numbers of 0 or more" if counted else "shares, or null,"
                raise InputError(f"{where}.{key} should be {what} one a class, not {_short(value)}")
        elif figure is None and isinstance(value, (str, list, dict)):
            continue
        elif not is_number(value) or not 0 <= value <= MOST:
            raise InputError(f"{where}.{key} should be a number of 0 or more, not {_short(value)}")
        elif key in SHARES and value > 1:
            raise InputError(f"{where}.{key} is a share, so at most 1, not {value}")


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    return repr(value)[:40]
