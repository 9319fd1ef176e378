"""The tracking API: the events in requests of Segment's clients."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from iterable_destination.receivers.http import HTTPError
from iterable_destination.receivers.tracking_api import complete, is_known, read_events

TYPES = ("identify", "track", "page", "screen", "group", "alias")
#: The names that clients on phones use.
SHORT = {kind[0]: kind for kind in TYPES}
EVENT = {"type": "track", "event": "A", "userId": "u-1"}


@pytest.mark.parametrize("name", ["batch", "b", "import", "import/", "t/", *TYPES, *SHORT])
def test_segments_paths_are_known(name: str) -> None:
    assert is_known(f"/v1/{name}")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/",
        "/v1/Batch",
        "/v1/batch//",
        "/v1/v1/batch",
        "/v2/batch",
        "/v1//batch",
        "/v1/d",
    ],
)
def test_other_paths_are_not(path: str) -> None:
    assert not is_known(path)


@pytest.mark.parametrize("name", TYPES)
def test_the_path_says_of_which_type_an_event_is(name: str) -> None:
    body = {"type": "delete", "userId": "u-1"}
    assert read_events(f"/v1/{name}", body) == [{"type": name, "userId": "u-1"}]
    assert body == {"type": "delete", "userId": "u-1"}


@pytest.mark.parametrize(("name", "kind"), [*SHORT.items()])
def test_a_short_path_means_the_same(name: str, kind: str) -> None:
    assert read_events(f"/v1/{name}", {"userId": "u-1"}) == [{"type": kind, "userId": "u-1"}]


@pytest.mark.parametrize("name", ["batch", "b", "import"])
def test_a_batch_has_events(name: str) -> None:
    assert read_events(f"/v1/{name}", {"batch": [EVENT, EVENT], "sentAt": "now"}) == [EVENT, EVENT]
    assert read_events(f"/v1/{name}", {"batch": []}) == []
    assert read_events(f"/v1/{name}/", {"batch": [EVENT]}) == [EVENT]


def test_what_a_batch_says_of_all_is_said_of_each_that_does_not_say_it_itself() -> None:
    body = {
        "context": {"ip": "8.8.8.8", "app": {"name": "Shop", "build": 1}},
        "integrations": {"All": False},
        "batch": [
            EVENT,
            EVENT | {"context": None, "integrations": {"Iterable": True}},
            EVENT | {"context": {"app": {"name": "Own"}, "locale": "de"}},
            EVENT | {"context": "none", "integrations": []},
            "no event",
            None,
        ],
    }
    before = copy.deepcopy(body)
    shared = {"ip": "8.8.8.8", "app": {"name": "Shop", "build": 1}}
    assert read_events("/v1/batch", body) == [
        EVENT | {"context": shared, "integrations": {"All": False}},
        EVENT | {"context": shared, "integrations": {"All": False, "Iterable": True}},
        EVENT
        | {
            "context": {"ip": "8.8.8.8", "app": {"name": "Own"}, "locale": "de"},
            "integrations": {"All": False},
        },
        EVENT | {"context": "none", "integrations": []},
        "no event",
        None,
    ]
    assert body == before


@pytest.mark.parametrize("shared", [None, "text", 1, [], True])
def test_what_is_said_of_all_and_is_no_object_is_passed_over(shared: Any) -> None:
    assert read_events("/v1/batch", {"batch": [EVENT], "context": shared}) == [EVENT]


@pytest.mark.parametrize("body", [None, 1, "text", [EVENT], True])
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
def test_a_body_that_is_no_object_is_400(path: str, body: Any) -> None:
    with pytest.raises(HTTPError, match=r"\Athe body must be a JSON object\Z") as caught:
        read_events(path, body)
    assert caught.value.response.status == 400


@pytest.mark.parametrize("body", [{}, {"batch": None}, {"batch": {}}, {"batch": "text"}, EVENT])
def test_a_batch_that_is_no_list_is_400(body: Any) -> None:
    with pytest.raises(HTTPError, match=r"\Abatch: must be a list of events\Z") as caught:
        read_events("/v1/batch", body)
    assert caught.value.response.status == 400


RECEIVED = datetime(2026, 2, 7, 10, 0, 0, 250_000, UTC)
OWN = "2026-02-07T07:59:58.500Z"


def test_times_of_a_clock_that_is_wrong_are_moved() -> None:
    events = [EVENT | {"messageId": "m-1", "timestamp": OWN}]
    [found] = complete(events, "2026-02-07T08:00:00.000Z", RECEIVED)
    moved = {"timestamp": "2026-02-07T09:59:58.750Z", "originalTimestamp": OWN}
    assert found == events[0] | moved
    assert events == [EVENT | {"messageId": "m-1", "timestamp": OWN}]


@pytest.mark.parametrize(
    "sent_at", [None, "now", 0, "1970-01-01T00:00:00Z", "2026-02-07T10:00:00.000Z"]
)
def test_times_of_a_clock_that_is_right_or_not_known_stay(sent_at: Any) -> None:
    events = [EVENT | {"messageId": "m-1", "timestamp": OWN}]
    assert complete(events, sent_at, RECEIVED) == events


def test_events_without_an_id_or_a_time_get_them_and_none_gets_a_second_time() -> None:
    """The time of receipt is by a clock that is right already."""
    events = [EVENT, EVENT | {"originalTimestamp": OWN}, "no event", None]
    found = complete(events, "2026-02-07T08:00:00.000Z", RECEIVED)
    assert found[2:] == events[2:]
    ids = [event.pop("messageId") for event in found[:2]]
    assert len(set(ids)) == 2
    assert found[:2] == [EVENT | {"timestamp": "2026-02-07T10:00:00.250Z"}, events[1]]
