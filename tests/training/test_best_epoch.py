"""Which epoch is deployed: the latest that validation cannot tell from the best."""

from __future__ import annotations

import math

import pytest

from bstdg.training.best_epoch import BestEpoch, error_of_macro_f1, standard_error


def after(accuracies: list[float], samples: int = 100) -> tuple[BestEpoch, list[bool]]:
    best = BestEpoch()
    kept = [best.look(n, {"accuracy": a, "samples": samples}) for n, a in enumerate(accuracies, 1)]
    return best, kept


def test_before_the_first_epoch_there_is_none():
    assert BestEpoch().state() == {"epoch": 0, "figures": None, "highest": -1.0, "margin": 0.0}
    assert BestEpoch().stale == 0


def test_the_first_epoch_is_kept_however_bad_it_is():
    best, kept = after([0.0])
    assert kept == [True]
    assert (best.epoch, best.highest, best.stale) == (1, 0.0, 0)
    assert best.figures == {"accuracy": 0.0, "samples": 100}


def test_a_later_epoch_within_one_standard_error_is_kept_and_one_below_is_not():
    error = standard_error(0.9, 100)
    best, kept = after([0.9, 0.9 - error, 0.9 - 1.01 * error])
    assert kept == [True, True, False]
    assert best.epoch == 2
    assert best.figures["accuracy"] == 0.9 - error


def test_it_is_the_highest_that_counts_and_not_the_one_kept():
    """Or the accuracy could sink a little with each epoch, for as long as training goes on."""
    step = 0.6 * standard_error(0.9, 100)
    best, kept = after([0.9, 0.9 - step, 0.9 - 2 * step])
    assert kept == [True, True, False]
    assert best.highest == 0.9


def test_epochs_are_stale_since_the_accuracy_last_rose():
    assert [after([0.5, 0.5, 0.4, 0.6, 0.6][:n])[0].stale for n in range(1, 6)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("share", "samples", "error"),
    [(0.5, 96, 0.05), (1.0, 96, math.sqrt(0.98 * 0.02 / 100)), (0.0, 12, math.sqrt(0.125 * 0.875 / 16))],
)
def test_standard_errors_by_hand(share, samples, error):
    assert standard_error(share, samples) == pytest.approx(error)


def test_where_samples_have_weights_their_accuracy_counts_and_not_the_plain_one():
    best = BestEpoch()
    plain = {"accuracy": 0.95, "samples": 100}
    assert best.look(1, plain, (0.5, 40.0))
    assert not best.look(2, {**plain, "accuracy": 1.0}, (0.5 - 1.01 * standard_error(0.5, 40.0), 40.0))
    assert best.look(3, {**plain, "accuracy": 0.6}, (0.8, 40.0))
    assert (best.epoch, best.highest, best.stale) == (3, 0.8, 0)
    assert best.figures == {**plain, "accuracy": 0.6}


def test_what_a_checkpoint_holds_is_read_back():
    best, _ = after([0.7, 0.5, 0.6])
    assert BestEpoch.of(best.state(), best.stale) == best
    error = standard_error(0.7, 100)
    assert best.state() == {"epoch": 1, "figures": {"accuracy": 0.7, "samples": 100}, "highest": 0.7, "margin": error}
    older = {name: value for name, value in best.state().items() if name != "margin"}
    again = BestEpoch.of(older, best.stale)
    assert not again.look(4, {"accuracy": 0.7 - 1.01 * error, "samples": 100}) and again.margin == error


def test_macro_f1_chooses_where_it_is_asked_for():
    def told(accuracy: float, f1: float) -> dict:
        return {
            "accuracy": accuracy,
            "samples": 200,
            "macro_f1": f1,
            "f1_by_class": [1, f1],
            "samples_by_class": [150, 50],
        }

    error = error_of_macro_f1(told(0.9, 0.5))
    assert error == pytest.approx(math.hypot(standard_error(1, 150), standard_error(0.5, 50)) / 2)
    best = BestEpoch(by="macro_f1")
    assert best.look(1, told(0.99, 0.5), (0.9, 50.0))
    assert not best.look(2, told(1.0, 0.5 - 1.01 * error), (1.0, 50.0))
    assert best.look(3, told(0.1, 0.5 - 0.99 * error), (0.1, 50.0))
    assert (best.epoch, best.highest, best.stale) == (3, 0.5, 2)
    assert best.look(4, told(0.1, 0.6), (0.1, 50.0)) and best.stale == 0
    again = BestEpoch.of(best.state(), best.stale, "macro_f1")
    assert again == best
    assert again.margin == error_of_macro_f1(told(0.1, 0.6))
