"""The proof of a C export: compiled and run by every compiler and emulator that is here, vector by vector."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.export.base import Check, Golden
from bstdg.export.folder import read_manifest
from bstdg.export.tools import Failed, NotRun, checked, first, must, need, run, version
from bstdg.model.packed import PackedModel

WARNINGS = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CORTEX_M3 = ("-mcpu=cortex-m3", "-mthumb", "-ffreestanding", "-ffunction-sections", "-fdata-sections")
LINKED = ("-nostdlib", "-Wl,--gc-sections")
MACHINE = ("qemu-system-arm", "-M", "mps2-an385", "-nographic", "-monitor", "none", "-serial", "none", "-icount")
MACHINE_BYTES = 4 << 20  # of flash, and of RAM
AVR = "atmega1284p"  # of those that simavr knows, the one with the most RAM
AVR_RAM = 16_384  # bytes; constants are copied there
AVR_STACK = 1024
AVR_VECTOR_BYTES = 30_000  # of flash, which one array may take


class Build(NamedTuple):
    """A way to compile and run on this machine: compiler, flags, what runs the program, and where to get them."""

    title: str
    compiler: str
    flags: tuple[str, ...]
    runner: tuple[str, ...]
    install: str


BUILDS = (
    Build("gcc, all warnings are errors", "gcc", ("-O2",), (), "install gcc"),
    Build("gcc, address and undefined-behaviour sanitizers", "gcc", SANITIZERS, (), "install gcc with libasan"),
    Build("clang, all warnings are errors", "clang", ("-O2",), (), "install clang"),
    Build(
        "32-bit ARM under qemu-arm",
        "arm-linux-gnueabihf-gcc",
        ("-O2", "-static"),
        ("qemu-arm",),
        "install gcc-arm-linux-gnueabihf and qemu-user",
    ),
    Build(
        "64-bit RISC-V under qemu-riscv64",
        "riscv64-linux-gnu-gcc",
        ("-O2", "-static"),
        ("qemu-riscv64",),
        "install gcc-riscv64-linux-gnu and qemu-user",
    ),
)


def records(golden: Golden) -> NDArray[np.uint8]:
    """What the test programs write for each vector: label in two bytes, step, silent, hidden steps."""
    label = golden.label.astype("<u2").view(np.uint8).reshape(-1, 2)
    return np.column_stack([label, golden.step.astype(np.uint8), golden.silent.astype(np.uint8), *golden.hidden])


def vectors(golden: Golden) -> NDArray[np.uint8]:
    """What the test programs read for each vector: the step of every channel, and of signals then a byte that says
    whether samples follow, and these, two bytes each.
    """
    if golden.samples is None:
        return golden.steps
    read = np.zeros((len(golden.steps), 1 + 2 * golden.samples.shape[1]), np.uint8)
    sampled = read[len(read) - len(golden.samples) :]
    sampled[:, 0] = 1
    sampled[:, 1:] = np.ascontiguousarray(golden.samples, "<u2").view(np.uint8)
    return np.column_stack([golden.steps, read])


def verify(folder: Path, model: PackedModel, golden: Golden) -> Iterator[Check]:
    """Every build in turn; one that needs what is not here is not run."""
    manifest = read_manifest(folder)
    for build in BUILDS:
        yield checked(build.title, lambda build=build: _run_build(folder, manifest["name"], golden, build))
    yield checked("self-test for a board", lambda: _self_test(folder, manifest["name"]))
    for level in ("-Os", "-O2"):
        title = f"Cortex-M3 without a library under qemu-system-arm, {level}"
        yield checked(title, lambda level=level: _run_cortex_m3(folder, manifest, golden, level))
    for level in ("-Os", "-O2"):
        title = f"AVR, whose int has 16 bits, under simavr, {level}"
        yield checked(title, lambda level=level: _run_avr(folder, manifest, golden, level))


def _run_build(folder: Path, name: str, golden: Golden, build: Build) -> str:
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        _probe(build, scratch)
        program = scratch / "run"
        sources = [folder / f"{name}.c", folder / "test" / "check.c", folder / "test" / "run.c"]
        must([build.compiler, *build.flags, *WARNINGS, *map(str, sources), "-o", str(program)], "does not compile")
        output = must([*build.runner, str(program)], "went wrong", given=vectors(golden).tobytes())
    return f"{_compared(output, golden)}; {build.compiler} {version(build.compiler)}"


def _probe(build: Build, scratch: Path) -> None:
    """Does an empty program compile and run? If not, the tools are at fault and not the export."""
    need(build.install, build.compiler, *build.runner[:1])
    source, program = scratch / "empty.c", scratch / "empty"
    source.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
    for command in ([build.compiler, *build.flags, str(source), "-o", str(program)], [*build.runner, str(program)]):
        if run(command).returncode != 0:
            raise NotRun(f"{command[0]} cannot compile or run an empty program here; {build.install}")


def _self_test(folder: Path, name: str) -> str:
    compiler = first("gcc", "clang", "cc")
    if compiler is None:
        raise NotRun("install gcc or clang")
    with tempfile.TemporaryDirectory() as place:
        program = str(Path(place) / "selftest")
        sources = [str(folder / f"{name}.c"), *(str(folder / "test" / file) for file in ("check.c", "selftest.c"))]
        must([compiler, "-O2", *WARNINGS, *sources, "-o", program], "does not compile")
        return must([program], "fails").decode(errors="replace").strip()


def _run_cortex_m3(folder: Path, manifest: dict[str, Any], golden: Golden, level: str) -> str:
    need("install gcc-arm-none-eabi and qemu-system-arm", "arm-none-eabi-gcc", "arm-none-eabi-size", MACHINE[0])
    name, flash_bytes, ram_bytes = manifest["name"], _figure(manifest, "flash_bytes"), _figure(manifest, "ram_bytes")
    if max(flash_bytes, 4 * vectors(golden).shape[1]) > MACHINE_BYTES // 2:
        raise NotRun(f"the network takes {flash_bytes:,} bytes, the board that is emulated has {MACHINE_BYTES:,}")
    with tempfile.TemporaryDirectory() as place:
        scratch, test = Path(place), folder / "test"
        flags = [*CORTEX_M3, level, *WARNINGS]
        objects = []
        for source in (folder / f"{name}.c", test / "check.c", test / "cortexm.c"):
            objects.append(str(scratch / f"{source.stem}.o"))
            command = ["arm-none-eabi-gcc", *flags, "-fstack-usage", "-c", str(source), "-o", objects[-1]]
            must(command, "does not compile")
        script = f"-Wl,-T,{test / 'cortexm.ld'}"
        program = str(scratch / "run.elf")
        must(["arm-none-eabi-gcc", *flags, *LINKED, script, *objects, "-lgcc", "-o", program], "does not link")
        (scratch / "input.bin").write_bytes(vectors(golden).tobytes())
        semihosting = ["shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", program]
        must([*MACHINE, *semihosting], "went wrong", folder=scratch)
        said = _compared((scratch / "output.bin").read_bytes(), golden)
        counts = np.frombuffer((scratch / "counts.bin").read_bytes(), "<u4")
        flash = _flash(objects[0])
        stack = _stack(scratch / f"{name}.su")
    if flash > flash_bytes:
        raise Failed(f"takes {flash:,} bytes of flash, the manifest says at most {flash_bytes:,}")
    return f"{said}; {flash:,} bytes of flash, RAM {ram_bytes:,}, stack at most {stack}; " + _instructions(
        counts, manifest
    )


def _run_avr(folder: Path, manifest: dict[str, Any], golden: Golden, level: str) -> str:
    need("install gcc-avr, avr-libc and simavr", "avr-gcc", "avr-size", "simavr")
    name, channels = manifest["name"], vectors(golden).shape[1]
    wanted = _figure(manifest, "ram_bytes") + _figure(manifest, "table_bytes") + 6 * channels + AVR_STACK
    if wanted > AVR_RAM:
        raise NotRun(f"the network and its test take some {wanted:,} bytes of RAM, {AVR} has {AVR_RAM:,}")
    most = max(1, min(len(golden.steps), AVR_VECTOR_BYTES // channels))
    rows = np.linspace(0, len(golden.steps) - 1, most).astype(int)
    chosen = _rows(golden, rows)
    with tempfile.TemporaryDirectory() as place:
        scratch, test, program = Path(place), folder / "test", str(Path(place) / "run.elf")
        (scratch / "vectors.h").write_text(_in_flash(vectors(golden)[rows]))
        empty = scratch / "empty.c"
        empty.write_text("#include <avr/io.h>\nint main(void) { return 0; }\n")
        if run(["avr-gcc", f"-mmcu={AVR}", str(empty), "-o", program]).returncode != 0:
            raise NotRun("avr-gcc cannot compile or run an empty program here; install avr-libc")
        sources = [str(folder / f"{name}.c"), str(test / "check.c"), str(test / "avr.c")]
        where = [f"-I{scratch}", *sources, "-o", program]
        must(["avr-gcc", f"-mmcu={AVR}", level, *WARNINGS, *where], "does not compile")
        _, data, bss, *_ = must(["avr-size", program], "cannot be sized").split(b"\n")[1].split()
        if int(data) + int(bss) + AVR_STACK > AVR_RAM:
            raise NotRun(f"the network and its test take {int(data) + int(bss):,} bytes of RAM, {AVR} has {AVR_RAM:,}")
        done = run(["simavr", "-m", AVR, "-f", "16000000", program], folder=scratch)
    said = (done.stdout + done.stderr).decode(errors="replace")
    plain = re.sub(r"\x1b\[\d*m", "", said)  # it colours what comes from a serial port, and ends it in a dot
    lines = re.findall(r"^([0-9a-f]+|x)\.?$", plain, re.MULTILINE)
    if "x" in lines:
        raise Failed(f"vector {lines.index('x')}: the ways to run it do not agree")
    return f"{_compared(bytes.fromhex(''.join(lines)), chosen)}; avr-gcc {version('avr-gcc')}"


def _rows(golden: Golden, rows: NDArray[np.int64]) -> Golden:
    """Some of the golden vectors."""
    hidden = tuple(layer[rows] for layer in golden.hidden)
    return Golden(golden.steps[rows], hidden, golden.label[rows], golden.step[rows], golden.silent[rows])


def _in_flash(steps: NDArray[np.uint8]) -> str:
    """A header with inputs as an array that stays in an AVR's flash."""
    rows = "".join("    {" + ",".join(map(str, row)) + "},\n" for row in steps.tolist())
    return (
        f"enum {{ VECTORS = {len(steps)} }};\n\n"
        f"static const uint8_t vectors[VECTORS][{steps.shape[1]}] PROGMEM = {{\n{rows}}};\n"
    )


def _figure(manifest: dict[str, Any], key: str) -> int:
    value = manifest["figures"].get(key)
    if not isinstance(value, int):
        raise Failed(f"the manifest does not say {key}")
    return value


def _instructions(counts: NDArray[np.uint32], manifest: dict[str, Any]) -> str:
    """Instructions an image: over the test images among the golden vectors, else over all."""
    images = sum(part["vectors"] for part in manifest["golden"]["parts"] if "test images" in part["what"])
    images = images or len(counts)
    chosen = counts[len(counts) - images :]
    what = "test images" if images < len(counts) else "vectors"
    return f"{chosen.mean():,.0f} instructions a decision, {chosen.max():,} at most, over {images:,} {what}"


def _flash(object_file: str) -> int:
    """Code, constants and initial values of an object file, in bytes."""
    text, data, *_ = must(["arm-none-eabi-size", object_file], "cannot be sized").split(b"\n")[1].split()
    return int(text) + int(data)


def _stack(usage: Path) -> int:
    """The greatest stack: as if every function called every other, which none does."""
    return sum(int(line.split("\t")[1]) for line in usage.read_text().splitlines())


def _compared(output: bytes, golden: Golden) -> str:
    """Raises unless the records are those of the golden vectors."""
    expected = records(golden)
    if len(output) != expected.size:
        raise Failed(f"wrote {len(output):,} bytes instead of {expected.size:,}")
    found = np.frombuffer(output, np.uint8).reshape(expected.shape)
    wrong = np.flatnonzero((found != expected).any(axis=1))
    if len(wrong):
        raise Failed(f"{len(wrong)} of {len(expected)} vectors differ, the first is vector {wrong[0]}")
    return f"{len(expected):,} vectors, {sum(part.size for part in golden.hidden):,} hidden steps"
