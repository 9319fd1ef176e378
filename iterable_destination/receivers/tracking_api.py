"""The paths and bodies of Segment's HTTP tracking API, as Segment's clients send them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from iterable_destination.io.stamping import make_message_id
from iterable_destination.model.stamping import clock_shift, shift_time, stamp
from iterable_destination.receivers.http import HTTPError

PREFIX: Final = "/v1/"
#: Names of a batch; clients on phones use the short one.
_BATCHES: Final = frozenset({"batch", "b", "import"})
#: The call types by the last parts of their paths, long and short.
_TYPES: Final = {
    name: kind
    for kind in ("identify", "track", "page", "screen", "group", "alias")
    for name in (kind, kind[0])
}
#: Keys of a batch that hold for all of its events; an event's own values win.
_SHARED: Final = ("context", "integrations")


def is_known(path: str) -> bool:
    """Whether Segment's clients send to this path; some end it with a slash."""
    return path.startswith(PREFIX) and _parse_name(path) in _BATCHES | _TYPES.keys()


def _parse_name(path: str) -> str:
    return path.removeprefix(PREFIX).removesuffix("/")


def read_events(path: str, body: Any) -> list[Any]:
    """Return the events of a body. Raises :exc:`HTTPError` for one that the path does not take."""
    if not isinstance(body, dict):
        raise HTTPError(400, "the body must be a JSON object")
    name = _parse_name(path)
    if name in _TYPES:
        return [body | {"type": _TYPES[name]}]
    batch = body.get("batch")
    if not isinstance(batch, list):
        raise HTTPError(400, "batch: must be a list of events")
    shared = {key: body[key] for key in _SHARED if isinstance(body.get(key), dict)}
    return [_merge_shared(event, shared) for event in batch] if shared else batch


def complete(events: list[Any], sent_at: Any, received_at: datetime) -> list[Any]:
    """Return the events of a body with that ``sentAt``, each with an id and a time.

    By ``sentAt``, any value, times of the client's clock are moved to those of the clock that
    ``received_at``, in UTC, comes from. Events without an id or a time are given them.
    """
    shift = clock_shift(sent_at, received_at)
    return [stamp(shift_time(event, shift), received_at, make_message_id) for event in events]


def _merge_shared(event: Any, shared: dict[str, dict[str, Any]]) -> Any:
    if not isinstance(event, dict):
        return event
    merged = dict(event)
    for key, values in shared.items():
        own = event.get(key)
        if own is None or isinstance(own, dict):
            merged[key] = values | (own or {})
    return merged
