"""What was fitted on one device is pickled for all: nothing in a pickle or a copy needs another device than the CPU."""

from __future__ import annotations

import copy
import io
import pickle
import types
import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from support import needs
from torch.overrides import TorchFunctionMode

from bstdg import BSTDGClassifier, BstdgWarning
from bstdg.classifier import continuing
from bstdg.errors import InputError

X, Y = load_wine(return_X_y=True)
SMALL = {"layers": (32,), "epochs": 3, "random_state": 0}
needs_cuda = needs.mark("cuda", torch.cuda.is_available())


def joblib_there_and_back(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def torch_there_and_back(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


JOURNEYS = pytest.mark.parametrize(
    "journey",
    [lambda model: pickle.loads(pickle.dumps(model)), joblib_there_and_back, torch_there_and_back, copy.deepcopy],  # noqa: S301
    ids=["pickle", "joblib", "torch", "copy"],
)


def tensors(thing: object, seen: set[int] | None = None) -> list[torch.Tensor]:
    """Every tensor that can be reached from a thing, parameters and the optimiser's state among them."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, (type, types.ModuleType, types.FunctionType)):
        return []
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        return [thing]
    if isinstance(thing, dict):
        parts = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set, frozenset)):
        parts = list(thing)
    else:
        parts = list(getattr(thing, "__dict__", {}).values())
    return [tensor for part in parts for tensor in tensors(part, seen)]


class Elsewhere(TorchFunctionMode):
    """Lets torch's device "meta" stand for one that is there now and not where a pickle is read.

    A meta tensor has a shape and no content, so none comes back from it; here zeros do, as content would from a GPU.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.to and args[0].device.type == "meta" and "cpu" in str((args[1:], kwargs)):
            return torch.zeros_like(args[0], device="cpu")
        return func(*args, **kwargs)


def trained(how: str) -> BSTDGClassifier:
    model = BSTDGClassifier(**SMALL)
    return model.fit(X, Y) if how == "fit" else model.partial_fit(X, Y, classes=[0, 1, 2])


@JOURNEYS
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_all_goes_to_the_cpu_when_it_is_pickled(how, journey):
    model = trained(how)
    run = model._learner_.run
    continuing.move(run, torch.device("meta"), None)
    there = tensors(model)
    assert len([tensor for tensor in there if tensor.device.type == "meta"]) >= 15  # with Adam's two moments and count
    with Elsewhere():
        again = journey(model)
    assert {tensor.device.type for tensor in tensors(again)} == {"cpu"}
    assert again._learner_.run.device == torch.device("cpu")
    assert again._learner_.run.engine == "native"
    assert run.device.type == "meta"  # and what was pickled is where it was
    assert sorted(str(t.device) for t in tensors(model)) == sorted(str(t.device) for t in there)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@JOURNEYS
def test_what_was_elsewhere_goes_on_bit_for_bit(journey):
    """The same step by step as what never left, since all that decides it travels: moments, count, generator."""
    model = trained("fit")
    away = copy.deepcopy(model)
    away._learner_.run.device = torch.device("cuda", 0)  # as if: a copy is made, and moved
    again = journey(away)
    assert again._learner_.run.device == torch.device("cpu")
    for one in (model, again):
        one.partial_fit(X, Y)
    assert tensors(model)
    assert all(map(torch.equal, model._learner_.run.network.parameters(), again._learner_.run.network.parameters()))
    ours, theirs = (list(one._learner_.run.optimizer.state.values()) for one in (model, again))
    assert all(torch.equal(a[slot], b[slot]) for a, b in zip(ours, theirs, strict=True) for slot in a)


def test_the_optimiser_still_holds_what_it_moves():
    """Moved parameters are the ones that the optimiser knows, so that more training changes them."""
    model = trained("fit")
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    run = again._learner_.run
    held = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in (*run.network.parameters(), *run.loss.parameters())}


def test_a_device_that_is_not_there_is_said_and_another_can_be_taken():
    model = trained("fit").set_params(device="xla")
    model.predict(X)
    with pytest.raises(InputError, match="device 'xla' is not there"):
        model.partial_fit(X, Y)
    model.set_params(device="cpu").partial_fit(X, Y)


def test_an_engine_that_does_not_compute_on_a_device_moves_nothing():
    model = trained("fit")
    model.set_params(device="meta", engine="native")
    with pytest.raises(InputError, match=r"engine 'native' computes with float32 on a CPU, not .* meta"):
        model.partial_fit(X, Y)
    assert {tensor.device.type for tensor in tensors(model)} == {"cpu"}
    model.set_params(device="cpu").partial_fit(X, Y)


@needs_cuda
@JOURNEYS
def test_from_a_gpu_to_a_cpu_and_back(journey):
    model = BSTDGClassifier(**SMALL, device="cuda").fit(X, Y)
    again = journey(model)
    assert {tensor.device.type for tensor in tensors(again)} == {"cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        again.set_params(device="cpu").partial_fit(X, Y)
        again.set_params(device="cuda").partial_fit(X, Y)
        model.partial_fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), model.model_.predict(X))
