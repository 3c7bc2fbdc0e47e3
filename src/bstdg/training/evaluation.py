"""Judging a network: on the validation part after each epoch, and once on the test set, at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import Dataset, EventDataset, StoredDataset
from bstdg.datasets.pieces.ahead import ahead
from bstdg.distributed.ranks import ALONE, Ranks
from bstdg.distributed.share import Share
from bstdg.engine import choose
from bstdg.engine.decide import decide
from bstdg.layers import Layer
from bstdg.model import samples
from bstdg.model.metrics import Tally
from bstdg.model.runtime import Model
from bstdg.spikes.events import Events
from bstdg.training.pieces.steps import StoredSteps

AT_ONCE = 1000  # samples


def evaluate(
    layers: Sequence[Layer],
    num_steps: int,
    spikes: NDArray[np.uint8] | Events | StoredSteps,
    labels: NDArray[np.int64],
    *,
    engine: str | None = None,
    device: object = "cpu",
    weights: NDArray[np.float64] | None = None,
    ranks: Ranks = ALONE,
) -> Tally:
    """Figures of deployed layers on encoded samples.

    Args:
        layers: input side first.
        num_steps: T.
        spikes: steps uint8 `[N, channels]`, or `Events`; or those of images on disk.
        labels: int64 `[N]`.
        engine: see `bstdg.engine.choose.inference`.
        device: where it is computed.
        weights: how much each sample counts in `Tally.weighted_accuracy`, `[N]`.
        ranks: those that share the samples, and all get the figures.
    """
    network = choose.inference(engine, layers, num_steps, device).network
    tally = Tally.of(layers, num_steps)
    mine = Share.of(len(spikes), ranks.rank, ranks.size)
    parts = [slice(i, min(i + AT_ONCE, mine.stop)) for i in range(mine.start, mine.stop, AT_ONCE)]
    reading = ahead(parts, spikes.__getitem__, 1) if isinstance(spikes, StoredSteps) else map(spikes.__getitem__, parts)
    for part, steps in zip(parts, reading, strict=True):
        trace = network.trace(steps)
        decision = decide(trace.potentials, layers[-1].thresholds)
        tally.add(decision, labels[part], steps, trace.hidden)
        if weights is not None:
            tally.weigh(decision, labels[part], weights[part])
    tally.become(ranks.sum_of_all(tally.numbers()))
    return tally


def on_test_set(
    model: Model, test: Dataset | StoredDataset | EventDataset, heard: frozenset[int]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of a deployed model on the test set, and more where the data say who speaks.

    Args:
        model: what is judged.
        test: read here, and nowhere before.
        heard: speakers whose recordings were trained on.

    Raises:
        InputError: the test set does not fit the model.
    """
    samples.check(model.packed, test, "the network")
    if isinstance(test, EventDataset):
        return model.evaluate_events(test), by_speaker(model, test, heard) if heard else {}
    return model.evaluate_dataset(test), {}


def by_speaker(model: Model, test: EventDataset, known: frozenset[int]) -> dict[str, Any]:
    """Figures of a model for each speaker of the test set, and for those it was trained on (`known`) and the others."""
    if test.speakers is None:
        return {}
    heard = np.isin(test.speakers, list(known))
    groups = {"known": heard, "unseen": ~heard}
    each = {str(speaker): test.speakers == speaker for speaker in np.unique(test.speakers)}
    return {
        "speakers": {name: model.evaluate_events(test, mask) for name, mask in groups.items() if mask.any()},
        "by_speaker": {name: model.evaluate_events(test, mask) for name, mask in each.items()},
    }
