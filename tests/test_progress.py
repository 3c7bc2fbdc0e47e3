"""Bars and lines: where they go, what they say, and that nobody is flooded."""

from __future__ import annotations

import time

import pytest

from bstdg import progress

ROW = {"accuracy": 0.5, "hidden_spikes_to_decision": 1.0, "decision_step_mean": 2.0, "num_steps": 8}


@pytest.fixture
def terminal(monkeypatch):
    """Standard error is a terminal."""
    monkeypatch.setattr(progress, "is_watched", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")


def train(shown, epochs=2, batches=1000):
    for epoch in range(1, epochs + 1):
        for _ in range(batches):
            shown.batch(epoch, 3)
        shown.epoch({**ROW, "epoch": epoch, "samples_per_second": 1234.5})
    shown.close()


def test_where_output_is_piped_there_is_a_line_an_epoch(capsys):
    train(progress.live(2, 3000))
    out, err = capsys.readouterr()
    assert out == ""
    first, last = err.splitlines()
    said = "accuracy 50.00%  hidden spikes 1.0  decision step 2.00 of 8  1,234 samples/s  "
    assert first.startswith(f"epoch 1/2  {said}")
    assert last == f"epoch 2/2  {said}0 s left"


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_one_line_is_written_anew_and_ends_full(capsys):
    start = time.monotonic()
    train(progress.live(2, 3000))
    most = 6 + (time.monotonic() - start) / progress.PATIENCE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    drawn = [line for line in err.split("\r") if line.strip()]
    assert len(drawn) <= most
    assert drawn[-1].startswith("epoch 2/2 ████████████████████ ")
    assert drawn[-1].rstrip().endswith("accuracy 50.00%  hidden spikes 1.0  decision step 2.00 of 8")


@pytest.mark.usefixtures("terminal")
def test_a_resumed_run_begins_where_it_was(capsys):
    progress.live(4, 300, 2).close()
    assert capsys.readouterr().err.split("\r")[-1].startswith("epoch 3/4 ██████████  ")


@pytest.mark.usefixtures("terminal")
def test_a_label_is_shown_and_not_obeyed(capsys):
    with progress.bar("a\x1b]0;b\n{bar}\udce9", 2) as advance:
        advance(1)
    err = capsys.readouterr().err
    assert r"a\x1b]0;b\n{bar}\xe9: " in err
    assert "\x1b]" not in err


@pytest.mark.usefixtures("terminal")
def test_a_bar_leaves_nothing_behind(capsys):
    with progress.bar("measuring", 1000) as advance:
        advance(1000)
    out, err = capsys.readouterr()
    assert out == ""
    assert "measuring: " in err
    assert err.split("\r")[-2].strip() == ""
    assert "\n" not in err


@pytest.mark.parametrize("show", [True, False])
def test_a_bar_says_nothing_where_output_is_piped(capsys, show):
    with progress.bar("measuring", 10, show=show) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")
