"""The WSGI application over the network: delivery, and responses in time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from math import inf
from typing import Any

import pytest
import segment.analytics  # type: ignore[import-untyped] # it says no types
from hypothesis import given, settings
from hypothesis import strategies as st

from iterable_destination import Destination
from iterable_destination.receivers.dev_server import serve
from iterable_destination.receivers.segment import webhook_app
from iterable_destination.receivers.wsgi import WebhookApp
from iterable_destination.testing import LocalIterable, Script, faults
from tests.support import strategies
from tests.support.delivering import WAIT_SECONDS, Leaks, history, settings_of, track
from tests.support.examples import examples
from tests.support.receiving import (
    JSON,
    SECRET,
    WRITE_KEY,
    Response,
    ask,
    encode_basic,
    make_client_request,
    post,
    run_receiver,
    sign,
    sign_request,
    to_json,
)


@pytest.fixture(scope="module")
def app() -> Iterator[WebhookApp]:
    with LocalIterable() as iterable, run_receiver(iterable, write_keys=WRITE_KEY) as made:
        yield made


# Over the network --------------------------------------------------------------------------------


def test_events_that_are_posted_arrive() -> None:
    events = history(200, 10)
    with (
        LocalIterable() as iterable,
        run_receiver(iterable) as app,
        serve(app, "127.0.0.1", 0) as url,
    ):
        found = post(url, *sign_request(events))
        assert found.result == (200, {"delivered": 200})
        assert found.headers["content-type"] == "application/json"
        assert found.headers["x-content-type-options"] == "nosniff"
        assert len(iterable.project.effects) == 200


def test_many_post_at_once_and_each_is_told_of_its_own() -> None:
    def one(number: int) -> tuple[int, Any]:
        events = [track(10 * number + n, f"u-{number}") for n in range(number)]
        return post(url, *sign_request(events)).result if events else (200, {"delivered": 0})

    with (
        LocalIterable() as iterable,
        run_receiver(iterable) as app,
        serve(app, "127.0.0.1", 0) as url,
        ThreadPoolExecutor(10) as pool,
    ):
        result = list(pool.map(one, range(10)))
        assert result == [(200, {"delivered": n}) for n in range(10)]
        assert len({effect.id for effect in iterable.project.effects}) == sum(range(10))


def test_nothing_is_left_when_it_is_closed() -> None:
    leaks = Leaks()
    with (
        LocalIterable() as iterable,
        webhook_app(settings_of(iterable), shared_secret=SECRET) as app,
        serve(app, "127.0.0.1", 0) as url,
    ):
        assert post(url, *sign_request([track(n) for n in range(20)])).status == 200
    leaks.check()


# Segment's own client ----------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_the_events_of_segments_client_arrive(*, packed: bool) -> None:
    failed: list[Exception] = []
    with (
        LocalIterable() as iterable,
        run_receiver(iterable, write_keys=WRITE_KEY) as app,
        serve(app, "127.0.0.1", 0) as url,
    ):
        client = segment.analytics.Client(
            WRITE_KEY,
            host=url,
            gzip=packed,
            max_retries=0,
            upload_interval=0.05,
            on_error=lambda error, _: failed.append(error),
        )
        client.identify("u-1", {"email": "ada@example.com", "plan": "pro"})
        client.track("u-1", "Signed Up", {"step": 1}, message_id="m-1")
        client.page("u-1", "Docs", "Home")
        client.screen("u-1", "Docs", "Home")
        client.track(
            "u-1",
            "Order Completed",
            {"total": 5, "products": [{"product_id": "1", "name": "P", "price": 5}]},
        )
        client.group("u-1", "g-1")
        client.shutdown()
        project = iterable.project
        user = project.user("ada@example.com")
        assert user is not None
        assert (user["userId"], user["dataFields"]["plan"]) == ("u-1", "pro")
        assert [event["eventName"] for event in project.events("u-1")] == [
            "Signed Up",
            "Loaded a Page",
            "Loaded a Screen",
        ]
        assert len(project.purchases("u-1")) == 1
    assert failed == []


def test_segments_client_is_told_that_its_write_key_is_wrong() -> None:
    failed: list[Any] = []
    with (
        LocalIterable() as iterable,
        run_receiver(iterable, write_keys="another") as app,
        serve(app, "127.0.0.1", 0) as url,
    ):
        client = segment.analytics.Client(
            WRITE_KEY,
            host=url,
            max_retries=0,
            upload_interval=0.05,
            on_error=lambda error, _: failed.append(error),
        )
        client.track("u-1", "Signed Up")
        client.shutdown()
        assert iterable.project.requests == []
    assert [error.status for error in failed] == [401]


# In time -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_however_slow_iterable_is_every_answer_comes_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight requests at once, each with an Iterable that is slow without end in another way."""
    ways = [
        (faults.latency(inf), 1),
        (faults.latency(inf), 8),
        (faults.latency(inf), 9),
        (faults.latency(inf, applied_first=True), 4_000),
        (faults.stall(), 20),
        (faults.stall_midway(), 1),
        (faults.drip(0.5), 20),
        (faults.server_error(503), 50),
    ]

    apps: dict[str, WebhookApp] = {}
    given: list[float] = []
    send_all = Destination.send_all

    def noting(to: Destination, events: Any, *, timeout: float, **options: Any) -> Any:
        given.append(timeout)
        return send_all(to, events, timeout=timeout, **options)

    monkeypatch.setattr(Destination, "send_all", noting)

    def at_path(environ: Any, start_response: Any) -> Any:
        return apps[environ["PATH_INFO"]](environ, start_response)

    def one(url: str, path: str, count: int) -> Response:
        return post(url, *sign_request([track(n, f"u-{n % 500}") for n in range(count)]), path)

    with ExitStack() as stack:
        for number, (fault, _) in enumerate(ways):
            iterable = stack.enter_context(LocalIterable(faults=Script(repeat(fault))))
            made = webhook_app(settings_of(iterable), shared_secret=SECRET)
            assert made.time_limit == 4
            apps[f"/{number}"] = stack.enter_context(made)
        url = stack.enter_context(serve(at_path, "127.0.0.1", 0))
        pool = stack.enter_context(ThreadPoolExecutor(len(ways)))
        counts = [count for _, count in ways]
        found = list(pool.map(one, repeat(url), apps, counts))
    assert [response.status for response in found] == [503] * len(ways)
    result = [response.content for response in found]
    assert [sum(content.pop("errors").values()) for content in result] == counts
    assert [sum(content.values()) for content in result] == counts
    assert len(given) == len(ways)
    assert max(given) < 4


def test_a_slow_request_holds_up_no_other() -> None:
    met, opened = threading.Event(), threading.Event()

    def first_waits(_: Any, apply: Callable[[], Any]) -> Any:
        if not met.is_set():
            met.set()
            opened.wait(WAIT_SECONDS)
        return apply()

    with (
        LocalIterable(faults=first_waits) as iterable,
        run_receiver(iterable, time_limit=WAIT_SECONDS) as app,
        serve(app, "127.0.0.1", 0) as url,
        ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(post, url, *sign_request(track(1)))
        assert met.wait(WAIT_SECONDS)
        assert post(url, *sign_request(track(2))).status == 200
        assert not waiting.done()
        opened.set()
        assert waiting.result().status == 200


# What is told of what went wrong -----------------------------------------------------------------


def test_what_nobody_thought_of_is_503_and_leaks_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, app: WebhookApp
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("ada@example.com")

    monkeypatch.setattr(Destination, "send_all", fails)
    caplog.set_level(logging.INFO)
    assert ask(app, *sign_request(track(1))).result == (503, {"error": "internal error"})
    assert caplog.messages == ["a request could not be handled: ZeroDivisionError"]
    assert vars(caplog.records[0])["iterable_error"] == "ZeroDivisionError"


def test_ids_are_logged_if_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for asked in (False, True):
        with (
            LocalIterable() as iterable,
            run_receiver(iterable, log_message_ids=asked) as app,
        ):
            assert ask(app, *sign_request(track(1))).status == 200
    without, with_ids = caplog.records
    assert "iterable_message_ids" not in vars(without)
    assert vars(with_ids)["iterable_message_ids"] == {"delivered": [track(1)["messageId"]]}


def test_neither_answer_nor_log_has_a_secret_or_a_value(
    caplog: pytest.LogCaptureFixture, app: WebhookApp
) -> None:
    caplog.set_level(logging.INFO)
    event = {"type": "track", "event": "Hush", "properties": {"card": "4111-1111"}}
    answers = [
        ask(app, *sign_request(event)),
        ask(app, to_json(event), JSON | {"X-Signature": sign(to_json(event), "wrong")}),
        ask(app, to_json(event)[:-1], JSON | {"X-Signature": sign(to_json(event)[:-1])}),
        ask(app, to_json(event), JSON | {"Authorization": encode_basic("wrong")}, "/v1/track"),
        ask(app, *make_client_request(event), "/v1/track"),
    ]
    assert [each.status for each in answers] == [400, 401, 400, 401, 400]
    said = b"".join(each.text for each in answers).decode() + caplog.text
    hidden = ("4111", "Hush", SECRET, WRITE_KEY, encode_basic()[6:], sign(to_json(event)))
    assert [each for each in hidden if each in said] == []


# Whatever comes ----------------------------------------------------------------------------------

#: What a server may hand over as the value of a header.
values = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30)
bodies = (
    st.binary(max_size=60)
    | strategies.read.map(to_json)
    | st.lists(strategies.read_events, max_size=2).map(to_json)
    | st.lists(strategies.read_events, max_size=2).map(lambda batch: to_json({"batch": batch}))
)
kinds = st.sampled_from(["application/json", "application/json; charset=utf-8"]) | values
paths = st.sampled_from(["/", "", "/v1/batch", "/v1/track", "/v1/identify", "/v1/x"]) | values.map(
    lambda text: f"/{text}"
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "X-Signature": values,
        "Authorization": values | st.just(encode_basic()),
        "Content-Encoding": st.sampled_from(["gzip", "identity", "br"]) | values,
        "Transfer-Encoding": st.just("chunked") | values,
        "X-Other": values,
    },
)
lengths = st.sampled_from(["", "0", "1", "-1", "1e3", "99999999", "9" * 400, "0x10", "٣"])
#: What is answered while Iterable is well; 503 only for a body that came too slowly.
STATUSES = {200, 400, 401, 404, 405, 411, 413, 415}


@settings(max_examples=examples(40))
@given(bodies, kinds, paths, headers, st.sampled_from(["POST"] * 5 + ["GET", "HEAD", "PATCH"]))
def test_whatever_comes_is_answered_as_what_it_is(
    app: WebhookApp, body: bytes, kind: str, path: str, headers: dict[str, str], method: str
) -> None:
    found = ask(app, body, {"Content-Type": kind} | headers, path, method=method)
    assert found.status in STATUSES
    if method == "HEAD":
        assert not found.text
        return
    assert isinstance(found.content, dict)
    assert int(found.headers["content-length"]) == len(found.text)


@given(st.lists(strategies.read_events, max_size=2) | strategies.read)
@settings(max_examples=examples(30))
def test_whatever_is_signed_is_answered_as_what_it_is(app: WebhookApp, value: Any) -> None:
    found = ask(app, *sign_request(value))
    assert found.status in {200, 400}
    result = {name: count for name, count in found.content.items() if isinstance(count, int)}
    if isinstance(value, list | dict):
        assert sum(result.values()) == (len(value) if isinstance(value, list) else 1)
        assert set(result) <= {"delivered", "skipped", "rejected"}


@given(bodies, lengths)
def test_whatever_the_length_is_said_to_be_it_is_answered(
    app: WebhookApp, body: bytes, length: str
) -> None:
    headers = JSON | {"X-Signature": sign(body)}
    found = ask(app, body, headers, is_checked=False, CONTENT_LENGTH=length)
    assert found.status in STATUSES


NESTED: list[Callable[[int], bytes]] = [
    lambda depth: b"[" * depth + b"]" * depth,
    lambda depth: (
        b'{"type":"track","event":"A","userId":"u","properties":%b}'
        % (b'{"a":' * depth + b"1" + b"}" * depth)
    ),
    lambda depth: (
        b'{"type":"identify","userId":"u","traits":{"a":%b}}' % (b"[" * depth + b"]" * depth)
    ),
]


@pytest.mark.parametrize("depth", [30, 100, 300, 900, 1_000, 1_500, 100_000])
@pytest.mark.parametrize("nested", NESTED)
@pytest.mark.parametrize("path", ["/", "/v1/track"])
def test_however_deep_a_body_is_nested_it_is_answered(
    app: WebhookApp, path: str, nested: Callable[[int], bytes], depth: int
) -> None:
    body = nested(depth)
    given_headers = JSON | {"X-Signature": sign(body), "Authorization": encode_basic()}
    found = ask(app, body, given_headers, path)
    assert found.status in ({200, 400} if depth < 300 else {400})
