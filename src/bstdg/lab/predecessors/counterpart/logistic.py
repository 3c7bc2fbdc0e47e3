"""Logistic regression on a recipe's input: what no hidden layer is needed for.

It reads what the recipe's network reads, as the other counterparts do, each training sample once and as it is. The
strength of the penalty is the one with which the validation part is decided best; where several are, the one of them
with the least cross-entropy there.
"""

from __future__ import annotations

import dataclasses
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bstdg.about import about_machine
from bstdg.lab.predecessors.base import Loader, OnEpoch
from bstdg.lab.predecessors.batches import figures_of_scores
from bstdg.lab.predecessors.counterpart.samples import Samples
from bstdg.lab.predecessors.counterpart.settings import LogisticSettings
from bstdg.layers import size
from bstdg.learning.recipe import Recipe


def train(
    name: str,
    recipe: Recipe,
    settings: LogisticSettings,
    seed: int,
    load: Loader,
    folder: Path | None,
    resume: bool,
    on_epoch: OnEpoch | None,
) -> dict[str, Any]:
    """See `bstdg.lab.predecessors.train_counterpart`; `on_epoch` is called after each strength, and nothing is kept."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    dataset = load(recipe.data.name, "train")
    samples, classes = Samples(recipe, dataset, seed, settings.steps), len(dataset.classes)
    learnt, labels = _all(samples.first(len(samples.labels))), samples.labels.numpy()
    held, held_labels = _all(samples.held_out()), samples.validation_labels
    weights = None if samples.weights is None else samples.weights.double().numpy()
    model: Any = LogisticRegression(max_iter=settings.iterations, warm_start=True)
    operations = learnt.shape[1] * classes
    begin, reached, best = time.monotonic(), (-1.0, 0.0), 0
    kept: tuple[Any, Any] = (None, None)
    validation: dict[str, Any] = {}
    strengths = sorted(settings.strengths)  # each starts from the solution of the one before
    for number, strength in enumerate(strengths, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early it is judged like any other
            model.set_params(C=strength).fit(learnt, labels, sample_weight=weights)
        scores = _scores(model, held, classes)
        figures = figures_of_scores(scores, held_labels, operations)
        judged = _judged(samples, scores, held_labels)
        if judged > reached:
            reached, best, validation = judged, number, figures
            kept = (model.coef_.copy(), model.intercept_.copy())
        if on_epoch is not None:
            seconds = time.monotonic() - begin
            on_epoch({"epoch": number, "epochs": len(strengths), **figures, "strength": strength, "seconds": seconds})
    seconds = time.monotonic() - begin
    model.coef_, model.intercept_ = kept
    test = load(recipe.data.name, "test")
    scores = _scores(model, _all(samples.of(test)), classes)
    told = {**recipe.to_dict(), "baseline": {"name": name, **dataclasses.asdict(settings), "strengths": strengths}}
    return {
        "baseline": name,
        "recipe": {**told, "title": f"{settings.title}, C = {strengths[best - 1]:g}"},
        "seed": seed,
        "structure": f"{size(samples.input.gives)}-{classes}",
        "widths": [size(samples.input.gives), classes],
        "training_samples": len(labels),
        "validation_samples": len(held_labels),
        "epochs": len(strengths),
        "best_epoch": best,
        "validation": validation,
        "test": figures_of_scores(scores, test.labels, operations),
        "model_bytes": 4 * (operations + classes),
        "seconds": seconds,
        "training_engine": "scikit-learn",
        "machine": about_machine(),
    }


def _all(parts: Any) -> NDArray[np.float32]:
    return torch.cat(list(parts)).numpy()


def _scores(model: Any, numbers: NDArray[np.float32], classes: int) -> NDArray[np.floating]:
    """Of the classes, `[samples, classes]`; a class that no training sample has gets the least of all."""
    found = model.decision_function(numbers)
    found = np.stack([-found, found], axis=1) / 2 if found.ndim == 1 else found
    if len(model.classes_) == classes:
        return found
    scores = np.full((len(found), classes), found.min() - 1.0)
    scores[:, model.classes_] = found
    return scores


def _judged(samples: Samples, scores: NDArray[np.floating], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy on the validation part, and less its cross-entropy, by the weight of its samples where they have any."""
    from scipy.special import log_softmax

    weights = samples.validation_weights
    each = np.ones(len(labels)) if weights is None else weights.double().numpy()
    right, likely = scores.argmax(axis=1) == labels, log_softmax(scores, axis=1)[np.arange(len(labels)), labels]
    return float(each[right].sum() / each.sum()), float(np.average(likely, weights=each))
