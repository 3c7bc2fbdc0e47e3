"""How steps are computed: `oracle` (NumPy, the reference), `dense` (torch, any device), `native` (C++, any CPU).

Which of them computes is chosen in `bstdg.engine.choose`.
"""

from __future__ import annotations

from bstdg.engine.base import Compiled, Engine, Trace
from bstdg.engine.choose import get, names

__all__ = ["Compiled", "Engine", "Trace", "get", "names"]
