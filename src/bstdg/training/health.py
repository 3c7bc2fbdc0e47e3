"""Is a layer dying? One warning for each layer and trouble, with the remedy."""

from __future__ import annotations

import warnings

from bstdg.errors import BstdgWarning
from bstdg.model.metrics import Tally

SILENT_ABOVE = 0.9  # share of a layer's neurons that fired for no sample
SATURATED_ABOVE = 0.9  # share of a layer's neurons that fire at step 0


class NetworkHealthWarning(BstdgWarning):
    """A layer is silent or saturated, so nothing can be learnt through it."""


class HealthWatch:
    """Looks at every epoch's tally and warns once for each layer and trouble.

    Args:
        silent_output: the output layer is meant to be silent, and decides at the last step.
    """

    def __init__(self, *, silent_output: bool = False) -> None:
        self._said: set[tuple[int, str]] = set()
        self._silent_output = silent_output

    def look(self, tally: Tally) -> None:
        """Warn (`NetworkHealthWarning`) about hidden layers that went silent or fire everything at step 0."""
        if not tally.counts["samples"]:
            return  # nothing was looked at, so nothing is known
        for i, silent in enumerate(tally.silent_share()):
            if silent > SILENT_ABOVE:
                self._warn(
                    i,
                    f"is going silent: {silent:.0%} of its neurons fired for no sample; raise "
                    "network.initial_share, lower train.threshold_rate or loss.spike_weight",
                )
        for i, at_start in enumerate(tally.start_share()):
            if at_start > SATURATED_ABOVE:
                self._warn(
                    i,
                    f"fires everything at step 0: {at_start:.0%} of its neurons, for the average sample; lower "
                    "network.initial_share or loss.latency_weight, or check that input is not all white",
                )
        output_silent = tally.counts["silent"] / tally.counts["samples"]
        if output_silent > SILENT_ABOVE and not self._silent_output:
            self._warn(
                len(tally.widths) - 1,
                f"is going silent: for {output_silent:.0%} of the samples no output fired; raise "
                "network.initial_output_share or loss.latency_weight",
            )

    def _warn(self, layer: int, trouble: str) -> None:
        key = (layer, trouble.partition(":")[0])
        if key not in self._said:
            self._said.add(key)
            warnings.warn(f"layer {layer} {trouble}", NetworkHealthWarning, stacklevel=3)
