"""A dying layer is named once, with a remedy that exists."""

from __future__ import annotations

import dataclasses
import re
import warnings

import numpy as np
import pytest

from bstdg.engine.decide import decide
from bstdg.learning.recipe import Recipe
from bstdg.model.metrics import Tally
from bstdg.training.health import HealthWatch, NetworkHealthWarning

T = 4


def tally_of(*hidden: np.ndarray, output_fires: bool = True, samples: int = 10) -> Tally:
    """A tally over samples whose hidden layers fired at the steps given, `[samples, neurons]` each."""
    tally = Tally(T, [*(h.shape[1] for h in hidden), 2])
    potentials = np.zeros((samples, T, 2), int)
    potentials[:, 1:, 0] = 2 if output_fires else 0
    decision = decide(potentials, np.array([1, 1]))
    tally.add(decision, np.zeros(samples, int), np.full((samples, 3), 1, np.uint8), hidden)
    return tally


def steps(step: int, neurons: int = 20, other: int = 0, others: int = 0) -> np.ndarray:
    """Steps of ten samples, all `step` but for the first `others` neurons."""
    layer = np.full((10, neurons), step, np.uint8)
    layer[:, :others] = other
    return layer


def warnings_of(watch: HealthWatch, *tallies: Tally) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for tally in tallies:
            watch.look(tally)
    assert all(entry.category is NetworkHealthWarning for entry in caught)
    return [str(entry.message) for entry in caught]


SILENT = tally_of(steps(2), steps(T))
SATURATED = tally_of(steps(0), steps(2))
MUTE = tally_of(steps(2), steps(2), output_fires=False)
HEALTHY = tally_of(steps(2), steps(T, other=1, others=10))


@pytest.mark.parametrize(
    ("tally", "layer", "words"),
    [
        (SILENT, 1, "is going silent: 100% of its neurons fired for no sample"),
        (SATURATED, 0, "fires everything at step 0: 100% of its neurons"),
        (MUTE, 2, "is going silent: for 100% of the samples no output fired"),
    ],
)
def test_each_trouble_is_said_once_with_its_layer(tally, layer, words):
    watch = HealthWatch()
    (message,) = warnings_of(watch, tally, tally, HEALTHY, tally)
    assert message.startswith(f"layer {layer} {words}")
    assert warnings_of(watch, tally) == []
    assert len(warnings_of(HealthWatch(), tally)) == 1  # another run's watch is its own


def test_it_is_a_warning_that_can_be_made_an_error():
    with pytest.raises(NetworkHealthWarning):  # as all warnings are in these tests
        HealthWatch().look(SILENT)
    assert issubclass(NetworkHealthWarning, UserWarning)


def test_the_warning_points_to_who_looked():
    with pytest.warns(NetworkHealthWarning) as caught:
        HealthWatch().look(SILENT)
    assert caught[0].filename == __file__


def test_each_remedy_is_a_field_of_a_recipe():
    known = {
        f"{section.name}.{field.name}"
        for section in dataclasses.fields(Recipe)
        if section.name != "title"
        for field in dataclasses.fields(getattr(Recipe(), section.name))
    }
    for tally in (SILENT, SATURATED, MUTE):
        (message,) = warnings_of(HealthWatch(), tally)
        named = set(re.findall(r"[a-z]+\.[a-z_]+", message))
        assert named
        assert named <= known


def test_several_troubles_are_each_said():
    worse = tally_of(steps(0), steps(T), steps(T), output_fires=False)
    messages = warnings_of(HealthWatch(), worse, worse)
    assert sorted(message[:10] for message in messages) == ["layer 0 fi", "layer 1 is", "layer 2 is", "layer 3 is"]


def test_a_layer_may_fall_into_one_trouble_after_the_other():
    watch = HealthWatch()
    assert "is going silent" in warnings_of(watch, tally_of(steps(T)))[0]
    assert "fires everything" in warnings_of(watch, tally_of(steps(0)))[0]
    assert warnings_of(watch, tally_of(steps(T)), tally_of(steps(0))) == []


@pytest.mark.parametrize(
    "tally",
    [
        HEALTHY,
        tally_of(),  # no hidden layer
        Tally(T, [20, 2]),  # nothing looked at yet
        tally_of(steps(T, other=2, others=2)),  # 9 in 10 silent is the limit itself
        tally_of(steps(0, other=2, others=2)),  # 9 in 10 at step 0 as well
        tally_of(steps(1)),  # everything fires, but not at once
    ],
    ids=["healthy", "no hidden layer", "no sample", "silent at the limit", "saturated at the limit", "all at step 1"],
)
def test_healthy_networks_are_left_alone(tally):
    assert warnings_of(HealthWatch(), tally) == []


@pytest.mark.parametrize(("step", "words"), [(T, "95% of its neurons fired for no"), (0, "step 0: 95% of")])
def test_just_beyond_the_limit_is_said(step, words):
    (message,) = warnings_of(HealthWatch(), tally_of(steps(step, other=2, others=1)))
    assert words in message


def test_a_neuron_that_fires_for_one_sample_is_not_silent():
    layer = steps(T)
    layer[3] = 2  # each neuron fires for one of ten samples
    assert warnings_of(HealthWatch(), tally_of(layer)) == []
