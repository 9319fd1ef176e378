"""Values that raise an exception when they are read, as lazy ones of a user's own may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import InvalidOperation
from enum import Enum
from numbers import Integral, Real
from typing import Any, Final

#: What is raised. The last is no problem of a value, but of the stack; it ends as one all the same.
ERRORS: Final[tuple[type[Exception], ...]] = (
    *(ValueError, KeyError, TypeError, AttributeError, StopIteration, AssertionError),
    *(ZeroDivisionError, OverflowError, InvalidOperation, UnicodeError, OSError, MemoryError),
    *(LookupError, RuntimeError, NotImplementedError, RecursionError),
)


class RaisingObject(Mapping[str, Any]):
    """An object that raises when it is asked for anything."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __getitem__(self, key: str) -> Any:
        raise self.error

    def __iter__(self) -> Iterator[str]:
        raise self.error

    def __len__(self) -> int:
        raise self.error


class RaisingList(Sequence[Any]):
    """A list that raises at its first element."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __getitem__(self, index: Any) -> Any:
        raise self.error

    def __len__(self) -> int:
        return 1


class RaisingClass:
    """A value whose class cannot be told, as that of a lazy one."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    @property
    def __class__(self) -> type:
        raise self.error

    @__class__.setter
    def __class__(self, _: Any) -> None:
        """Nothing sets it; a type checker asks for this."""


class RaisingNumber:
    """A number that cannot be converted."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __float__(self) -> float:
        raise self.error

    def __int__(self) -> int:
        raise self.error


class RaisingWhole(RaisingNumber):
    """A whole number that cannot be converted."""


Real.register(RaisingNumber)
Integral.register(RaisingWhole)


class RaisingZone(tzinfo):
    """A zone that does not know its offset."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise self.error

    def dst(self, _: datetime | None) -> timedelta:
        raise self.error

    def tzname(self, _: datetime | None) -> str:
        raise self.error


def build_moment(error: type[Exception]) -> datetime:
    """Build a moment whose zone raises."""
    return datetime(2023, 2, 5, tzinfo=UTC).replace(tzinfo=RaisingZone(error))


def build_word(error: type[Exception]) -> Enum:
    """Build a word whose value raises."""

    class Word(Enum):
        ONE = 1

        @property
        def value(self) -> Any:
            raise error

    return Word.ONE


BUILDERS: Final[tuple[Callable[[type[Exception]], Any], ...]] = (
    *(RaisingObject, RaisingList, RaisingClass, RaisingNumber, RaisingWhole),
    *(build_moment, build_word),
)
