"""Pickles as Python 2 wrote them, of which CIFAR-10 consists."""

from __future__ import annotations

import struct

import numpy as np


class Python2:
    """Writes a pickle of protocol 2 as Python 2 and its NumPy did: texts are bytes, arrays are calls of three names."""

    def __init__(self):
        self.out, self.memo = bytearray(b"\x80\x02"), 0

    def put(self) -> None:
        self.out += b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)
        self.memo += 1

    def text(self, value: bytes, memo: bool = True) -> None:
        self.out += b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<I", len(value))
        self.out += value
        if memo:
            self.put()

    def number(self, value: int) -> None:
        if 0 <= value < 256:
            self.out += b"K" + bytes([value])
        elif 0 <= value < 65536:
            self.out += b"M" + struct.pack("<H", value)
        else:
            self.out += b"J" + struct.pack("<i", value)

    def list(self, values: list) -> None:
        self.out += b"]"
        self.put()
        for i in range(0, len(values), 1000):
            self.out += b"("
            for value in values[i : i + 1000]:
                self.number(value) if isinstance(value, int) else self.text(value)
            self.out += b"e"

    def array(self, images: np.ndarray) -> None:
        self.out += b"cnumpy.core.multiarray\n_reconstruct\n"
        self.put()
        self.out += b"cnumpy\nndarray\n"
        self.put()
        self.number(0)
        self.out += b"\x85"
        self.put()
        self.text(b"b", memo=False)
        self.out += b"\x87"
        self.put()
        self.out += b"R"
        self.put()
        self.out += b"("
        for side in (1, *images.shape):
            self.number(side)
        self.out += b"\x86"
        self.put()
        self.out += b"cnumpy\ndtype\n"
        self.put()
        self.text(b"u1", memo=False)
        self.number(0)
        self.number(1)
        self.out += b"\x87"
        self.put()
        self.out += b"R"
        self.put()
        self.out += b"("
        self.number(3)
        self.text(b"|", memo=False)
        self.out += b"NNN"
        self.number(-1)
        self.number(-1)
        self.number(0)
        self.out += b"tb\x89"
        self.text(images.tobytes(), memo=False)
        self.out += b"tb"

    def batch(self, images: np.ndarray, labels: list, number: int = 1) -> bytes:
        self.out += b"}"
        self.put()
        self.out += b"("
        self.text(b"batch_label")
        self.text(b"training batch %d of 5" % number)
        self.text(b"labels")
        self.list(labels)
        self.text(b"data")
        self.array(images)
        self.text(b"filenames")
        self.list([b"leptodactylus_pentadactylus_s_%06d.png" % n for n in range(len(labels))])
        self.out += b"u."
        return bytes(self.out)
