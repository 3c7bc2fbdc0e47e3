"""The decision rule and every figure, against loops over samples written out here."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, median

import numpy as np
import pytest
from hypothesis import given, settings
from support.strategies import Case, cases, events_of, seeds

from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.layers import FullLayer
from bstdg.model.metrics import Tally
from bstdg.spikes.events import Events


@dataclass
class Run:
    """One sample's run up to its decision, told in plain numbers."""

    label: int
    step: int
    silent: bool
    tie: bool
    candidates: set[int]


def decide_by_hand(potentials: list[list[int]], thresholds: list[int]) -> Run:
    """From `[T][classes]`: walk through time and stop at the first step with an output at or above threshold."""
    for step, row in enumerate(potentials):
        above = {k for k, v in enumerate(row) if v >= thresholds[k]}
        silent = step == len(potentials) - 1 and not above
        if above or silent:
            lead = {k: row[k] - thresholds[k] for k in (above or range(len(row)))}
            best = [k for k in sorted(lead) if lead[k] == max(lead.values())]
            return Run(best[0], step, silent, len(best) > 1, above or set(best))
    raise AssertionError("unreachable")


def tally_by_hand(case: Case, trace, labels: list[int]) -> dict:
    """All figures, counted one sample and one spike at a time."""
    widths, rows = case.widths[1:], []
    for n, label in enumerate(labels):
        run = decide_by_hand(trace.potentials[n].tolist(), case.layers[-1].thresholds.tolist())
        heard = sum(step <= run.step for _, step in events_of(case.spikes, n, case.num_steps))
        operations, fired, sent = heard * widths[0], [], []
        for i, layer in enumerate(trace.hidden):
            spikes = [step for step in layer[n].tolist() if step < case.num_steps]
            fired.append(len(spikes))
            sent.append(sum(step <= run.step for step in spikes))
            operations += sent[-1] * widths[i + 1]
        rows.append((run, label, heard, operations, fired, sent))
    runs = [row[0] for row in rows]
    return {
        "samples": len(rows),
        "accuracy": mean(run.label == label for run, label, *_ in rows),
        "accuracy_ties_correct": mean(label in run.candidates for run, label, *_ in rows),
        "tie_rate": mean(run.tie for run in runs),
        "simultaneous_rate": mean(not run.silent and len(run.candidates) > 1 for run in runs),
        "silent_rate": mean(run.silent for run in runs),
        "decision_step_mean": mean(run.step for run in runs),
        "decision_step_median": median(run.step for run in runs),
        "num_steps": case.num_steps,
        "hidden_spikes": mean(sum(row[4]) for row in rows),
        "hidden_spikes_to_decision": mean(sum(row[5]) for row in rows),
        "hidden_spikes_by_layer": [mean(layer) for layer in zip(*(row[4] for row in rows), strict=True)],
        "input_spikes_to_decision": mean(row[2] for row in rows),
        "synaptic_operations_to_decision": mean(row[3] for row in rows),
        **classes_by_hand([run.label for run in runs], labels, widths[-1]),
    }


def classes_by_hand(decided: list[int], labels: list[int], number: int) -> dict:
    there, chosen = ([column.count(k) for k in range(number)] for column in (labels, decided))
    right = [sum(a == b == k for a, b in zip(labels, decided, strict=True)) for k in range(number)]

    def shares(parts: list[int], wholes: list[int]) -> list[float | None]:
        return [part / whole if whole else None for part, whole in zip(parts, wholes, strict=True)]

    f1 = shares([2 * n for n in right], [a + b for a, b in zip(there, chosen, strict=True)])
    return {
        "macro_f1": mean(share for share in f1 if share is not None),
        "samples_by_class": there,
        "sensitivity_by_class": shares(right, there),
        "predictive_value_by_class": shares(right, chosen),
        "f1_by_class": f1,
    }


def batch_of(spikes: np.ndarray | Events, rows: slice) -> np.ndarray | Events:
    if isinstance(spikes, Events):
        return spikes.select(np.arange(len(spikes))[rows])
    return spikes[rows]


@given(cases(max_layers=3, max_width=8), seeds())
@settings(max_examples=250)
def test_figures_are_those_counted_by_hand(case, rng):
    trace = oracle.forward(case.layers, case.spikes, case.num_steps)
    labels = rng.integers(0, case.widths[-1], len(case.spikes))
    tally = Tally(case.num_steps, case.widths[1:])
    for rows in (slice(0, 1), slice(1, None)):  # two batches, the second perhaps empty
        decision = decide(trace.potentials[rows], case.layers[-1].thresholds)
        tally.add(decision, labels[rows], batch_of(case.spikes, rows), [h[rows] for h in trace.hidden])
    found, expected = tally.figures(), tally_by_hand(case, trace, labels.tolist())
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name] == (value if name.endswith("_by_class") else pytest.approx(value, rel=1e-12)), name
        assert type(found[name]) in (int, float, list), name  # plain numbers, which JSON takes


@given(cases(max_layers=3, max_width=8))
def test_shares_of_neurons_are_those_counted_by_hand(case):
    trace = oracle.forward(case.layers, case.spikes, case.num_steps)
    tally = Tally(case.num_steps, case.widths[1:])
    decision = decide(trace.potentials, case.layers[-1].thresholds)
    tally.add(decision, np.zeros(len(case.spikes), int), case.spikes, trace.hidden)
    for i, layer in enumerate(trace.hidden):
        columns = layer.T.tolist()  # by neuron
        assert tally.silent_share()[i] == pytest.approx(mean(min(c) == case.num_steps for c in columns))
        assert tally.start_share()[i] == pytest.approx(mean(mean(s == 0 for s in c) for c in columns))
        assert tally.firing_share()[i] == pytest.approx(mean(mean(s < case.num_steps for s in c) for c in columns))
    assert len(tally.silent_share()) == len(tally.start_share()) == len(tally.firing_share()) == len(trace.hidden)


# --- decisions, one by one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("potentials", "thresholds", "expected"),
    [
        # the first to be at threshold, though the other is greater later
        ([[0, 0], [1, 0], [1, 9]], [1, 1], Run(0, 1, False, False, {0})),
        # at threshold is enough
        ([[0, 5]], [1, 5], Run(1, 0, False, False, {1})),
        # together: the greater lead, not the greater potential, nor the lower index
        ([[0, 0], [8, 5]], [6, 2], Run(1, 1, False, False, {0, 1})),
        # together with equal leads: the lowest index, and it is a tie
        ([[-1, 4, 3]], [0, 2, 1], Run(1, 0, False, True, {1, 2})),
        # together with different leads: no tie
        ([[1, 3]], [1, 1], Run(1, 0, False, False, {0, 1})),
        # silent: the greatest lead at the last step, whatever it was before
        ([[4, 0], [1, 2]], [5, 5], Run(1, 1, True, False, {1})),
        ([[4, 0], [2, 2]], [5, 5], Run(0, 1, True, True, {0, 1})),
        # fired once, fallen since
        ([[3, 0], [-3, 2]], [3, 3], Run(0, 0, False, False, {0})),
        # all at threshold before anything arrived
        ([[0, 0, 0], [1, 2, 3]], [0, 0, -1], Run(2, 0, False, False, {0, 1, 2})),
        # one class
        ([[0], [0]], [1], Run(0, 1, True, False, {0})),
    ],
)
def test_decisions(potentials, thresholds, expected):
    decision = decide(np.array([potentials]), np.array(thresholds))
    found = Run(
        int(decision.label[0]),
        int(decision.step[0]),
        bool(decision.silent[0]),
        bool(decision.tie[0]),
        set(np.flatnonzero(decision.candidates[0]).tolist()),
    )
    assert found == expected == decide_by_hand(potentials, thresholds)


def test_decision_has_the_types_it_says():
    decision = decide(np.zeros((3, 2, 4), np.int32), np.ones(4, np.int64))
    assert [part.dtype for part in decision] == [np.int64, np.int64, np.bool_, np.bool_, np.bool_]
    assert [part.shape for part in decision] == [(3,), (3,), (3,), (3,), (3, 4)]
    assert [len(part) for part in decide(np.zeros((0, 2, 4), int), np.ones(4, int))] == [0] * 5


# --- figures, one by one ---------------------------------------------------------------------------------------------


def figures_of(potentials, thresholds, labels, spikes, hidden=(), num_steps=4, widths=(2,)) -> dict:
    tally = Tally(num_steps, widths)
    decision = decide(np.array(potentials), np.array(thresholds))
    tally.add(decision, np.array(labels), spikes, [np.array(h, np.uint8) for h in hidden])
    return tally.figures()


def test_a_tie_counts_by_the_strict_rule_and_apart_by_the_other():
    both = [[0, 0], [2, 2], [2, 2], [2, 2]]
    figures = figures_of([both, both], [1, 1], [0, 1], np.full((2, 3), 4, np.uint8))
    assert figures["accuracy"] == 0.5
    assert figures["accuracy_ties_correct"] == 1.0
    assert figures["tie_rate"] == figures["simultaneous_rate"] == 1.0


def test_a_silent_tie_is_not_simultaneous():
    figures = figures_of([[[0, 0]] * 4], [1, 1], [1], np.full((1, 3), 4, np.uint8))
    assert (figures["silent_rate"], figures["tie_rate"], figures["simultaneous_rate"]) == (1.0, 1.0, 0.0)
    assert (figures["accuracy"], figures["accuracy_ties_correct"]) == (0.0, 1.0)
    assert figures["decision_step_mean"] == 3.0


def test_what_comes_at_the_decision_counts_and_what_comes_after_does_not():
    potentials = [[[0, 0], [0, 0], [1, 0], [1, 0]]]  # decided at step 2
    inputs = np.array([[0, 1, 2, 2, 3, 4]], np.uint8)
    hidden = [[[0, 2, 3, 4]], [[2, 3, 4]]]
    figures = figures_of(potentials, [1, 1], [0], inputs, hidden, widths=(4, 3, 2))
    assert figures["input_spikes_to_decision"] == 4
    assert figures["hidden_spikes"] == 5
    assert figures["hidden_spikes_by_layer"] == [3, 2]
    assert figures["hidden_spikes_to_decision"] == 3
    assert figures["synaptic_operations_to_decision"] == 4 * 4 + 2 * 3 + 1 * 2


def test_nothing_that_never_fired_counts_when_the_decision_is_silent():
    inputs, hidden = np.array([[0, 3, 4, 4]], np.uint8), [[[3, 4]]]
    figures = figures_of([[[0, 0]] * 4], [1, 1], [0], inputs, hidden, widths=(2, 2))
    assert figures["input_spikes_to_decision"] == 2
    assert figures["hidden_spikes_to_decision"] == figures["hidden_spikes"] == 1


def test_the_median_of_an_even_number_is_the_middle_of_two():
    early, late = [[1, 0]] * 4, [[0, 0], [0, 0], [0, 0], [1, 0]]
    figures = figures_of([early, late, early, late], [1, 1], [0] * 4, np.full((4, 3), 4, np.uint8))
    assert figures["decision_step_median"] == 1.5
    figures = figures_of([early, late, late], [1, 1], [0] * 3, np.full((3, 3), 4, np.uint8))
    assert (figures["decision_step_median"], figures["decision_step_mean"]) == (3.0, 2.0)


@pytest.mark.parametrize("widths", [(2,), (5, 2)])
def test_no_samples_are_refused(widths):
    tally = Tally(4, widths)
    with pytest.raises(InputError, match="no samples"):
        tally.figures()
    empty = decide(np.zeros((0, 4, 2), int), np.ones(2, int))
    tally.add(empty, np.zeros(0, int), np.zeros((0, 3), np.uint8), [np.zeros((0, w), np.uint8) for w in widths[:-1]])
    with pytest.raises(InputError, match="no samples"):
        tally.figures()


def test_the_order_and_size_of_batches_do_not_matter():
    rng = np.random.default_rng(0)
    layers = tuple(
        FullLayer(rng.choice(np.array([-1, 1], np.int8), (above, below)), rng.integers(0, 4, above))
        for below, above in ((20, 12), (12, 5))
    )
    spikes, labels = rng.integers(0, 7, (31, 20)).astype(np.uint8), rng.integers(0, 5, 31)
    trace = oracle.forward(layers, spikes, 6)

    def figures(batches: list[np.ndarray]) -> dict:
        tally = Tally(6, (12, 5))
        for rows in batches:
            decision = decide(trace.potentials[rows], layers[-1].thresholds)
            tally.add(decision, labels[rows], spikes[rows], [h[rows] for h in trace.hidden])
        return tally.figures()

    assert figures([np.arange(31)]) == figures(np.array_split(rng.permutation(31), 7))


def test_shares_of_nothing_that_was_counted():
    tally = Tally(8, (3, 4, 2))
    assert tally.silent_share() == [1.0, 1.0]
    assert tally.firing_share() == tally.start_share() == [0.0, 0.0]
    with pytest.raises(InputError, match="no samples"):
        tally.figures()
