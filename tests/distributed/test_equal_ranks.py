"""Three ranks of a third of each batch leave the network that one rank of whole batches leaves, but for rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import needs, ranks
from torch import distributed

from bstdg.distributed import agreement
from bstdg.distributed.ranks import Ranks
from bstdg.distributed.share import Share, drawn
from bstdg.errors import InputError

SIZE = 3
# Float32 sums are added in another order; rates are 0.02 and 0.1, and there are ten steps.
CLOSE, FAR, FEW = 2e-5, 2e-3, 0.01
pytestmark = needs.mark("gloo", distributed.is_available() and distributed.is_gloo_available())


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """What each of the ranks has left of each case."""
    folder = tmp_path_factory.mktemp("ranks")
    each = ranks.start(SIZE, [ranks.__file__, folder])
    said = [process.communicate(timeout=300)[1] for process in each]
    assert [process.returncode for process in each] == [0] * SIZE, said
    return folder


@pytest.mark.parametrize("name", ranks.CASES)
def test_what_is_learnt_does_not_depend_on_the_number_of_ranks(name, shared):
    alone = ranks.trained(name)
    first, *others = (load_file(shared / f"{name}-{rank}.safetensors") for rank in range(SIZE))
    assert first.keys() == alone.keys()
    for other in others:
        assert all(torch.equal(other[key], tensor) for key, tensor in first.items())
    for key in ("generator", "counts"):
        assert torch.equal(first[key], alone[key]), key
    for key in first.keys() - {"generator", "counts"}:
        off = (first[key] - alone[key]).abs()
        if not off.numel():  # levels of a code that has none
            continue
        assert (off > CLOSE).double().mean() < FEW, key
        assert off.max() < FAR, key


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("recipe", "recipe.title is 'of rank 1', not 'of rank 0'"),
        ("data", "rank 1 is to train something else than rank 0: data.images is"),
    ],
)
def test_ranks_that_see_something_else_are_refused_before_the_first_step(what, named, shared):
    said = {(shared / f"{what}-{rank}.txt").read_text() for rank in range(SIZE)}
    assert len(said) == 1
    assert named in said.pop()
    assert not (shared / "refused").exists()


@pytest.mark.parametrize(("batch", "samples"), [(2, 100), (100, 2)])
def test_fewer_samples_than_ranks_are_an_error(batch, samples):
    agreement.check_batch(Ranks(0, 2), batch, samples)
    with pytest.raises(InputError, match="start fewer"):
        agreement.check_batch(Ranks(0, 3), batch, samples)


@pytest.mark.parametrize(("whole", "size"), [(1, 1), (7, 2), (16, 3), (5, 5)])
def test_shares_are_all_of_a_batch_and_each_once(whole, size):
    shares = [Share.of(whole, rank, size) for rank in range(size)]
    assert [row for share in shares for row in range(whole)[share.rows]] == list(range(whole))
    assert sum(share.part for share in shares) == pytest.approx(1)
    assert [drawn(range, share.stop - share.start, share) for share in shares] == [range(whole)[s.rows] for s in shares]


def test_a_batch_of_fewer_samples_than_ranks_is_computed_whole_by_each():
    of_three = Ranks(2, 3)
    assert (of_three.share(2), of_three.sharing) == (Share(0, 2, 2), False)
    assert (of_three.share(4), of_three.sharing) == (Share(2, 4, 4), True)
