"""Paths: the place of a value in an event, or in one element of a list.

A path is read once, when its subscription is made, and followed for every event.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from iterable_destination.errors import Reason
from iterable_destination.model.json_values import SCALARS, as_list, as_object, scalar

#: What a path or a directive returns where there is no value. It differs from null, a value.
NOTHING: Final[Any] = object()

Get = Callable[[Any], Any]

#: One step: a name, an index, or a key in quotes. A dot separates it from the step before.
_STEP: Final = re.compile(
    r"""\.?(?:\[(?:(?P<index>[0-9]{1,9})|'(?P<single>[^']*)'|"(?P<double>[^"]*)")\]"""
    r"""|(?P<name>[^.\[\]]+))"""
)
_MOST_DIGITS: Final = 9
#: Types that contain no other values: JSON's scalars, and that of :data:`NOTHING`.
_LEAVES: Final = SCALARS | {type(NOTHING)}


class BadPath(ValueError):
    """A text is not a path."""

    def __init__(self, place: int) -> None:
        """``place`` is the first character that cannot be read, counted from 0."""
        self.reason: Final = Reason("invalid-path", f"is no path: see character {place + 1}")
        super().__init__(self.reason.message)


def read_path(text: str) -> tuple[str, ...]:
    """Return the keys that a path names, the outermost first; ``$``, ``$.`` and ``""`` name none.

    Raises :exc:`BadPath` with the place of the first character that cannot be read.
    """
    start = 1 if text == "$" or text.startswith(("$.", "$[")) else 0
    if text[start:] == ".":
        return ()
    if not start and text.startswith("."):
        raise BadPath(0)
    keys: list[str] = []
    while start < len(text):
        step = _STEP.match(text, start)
        if step is None or (keys and step["name"] is not None and text[start] != "."):
            raise BadPath(start)
        keys.append(
            next(key for key in step.group("index", "single", "double", "name") if key is not None)
        )
        start = step.end()
    return tuple(keys)


class OneKey:
    """A getter for a path of one key, which it shows: the shapes of lists have such paths."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key: Final = key

    def __call__(self, data: Any) -> Any:
        """Return the value of the key, or :data:`NOTHING`."""
        return data.get(self.key, NOTHING) if type(data) is dict else _get_inner(data, self.key)


def build_getter(keys: tuple[str, ...]) -> Get:
    """Build a function that follows these keys into a value, or returns :data:`NOTHING`."""
    if not keys:
        return _get_itself
    if len(keys) == 1:
        return OneKey(keys[0])
    return _build_two_step_getter(*keys) if len(keys) == 2 else _build_long_getter(keys)  # noqa: PLR2004 - as its name says


def _get_itself(data: Any) -> Any:
    return data


def _build_two_step_getter(first: str, second: str) -> Get:
    def get(data: Any) -> Any:
        inner = data.get(first, NOTHING) if type(data) is dict else _get_inner(data, first)
        return inner.get(second, NOTHING) if type(inner) is dict else _get_inner(inner, second)

    return get


def _build_long_getter(keys: tuple[str, ...]) -> Get:
    def get(data: Any) -> Any:
        for key in keys:
            data = data.get(key, NOTHING) if type(data) is dict else _get_inner(data, key)
            if data is NOTHING:
                break
        return data

    return get


def _get_inner(data: Any, key: str) -> Any:
    """Return the value of a key in anything but a ``dict``: in other objects, or lists by index."""
    if type(data) in _LEAVES:
        return NOTHING
    data = scalar(data)
    fields = as_object(data)
    if fields is not None:
        return fields.get(key, NOTHING)
    elements = as_list(data)
    if elements is None or not (key.isascii() and key.isdigit() and len(key) <= _MOST_DIGITS):
        return NOTHING
    return elements[int(key)] if int(key) < len(elements) else NOTHING
