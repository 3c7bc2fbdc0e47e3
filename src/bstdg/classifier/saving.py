"""A fitted classifier as one model file: the network, its scaling, and what only the classifier knows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg.classifier.reading import VALUES, Reading, Values
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import FeatureCode, LatencyCode
from bstdg.layers import size
from bstdg.model.figures import is_number
from bstdg.model.packed import PackedModel, briefly
from bstdg.model.runtime import Model

KEY, VERSION = "estimator", 1
FORMER = {"hidden": "layers"}  # what version 0.1 called a parameter
TABLE = "weights"  # a parameter that is a table: its labels and weights, in pairs


class Fitted(Protocol):
    """What is asked of a `bstdg.classifier.estimator.BSTDGClassifier`, where its attributes are described."""

    classes_: NDArray
    n_iter_: int
    best_iter_: int
    scale_: float
    history_: list[dict[str, Any]]
    figures_: dict[str, Any]
    n_features_in_: int
    feature_names_in_: NDArray
    model_: Model
    _reading: Reading
    _asked: dict[str, Any]
    _learner_: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]: ...

    def set_params(self, **params: Any) -> Any: ...

    def _describe(self) -> None: ...


C = TypeVar("C", bound=Fitted)
KINDS = "biufU"  # of labels: what JSON holds exactly
LARGEST = 1 << 26  # bytes of all labels
_DTYPES = re.compile(rf"[<>|=][{KINDS}][0-9]{{1,5}}|\|O")


def packed_model(estimator: Fitted) -> PackedModel:
    """The model of a fitted classifier, with the rest of it in the table of its origin.

    Raises:
        InputError: labels are neither numbers nor texts.
    """
    said = {
        "version": VERSION,
        "params": {name: _plain(value) for name, value in estimator._asked.items()},  # not those set since
        "values": estimator._reading.values,
        "classes": _labels(estimator.classes_),
        "n_iter": estimator.n_iter_,
        "best_iter": estimator.best_iter_,
        "scale": estimator.scale_,
        "history": estimator.history_,
    }
    if hasattr(estimator, "feature_names_in_"):
        said["feature_names"] = [str(name) for name in estimator.feature_names_in_]
    model = estimator.model_.packed
    return replace(model, trained={**model.trained, "validation": estimator.figures_, KEY: said})


def restore(estimator: C, model: PackedModel, name: str) -> C:
    """Make an unfitted classifier the one that `packed_model` described; `name` is what errors call the file.

    Raises:
        InputError: the file holds a network, but no classifier.
        FileFormatError: what it says of the classifier makes no sense.
    """
    if KEY not in model.trained:
        raise InputError(f"{name} holds a network, but no classifier: bstdg.load reads it")
    said = model.trained[KEY]
    try:
        if model.input.samples == "recordings":
            raise ValueError("a classifier reads features or images, not recordings of events")
        if said["version"] != VERSION:
            found = said["version"]
            raise FileFormatError(
                f"{name} holds a classifier of version {found}; this program reads {VERSION}: upgrade it"
            )
        params = {str(FORMER.get(name, name)): _param(value) for name, value in said["params"].items()}
        estimator.set_params(**params)
        estimator._asked = estimator.get_params(deep=False)
        estimator._reading = Reading(_code(model), _values(said.get("values")))
        estimator.classes_ = _from_labels(said["classes"], len(model.classes))
        estimator.n_iter_, estimator.best_iter_ = _count(said["n_iter"]), _count(said["best_iter"])
        estimator.scale_ = _positive(said["scale"])
        estimator.history_ = _epochs(said["history"])
        estimator.figures_ = dict(model.trained["validation"])
        estimator.n_features_in_ = size(model.input.reads)
        if "feature_names" in said:
            names = said["feature_names"]
            if not isinstance(names, list) or not all(isinstance(feature, str) for feature in names):
                raise ValueError("names of features that are no texts")
            if len(names) != estimator.n_features_in_:
                raise ValueError(f"{len(names)} names for {estimator.n_features_in_} features")
            estimator.feature_names_in_ = np.array(names, dtype=object)
        estimator._describe()
    except FileFormatError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FileFormatError(f"{name} has a damaged description of its classifier: {briefly(error)}") from None
    trained = {key: value for key, value in model.trained.items() if key not in (KEY, "validation")}
    model = replace(model, trained=trained)
    estimator._learner_ = None
    estimator.model_ = Model(model)
    return estimator


def _plain(value: Any) -> Any:
    """A parameter as JSON holds it; a source of random numbers has been used up, and is left out."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):  # its keys may be numbers, which JSON would make texts
        return {TABLE: [[_plain(label), _plain(weight)] for label, weight in value.items()]}
    return value if isinstance(value, (bool, int, float, str)) else None


def _param(value: Any) -> Any:
    """What `_plain` gave, read back."""
    if isinstance(value, dict):
        return {_single(label): float(weight) for label, weight in value[TABLE]}
    return tuple(map(_single, value)) if isinstance(value, list) else _single(value)


def _single(value: Any) -> Any:
    if not (value is None or isinstance(value, (bool, int, float, str))):
        raise ValueError(f"the parameter {str(value)[:40]}")
    return value


def _code(model: PackedModel) -> LatencyCode | FeatureCode:
    if not isinstance(model.input, (LatencyCode, FeatureCode)):
        raise ValueError(f"an input code of kind {model.input.kind!r}")
    return model.input


def _values(said: Any) -> Values | None:
    if said is not None and said not in VALUES.values():
        raise ValueError(f"samples of {said!r}")
    return said


def _labels(classes: NDArray) -> dict[str, Any]:
    texts = classes.dtype.kind == "O" and all(isinstance(label, str) for label in classes)
    if not texts and (classes.dtype.kind not in KINDS or not json.dumps(classes.tolist())):
        raise InputError(f"labels must be numbers or texts to be saved, not {classes.dtype}")
    return {"dtype": classes.dtype.str, "values": classes.tolist()}


def _from_labels(said: dict[str, Any], expected: int) -> NDArray:
    """Labels as `_labels` told them: sorted, each once, and exactly those that stand there."""
    kind, values = said["dtype"], said["values"]
    if not isinstance(kind, str) or not _DTYPES.fullmatch(kind):
        raise ValueError(f"labels of type {kind}")
    if not isinstance(values, list) or len(values) != expected or np.dtype(kind).itemsize * expected > LARGEST:
        raise ValueError("labels that do not fit the network")
    labels = np.array(values, dtype=kind)
    exact = labels.shape == (expected,) and labels.tolist() == values
    if labels.dtype.kind == "O":
        exact = exact and all(isinstance(value, str) for value in values)
    if not exact or not (labels[1:] > labels[:-1]).all():
        raise ValueError("labels that do not fit the network")
    return labels


def _epochs(rows: Any) -> list[dict[str, Any]]:
    """The figures of every epoch, of each its loss at least."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) and is_number(row["loss"]) for row in rows):
        raise ValueError("a history that is none")
    return rows


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} epochs")
    return value


def _positive(value: Any) -> float:
    if not isinstance(value, float) or not 0 < value < float("inf"):
        raise ValueError(f"the scale {value!r}")
    return value
