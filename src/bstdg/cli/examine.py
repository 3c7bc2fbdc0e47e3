"""Is everything there, and does it compute what it should: what `bstdg doctor` looks at."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

import bstdg
from bstdg.errors import BstdgError

Status = Literal["ok", "absent", "wrong"]

PURPOSES = {  # of the extras that someone who uses bstdg may want; what is in them the package's own metadata say
    "events": "recordings of spoken digits, arrays in HDF5",
    "parquet": "bstdg predict --out FILE.parquet",
    "nir": "export to and import from other simulators",
    "tensorboard": "bstdg train --tensorboard",
}
TOOLS = {  # what `bstdg verify` proves exports with
    ("gcc", "clang", "cc"): "C",
    ("qemu-arm",): "C on 32-bit ARM",
    ("arm-none-eabi-gcc",): "C on a Cortex-M",
    ("verilator",): "Verilog",
    ("iverilog",): "Verilog",
    ("yosys",): "gates and memory bits of the Verilog",
    ("node",): "the web page's engine",
    ("chromium", "chromium-browser", "google-chrome", "chrome"): "the web page",
}


class Finding(NamedTuple):
    """One thing that was looked at: its `part` (engine, packages, …), `name`, `status`, and what is `said` of it."""

    part: str
    name: str
    status: Status
    said: str


def examine(data_dir: Path | None = None) -> Iterator[Finding]:
    """Look at everything, one finding after another; "absent" is something optional, "wrong" needs mending.

    Args:
        data_dir: folder with the data sets' files, as for `bstdg.datasets.load`.
    """
    yield Finding("bstdg", "version", "ok", f"{bstdg.__version__} in {Path(bstdg.__file__).parent}")
    yield Finding("bstdg", "python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Finding("bstdg", "machine", "ok", f"{platform.system()} {platform.machine()}{_processor()}")
    yield from _engine()
    yield from _packages()
    yield _gpu()
    yield from _data(data_dir)
    yield from _tools()


def _processor() -> str:
    from bstdg.about import processor
    from bstdg.engine.native import available_threads

    return f", {processor() or 'processor unknown'}, {available_threads()} CPUs for this process"


def _engine() -> Iterator[Finding]:
    """The instruction set in use, then a proof on random networks, then how fast it is here and now."""
    try:
        from bstdg.engine import native

        sets = native.instruction_sets()
    except ImportError as error:
        yield Finding("engine", "native", "wrong", f"cannot be loaded ({error}): install bstdg again")
        return
    named = os.environ.get("BSTDG_ISA")
    chosen = f"{named}, named by BSTDG_ISA" if named else f"{sets[0]}, the fastest here"
    yield Finding("engine", "instruction set", "ok", f"{chosen}; this machine has {', '.join(sets)}")
    for name, look in (("same spikes as the reference", _proof), ("speed", _speed)):
        yield _tried("engine", name, look)


def _tried(part: str, name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(part, name, "ok", look())
    except (BstdgError, AssertionError) as error:
        return Finding(part, name, "wrong", str(error))


def _proof() -> str:
    from bstdg.engine import native, oracle
    from bstdg.model.packed import PackedModel

    rng, decided = np.random.default_rng(0), 0
    for num_steps, widths in ((1, (9, 3)), (8, (100, 70, 10)), (40, (65, 64, 33, 5))):
        model: PackedModel = _random_model(rng, widths, num_steps)
        steps = rng.integers(0, num_steps + 1, (200, widths[0]), dtype=np.uint8)
        ours = native.forward(model.layers, steps, num_steps)
        theirs = oracle.forward(model.layers, steps, num_steps)
        same = np.array_equal(ours.potentials, theirs.potentials) and all(
            np.array_equal(a, b) for a, b in zip(ours.hidden, theirs.hidden, strict=True)
        )
        if not same:
            structure = "-".join(map(str, widths))
            raise AssertionError(f"the native engine and the NumPy oracle differ on a {structure} network: report it")
        decided += len(steps)
    return f"{decided} decisions of random networks, every spike and potential"


def _speed() -> str:
    """A 784-600-10 network on random images like written digits: a fifth of the pixels are not black."""
    from bstdg.model.runtime import Model

    rng = np.random.default_rng(1)
    images = rng.integers(1, 256, (4096, 784), dtype=np.uint8) * (rng.random((4096, 784)) < 0.2)
    model = Model(_random_model(rng, (784, 600, 10), 8))
    model.predict(images)
    start = time.perf_counter()
    model.predict(images)
    return f"about {len(images) / (time.perf_counter() - start):,.0f} images/s through 784-600-10, T = 8, all CPUs"


def _random_model(rng: np.random.Generator, widths: tuple[int, ...], num_steps: int):
    from itertools import pairwise

    from bstdg.inputs import LatencyCode
    from bstdg.layers import FullLayer
    from bstdg.model.packed import PackedModel

    layers = tuple(
        FullLayer(
            rng.choice(np.array([-1, 1], np.int8), (above, below)),
            rng.integers(1, 3 + round(below**0.5), above, dtype=np.int64),
        )
        for below, above in pairwise(widths)
    )
    return PackedModel(LatencyCode((widths[0],)), layers, num_steps, tuple(map(str, range(widths[-1]))))


def _packages() -> Iterator[Finding]:
    try:
        packages = requirements(importlib.metadata.requires("bstdg") or ())
    except importlib.metadata.PackageNotFoundError:
        yield Finding("packages", "bstdg", "wrong", "is not installed, only found: pip install bstdg")
        return
    for name in packages[None]:
        version = _version(name)
        said = version or f"not installed: pip install {name}"
        yield Finding("packages", name, "ok" if version else "wrong", said)
    for extra, purpose in PURPOSES.items():
        for name in packages.get(extra, ()):  # none where what is installed is older
            version = _version(name)
            said = version or f"for {purpose}: pip install 'bstdg[{extra}]'"
            yield Finding("packages", name, "ok" if version else "absent", said)


def requirements(lines: Iterable[str]) -> dict[str | None, list[str]]:
    """Packages by the extra that needs them, None for those that are always needed, from a package's metadata.

    >>> requirements(["numpy>=1.26", 'h5py>=3.10; extra == "events"'])
    {None: ['numpy'], 'events': ['h5py']}
    """
    packages: dict[str | None, list[str]] = {}
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)", line)
        if name:
            packages.setdefault(extra[1] if extra else None, []).append(name[0])
    return packages


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("gpu", "CUDA", "absent", "torch is not installed")
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda  # pyright: ignore[reportAttributeAccessIssue]
        why = "torch sees no GPU" if built else "torch was built without CUDA"
        return Finding("gpu", "CUDA", "absent", f"{why}; everything runs on the CPU")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("gpu", "CUDA", "ok", f"{', '.join(names)}; bstdg train --device cuda uses it")


def _data(data_dir: Path | None) -> Iterator[Finding]:
    from bstdg import datasets
    from bstdg.datasets.files import DATA_VARIABLE, cache_folder, named_folder

    named = named_folder(data_dir)
    if named is not None and not named.is_dir():
        yield Finding("data", DATA_VARIABLE, "wrong", f"{named} is not a folder")
        return
    where = f"{named} ({'--data-dir' if data_dir else DATA_VARIABLE})" if named else f"{cache_folder()} (the cache)"
    yield Finding("data", "looked for in", "ok", where)
    for name in datasets.names():
        found = datasets.source(name).present(data_dir)
        yield Finding("data", name, "ok" if found.usable else "absent", found.said)


def _tools() -> Iterator[Finding]:
    from bstdg.export.tools import first

    for programs, purpose in TOOLS.items():
        found = first(*programs)
        said = f"for verifying {purpose}"
        yield Finding("tools", programs[0], "ok" if found else "absent", f"{found}, {said}" if found else said)
