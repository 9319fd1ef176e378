"""The store of events, and that of purchases.

Source: Iterable's API description (an ``id`` is at most 512 bytes; if a record with it exists, that
one is updated; without one an id is generated and returned). Choices, where no source says: an
update overwrites the fields it has and leaves the others, keeps the record's place in the order,
and moves it to the user it names; generated ids count up; bytes are those of UTF-8.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import attrs

from iterable_destination.model.endpoints import MAX_ID_BYTES
from iterable_destination.testing.responses import refusal


@attrs.frozen
class Record:
    """One event or purchase."""

    id: str
    #: The number of the user it belongs to.
    user: int
    #: The place in the order of arrival, among events and purchases together.
    number: int
    #: The fields as stored: those of the request, and ``createdAt`` in unix seconds.
    fields: Mapping[str, Any]


@attrs.define
class Records:
    """The events, or the purchases, of one project."""

    #: The prefix of generated ids.
    prefix: str
    #: How many are kept, the newest ones; None is all.
    keep: int | None = None
    #: By id, the oldest first.
    _records: OrderedDict[str, Record] = attrs.field(factory=OrderedDict, init=False)
    _of_user: dict[int, dict[str, None]] = attrs.field(factory=dict, init=False)
    _created_count: int = attrs.field(default=0, init=False)

    def put(
        self, user: int, fields: Mapping[str, Any], number: int, now: float
    ) -> tuple[str, bool]:
        """Store a record, or update the one whose ``id`` is among ``fields``.

        Returns the record's id and whether the record is new.
        ``now`` (unix seconds, cut to whole ones) is the ``createdAt`` of a new one that has none.
        """
        record_id = fields["id"] if "id" in fields else self._new_id()
        old = self._records.get(record_id)
        if old is None:
            record = Record(record_id, user, number, {"createdAt": int(now), **fields})
        else:
            record = attrs.evolve(old, user=user, fields={**old.fields, **fields})
            self._of_user[old.user].pop(record_id, None)
        self._records[record_id] = record
        self._of_user.setdefault(user, {})[record_id] = None
        if self.keep is not None and len(self._records) > self.keep:
            oldest_id, oldest = self._records.popitem(last=False)
            self._of_user[oldest.user].pop(oldest_id)
        return record_id, old is None

    def list_of_user(self, user: int) -> list[Record]:
        """A user's records, the oldest arrival first."""
        ids = list(self._of_user.get(user, ()))
        found = [self._records.get(record_id) for record_id in ids]
        return sorted(filter(None, found), key=lambda record: record.number)

    def delete_of(self, user: int) -> None:
        """Delete a user's records."""
        for record_id in self._of_user.pop(user, {}):
            del self._records[record_id]

    def _new_id(self) -> str:
        while True:
            self._created_count += 1
            record_id = f"{self.prefix}-{self._created_count}"
            if record_id not in self._records:
                return record_id


def check_id(body: Mapping[str, Any]) -> None:
    """Raise Refusal (``BadParams``) for an ``id`` of more than 512 bytes."""
    size = len(body.get("id", "").encode("utf-8", "surrogatepass"))
    if size > MAX_ID_BYTES:
        raise refusal("BadParams", f"id has {size} bytes, at most {MAX_ID_BYTES} are allowed")
