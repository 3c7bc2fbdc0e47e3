"""What other libraries make of an exported network, over test images: the table of docs/export-nir.md.

    python benchmarks/nir_fidelity.py MODEL [--images N] [--json FILE]

MODEL was trained on MNIST (BSTDG_DATA). Libraries in other environments are named by BSTDG_SINABS_PYTHON and so on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bstdg import datasets
from bstdg.export import nir
from bstdg.export.base import Golden
from bstdg.export.nir import fidelity as nir_fidelity
from bstdg.model import packed, runtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = packed.load(given.model)
    images = datasets.load("mnist", "test").images[: given.images]
    golden = Golden.of(model, runtime.Model(model).encode(images))
    with tempfile.TemporaryDirectory() as folder:
        for name, data in nir.write(model, golden, "mnist").files.items():
            (Path(folder) / name).write_bytes(data)
        findings = []
        for library in nir_fidelity.LIBRARIES:
            findings += nir_fidelity.examine(Path(folder), model, golden, library)
    print(nir.markdown(findings, len(images)))
    if given.json:
        report = {"inputs": len(images), "widths": model.widths, "findings": [f._asdict() for f in findings]}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
