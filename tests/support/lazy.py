"""Values that are read late, or cannot be read: what libraries of the web hand out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Lazy:
    """Stands for a value, as lazy objects of web frameworks do.

    All that it is asked goes to the value, and so does the question which class it is of.
    """

    def __init__(self, value: Any) -> None:
        object.__setattr__(self, "_value", value)

    def __getattribute__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_value"), name)

    def __str__(self) -> str:
        return str(object.__getattribute__(self, "_value"))

    def __repr__(self) -> str:
        return f"Lazy({object.__getattribute__(self, '_value')!r})"


def build_lazy_text(read: Callable[[], Any]) -> Any:
    """Build what ``gettext_lazy`` of Django returns, by another way than :class:`Lazy`.

    It does not say that it is a ``str``, but each method of that is one of its class, and calls
    ``read`` anew.
    """

    class LazyText:
        def __str__(self) -> str:
            return str(read())

        def __repr__(self) -> str:
            return repr(read())

    def hand_on(name: str) -> Callable[..., Any]:
        return lambda _, *arguments: getattr(read(), name)(*arguments)

    for name in vars(str):
        if name not in vars(object):
            setattr(LazyText, name, hand_on(name))
    return LazyText()


class Unreadable:
    """Raises where it is read, as a lazy object does outside of its request."""

    def _raise(self) -> Any:
        raise LookupError("ada@example.com is not here")

    __class__ = property(_raise)


class UnreadableMapping(Mapping[str, Any]):
    """Has a key, and raises where its value is read."""

    def __iter__(self) -> Iterator[str]:
        return iter(["email"])

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: str) -> Any:
        raise OSError("ada@example.com is not here")
