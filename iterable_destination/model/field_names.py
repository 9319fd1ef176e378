"""Field names: find the fields that the mapping looks up, however their keys are spelled.

As in Segment, case and punctuation of a key do not matter: ``created_at`` and ``createdAt`` are the
same field. The first key of an object that has a field's name stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from iterable_destination.model.remembered import is_short, make_room

_PUNCTUATION: Final = re.compile(r"[^a-zA-Z0-9.]+")
_PUNCTUATION_IN_LINES: Final = re.compile(r"[^a-zA-Z0-9.\n]+")


def fold(key: str) -> str:
    """Return a key without case and punctuation; a dot stays, as it does in Segment."""
    return _PUNCTUATION.sub("", key).lower()


def fold_all(keys: list[Any]) -> list[str]:
    """Fold many keys, which is far quicker at once; a key that is no string becomes ``""``."""
    try:
        lines = _PUNCTUATION_IN_LINES.sub("", "\n".join(keys)).lower().split("\n")
    except TypeError:
        lines = []
    if len(lines) == len(keys):
        return lines
    return [fold(key) if isinstance(key, str) else "" for key in keys]


class FieldNames:
    """The names of some fields, by which their keys are found. Safe to use from several threads.

    ``usual_keys`` are the keys that nearly all events have for these fields. ``others`` are folded
    names of more fields, which have no usual key. What a key stands for is remembered.
    """

    def __init__(self, usual_keys: Iterable[str], others: Iterable[str] = ()) -> None:
        self._usual: Final = {fold(key): key for key in usual_keys}
        self._names: Final = frozenset(self._usual) | frozenset(others)
        #: Keys that are the usual one of a field, or stand for none.
        self._unsurprising: Final[set[Any]] = set()
        #: What other keys stand for.
        self._surprising: Final[dict[Any, str]] = {}

    def find_keys(self, fields: dict[Any, Any]) -> dict[str, str]:
        """Return the keys of an object that stand for a field, by the field's folded name.

        A field that is not there has its usual key, if it has one; so look whether a key is there.
        The result must not be changed.
        """
        if self._unsurprising.issuperset(fields):  # as nearly always
            return self._usual
        return self._usual | self._find_others(fields)

    def _find_others(self, fields: dict[Any, Any]) -> dict[str, str]:
        """Return the first keys of the fields that have another key than their usual one."""
        others = [key for key in fields if key not in self._unsurprising]
        names = [self._surprising.get(key) for key in others]
        if None in names:
            names = self._learn(others)
        found: dict[str, str] = {}
        for key, name in zip(others, names, strict=True):
            if name:
                found.setdefault(name, key)
        for name, key in found.items():
            usual = self._usual.get(name)
            if usual is not None and usual in fields:  # both keys are there
                found[name] = next(each for each in fields if each in (key, usual))
        return found

    def _learn(self, keys: list[Any]) -> list[str | None]:
        """Return what keys stand for, ``""`` for none, and remember it."""
        folded_keys = fold_all(keys)
        make_room(self._unsurprising, len(keys))
        make_room(self._surprising, len(keys))
        names: list[str | None] = []
        for key, folded in zip(keys, folded_keys, strict=True):
            name = folded if folded in self._names else ""
            names.append(name)
            if is_short(key):
                if not name or self._usual.get(name) == key:
                    self._unsurprising.add(key)
                else:
                    self._surprising[key] = name
        return names
