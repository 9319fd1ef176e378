"""Shards: each of several processes delivers its own users, and nobody else's.

Names that stand in one event are one user's, and the last event of an input can say so. So all of
it is read, for the names alone, before it is known whose event any of it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final
from zlib import crc32

import attrs

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.model.records import LineRecord

#: The most shards: an item of an array is a byte.
MAX_SHARDS: Final = 100


@attrs.frozen
class Shard:
    """One share of an input, of so many."""

    #: Which one it is, from 1 to :attr:`count`.
    number: int
    #: How many there are, 1 to 100.
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def share(self, rate: float | None) -> float | None:
        """Return this shard's part of a rate, above 0; None, which is no limit, stays None."""
        return None if rate is None else rate / self.count or rate


def assign_lines(lines: Iterable[LineRecord], to: BaseDestination, count: int) -> array[int]:
    """Return the shard of each line, from 1 to ``count``, as a destination orders their events."""
    prepare = to._preparer.prepare  # noqa: SLF001 - what decides here has to decide there
    return assign_shards(((line.index, prepare(0, line)[1]) for line in lines), count)


def assign_shards(events: Iterable[tuple[int, set[str]]], count: int) -> array[int]:
    """Return the shard of each event, from 1 to ``count``, which is 1 to 100.

    An event is its index, at least 0, and its ordering keys. Events that have a key in common, or
    are linked by others that have, are one user's. A user's shard comes of that of its keys whose
    CRC-32 is the smallest, so it depends on no order; that of an event without keys of its index.
    It takes some 150 bytes for each key, and 5 for each event.
    """
    users = _Users()
    found = array("I", (users.add(index, keys) for index, keys in events))
    return array("B", (users.label(user) % count + 1 for user in found))


class _Users:
    """A union-find of ordering keys. A user is a number; its label is the smallest of its keys'."""

    def __init__(self) -> None:
        self._numbers: Final[dict[str, int]] = {}
        self._parents: Final = array("I")
        self._labels: Final = array("I")

    def add(self, index: int, keys: set[str]) -> int:
        """Return a number of the user who has all these keys; without any, of nobody else."""
        if not keys:
            return self._add(index % 2**32)
        first, *others = [self._find_number(key) for key in keys]
        for other in others:
            self._unite(first, other)
        return first

    def label(self, user: int) -> int:
        """Return the label of a user, by any of its numbers."""
        return self._labels[self._find(user)]

    def _find_number(self, key: str) -> int:
        number = self._numbers.get(key)
        if number is None:
            label = crc32(key.encode("utf-8", "surrogatepass"))
            number = self._numbers[key] = self._add(label)
        return number

    def _add(self, label: int) -> int:
        number = len(self._parents)
        self._parents.append(number)
        self._labels.append(label)
        return number

    def _find(self, number: int) -> int:
        parents = self._parents
        while (parent := parents[number]) != number:
            parents[number] = number = parents[parent]
        return number

    def _unite(self, one: int, other: int) -> None:
        one, other = self._find(one), self._find(other)
        if self._labels[one] > self._labels[other]:
            one, other = other, one
        self._parents[other] = one
