"""A layer of one's own, as docs/extending.md shows it: it keeps the earliest spike of each group of neurons."""

from __future__ import annotations

import sys
import types

from support.paths import DOCS


def shown() -> dict:
    """What the page's first code block defines: `EarliestLayer`, `EarliestSpike` and what they need."""
    page = (DOCS / "extending.md").read_text(encoding="utf-8")
    block = page.partition("```python\n")[2].partition("```")[0]
    lines = (line[4:] for line in block.splitlines() if line.startswith((">>> ", "... ", "...")))
    module = sys.modules.setdefault("earliest", types.ModuleType("earliest"))
    if not vars(module).get("EarliestLayer"):
        exec("\n".join(lines), vars(module))  # noqa: S102  (our own page)
    return vars(module)
