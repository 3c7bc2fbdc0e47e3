"""Models that are sent elsewhere: as the bytes of their file, checked where they come to, and run there on arrays."""

from __future__ import annotations

import copy
import pickle
import pickletools

import numpy as np
import pytest
from support import needs
from support.strategies import random_model

from bstdg.errors import FileFormatError
from bstdg.model import packed, runtime
from bstdg.model.runtime import Model
from bstdg.spikes.events import Events


def images(count: int = 40, *sides: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *(sides or (4, 5))), np.uint8)


def model(engine: str | None = None, **fields) -> Model:
    return Model(random_model((20, 30, 3), shape=(4, 5), **fields), engine)


@pytest.mark.parametrize("engine", ["native", "oracle"])
def test_a_pickle_is_the_bytes_of_the_file_and_no_code(engine):
    one = model(engine, trained={"data": "mnist"})
    data, sent = packed.to_bytes(one.packed), pickle.dumps(one)
    assert data in sent
    assert len(sent) < len(data) + 200
    called = [
        argument
        for operation, argument, _ in pickletools.genops(sent)
        if isinstance(argument, str) and operation.name.endswith("UNICODE")
    ]
    assert called == ["bstdg.model.runtime", "from_bytes", engine]
    for twin in (pickle.loads(sent), copy.deepcopy(one), copy.copy(one)):  # noqa: S301  (made here)
        assert packed.to_bytes(twin.packed) == data
        assert engine == twin.engine.NAME
        assert np.array_equal(twin.predict(images()), one.predict(images()))


def test_a_pickle_that_was_altered_is_refused_as_a_file_is():
    data = packed.to_bytes(model().packed)
    sent = pickle.dumps(model())
    for change in (data[:-1] + bytes([data[-1] ^ 1]), data.replace(b"class 1", b"class 7")):
        with pytest.raises(FileFormatError, match="the model was altered: its checksum does not match"):
            pickle.loads(sent.replace(data, change))  # noqa: S301
    with pytest.raises(FileFormatError, match="the model"):
        runtime.from_bytes(data[:100])


def test_the_model_of_a_digit_is_sent_in_60_kb():
    assert len(pickle.dumps(Model(random_model((784, 600, 10), shape=(28, 28))))) < 66_000


def test_an_array_of_dask_is_decided_block_by_block():
    dask = needs.package("dask")
    array = needs.package("dask.array")
    one, pixels = model(), images(1000)
    blocks = array.from_array(pixels, chunks=(130, 4, 5))
    labels = blocks.map_blocks(one.predict, drop_axis=[1, 2], meta=np.array((), np.int64))
    assert (labels.shape, labels.dtype, labels.npartitions) == ((1000,), np.int64, 8)
    for scheduler in ("synchronous", "threads", "processes"):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            assert np.array_equal(labels.compute(), one.predict(pixels))
    assert np.array_equal(labels[-3:].compute(), one.predict(pixels[-3:]))


def test_events_of_a_sent_model(tmp_path):
    one = model()
    spikes = one.encode(images())
    twin = pickle.loads(pickle.dumps(one))  # noqa: S301
    assert np.array_equal(twin.run(Events.from_steps(spikes, 8)).decision.label, one.run(spikes).decision.label)
