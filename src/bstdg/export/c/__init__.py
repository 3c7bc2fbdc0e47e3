"""Freestanding C99: one header and one source, weights as rows of bits, for microcontrollers.

Each layer counts as the native engine does, 32 neurons a word (see `templates/network.c.in`; convolutions and poolings
are in `windows.py`). Here the tables are laid out, and every counter gets as many bits as the greatest number of events
can ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import templates
from bstdg.engine.base import knows_own_kinds
from bstdg.errors import InputError
from bstdg.export.base import Golden, Target, Written, pixel_code
from bstdg.export.c import contrast, proof, signal, windows
from bstdg.export.c.texts import array, class_names, golden_header
from bstdg.export.c.windows import Windowed, Windows
from bstdg.inputs import LatencyCode, SignalCode
from bstdg.layers import Conv2dLayer, FullLayer, Pool2dLayer, size
from bstdg.model.packed import PackedModel

PACKAGE = "bstdg.export.c"  # whose templates
WORD = 32
MOST_TABLE_BYTES = 16 << 20  # the flash that any microcontroller maps, and what a compiler takes in an array
CODE_BYTES = 3072  # allowed for the code, which no network changes; `verify` measures it
WINDOW_CODE_BYTES = 2048  # the same for convolutions and poolings, where there are any
_FEWEST_PLANES = 4  # sixteen rows at a time touch four


@dataclass(frozen=True)
class Tables:
    """One layer as the C source holds it.

    Attributes:
        rows: uint32 `[words, channels + 1]`, bit j % 32 of word j / 32 being 1 where the weight to neuron j is +1; the
            last channel is none.
        start: uint32 `[words, planes]`, the counters' offsets, bit by bit.
        top: what is added to the number of events heard to give what counters are compared with.
        range: the greatest offset.
        planes: bits of a counter above the lowest, which never changes.
        neurons, channels: sizes.
    """

    rows: NDArray[np.uint32]
    start: NDArray[np.uint32]
    top: int
    range: int
    planes: int
    neurons: int
    channels: int

    @property
    def words(self) -> int:
        """Words of one bit a neuron."""
        return self.rows.shape[0]

    @property
    def table_bytes(self) -> int:
        """What it takes of flash."""
        return self.rows.nbytes + self.start.nbytes


def tables(layer: FullLayer, most_events: int, exact: bool) -> Tables:
    """Lay out a layer that hears at most `most_events` events.

    V lies within ± `most_events`, so a threshold beyond is as good as the nearest one outside; unless `exact` V minus
    threshold is asked for, as in the output layer.
    """
    neurons, channels = layer.signs.shape
    thresholds = layer.thresholds.astype(np.int64)
    if not exact:
        thresholds = np.clip(thresholds, -most_events, most_events + 1)
    top = max(0, int(thresholds.max()))
    offset = top - thresholds
    greatest = max(2 * most_events + int(offset.max()), most_events + top)
    planes = max(_FEWEST_PLANES, greatest.bit_length() - 1)
    start_planes = max(1, int(offset.max()).bit_length())
    bits = (offset[:, None] >> np.arange(start_planes)) & 1
    rows = np.zeros((channels + 1, neurons), np.uint8)
    rows[:channels] = layer.signs.T > 0
    columns, start = (np.ascontiguousarray(_words(part).T) for part in (rows, bits.T.astype(np.uint8)))
    return Tables(columns, start, top, int(offset.max()), planes, neurons, channels)


def _words(bits: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Rows of bits `[n, neurons]` as words `[n, ceil(neurons / 32)]`, the first bit lowest."""
    padded = np.pad(bits, ((0, 0), (0, -bits.shape[1] % WORD)))
    return np.ascontiguousarray(np.packbits(padded, axis=1, bitorder="little")).view("<u4")


def write(model: PackedModel, golden: Golden, name: str) -> Written:
    """The C files, and what they take of a microcontroller.

    Raises:
        InputError: the weights take more than 16 MiB, a window may hear more events than are counted, or the layer that
            decides is not fully connected.
    """
    windowed, full = _parts(model)
    most_events, events = model.widths[0] * model.num_steps, 0
    if windowed:
        events = model.input.channel_spikes(model.num_steps) or model.num_steps
        most_events = model.widths[0] * events
    needed = sum(layer.signs.size // 8 for layer in windowed if isinstance(layer, Conv2dLayer))
    needed += sum(4 * (size(layer.reads) + 1) * -(-len(layer.signs) // WORD) for layer in full)
    if needed > MOST_TABLE_BYTES:
        raise InputError(
            f"the C target holds at most {MOST_TABLE_BYTES:,} bytes of weights, this model needs {needed:,}: "
            f"{needed - MOST_TABLE_BYTES:,} too many"
        )
    bounds = ([] if windowed else [most_events]) + [size(layer.gives) for layer in (*windowed[-1:], *full[:-1])]
    laid_out = windows.laid_out(windowed, events) if windowed else []
    layers = [tables(layer, bound, exact=layer is full[-1]) for layer, bound in zip(full, bounds, strict=True)]
    fields = _fields(model, laid_out, layers, name, most_events, events)
    files = {
        f"{name}.h": "network.h.in",
        f"{name}.c": "network.c.in",
        "Makefile": "Makefile.in",
        "README.md": "README.md.in",
        "test/check.h": "check.h.in",
        "test/check.c": "check.c.in",
        "test/run.c": "run.c.in",
        "test/selftest.c": "selftest.c.in",
        "test/cortexm.c": "cortexm.c.in",
        "test/cortexm.ld": "cortexm.ld",
        "test/avr.c": "avr.c.in",
    }
    contents = {path: templates.fill(PACKAGE, template, fields).encode() for path, template in files.items()}
    contents["test/golden.h"] = "".join(golden_header(golden)).encode()
    figures = {
        "ram_bytes": int(fields["RAM"]),
        "flash_bytes": int(fields["FLASH"]),
        "table_bytes": int(fields["TABLE_BYTES"]),
        "most_events": most_events,
        "counter_bits": [
            *(layer.planes if layer.pools else layer.planes + 1 for layer in laid_out),
            *(layer.planes + 1 for layer in layers),
        ],
    }
    return Written(contents, figures)


def _parts(model: PackedModel) -> tuple[list[Windowed], list[FullLayer]]:
    """Convolutions and poolings, and the fully connected layers, which can only stand above those.

    Raises:
        InputError: a layer is of another kind, or the last is not fully connected.
    """
    windowed = [layer for layer in model.layers if isinstance(layer, (Conv2dLayer, Pool2dLayer))]
    full = [layer for layer in model.layers if isinstance(layer, FullLayer)]
    for i, layer in enumerate(model.layers):
        if why := knows_own_kinds(layer):
            raise InputError(f"the C target cannot hold layer {i} ({layer}): {why}")
    if not full:
        raise InputError(
            f"the C target decides in a fully connected layer; the last layer here ({model.layers[-1]}) is of kind "
            f"{model.layers[-1].kind!r}"
        )
    return windowed, full


def _fields(
    model: PackedModel, windowed: list[Windows], layers: list[Tables], name: str, most_events: int, events: int
) -> dict[str, Any]:
    """What the templates name."""
    planes = sum(layer.planes * layer.words for layer in layers)
    fired = sum(layer.words for layer in layers)
    code = pixel_code(model)
    coded = model.input if isinstance(model.input, SignalCode) else None
    table_bytes = sum(layer.table_bytes for layer in layers) + 36 * len(layers)
    table_bytes += contrast.table_bytes(code) if coded is None else 0
    code_bytes = CODE_BYTES + (contrast.CODE_BYTES if code.relative else 0)
    if windowed:
        table_bytes += sum(layer.table_bytes for layer in windowed) + 72 * len(windowed)
        code_bytes += WINDOW_CODE_BYTES
    if coded is not None:
        code_bytes += signal.CODE_BYTES
    ram = _state_bytes(model, windowed, layers, planes, fired)
    texts = ["".join(_layer_arrays(i, layer)) for i, layer in enumerate(layers)]
    if coded is None:
        texts += filter(None, ["".join(contrast.tables(code, model.num_steps))])
    return {
        "NAME": name,
        "GUARD": name.upper(),
        "STRUCTURE": model.structure if windowed else "-".join(map(str, model.widths)),
        "CHANNELS": str(model.widths[0]),
        "STEPS": str(model.num_steps),
        "CLASSES": str(model.widths[-1]),
        "LAYERS": str(len(model.layers)),
        "FULL": f"{name.upper()}_{'FULL_' if windowed else ''}LAYERS",
        "HIDDEN": str(sum(model.widths[1:-1])),
        "HIDDEN_WIDTHS": "".join(f"{layer.neurons}, " for layer in layers[:-1]),
        "WHITE": str(code.white),
        "MOST_EVENTS": str(most_events),
        "PIXEL": "uint8_t" if code.white <= 255 else "uint16_t",
        "PLANES": str(planes),
        "FIRED_WORDS": str(fired),
        "RAM": str(ram),
        "STACK": "1024" if windowed else "512",
        "LARGEST": str(
            max(
                ram,
                *(array.nbytes for layer in layers for array in (layer.rows, layer.start)),
                *(array.nbytes for layer in windowed for array in (layer.taps, layer.start)),
            )
        ),
        "TABLE_BYTES": str(table_bytes),
        "FLASH": str(table_bytes + code_bytes),
        "TABLES": "\n".join(texts),
        "CLASS_NAMES": "".join(class_names(model.classes)),
        "LAYER_TABLE": "".join(_layer_rows(layers)),
        **windows.fields(windowed, len(layers), events),
        **(contrast.fields(code, model.num_steps, model.widths[0]) if coded is None else signal.fields(coded)),
    }


def _state_bytes(model: PackedModel, windowed: list[Windows], layers: list[Tables], planes: int, fired: int) -> int:
    """The size of the state's struct where words are aligned; `test/check.c` does not compile where it is more."""
    words, halves = planes + fired + len(layers), model.widths[0] + model.num_steps
    coded = model.widths[0] if isinstance(model.input, SignalCode) else 0
    if not windowed:
        return 4 * words + -(-(2 * halves + 4 + len(layers) + 2 + coded) // 4) * 4
    maps = sum(layer.counters + layer.spikes for layer in windowed) * windowed[0].word // 8
    heard = max(1, sum(layer.heard_bytes for layer in windowed))
    spans = 4 * sum(layer.rows for layer in windowed)
    return 4 * words + -(-(maps + spans + 4 + heard + len(layers) + 2 + coded) // 4) * 4


def _layer_arrays(i: int, layer: Tables) -> Iterator[str]:
    yield from array(f"uint32_t rows{i}[{layer.rows.size}]", (f"0x{word:08x}u" for word in layer.rows.flat))
    yield from array(f"uint32_t start{i}[{layer.start.size}]", (f"0x{word:08x}u" for word in layer.start.flat))


def _layer_rows(layers: list[Tables]) -> Iterator[str]:
    planes_at = fired_at = 0
    for i, layer in enumerate(layers):
        sizes = (layer.top, layer.range, planes_at, fired_at, layer.channels, layer.neurons, layer.words)
        numbers = ", ".join(f"{n}u" for n in (*sizes, layer.planes, layer.start.shape[1]))
        yield f"    {{rows{i}, start{i}, {numbers}}},\n"
        planes_at += layer.planes * layer.words
        fired_at += layer.words


TARGET = Target(
    name="c",
    gives="one header and one source of freestanding C99, a self-test with golden vectors",
    needs=(
        "a C compiler; gcc-arm-linux-gnueabihf, gcc-riscv64-linux-gnu, qemu-user; gcc-arm-none-eabi, qemu-system-arm; "
        "gcc-avr, avr-libc, simavr"
    ),
    write=write,
    verify=proof.verify,
    refuses=knows_own_kinds,
    encodes=(LatencyCode.kind, SignalCode.kind),
)
