"""Sums in memory that ranks of a machine share: who dies is noticed, and where memory is full it is done without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import needs
from torch import distributed

from bstdg.distributed import memory
from bstdg.distributed.memory import shared_sums

pytestmark = needs.mark("fcntl", memory.can_be_shared())
ROOM = 1 << 12
OTHER = f"""
import sys, torch
from torch.distributed import FileStore
from bstdg.distributed.memory import shared_sums
sums = shared_sums(1, 2, FileStore(sys.argv[1], 2), {ROOM})
values = torch.arange(5.0), torch.ones(2, 3)
sums.sum_(values)
print([value.tolist() for value in values])
"""


def test_a_sum_is_the_same_for_all_and_a_rank_that_has_gone_is_named(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", OTHER, tmp_path / "store"], stdout=subprocess.PIPE, text=True)
    sums = shared_sums(0, 2, distributed.FileStore(str(tmp_path / "store"), 2), ROOM)
    assert sums is not None
    mine = torch.full((5,), 0.5), torch.ones(3, 2).T  # which is not contiguous
    sums.sum_(mine)
    assert [value.tolist() for value in mine] == [[0.5, 1.5, 2.5, 3.5, 4.5], [[2.0] * 3] * 2]
    assert other.communicate(timeout=60)[0] == f"{[value.tolist() for value in mine]}\n"
    with pytest.raises(RuntimeError, match="rank 1 is gone"):
        sums.sum_(mine)
    sums.close()


def test_where_memory_is_full_there_are_none_and_nothing_is_left(tmp_path):
    before = set(Path(memory.SHARED).iterdir())
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    assert shared_sums(0, 1, store, 1 << 60) is None
    assert set(Path(memory.SHARED).iterdir()) - before == set()
    assert shared_sums(1, 2, store, 1 << 60) is None
