"""Tables of kinds: what a file calls a kind of layer or of input code, and the class that reads it back."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from bstdg.errors import FileFormatError, InputError

K = TypeVar("K")


class Kinds(Generic[K]):
    """Classes by their attribute `kind`.

    Args:
        what: what they are kinds of, for errors: "layers".
        classes: those that are known from the start.
    """

    def __init__(self, what: str, *classes: Any):
        self._what, self._classes = what, {kind.kind: kind for kind in classes}

    def names(self) -> tuple[str, ...]:
        """Every kind that is known."""
        return tuple(self._classes)

    def register(self, kind: K) -> K:
        """Add a class of one's own; a decorator. The same class may come again, as where a notebook cell is run twice.

        Raises:
            InputError: another class has its kind already.
        """
        name, known = kind.kind, self._classes.get(kind.kind)  # pyright: ignore[reportAttributeAccessIssue]
        if known is not None and _place(known) != _place(kind):
            raise InputError(
                f"{self._what} of kind {name!r} are those of {'.'.join(_place(known))}: name yours otherwise"
            )
        self._classes[name] = kind
        return kind

    def __getitem__(self, name: str) -> Any:
        if name not in self._classes:
            known = ", ".join(self._classes)
            raise FileFormatError(f"is of kind {name!r}, which is not known here ({known}): import what registers it")
        return self._classes[name]


def _place(kind: Any) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__
