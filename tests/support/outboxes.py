"""Outboxes of each kind, for tests of what all of them do."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from iterable_destination import Outbox, PostgresOutbox
from iterable_destination.delivery import outbox_worker
from iterable_destination.errors import OutboxInUse
from tests.support.delivering import WAIT_SECONDS
from tests.support.postgres import Cluster

AnOutbox = Outbox | PostgresOutbox

_COUNTER: Final = itertools.count()


def try_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let delivery from an outbox try again soon what is retryable, and look often."""
    for name, seconds in (
        ("_INITIAL_BACKOFF", 0.02),
        ("_MAX_BACKOFF", 0.05),
        ("_PASS_TIME", 0.05),
        ("_POLL", 0.02),
    ):
        monkeypatch.setattr(outbox_worker, name, seconds)


def open_outbox(place: str, **options: Any) -> AnOutbox:
    """Open an outbox at a place, in whatever process: a file, or a table and a dsn with a ``|``."""
    if "|" not in place:
        return Outbox(place, **options)
    table, dsn = place.split("|")
    return PostgresOutbox(dsn, table=table, **options)


@attrs.frozen
class Place:
    """Where an outbox is."""

    text: str
    #: How its messages begin.
    name: str

    def open(self, **options: Any) -> AnOutbox:
        return open_outbox(self.text, **options)


def new_file(folder: Path) -> Place:
    path = str(folder / f"outbox-{next(_COUNTER)}.db")
    return Place(path, path)


def new_table(cluster: Cluster) -> Place:
    table = f"outbox_{next(_COUNTER)}"
    return Place(f"{table}|{cluster.dsn}", table)


@contextmanager
def delivering_soon(box: AnOutbox) -> Iterator[None]:
    """Hold the right to deliver, as soon as a session that has ended has given it back."""
    until = time.monotonic() + WAIT_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(box.delivering())
            except OutboxInUse:
                assert time.monotonic() < until, "the right was not given back"
                time.sleep(0.01)
            else:
                break
        yield
