"""Stamping now: a random id, and the present moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from iterable_destination.io.stamping import make_message_id, stamp_now


def test_an_id_is_a_random_uuid() -> None:
    ids = [make_message_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    for each in ids:
        parsed = UUID(each)
        assert (str(parsed), parsed.version, parsed.variant) == (each, 4, RFC_4122)


def test_a_time_is_the_present_moment() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    found = stamp_now({"type": "track"})
    assert before <= datetime.fromisoformat(found["timestamp"]) <= datetime.now(UTC)
    assert stamp_now(found) is found
