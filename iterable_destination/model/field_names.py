"""Field names: find the fields that the mapping looks up, however their keys are spelled.

As in Segment, case and punctuation of a key do not matter: ``created_at`` and ``createdAt`` are the
same field. The first key of an object that has a field's name stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_letters, digits
from typing import Any, Final

from iterable_destination.model.remembered import are_short, make_room

_LETTERS: Final = {ord(each): each.lower() for each in f"{ascii_letters}{digits}."}
#: What becomes of each ASCII character; None deletes it.
_FOLDED: Final = {code: _LETTERS.get(code) for code in range(128)}
_FOLDED_LINES: Final = {**_FOLDED, ord("\n"): "\n"}


def fold(key: str) -> str:
    """Return a key without case and punctuation; a dot stays, as it does in Segment."""
    return _only_ascii(key).translate(_FOLDED)


def fold_all(keys: Sequence[Any]) -> list[str]:
    """Fold many keys, which is far quicker at once; a key that is no string becomes ``""``."""
    try:
        lines = _only_ascii("\n".join(keys)).translate(_FOLDED_LINES).split("\n")
    except TypeError:
        lines = []
    if len(lines) == len(keys):
        return lines
    return [fold(key) if isinstance(key, str) else "" for key in keys]


def find_folded(fields: dict[Any, Any], names: frozenset[str]) -> list[str]:
    """Return the keys of an object that stand for one of these folded names, and are not null."""
    return [
        key
        for key, value in fields.items()
        if value is not None and isinstance(key, str) and fold(key) in names
    ]


def _only_ascii(text: str) -> str:
    return text if text.isascii() else text.encode("ascii", "ignore").decode()


class FieldNames:
    """The names of some fields, by which their keys are found. Safe to use from several threads.

    ``usual_keys`` are the keys that nearly all events have for these fields. ``others`` are folded
    names of more fields, which have no usual key. What keys stand for is remembered.
    """

    def __init__(self, usual_keys: Iterable[str], others: Iterable[str] = ()) -> None:
        self._usual: Final = {fold(key): key for key in usual_keys}
        self._names: Final = frozenset(self._usual) | frozenset(others)
        #: Keys that are the usual one of a field, or stand for none.
        self._unsurprising: Final[set[Any]] = set()
        #: By the other keys of an object: the key of each field, and the usual keys that stand
        #: for the same fields.
        self._known: Final[dict[tuple[Any, ...], tuple[dict[str, str], frozenset[str]]]] = {}

    @property
    def usual(self) -> dict[str, str]:
        """What :meth:`find_keys` returns for an object whose keys are the usual ones."""
        return self._usual

    def find_keys(self, fields: dict[Any, Any]) -> dict[str, str]:
        """Return the keys of an object that stand for a field, by the field's folded name.

        A field that is not there has its usual key, if it has one; so look whether a key is there.
        The result must not be changed.
        """
        unsurprising = self._unsurprising
        if unsurprising.issuperset(fields):  # as nearly always
            return self._usual
        others = tuple([key for key in fields if key not in unsurprising])
        keys, rivals = self._known.get(others) or self._learn(others)
        if rivals.isdisjoint(fields):
            return keys
        return keys | self._first_of_two(fields, keys)

    def _learn(self, others: tuple[Any, ...]) -> tuple[dict[str, str], frozenset[str]]:
        """Find out what keys stand for, and remember it."""
        names = fold_all(others)
        is_kept = are_short(others)
        if is_kept:
            make_room(self._unsurprising, len(others))
            make_room(self._known)
        if self._names.isdisjoint(names):
            if is_kept:
                self._unsurprising.update(others)
            return self._usual, frozenset()
        surprising: list[Any] = []
        found: dict[str, str] = {}
        for key, name in zip(others, names, strict=True):
            if name in self._names and self._usual.get(name) != key:
                surprising.append(key)
                found.setdefault(name, key)
        rivals = frozenset([usual for name, usual in self._usual.items() if name in found])
        known = self._usual | found, rivals
        if is_kept:
            self._unsurprising.update(set(others).difference(surprising))
            self._known[tuple(surprising)] = known
        return known

    def _first_of_two(self, fields: dict[Any, Any], keys: dict[str, str]) -> dict[str, str]:
        """Return the first key of each field of which an object has two."""
        return {
            name: next(key for key in fields if key in (usual, keys[name]))
            for name, usual in self._usual.items()
            if usual in fields
        }
