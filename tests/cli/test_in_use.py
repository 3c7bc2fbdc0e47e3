"""What another process is writing is left alone, whichever command asks for it; and who that is is said."""

from __future__ import annotations

import os
import platform

import pytest
from support.paths import GOLDEN

from bstdg import disk, locks

MODEL = GOLDEN / "digits.bstdg"


@pytest.mark.parametrize(
    ("command", "lock"),
    [
        ("train digits --out {}/run --set epochs=1", "run/.lock"),
        ("train digits --out {}/run --set epochs=1 --overwrite", "run/.lock"),
        ("baseline mlp --data digits --set epochs=1 --out {}/of/seed0.json", "of/.seed0.json.lock"),
        ("reproduce digits --quick --out {}", "quick/runs/digits/.seed0.json.lock"),
        ("reproduce digits --quick --out {}", "training/quick/runs/digits/seed0/.lock"),
        (f"report {MODEL} --limit 9 --out {{}}/a.html --figures {{}}/drawn", "drawn/.lock"),
        (f"export c {MODEL} --images 0 --out {{}}/c", ".c.lock"),
        (f"export c {MODEL} --images 0 --out {{}}/c --force", ".c.lock"),
    ],
)
def test_what_another_is_writing_is_left_alone(bstdg, tmp_path, command, lock):
    path = tmp_path / lock
    path.parent.mkdir(parents=True, exist_ok=True)
    with locks.hold(path, "it"):
        before = sorted(tmp_path.rglob("*"))
        status, _, said = bstdg(*command.format(tmp_path, tmp_path).split())
        assert status == 2
        assert f"is in use by process {os.getpid()} on {platform.node()}, since 20" in said[-1]
        made = {found.relative_to(tmp_path).parts[0] for found in set(tmp_path.rglob("*")) - set(before)}
        assert made <= {"quick"}  # where a result would have gone
    assert not list(tmp_path.rglob("*.lock"))


def test_the_name_of_a_lock_is_that_of_what_it_locks(tmp_path):
    assert disk.beside(tmp_path / "c", "lock") == tmp_path / ".c.lock"
