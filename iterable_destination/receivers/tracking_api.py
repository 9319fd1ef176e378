"""The paths and bodies of Segment's HTTP tracking API, as Segment's clients send them."""

from __future__ import annotations

from typing import Any, Final

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


def _merge_shared(event: Any, shared: dict[str, dict[str, Any]]) -> Any:
    if not isinstance(event, dict):
        return event
    merged = dict(event)
    for key, values in shared.items():
        own = event.get(key)
        if own is None or isinstance(own, dict):
            merged[key] = values | (own or {})
    return merged
