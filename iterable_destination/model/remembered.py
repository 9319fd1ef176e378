"""What is remembered of keys and names, which come again and again: bounded, and of short ones."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: How many keys are remembered; then all are forgotten.
MAX_SIZE: Final = 10_000
#: Longer keys are not remembered, nor are those of objects that are longer together; in characters.
MAX_LENGTH: Final = 200
MAX_TOGETHER: Final = 2_000


def are_short(keys: Collection[Any]) -> bool:
    """Whether the keys of an object are strings, and short enough together to be remembered."""
    try:
        return len("".join(keys)) <= MAX_TOGETHER
    except TypeError:
        return False


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
        if len(key) <= MAX_LENGTH:
            make_room(self)
            self[key] = value
        return value
