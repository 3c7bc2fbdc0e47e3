"""What the processes of one training do together: sum, agree, and follow the first. One that is alone does nothing.

A recipe means the same on any number of ranks. `train.batch` is the batch of all together, of which each computes its
`Share`; gradients, losses, running statistics and validation counts are summed, so what one rank goes on with is what
all go on with. Only the first writes.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg.distributed.memory import can_be_shared, shared_sums
from bstdg.distributed.share import Share
from bstdg.errors import InputError, TrainingError

if TYPE_CHECKING:
    from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

SMALL = 1 << 16  # elements; tensors of fewer travel together, since each journey costs the time of as many
ROOM = 1 << 20  # bytes, of which memory to be shared is some multiple
PIECE = 1 << 28  # bytes that are sent at once
SLOWEST = 0.25  # seconds between two looks at whether the first rank is ready


class Lost(TrainingError):
    """Another rank has ended."""


class Ranks:
    """The ranks of one training.

    Args:
        rank: this one's number.
        size: how many there are; torch's default process group is theirs where there are several.
        store: where they leave each other notes; needed where there are several.
        near: whether all are on one machine, and compute on its CPUs.
        beside: how many are on this machine.
        ended: whether another has ended with its reason, as far as it could say so.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        store: Store | None = None,
        *,
        near: bool = False,
        beside: int = 1,
        ended: Callable[[], bool] = bool,  # False
    ):
        self.rank, self.size, self._store, self._beside, self._ended = rank, size, store, beside, ended
        self._near, self._memory = near and size > 1 and can_be_shared(), None
        self.sharing = size > 1  # whether the batch at hand is shared
        self._notes = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Ranks:
        return self

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and speaks."""
        return self.rank == 0

    def share(self, samples: int) -> Share:
        """What this rank computes of the next batch; one of fewer samples than ranks is computed by every rank."""
        self.sharing = 1 < self.size <= samples
        return Share.of(samples, self.rank, self.size) if self.sharing else Share(0, samples, samples)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Make each tensor, in place, the sum of what all ranks that share the batch hold."""
        if not self.sharing:
            return
        if self._near and self._sum_nearby(tensors):
            return
        self._each(tensors, torch.distributed.all_reduce)

    def sum_of_all(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of what all ranks hold, shared batch or not; counts below 2**53 are exact."""
        if self.size > 1:
            self._each([torch.from_numpy(numbers)], torch.distributed.all_reduce)
        return numbers

    def follow_first_(self, tensors: Sequence[Tensor]) -> None:
        """Make each tensor, in place, that of the first rank: processors of other kinds round otherwise."""
        if self.size > 1:
            self._each(tensors, lambda tensor, **more: torch.distributed.broadcast(tensor, 0, **more))

    def mean(self, here: Tensor, samples: int) -> Tensor:
        """The mean over a batch whose `samples` samples of this rank have the mean `here`."""
        if not self.sharing:
            return here
        total = torch.cat([here.flatten() * samples, here.new_tensor([samples])])
        self.sum_([total])
        return (total[:-1] / total[-1]).view_as(here)

    def deviation(self, here: float, mean: float, number: int) -> float:
        """The standard deviation (of N - 1) of a batch's values, of which those of this rank have `here` and `mean`."""
        if not self.sharing:
            return here
        squares = (number - 1) * here**2 + number * mean**2 if number > 1 else number * mean**2
        total = torch.tensor([number, number * mean, squares], dtype=torch.float64, device="cpu")
        self.sum_([total])
        whole, values, squares = total.tolist()
        return math.sqrt(max(0.0, squares - values**2 / whole) / max(1.0, whole - 1))

    def bytes_of_first(self, make: Callable[[], bytes]) -> bytes:
        """What the first rank makes, at all; the others wait, however long it takes."""
        if self.size == 1:
            return make()
        data = self._with_all_threads(make) if self.first else b""
        self._wait_for_first()
        length = torch.tensor([len(data)], dtype=torch.int64, device="cpu")
        with _in_touch():
            torch.distributed.broadcast(length, 0)
            sent = torch.frombuffer(bytearray(data or bytes(int(length))), dtype=torch.uint8) if int(length) else None
            for piece in () if sent is None else sent.split(PIECE):
                torch.distributed.broadcast(piece, 0)
        return b"" if sent is None else sent.numpy().tobytes()

    def tensors_of_first(self, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """The same for tensors on the CPU, by name."""
        if self.size == 1:
            return make()
        from safetensors.torch import load, save

        made: Mapping[str, Tensor] = {}

        def packed() -> bytes:
            nonlocal made
            made = make()
            return save(dict(made))

        data = self.bytes_of_first(packed)
        return made if self.first else load(data)

    def agree(self, **seen: Any) -> None:
        """Go on only if all ranks see the same; what they see is JSON-able.

        Raises:
            InputError: one sees something else; says which, what, and how it differs.
        """
        if self.size == 1 or self._store is None:
            return
        self._store.set(f"sees {self.rank}", json.dumps(seen))
        for other in range(self.size):
            self._wait_for(f"sees {other}")
        first, *others = (json.loads(self._store.get(f"sees {other}")) for other in range(self.size))
        for rank, other in enumerate(others, 1):
            if differing := _differences(first, other):
                raise InputError(
                    f"rank {rank} is to train something else than rank 0: "
                    f"{'; '.join(f'{what} is {there}, not {here}' for what, here, there in differing)}; give all ranks "
                    "the same recipe, data, seed and version"
                )

    @torch.no_grad()
    def _sum_nearby(self, tensors: Sequence[Tensor]) -> bool:
        """`sum_` in memory that all ranks see; False where there is not enough of it."""
        groups = _by_type(tensors)
        needed = max(sum(t.numel() * t.itemsize for t in group) for group in groups)
        with _in_touch():
            if self._memory is None or self._memory.room < needed:
                self.close()
                room = -(-needed // ROOM) * ROOM
                self._memory = shared_sums(self.rank, self.size, cast("Store", self._store), room)
            if self._memory is None:
                self._near = False
                return False
            for group in groups:
                self._memory.sum_(group)
        return True

    def close(self) -> None:
        """Give up the memory that this rank shares with others."""
        if self._memory is not None:
            self._memory.close()

    def _each(self, tensors: Sequence[Tensor], act: Callable[..., Any]) -> None:
        great = [tensor for tensor in tensors if tensor.numel() >= SMALL and tensor.is_contiguous()]
        with _in_touch(), torch.no_grad():
            under_way = [act(tensor.detach(), async_op=True) for tensor in great]
            for group in _by_type([t for t in tensors if t.numel() < SMALL or not t.is_contiguous()]):
                packed = torch.cat([tensor.flatten() for tensor in group])
                act(packed)
                for tensor, values in zip(group, packed.split([t.numel() for t in group]), strict=True):
                    tensor.copy_(values.view_as(tensor))
            for work in under_way:
                work.wait()

    def _with_all_threads(self, make: Callable[[], bytes]) -> bytes:
        """The other ranks of this machine wait meanwhile."""
        threads = torch.get_num_threads()
        torch.set_num_threads(threads * self._beside)
        try:
            return make()
        finally:
            torch.set_num_threads(threads)

    def _wait_for_first(self) -> None:
        self._notes += 1
        if self.first and self._store is not None:
            self._store.set(f"made {self._notes}", "")
        self._wait_for(f"made {self._notes}")

    def _wait_for(self, note: str) -> None:
        """Look for a note again and again: a collective would give up after a while."""
        pause = 1e-3
        with _in_touch():
            while self._store is not None and not self._store.check([note]):
                if self._ended():
                    raise Lost("another rank has ended")
                time.sleep(pause)
                pause = min(2 * pause, SLOWEST)


def _by_type(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    return list(groups.values())


ALONE = Ranks()


@contextmanager
def _in_touch() -> Iterator[None]:
    """An error of torch's means that another rank has gone."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, TrainingError) or "out of memory" in str(error):
            raise
        reason = re.sub(r"\[/[^]]*\] *", "", " ".join(str(error).split()))  # where in gloo's source it was noticed
        raise Lost(f"another rank has ended, or cannot be reached: {reason.partition('. ')[0][:200]}") from None


def _differences(first: Any, other: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(first, dict) and isinstance(other, dict):
        keys = sorted({*first, *other})
        parts = [_differences(first.get(k), other.get(k), f"{where}.{k}" if where else k) for k in keys]
        return [line for part in parts for line in part]
    return [] if first == other else [(where, repr(first), repr(other))]
