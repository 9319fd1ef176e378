"""What is remembered of keys and names, which come again and again: bounded, and of short ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: How many keys are remembered; then all are forgotten.
MAX_SIZE: Final = 10_000
#: Longer keys are not remembered, in characters.
MAX_LENGTH: Final = 200


def is_short(key: Any) -> bool:
    """Whether a key is a plain string that is short enough to be remembered."""
    return type(key) is str and len(key) <= MAX_LENGTH


def make_room(known: set[Any] | dict[Any, Any], count: int = 1) -> None:
    """Forget all that is known where there is no room for so many keys more."""
    if len(known) + count > MAX_SIZE:
        known.clear()


class BoundedCache(dict[str, T]):
    """What a function returns for a string, computed once: ``cache[key]``.

    Safe to use from several threads.
    """

    def __init__(self, compute: Callable[[str], T]) -> None:
        super().__init__()
        self._compute: Final = compute

    def __missing__(self, key: str) -> T:
        value = self._compute(key)
        if is_short(key):
            make_room(self)
            self[key] = value
        return value
