"""How well and how fast the classifier learns small tables and images, beside scikit-learn's network of the same width.

    python benchmarks/estimator.py [--json FILE] [--hidden 600] [--seeds 3]

scikit-learn's digits, wine and breast cancer, by stratified five-fold cross-validation; each seed shuffles the folds
and starts both networks. `BSTDGClassifier` gets the features as they are, `MLPClassifier` through a `StandardScaler`;
all else are their defaults. Both learn every fold in turn, in this process, on one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Row, save
from report import estimator
from rich.progress import track
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from bstdg import BSTDGClassifier

FOLDS = 5
SETS: dict[str, Callable[..., Any]] = {"digits": load_digits, "wine": load_wine, "breast cancer": load_breast_cancer}
OURS, THEIRS = "BSTDGClassifier", "MLPClassifier"


def make(name: str, hidden: int, seed: int) -> Any:
    """A classifier that has learnt nothing yet."""
    if name == OURS:
        return BSTDGClassifier(layers=(hidden,), n_jobs=1, random_state=seed)
    return make_pipeline(StandardScaler(), MLPClassifier((hidden,), random_state=seed))


def fold(model: Any, samples: tuple[np.ndarray, np.ndarray], train: np.ndarray, test: np.ndarray) -> Row:
    """Figures of one model on one fold."""
    X, y = samples
    wall, processor = time.perf_counter(), time.process_time()
    model.fit(X[train], y[train])
    took = {"fit_seconds": time.perf_counter() - wall, "fit_cpu_seconds": time.process_time() - processor}
    figures = {"accuracy": model.score(X[test], y[test])}
    figures["log_loss"] = log_loss(y[test], model.predict_proba(X[test]), labels=np.unique(y))
    if isinstance(model, BSTDGClassifier):
        figures["decision_step"] = float(model.decision_steps(X[test]).mean())
        figures["hidden_spikes"] = float(model.spikes(X[test]).mean())
    return {**figures, **took}


def cases(hidden: Sequence[int], seeds: int) -> Iterator[tuple[str, int, int, int]]:
    """Data set, width, seed and fold of every pair of fits."""
    for data in SETS:
        for width in hidden:
            for seed in range(seeds):
                for i in range(FOLDS):
                    yield data, width, seed, i


def summary(rows: Sequence[Row]) -> Row:
    """Of all folds and seeds of one case: means, and how they spread."""
    by_seed = [statistics.mean(r["accuracy"] for r in rows if r["seed"] == seed) for seed in {r["seed"] for r in rows}]
    means = {
        key: statistics.mean(r[key] for r in rows)
        for key in ("log_loss", "decision_step", "hidden_spikes")
        if key in rows[0]
    }
    times = {
        key: {"median": statistics.median(every), "min": min(every), "max": max(every)}
        for key in ("fit_seconds", "fit_cpu_seconds")
        for every in [[r[key] for r in rows]]
    }
    accuracies = [r["accuracy"] for r in rows]
    return {
        **{key: rows[0][key] for key in ("data", "model", "hidden")},
        "folds": FOLDS,
        "seeds": len(by_seed),
        "accuracy": statistics.mean(accuracies),
        "accuracy_deviation_of_folds": statistics.stdev(accuracies),
        "accuracy_of_seeds": by_seed,
        **means,
        **times,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="+", default=[600])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of 200 passes in which MLPClassifier has not come to rest
    torch.set_num_threads(1)
    sets = {name: load(return_X_y=True) for name, load in SETS.items()}
    X, y = sets["wine"]
    for name in (OURS, THEIRS):  # what is loaded at a first fit is not counted
        make(name, 10, 0).fit(X, y)
    rows: list[Row] = []
    with threadpool_limits(1):
        for data, hidden, seed, i in track(list(cases(asked.hidden, asked.seeds)), "Fits", transient=True):
            X, y = sets[data]
            train, test = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y))[i]
            for name in (OURS, THEIRS):
                case = {"data": data, "hidden": hidden, "model": name, "seed": seed, "fold": i}
                rows.append({**case, **fold(make(name, hidden, seed), (X, y), train, test)})
    keys = dict.fromkeys((r["data"], r["hidden"], r["model"]) for r in rows)
    summaries = [summary([r for r in rows if (r["data"], r["hidden"], r["model"]) == key]) for key in keys]
    print(estimator({"rows": summaries}))
    save(asked.json, rows=summaries, folds=rows)


if __name__ == "__main__":
    main()
