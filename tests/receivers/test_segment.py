"""The receiver for Segment: authentication, paths, limits and responses."""

from __future__ import annotations

import gzip
import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from iterable_destination import DeadLetters, Destination, Outbox, Settings, Translation, errors
from iterable_destination.receivers.http import HTTPError, Request
from iterable_destination.receivers.segment import SegmentReceiver, webhook_app
from iterable_destination.testing import LocalIterable, Project, Script, faults
from tests.support.delivering import (
    QUICK,
    delivering,
    held_by_a_thread,
    identify,
    settings_of,
    track,
    wait_until,
)
from tests.support.faulty_server import refusing
from tests.support.receiving import (
    JSON,
    SECRET,
    WRITE_KEY,
    Stopwatch,
    ask,
    encode_basic,
    make_client_request,
    run_receiver,
    sign,
    sign_request,
    to_json,
)

KEYED = Settings(api_key="the-key", base_url="http://127.0.0.1:9")
ANYBODY = (
    "shared_secret: missing, and header_secrets and write_keys too, so anybody could send events;"
    " without_authentication=True allows that"
)
DELIVERED = (200, {"delivered": 1})
NOTHING_HERE = (404, {"error": "not found"})
NO_SIGNATURE = (401, {"error": "invalid signature"})
NO_HEADER = (401, {"error": "missing or invalid secret"})
NO_KEY = (401, {"error": "invalid write key"})
TOO_LARGE = (413, {"error": "the body must have at most 600,000 bytes"})


@pytest.fixture(scope="module")
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as running:
        yield running


# How it is made ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nothing",
    [{}, {"shared_secret": None}, {"header_secrets": {}, "write_keys": None}],
)
def test_where_nothing_says_who_may_send_it_refuses_to_start(nothing: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidSettings) as caught:
        webhook_app(KEYED, **nothing)
    assert str(caught.value) == ANYBODY


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"shared_secret": ""}, "shared_secret"),
        ({"shared_secret": []}, "shared_secret"),
        ({"write_keys": ()}, "write_keys"),
        ({"shared_secret": ["a", ""]}, "shared_secret"),
        ({"shared_secret": b"bytes"}, "shared_secret"),
        ({"write_keys": ""}, "write_keys"),
        ({"write_keys": [None]}, "write_keys"),
        ({"header_secrets": {"X-Second": ""}}, "header_secrets['X-Second']"),
        ({"header_secrets": {"X-Second": []}}, "header_secrets['X-Second']"),
        ({"header_secrets": {"X-Second": None}}, "header_secrets['X-Second']"),
    ],
)
@pytest.mark.parametrize("anybody", [True, False])
def test_a_secret_that_is_none_is_refused(
    options: dict[str, Any], name: str, *, anybody: bool
) -> None:
    with pytest.raises(errors.InvalidSettings) as caught:
        webhook_app(KEYED, without_authentication=anybody, **options)
    assert str(caught.value) == f"{name}: must be a string that is not empty, or a list of them"


@pytest.mark.parametrize("secret", [" ", " led", "ended ", "tab\t", "größe", "line\n", "\0"])
def test_what_cannot_come_in_a_header_is_no_secret(secret: str) -> None:
    for options, name in (
        ({"write_keys": ["good", secret]}, "write_keys"),
        ({"header_secrets": {"X-Second": secret}}, "header_secrets['X-Second']"),
    ):
        with pytest.raises(errors.InvalidSettings) as caught:
            webhook_app(KEYED, **options)
        assert str(caught.value) == f"{name}: must be printable ASCII, without spaces at its ends"


def test_the_shared_secret_is_any_text(iterable: LocalIterable) -> None:
    """The secret itself is in no header; its signature is."""
    with run_receiver(iterable, shared_secret="größer, with spaces") as app:
        assert ask(app, *sign_request(track(1), "größer, with spaces")).result == DELIVERED


@pytest.mark.parametrize("name", ["", "X Second", "X_Second", "X-Second:", "X-Größe", "X\r\nY"])
def test_a_name_that_no_header_has_is_refused(name: str) -> None:
    with pytest.raises(errors.InvalidSettings) as caught:
        webhook_app(KEYED, header_secrets={name: "two"})
    words = f"header_secrets[{name!r}]: must be a name of letters, digits and -"
    assert str(caught.value) == words


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_is_above_0(seconds: float) -> None:
    message = r"\Atime_limit: must be a number of seconds, finite and above 0\Z"
    with pytest.raises(ValueError, match=message):
        webhook_app(KEYED, shared_secret=SECRET, time_limit=seconds)


@pytest.mark.parametrize("size", [0, -1, 1.5, float("nan")])
def test_a_largest_body_has_a_byte_at_least(size: Any) -> None:
    message = r"\Amax_body: must be a whole number, at least 1\Z"
    with pytest.raises(ValueError, match=message):
        webhook_app(KEYED, shared_secret=SECRET, max_body=size)


def test_without_a_key_of_iterable_it_refuses_to_start() -> None:
    with pytest.raises(errors.InvalidSettings):
        webhook_app(Settings(), shared_secret=SECRET)


def test_dead_letters_are_those_of_the_destination(tmp_path: Path) -> None:
    with (
        Destination(KEYED) as to,
        DeadLetters(tmp_path / "letters") as letters,
        pytest.raises(ValueError, match=r"\Adead_letters: give them to the destination instead\Z"),
    ):
        webhook_app(KEYED, shared_secret=SECRET, destination=to, dead_letters=letters)


def test_a_destination_of_its_own_is_closed_and_another_is_not(iterable: LocalIterable) -> None:
    settings = settings_of(iterable)
    with delivering(iterable) as to:
        with webhook_app(settings, shared_secret=SECRET, destination=to) as app:
            assert ask(app, *sign_request(track(1))).result == DELIVERED
        assert to.send(track(2)).name == "delivered"
    with webhook_app(settings, shared_secret=SECRET) as app:
        assert ask(app, *sign_request(track(3))).result == DELIVERED


# Webhooks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/hook", "/v1", "/a/v1/batch"])
def test_a_webhook_is_taken_at_any_path(path: str, iterable: LocalIterable) -> None:
    with run_receiver(iterable) as app:
        assert ask(app, *sign_request(track(1)), path).result == DELIVERED


@pytest.mark.parametrize("count", [1, 2, 8, 9, 300])
def test_an_array_is_delivered_whole(count: int) -> None:
    events = [track(n, f"u-{n % 7}") for n in range(count)]
    with LocalIterable() as own, run_receiver(own, rate_limits=None) as app:
        assert ask(app, *sign_request(events)).result == (200, {"delivered": count})
        ids = {effect.id for effect in own.project.effects}
        paths = {request.path for request in own.project.requests}
    assert ids == {f"m-{n}" for n in range(count)}
    assert paths == ({"/api/events/track"} if count <= 8 else {"/api/events/trackBulk"})


def test_an_empty_array_is_nothing_to_do(iterable: LocalIterable) -> None:
    with run_receiver(iterable) as app:
        body = b"[]"
        assert ask(app, body, JSON | {"X-Signature": sign(body)}).result == (200, {})


@pytest.mark.parametrize("body", [b"1", b"null", b'"text"', b"true", b"1.5"])
def test_what_is_neither_event_nor_array_is_400(body: bytes, iterable: LocalIterable) -> None:
    with run_receiver(iterable) as app:
        result = ask(app, body, JSON | {"X-Signature": sign(body)}).result
    assert result == (400, {"error": "the body must be an event, or an array of events"})


@pytest.mark.parametrize(
    ("body", "headers", "result"),
    [
        (to_json(track(1)), {}, NO_SIGNATURE),
        (to_json(track(1)), {"X-Signature": ""}, NO_SIGNATURE),
        (to_json(track(1)), {"X-Signature": "0" * 40}, NO_SIGNATURE),
        (to_json(track(1)), {"X-Signature": sign(to_json(track(2)))}, NO_SIGNATURE),
        (to_json(track(1)), {"X-Signature": sign(to_json(track(1)), "old")}, NO_SIGNATURE),
        (b"no json", {}, NO_SIGNATURE),
        (b"", {}, NO_SIGNATURE),
        (b"no", {"X-Signature": sign(b"no")}, (400, {"error": "invalid JSON body"})),
        (b"", {"X-Signature": sign(b"")}, (400, {"error": "invalid JSON body"})),
        (
            gzip.compress(b"{}", mtime=0),
            {"Content-Encoding": "gzip"},
            (415, {"error": "content encodings are not supported for webhooks"}),
        ),
    ],
)
def test_a_webhook_that_is_not_right_is_told_so(
    body: bytes, headers: dict[str, str], result: Any, iterable: LocalIterable
) -> None:
    with run_receiver(iterable) as app:
        assert ask(app, body, JSON | headers).result == result


def test_secrets_can_be_changed_without_a_gap(iterable: LocalIterable) -> None:
    with run_receiver(iterable, shared_secret=["new", "old"]) as app:
        statuses = [
            ask(app, *sign_request(track(1), each)).status for each in ("new", "old", "older")
        ]
    assert statuses == [200, 200, 401]


def test_each_header_must_have_its_secret_besides_the_signature(iterable: LocalIterable) -> None:
    body, headers = sign_request([track(1), track(2)])
    both = {"X-Second": "two", "X-Third": "three"}
    secrets = {"x-second": ["zwei", "two"], "X-THIRD": "three"}
    with run_receiver(iterable, header_secrets=secrets) as app:
        assert ask(app, body, headers | both).result == (200, {"delivered": 2})
        assert ask(app, body, headers | both | {"X-Second": "zwei"}).status == 200
        assert ask(app, body, JSON | both).result == NO_SIGNATURE
        for wrong in ({}, {"X-Second": "two"}, both | {"X-Third": "two"}, both | {"X-Second": ""}):
            assert ask(app, body, headers | wrong).result == NO_HEADER


def test_a_secret_in_a_header_is_enough_if_it_is_all_there_is(iterable: LocalIterable) -> None:
    options = {"shared_secret": None, "header_secrets": {"Authorization": "abc"}}
    body = to_json(track(1))
    with run_receiver(iterable, **options) as app:
        assert ask(app, body, JSON | {"Authorization": "abc"}).result == DELIVERED
        assert ask(app, body, JSON | {"Authorization": "Bearer abc"}).result == NO_HEADER


def test_anybody_may_send_if_that_was_said(iterable: LocalIterable) -> None:
    with run_receiver(iterable, shared_secret=None, without_authentication=True) as app:
        assert ask(app, to_json(track(1)), JSON).result == DELIVERED
        assert ask(app, to_json(track(1)), JSON, "/v1/track").result == DELIVERED


def test_a_secret_that_is_there_is_asked_for_even_so(iterable: LocalIterable) -> None:
    options = {"write_keys": WRITE_KEY, "without_authentication": True}
    with run_receiver(iterable, **options) as app:
        assert ask(app, to_json(track(1)), JSON).result == NO_SIGNATURE
        assert ask(app, to_json(track(1)), JSON, "/v1/track").result == NO_KEY


def test_the_rest_of_an_array_needs_a_header_to_be_trusted(iterable: LocalIterable) -> None:
    """By Segment's rule, a signed event may be followed by others that are not signed."""
    body = b"[%b,%b]" % (to_json(track(1)), to_json(track(2, "forged")))
    headers = JSON | {"X-Signature": sign(to_json(track(1)))}
    with run_receiver(iterable) as app:
        assert ask(app, body, headers).status == 200
    with run_receiver(iterable, header_secrets={"X-Second": "two"}) as app:
        assert ask(app, body, headers).result == NO_HEADER


# Segment's own API -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["identify", "track", "page", "screen"])
def test_a_client_sends_one_event(name: str) -> None:
    makes = {"identify": identify, "track": track}
    event = makes.get(name, track)(1) | {"name": "Home"}
    event.pop("type")
    with LocalIterable() as own, run_receiver(own, write_keys=WRITE_KEY) as app:
        assert ask(app, *make_client_request(event), f"/v1/{name}").result == DELIVERED
        [effect] = own.project.effects
    expected = "/api/users/update" if name == "identify" else "/api/events/track"
    assert (effect.path, effect.user_id) == (expected, "u-1")


@pytest.mark.parametrize("packed", [True, False])
def test_a_client_sends_a_batch(*, packed: bool) -> None:
    events = [track(n, f"u-{n}") for n in range(20)]
    body, headers = make_client_request({"batch": events, "context": {"ip": "8.8.8.8"}})
    if packed:
        body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
    with LocalIterable() as own, run_receiver(own, write_keys=["old", WRITE_KEY]) as app:
        assert ask(app, body, headers, "/v1/batch").result == (200, {"delivered": 20})
        assert len(own.project.effects) == 20


@pytest.mark.parametrize("name", ["group", "alias"])
def test_calls_that_iterable_has_no_use_for_are_skipped(name: str, iterable: LocalIterable) -> None:
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        result = ask(app, *make_client_request({"userId": "u-1"}), f"/v1/{name}").result
    assert result == (200, {"skipped": 1})


@pytest.mark.parametrize(
    "authorization",
    ["Basic", encode_basic("other"), encode_basic(""), f"Bearer {WRITE_KEY}", WRITE_KEY],
)
def test_another_write_key_is_401(authorization: str, iterable: LocalIterable) -> None:
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        found = ask(app, b"no json", JSON | {"Authorization": authorization}, "/v1/batch")
    assert found.result == NO_KEY
    assert found.headers["www-authenticate"] == 'Basic realm="Segment write key"'


@pytest.mark.parametrize("packed", [True, False])
def test_without_a_header_the_write_key_of_the_body_counts(
    iterable: LocalIterable, *, packed: bool
) -> None:
    """As segment-analytics-python 2.3 sends it."""
    body, headers = to_json({"batch": [track(1)], "writeKey": WRITE_KEY}), JSON
    if packed:
        body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
    with run_receiver(iterable, write_keys=["old", WRITE_KEY]) as app:
        assert ask(app, body, headers, "/v1/batch").result == DELIVERED


@pytest.mark.parametrize(
    "value",
    [
        {"batch": []},
        {"writeKey": "other"},
        {"writeKey": ""},
        {"writeKey": None},
        {"writeKey": 5},
        [],
    ],
)
def test_another_write_key_in_the_body_is_401(value: Any, iterable: LocalIterable) -> None:
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        found = ask(app, to_json(value), JSON, "/v1/batch")
    assert found.result == NO_KEY
    assert found.headers["www-authenticate"] == 'Basic realm="Segment write key"'


def test_a_header_that_does_not_fit_is_not_made_good_by_the_body(iterable: LocalIterable) -> None:
    body = to_json({"batch": [track(1)], "writeKey": WRITE_KEY})
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        assert (
            ask(app, body, JSON | {"Authorization": encode_basic("other")}, "/v1/batch").result
            == NO_KEY
        )


def test_the_write_key_of_a_body_is_not_sent_on() -> None:
    event = track(1) | {"writeKey": WRITE_KEY}
    with LocalIterable() as own, run_receiver(own, write_keys=WRITE_KEY) as app:
        assert ask(app, to_json(event), JSON, "/v1/t").result == DELIVERED
        assert WRITE_KEY not in str([request.body for request in own.project.requests])


def test_the_secret_of_the_webhook_opens_nothing_else(iterable: LocalIterable) -> None:
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        assert ask(app, *sign_request(track(1)), "/v1/track").result == NO_KEY
        assert ask(app, *make_client_request(track(1))).result == NO_SIGNATURE
        assert ask(
            app, to_json(track(1)), JSON | {"Authorization": encode_basic(SECRET)}
        ).result == (NO_SIGNATURE)


def test_there_is_nothing_where_nobody_may_send(iterable: LocalIterable) -> None:
    with run_receiver(iterable) as app:
        assert ask(app, *make_client_request(track(1)), "/v1/track").result == NOTHING_HERE
        assert ask(app, *sign_request(track(1)), "/v1/track").result == NOTHING_HERE
    with run_receiver(iterable, shared_secret=None, write_keys=WRITE_KEY) as app:
        assert ask(app, *sign_request(track(1))).result == NOTHING_HERE
        assert ask(app, *make_client_request(track(1)), "/v1/unknown").result == NOTHING_HERE


@pytest.mark.parametrize("path", ["/hook", "/v1/track", "/v1/unknown"])
def test_only_post_is_taken_and_only_json(path: str, iterable: LocalIterable) -> None:
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        found = ask(app, b"", JSON, path, method="GET")
        assert (found.status, found.headers["allow"]) == (405, "POST")
        assert ask(app, b"", {"Content-Type": "text/html"}, path).status == 415
        assert ask(app, b"", {"Content-Type": "text/plain; charset=utf-16"}, path).status == 415


def read_nothing(_: int) -> bytes:
    pytest.fail("the body was read")


@pytest.mark.parametrize(
    ("path", "headers", "result"),
    [
        ("/v1/batch", {"authorization": encode_basic("other")}, NO_KEY),
        ("/v1/t", {"authorization": "Bearer x", "content-type": "text/plain"}, NO_KEY),
        ("/", {}, NO_HEADER),
        ("/", {"x-second": "wrong", "content-encoding": "gzip"}, NO_HEADER),
    ],
)
def test_a_sender_with_a_wrong_header_is_refused_before_the_body_is_read(
    path: str, headers: dict[str, str], result: Any, iterable: LocalIterable
) -> None:
    options: dict[str, Any] = {"header_secrets": {"X-Second": "two"}, "write_keys": WRITE_KEY}
    given = {"content-type": "application/json"} | headers
    with run_receiver(iterable, **options) as app:
        response = app.handle(Request("POST", path, given, read_nothing), time.monotonic() + 1)
    assert (response.status, response.content) == result


# What is answered --------------------------------------------------------------------------------

INVALID = {"type": "track", "event": "A", "messageId": "m-9", "properties": {"email": 5}}
REFUSED = {"InvalidEvent": 1}
PROBLEMS = {
    "index": 1,
    "problems": [
        {"path": "userId", "message": "Must set either userId or email", "code": "no-user"}
    ],
}


def test_events_that_are_refused_for_good_are_400_and_their_problems_are_told() -> None:
    event = {"type": "track", "event": "A", "properties": {"secret": "4111-1111"}}
    with LocalIterable() as own, run_receiver(own) as app:
        result = ask(app, *sign_request([track(1), event])).result
    assert result == (
        400,
        {"delivered": 1, "rejected": 1, "errors": REFUSED, "problems": [PROBLEMS]},
    )


def test_what_iterable_said_stays_here() -> None:
    project = Project(forgotten={"u-1"}, echo_key=True)
    with LocalIterable(project) as own, run_receiver(own) as app:
        result = ask(app, *sign_request([identify(1), identify(2, "u-2")])).result
    assert result == (400, {"delivered": 1, "rejected": 1, "errors": {"ForgottenUser": 1}})


def test_events_that_are_kept_as_dead_letters_are_done_with(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    stalls = Script([faults.cut()] * 100)
    with (
        LocalIterable(faults=stalls) as own,
        DeadLetters(path) as letters,
        run_receiver(own, dead_letters=letters, time_limit=0.6) as app,
    ):
        event = {"type": "track", "event": "A", "messageId": "m-0"}
        result = ask(app, *sign_request([event, track(1)])).result
    kept = [json.loads(line) for line in path.read_bytes().splitlines()]
    status, content = result
    names = content.pop("errors")
    assert (names["InvalidEvent"], sum(names.values())) == (1, 2)
    problems = [PROBLEMS | {"index": 0}]
    assert (status, content) == (200, {"rejected": 1, "unknown": 1, "problems": problems})
    assert {each["messageId"]: each["deadLetter"]["outcome"] for each in kept} == {
        "m-0": "rejected",
        "m-1": "unknown",
    }


def test_if_dead_letters_cannot_be_kept_the_events_are_to_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    event = {"type": "track", "event": "A", "messageId": "m-0"}
    with (
        LocalIterable() as own,
        DeadLetters(path) as letters,
        run_receiver(own, dead_letters=letters) as app,
    ):
        path.unlink()
        path.mkdir()
        assert ask(app, *sign_request(event)).result == (
            503,
            {"retryable": 1, "errors": {"UnwritableFile": 1}},
        )


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (faults.server_error(503), "retryable"),
        (faults.rate_limited(), "retryable"),
        (faults.redirect(), "retryable"),
        (faults.close(applied=True), "unknown"),
        (faults.not_json(), "unknown"),
    ],
)
@pytest.mark.parametrize("count", [1, 20])
def test_what_may_be_accepted_later_is_503(fault: faults.Fault, name: str, count: int) -> None:
    events = [track(n, f"u-{n}") for n in range(count)]
    with (
        LocalIterable(faults=Script([fault] * 1_000)) as own,
        # no attempt is in flight when the time is up: that would be unknown
        run_receiver(own, retry=attrs.evolve(QUICK, deadline=0.3)) as app,
    ):
        status, content = ask(app, *sign_request(events)).result
    names = content.pop("errors")
    assert (status, content, sum(names.values())) == (503, {name: count}, count)


def test_what_goes_well_in_time_after_a_fault_is_200() -> None:
    script = Script([faults.server_error(503), faults.rate_limited(), faults.reset(applied=True)])
    with LocalIterable(faults=script) as own, run_receiver(own) as app:
        assert ask(app, *sign_request([track(1), track(2)])).result == (200, {"delivered": 2})
        assert len({effect.id for effect in own.project.effects if effect.created}) == 2


# How much -----------------------------------------------------------------------------------------


def test_so_many_events_are_taken_and_no_more() -> None:
    """Each takes some time, even if it is empty."""
    many = (413, {"error": "the body must have at most 5,000 events"})
    nothing = b"[%b]" % b",".join([b"{}"] * 100_000)
    with LocalIterable() as own, run_receiver(own, write_keys=WRITE_KEY) as app:
        with Stopwatch() as stopwatch:
            assert ask(app, nothing, JSON | {"X-Signature": sign(b"{}")}).result == many
        assert ask(app, *sign_request([track(n) for n in range(5_001)])).result == many
        batch = make_client_request({"batch": [{}] * 5_001})
        assert ask(app, *batch, "/v1/batch").result == many
        status, content = ask(app, *sign_request([{}] * 5_000)).result
        assert (status, content["rejected"]) == (400, 5_000)
        assert own.project.requests == []
    assert stopwatch.seconds < 1


def _pad(event: Mapping[str, Any], size: int) -> bytes:
    """Return a body of so many bytes: spaces after the JSON mean nothing."""
    return to_json(event).ljust(size)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("size", "result"), [(600_000, DELIVERED), (600_001, TOO_LARGE)])
def test_without_a_header_a_body_has_at_most_600_000_bytes(
    size: int, result: Any, iterable: LocalIterable, *, packed: bool
) -> None:
    """Its sender is authenticated by what is in it, so it is read before that."""
    body, headers = _pad(track(1) | {"writeKey": WRITE_KEY}, size), JSON
    if packed:
        body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        assert ask(app, body, headers, "/v1/track").result == result


@pytest.mark.parametrize("packed", [True, False])
def test_an_authenticated_client_may_send_more(iterable: LocalIterable, *, packed: bool) -> None:
    body, headers = _pad(track(1), 600_001), make_client_request(None)[1]
    if packed:
        body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        assert ask(app, body, headers, "/v1/track").result == DELIVERED


@pytest.mark.parametrize("headers", [JSON, make_client_request(None)[1]])
@pytest.mark.parametrize("packed", [True, False])
def test_a_smaller_limit_holds_for_all_clients(
    headers: dict[str, str], iterable: LocalIterable, *, packed: bool
) -> None:
    event, results = track(1) | {"writeKey": WRITE_KEY}, []
    with run_receiver(iterable, write_keys=WRITE_KEY, max_body=1_000) as app:
        for body in (_pad(event, 1_000), _pad(event, 1_001)):
            sent = (body, headers)
            if packed:
                sent = (gzip.compress(body), headers | {"Content-Encoding": "gzip"})
            results.append(ask(app, *sent, "/v1/track").result)
    assert results == [DELIVERED, (413, {"error": "the body must have at most 1,000 bytes"})]


def test_many_profiles_of_one_user_in_one_request_are_all_delivered_in_time() -> None:
    """They are single requests, without the rate limit of a bulk, 5 a second."""
    events = [identify(n, "u-1", traits={"step": n}) for n in range(100)]
    with (
        LocalIterable() as own,
        webhook_app(settings_of(own), shared_secret=SECRET) as app,
    ):
        assert ask(app, *sign_request(events)).result == (200, {"delivered": 100})
        user = own.project.user("u-1")
        assert user is not None
        assert user["dataFields"]["step"] == 99
        assert {request.path for request in own.project.requests} == {"/api/users/update"}


# The outbox --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
@pytest.mark.parametrize("keeps", [False, True])
def test_the_clock_of_a_client_is_corrected(tmp_path: Path, path: str, *, keeps: bool) -> None:
    """Sent a minute after it happened, by a clock that is two hours late."""
    now = datetime.now(UTC)
    sent_at = (now - timedelta(hours=2)).isoformat()
    own = (now - timedelta(hours=2, minutes=1)).isoformat()
    event = {"userId": "u-1", "event": "Seen", "timestamp": own}
    single = {**event, "sentAt": sent_at}
    batch = {"batch": [{**event, "type": "track"}], "sentAt": sent_at}
    body = single if path == "/v1/track" else batch
    with ExitStack() as stack:
        own_iterable = stack.enter_context(LocalIterable())
        outbox = stack.enter_context(Outbox(tmp_path / "outbox.db")) if keeps else None
        app = stack.enter_context(run_receiver(own_iterable, write_keys=WRITE_KEY, outbox=outbox))
        assert ask(app, *make_client_request(body), path).status == 200
        wait_until(lambda: len(own_iterable.project.effects) == 1)
        [effect] = own_iterable.project.effects
    happened = (now - timedelta(minutes=1)).timestamp()
    assert happened - 1 <= effect.body["createdAt"] <= happened + 5
    assert effect.id is not None


def test_what_came_through_segment_keeps_its_time() -> None:
    moment = "2023-02-05T20:42:10Z"
    event = track(1, timestamp=moment, originalTimestamp="2023-02-05T18:42:10Z")
    body = {"batch": [event], "sentAt": "2023-02-05T18:42:11Z"}
    with LocalIterable() as own, run_receiver(own, write_keys=WRITE_KEY) as app:
        assert ask(app, *make_client_request(body), "/v1/batch").status == 200
        [effect] = own.project.effects
    assert effect.body["createdAt"] == datetime.fromisoformat(moment).timestamp()


def test_with_an_outbox_events_are_on_disk_before_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    events = [track(n, timestamp="2026-02-07T10:00:00Z") for n in (1, 2)]
    with (
        refusing() as nobody,
        Outbox(path) as outbox,
        delivering(nobody) as to,
        webhook_app(KEYED, shared_secret=SECRET, destination=to, outbox=outbox) as app,
        Outbox(path) as other,
    ):
        result = ask(app, *sign_request(events)).result
        kept = [entry.event() for entry in other.read()]
        to.close(timeout=0)
    assert result == (200, {"kept": 2})
    assert kept == events


def test_what_is_no_event_is_taken_too_and_found_out_later(tmp_path: Path) -> None:
    with (
        LocalIterable() as own,
        Outbox(tmp_path / "outbox.db") as outbox,
        run_receiver(own, outbox=outbox) as app,
    ):
        result = ask(app, *sign_request([{"type": "track"}, "no event", None, track(1)])).result
        wait_until(lambda: not len(outbox))
        assert result == (200, {"kept": 4})
        assert [effect.id for effect in own.project.effects] == ["m-1"]


def test_what_is_in_the_outbox_is_delivered_when_iterable_is_there_again(tmp_path: Path) -> None:
    down = Script([faults.close()] * 2)
    with (
        LocalIterable(faults=down) as own,
        Outbox(tmp_path / "outbox.db") as outbox,
        run_receiver(own, outbox=outbox) as app,
    ):
        assert ask(app, *sign_request([track(1), track(2)])).result == (200, {"kept": 2})
        wait_until(lambda: not len(outbox))
        assert [effect.id for effect in own.project.effects] == ["m-1", "m-2"]


def test_events_that_cannot_be_kept_are_to_be_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.db"
    with (
        Outbox(path, capacity=1) as outbox,
        run_receiver("http://127.0.0.1:9", outbox=outbox) as app,
    ):
        result = ask(app, *sign_request([track(1), track(2)])).result
        assert len(outbox) == 0
    assert result == (503, {"error": "the events cannot be stored now"})
    full = f"events cannot be stored: {path}: has no room, its capacity is 1"
    assert [each for each in caplog.messages if "stored:" in each] == [full]


@pytest.mark.parametrize("holder", ["another program", "another thread"])
def test_a_locked_outbox_is_waited_for_no_longer_than_there_is_time(
    iterable: LocalIterable, tmp_path: Path, caplog: pytest.LogCaptureFixture, holder: str
) -> None:
    path = tmp_path / "outbox.db"
    with (
        Outbox(path, lock_timeout=3_600) as outbox,
        run_receiver(iterable, outbox=outbox, time_limit=0.6) as app,
    ):
        with hold_lock(outbox, path, holder):
            result = ask(app, *sign_request([track(1), track(2)])).result
        assert len(outbox) == 0
        assert ask(app, *sign_request([track(1), track(2)])).result == (200, {"kept": 2})
    assert result == (503, {"error": "the events cannot be stored now"})
    said = {
        "another program": "database is locked",
        "another thread": "other threads of this process do not let go of it",
    }
    assert f"events cannot be stored: {path}: {said[holder]}" in caplog.messages


@contextmanager
def hold_lock(outbox: Outbox, path: Path, holder: str) -> Iterator[None]:
    """Hold the write lock of an outbox."""
    if holder == "another thread":
        with held_by_a_thread(outbox):
            yield
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


# Whoever the server is ---------------------------------------------------------------------------


def _make_request(read: Any, headers: Mapping[str, str]) -> Request:
    return Request("POST", "/", {name.lower(): value for name, value in headers.items()}, read)


def test_a_body_that_cannot_be_had_is_answered_as_its_reader_says() -> None:
    def read(limit: int) -> bytes:
        assert limit == 77
        raise HTTPError(503, "too slow")

    with SegmentReceiver(KEYED, shared_secret=SECRET, max_body=77) as receiver:
        response = receiver.handle(_make_request(read, JSON), deadline=0)
    assert (response.status, response.content) == (503, {"error": "too slow"})


def test_when_time_is_up_nothing_is_sent() -> None:
    body, headers = sign_request([track(1), track(2)])
    with (
        LocalIterable() as own,
        delivering(own) as to,
        SegmentReceiver(
            settings_of(own), shared_secret=SECRET, destination=to, clock=lambda: 100.0
        ) as receiver,
    ):
        response = receiver.handle(_make_request(lambda _: body, headers), deadline=100.05)
        assert own.project.requests == []
    result = {"retryable": 2, "errors": {"NotSent": 2}}
    assert (response.status, response.content) == (503, result)


def test_when_time_is_up_events_are_not_even_translated() -> None:
    body, headers = sign_request([identify(n, f"u-{n % 9}") for n in range(5_000)])
    with (
        LocalIterable() as own,
        delivering(own, translator=_fail_to_translate) as to,
        SegmentReceiver(settings_of(own), shared_secret=SECRET, destination=to) as receiver,
        Stopwatch() as stopwatch,
    ):
        response = receiver.handle(
            _make_request(lambda _: body, headers), deadline=time.monotonic() - 1
        )
        assert own.project.requests == []
    result = {"retryable": 5_000, "errors": {"NotSent": 5_000}}
    assert (response.status, response.content) == (503, result)
    assert stopwatch.seconds < 2


def _fail_to_translate(_event: Any, _settings: Settings) -> Translation:
    raise AssertionError("there is no time to translate it")


# What is in the log ------------------------------------------------------------------------------


def test_nobody_forges_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    forged = "/x\r\nCRITICAL root all is lost\x1b[2J\u2028ö"
    request = Request("PO\nST", forged, {"content-type": "application/json"}, lambda _: b"")
    with SegmentReceiver(KEYED, shared_secret=SECRET) as receiver:
        assert receiver.handle(request, deadline=0).status == 405
    [record] = caplog.records
    assert (record.name, record.levelname) == ("iterable_destination.receivers", "INFO")
    expected = r"'PO\nST' '/x\r\nCRITICAL root all is lost\x1b[2J\u2028\xf6': only POST is allowed"
    assert record.getMessage() == expected
    fields = {name: value for name, value in vars(record).items() if "iterable_" in name}
    assert fields == {
        "iterable_method": r"PO\nST",
        "iterable_path": r"/x\r\nCRITICAL root all is lost\x1b[2J\u2028\xf6",
        "iterable_status": 405,
    }
