"""One Hypothesis profile for all tests: the same examples on every machine, and no deadline on a busy one."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("bstdg", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("bstdg")
