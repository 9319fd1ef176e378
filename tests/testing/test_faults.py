"""Faults: what they do on real connections, and who decides which request meets one."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse, IncompleteRead, RemoteDisconnected
from itertools import repeat
from math import inf, nan
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from iterable_destination.testing import (
    Fault,
    LocalIterable,
    Project,
    RandomFaults,
    Received,
    Response,
    Script,
    faults,
)
from tests.support.asking import SUCCESS

ADA = "ada@example.com"
UPDATE = "/api/users/update"
TRACK = "/api/events/track"
#: Seconds after which a test that waits for something gives it up.
WAIT_SECONDS = 10.0


def make_scripted(*entries: Fault | None) -> LocalIterable:
    return LocalIterable(faults=Script(entries))


@contextmanager
def open_client(iterable: LocalIterable, timeout: float = WAIT_SECONDS) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(urlsplit(iterable.url).netloc, timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


def send(
    connection: HTTPConnection,
    iterable: LocalIterable,
    path: str = UPDATE,
    body: dict[str, Any] | None = None,
) -> HTTPResponse:
    content = json.dumps({"email": ADA} if body is None else body)
    connection.request("POST", path, content, {"Api-Key": iterable.api_key})
    return connection.getresponse()


def send_update(iterable: LocalIterable, path: str = UPDATE) -> tuple[int, bytes]:
    """The status and body of one update, by a connection of its own."""
    with open_client(iterable) as connection:
        response = send(connection, iterable, path)
        return response.status, response.read()


def is_applied(iterable: LocalIterable) -> bool:
    return iterable.project.user(ADA) is not None


def catch_error(iterable: LocalIterable, path: str = UPDATE) -> type[Exception]:
    """What one update comes to that has no answer, or none to its end."""
    with pytest.raises((OSError, IncompleteRead)) as raised:
        send_update(iterable, path)
    return raised.type


# Answers in place of the project's


@pytest.mark.parametrize(
    ("fault", "status", "kind", "wait"),
    [
        (faults.rate_limited(), 429, "application/json", None),
        (faults.rate_limited(retry_after=1), 429, "application/json", "1"),
        (faults.rate_limited(retry_after=0.5, plain=True), 429, "text/plain", "0.5"),
        (faults.rate_limited("soon"), 429, "application/json", "soon"),
        (faults.server_error(), 500, "application/json", None),
        (faults.server_error(503), 503, "application/json", None),
        (faults.server_error(599, html=True), 599, "text/html; charset=UTF-8", None),
        (faults.not_json(applied=False), 200, "text/html; charset=UTF-8", None),
        (faults.not_json(202, applied=False), 202, "text/html; charset=UTF-8", None),
    ],
    ids=str,
)
def test_an_answer_without_an_effect(
    fault: Fault, status: int, kind: str, wait: str | None
) -> None:
    with make_scripted(fault) as iterable, open_client(iterable) as connection:
        response = send(connection, iterable)
        body = response.read()
        first = connection.sock
        headers = response.headers
        assert (response.status, headers["Content-Type"]) == (status, kind)
        assert headers["Retry-After"] == wait
        assert not is_applied(iterable)
        assert iterable.project.requests == []
        assert (
            send(connection, iterable).read() == json.dumps(SUCCESS, separators=(",", ":")).encode()
        )
        assert connection.sock is first, "the connection is kept"
    if kind == "application/json":
        assert set(json.loads(body)) == {"msg", "code", "params"}
    else:
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(body)
    assert not fault.ambiguous


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.server_error(504, applied=True), 504),
        (faults.server_error(502, html=True, applied=True), 502),
        (faults.not_json(), 200),
    ],
    ids=str,
)
def test_an_answer_that_hides_an_effect(fault: Fault, status: int) -> None:
    with make_scripted(fault) as iterable:
        assert send_update(iterable)[0] == status
        assert is_applied(iterable)
        assert [request.status for request in iterable.project.requests] == [200]
        assert iterable.faulted == {0: fault}
    assert fault.ambiguous


@pytest.mark.parametrize("status", faults.REDIRECTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_leads_to_a_success_that_is_none(status: int, method: str) -> None:
    with make_scripted(faults.redirect(status)) as iterable, open_client(iterable) as connection:
        response = send(connection, iterable)
        assert (response.status, response.read()) == (status, b"")
        assert iterable.followed == []
        connection.request(method, response.headers["Location"], "{}")
        followed = connection.getresponse()
        assert (followed.status, json.loads(followed.read())) == (200, SUCCESS)
        assert [(each.method, each.body) for each in iterable.followed] == [(method, b"{}")]
        assert not is_applied(iterable)


def test_nothing_is_where_redirects_lead_unless_there_are_faults() -> None:
    with LocalIterable() as iterable:
        assert send_update(iterable, faults.REDIRECTED)[0] == 404
        assert iterable.followed == []


# Answers that do not come, or not whole


@pytest.mark.parametrize("yes", [False, True])
def test_a_reset_comes_before_or_after_applying(*, yes: bool) -> None:
    fault = faults.reset(applied=yes)
    with make_scripted(fault) as iterable:
        assert catch_error(iterable) is ConnectionResetError
        assert is_applied(iterable) is yes
        assert send_update(iterable)[0] == 200
    assert fault.ambiguous is yes


@pytest.mark.parametrize("yes", [False, True])
def test_a_close_comes_before_or_after_applying(*, yes: bool) -> None:
    fault = faults.close(applied=yes)
    with make_scripted(fault) as iterable:
        assert catch_error(iterable) is RemoteDisconnected
        assert is_applied(iterable) is yes
    assert fault.ambiguous is yes


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.cut(), IncompleteRead),
        (faults.cut(reset=True), ConnectionResetError),
        (faults.stall_midway(0.01), IncompleteRead),
    ],
    ids=str,
)
def test_half_an_answer_after_applying(fault: Fault, expected: type[Exception]) -> None:
    with make_scripted(fault) as iterable:
        assert catch_error(iterable) is expected
        assert is_applied(iterable)
        assert iterable.faulted == {0: fault}
    assert fault.ambiguous


def test_half_an_answer_has_the_length_of_the_whole() -> None:
    with make_scripted(faults.cut()) as iterable, open_client(iterable) as connection:
        response = send(connection, iterable)
        whole = int(response.headers["Content-Length"])
        with pytest.raises(IncompleteRead) as raised:
            response.read()
    assert (len(raised.value.partial), raised.value.expected) == (whole // 2, whole - whole // 2)


@pytest.mark.parametrize("yes", [False, True])
def test_a_stall_of_some_time_ends_without_a_byte(*, yes: bool) -> None:
    with make_scripted(faults.stall(0.05, applied=yes)) as iterable:
        before = time.monotonic()
        assert catch_error(iterable) is RemoteDisconnected
        assert time.monotonic() - before >= 0.05
        assert is_applied(iterable) is yes


@pytest.mark.parametrize("fault", [faults.stall(applied=True), faults.stall_midway()], ids=str)
def test_a_stall_lasts_as_long_as_the_client_waits(fault: Fault) -> None:
    with make_scripted(fault) as iterable:
        before = threading.active_count()
        with open_client(iterable, timeout=0.05) as connection, pytest.raises(TimeoutError):
            send(connection, iterable).read()
        assert is_applied(iterable)
        assert wait_for(lambda: threading.active_count() == before)


def test_a_client_that_sends_on_meanwhile_ends_no_stall() -> None:
    script = Script([faults.stall(0.05, applied=True)])
    with LocalIterable(faults=script) as iterable, open_client(iterable) as connection:
        connection.request("POST", UPDATE, "{}", {"Api-Key": iterable.api_key})
        assert wait_for(lambda: iterable.project.received == 1)
        before = time.monotonic()
        connection.sock.sendall(b"GET /api/webhooks HTTP/1.1\r\n\r\n")
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
        assert time.monotonic() - before >= 0.04
        assert [request.path for request in iterable.project.requests] == [UPDATE]


def test_a_drip_comes_byte_by_byte_and_whole() -> None:
    fault = faults.drip(0.001)
    with make_scripted(fault) as iterable, open_client(iterable) as connection:
        before = time.monotonic()
        response = send(connection, iterable)
        body = response.read()
        assert json.loads(body) == SUCCESS
        assert time.monotonic() - before >= 0.001 * len(body)
        assert send(connection, iterable).status == 200, "the connection is kept"
    assert not fault.ambiguous


@pytest.mark.parametrize("first", [False, True])
def test_latency_is_before_or_after_applying(*, first: bool) -> None:
    fault = faults.latency(0.2, applied_first=first)
    with make_scripted(fault) as iterable, ThreadPoolExecutor() as pool:
        before = time.monotonic()
        done = pool.submit(send_update, iterable)
        if first:
            assert wait_for(lambda: is_applied(iterable))
            assert not done.done()
        assert done.result()[0] == 200
        assert time.monotonic() - before >= 0.2
        assert is_applied(iterable)
    assert not fault.ambiguous


def test_nothing_is_applied_during_a_latency_before() -> None:
    script = Script([faults.latency(inf)])
    with LocalIterable(faults=script) as iterable, open_client(iterable) as connection:
        connection.request("POST", UPDATE, "{}", {"Api-Key": iterable.api_key})
        assert wait_for(lambda: script.counts != {})
        iterable.stop()
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
        assert iterable.project.received == 0


def test_what_a_fault_applies_may_be_refused() -> None:
    with make_scripted(faults.latency(0), faults.reset(applied=True)) as iterable:
        with open_client(iterable) as connection:
            assert send(connection, iterable, TRACK, {}).status == 400
        assert catch_error(iterable, TRACK) is ConnectionResetError
        assert [request.status for request in iterable.project.requests] == [400, 400]
        assert iterable.project.effects == []
        assert set(iterable.faulted) == {0, 1}


def wait_for(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold soon."""
    end = time.monotonic() + WAIT_SECONDS
    while not holds() and time.monotonic() < end:
        time.sleep(0.002)
    return holds()


# Stopping


ENDLESS = [
    faults.stall(),
    faults.stall(applied=True),
    faults.stall_midway(),
    faults.drip(inf),
    faults.latency(inf),
    faults.latency(1e300, applied_first=True),
]


def encode_request(iterable: LocalIterable) -> bytes:
    head = (f"POST {UPDATE} HTTP/1.1", f"Api-Key: {iterable.api_key}", "Content-Length: 2")
    return "\r\n".join([*head, "", "{}"]).encode()


DESCRIPTORS = Path("/proc/self/fd")
needs_descriptors = pytest.mark.skipif(
    not DESCRIPTORS.is_dir(), reason="descriptors cannot be counted here"
)


def count_descriptors() -> int:
    gc.collect()
    return len(list(DESCRIPTORS.iterdir()))


@needs_descriptors
def test_stopping_ends_whatever_waits_and_leaves_nothing() -> None:
    threads, before = set(threading.enumerate()), count_descriptors()
    script = Script(ENDLESS * 3)
    with LocalIterable(faults=script) as iterable:
        address = urlsplit(iterable.url)
        waiting = [socket.create_connection((address.hostname, address.port)) for _ in ENDLESS * 3]
        for connection in waiting:
            connection.sendall(encode_request(iterable))
        assert wait_for(lambda: sum(script.counts.values()) == len(waiting))
        iterable.stop()
    for connection in waiting:
        connection.close()
    assert (set(threading.enumerate()) - threads, count_descriptors()) == (set(), before)


@needs_descriptors
def test_faults_leave_no_thread_and_no_descriptor() -> None:
    every = [
        faults.rate_limited(),
        faults.reset(),
        faults.reset(applied=True),
        faults.close(),
        faults.cut(),
        faults.cut(reset=True),
        faults.stall(0.001),
        faults.stall_midway(0.001),
    ]
    with LocalIterable(faults=Script(every * 5)) as iterable:
        threads, before = threading.active_count(), count_descriptors()
        for _ in every * 5:
            with open_client(iterable) as connection, suppress(OSError, IncompleteRead):
                send(connection, iterable).read()
        assert wait_for(
            lambda: (threading.active_count(), count_descriptors()) == (threads, before)
        )


# Functions of your own


def test_a_function_may_answer_apply_or_return_a_fault() -> None:
    def of_mine(received: Received, apply: Callable[[], Response]) -> Response | Fault:
        if received.path == TRACK:
            return faults.reset(applied=True)
        if received.method == "GET":
            return Response(418, {}, b"")
        return apply()

    with LocalIterable(faults=of_mine) as iterable:
        with open_client(iterable) as connection, pytest.raises(ConnectionResetError):
            send(connection, iterable, TRACK, {"email": ADA, "eventName": "x"})
        with open_client(iterable) as connection:
            assert send(connection, iterable).read() != b""
            connection.request("GET", "/api/webhooks")
            assert connection.getresponse().status == 418
        assert [request.path for request in iterable.project.requests] == [TRACK, UPDATE]
        assert set(iterable.faulted) == {0}


def test_a_fault_of_my_own_goes_through_its_fields_in_order() -> None:
    mine = Fault("mine", applied=True, answer=Response(200, {"X": "y"}, b"0123456789"), sent=0.3)
    with make_scripted(mine) as iterable, open_client(iterable) as connection:
        response = send(connection, iterable)
        assert (response.headers["X"], response.headers["Content-Length"]) == ("y", "10")
        with pytest.raises(IncompleteRead) as raised:
            response.read()
        assert raised.value.partial == b"012"


# Deciding


def received(path: str = UPDATE) -> Received:
    return Received("POST", path, {}, b"")


def fine() -> Response:
    return Response(200, {}, b"fine")


def decide(faults_of: Script | RandomFaults, times: int, path: str = UPDATE) -> list[object]:
    """What befalls requests: a fault, or None."""
    decisions = [faults_of(received(path), fine) for _ in range(times)]
    return [each if isinstance(each, Fault) else None for each in decisions]


def test_a_script_is_played_in_order_and_then_all_goes_well() -> None:
    entries = [faults.reset(), None, faults.cut(), faults.reset(), None]
    script = Script(entries)
    assert decide(script, 8) == [*entries, None, None, None]
    assert script.counts == {faults.reset(): 2, faults.cut(): 1}
    assert script.ambiguous == 1


def test_a_script_may_be_endless() -> None:
    assert decide(Script(repeat(faults.drip(1))), 3) == [faults.drip(1)] * 3


@pytest.mark.parametrize("asked", [TRACK, f"{TRACK}?x=y"])
def test_faults_of_some_paths_leave_others_alone(asked: str) -> None:
    script = Script([faults.reset()], paths={TRACK})
    jitter = RandomFaults({faults.reset(): 1}, seed=1, paths=[TRACK])
    for each in (script, jitter):
        assert decide(each, 2, UPDATE) == [None, None]
        assert each.counts == {}
        assert decide(each, 1, asked) == [faults.reset()]


def test_one_path_is_no_collection_of_paths() -> None:
    with pytest.raises(TypeError, match="paths must be a collection of paths, not one string"):
        Script([], paths=TRACK)
    with pytest.raises(TypeError, match="not one string"):
        RandomFaults({}, seed=1, paths=TRACK)


SHARES = {faults.reset(): 0.2, faults.cut(): 0.1, faults.reset(applied=True): 0.3}


def test_chance_is_the_same_for_the_same_seed() -> None:
    first, again, other = (decide(RandomFaults(SHARES, seed=seed), 200) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_chance_keeps_to_its_shares_and_counts_what_it_does() -> None:
    jitter = RandomFaults(SHARES, seed=7)
    chosen = decide(jitter, 10_000)
    for fault, share in SHARES.items():
        assert jitter.counts[fault] == chosen.count(fault)
        assert chosen.count(fault) == pytest.approx(10_000 * share, rel=0.1)
    assert jitter.ambiguous == chosen.count(faults.cut()) + chosen.count(faults.reset(applied=True))


@pytest.mark.parametrize("count", [1, 3, 10])
def test_shares_may_be_all(count: int) -> None:
    shares = {faults.latency(number): 1 / count for number in range(count)}
    assert None not in decide(RandomFaults(shares, seed=3), 1000)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([0.6, 0.5], r"shares must be 1 at most in all, not 1\.1"),
        ([-0.1, 0.5], "shares must be 0 or more"),
        ([nan], "shares must be 0 or more"),
        ([inf], "not inf"),
    ],
)
def test_shares_are_probabilities(shares: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomFaults({faults.latency(n): share for n, share in enumerate(shares)}, seed=1)


@pytest.mark.parametrize(
    "make", [lambda: Script([faults.reset()] * 4000), lambda: RandomFaults(SHARES, seed=7)]
)
def test_deciding_is_for_many_threads_at_once(make: Callable[[], Script | RandomFaults]) -> None:
    alone, shared = make(), make()
    expected = decide(alone, 8000)
    with ThreadPoolExecutor(8) as pool:
        decisions = [
            each for part in pool.map(lambda _: decide(shared, 1000), range(8)) for each in part
        ]
    assert len(decisions) == 8000
    assert shared.counts == alone.counts
    assert decisions.count(None) == expected.count(None)


# Values


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: faults.server_error(499), "status must be 500 to 599, not 499"),
        (lambda: faults.server_error(600), "status must be 500 to 599, not 600"),
        (lambda: faults.not_json(300), "status must be 200 to 299, not 300"),
        (lambda: faults.redirect(304), "status must be one of"),
        (lambda: faults.latency(-1), "wait_before must be 0 seconds or more, not -1"),
        (lambda: faults.latency(nan, applied_first=True), "wait_after must be 0 seconds or more"),
        (lambda: faults.drip(-0.1), "pause must be 0 seconds or more"),
        (lambda: faults.stall(-1), "silence must be 0 seconds or more"),
        (lambda: Fault("x", sent=1.1), "sent must be a share from 0 to 1, or None, not 1.1"),
        (lambda: Fault("x", end="explode"), "'end' must be in"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Fault], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_equal_faults_are_one_and_different_ones_have_names_of_their_own() -> None:
    every = [
        faults.rate_limited(),
        faults.rate_limited(1),
        faults.rate_limited(1, plain=True),
        faults.server_error(),
        faults.server_error(503),
        faults.server_error(html=True),
        faults.server_error(applied=True),
        faults.reset(),
        faults.reset(applied=True),
        faults.close(),
        faults.close(applied=True),
        faults.stall(),
        faults.stall(applied=True),
        faults.stall(1),
        faults.stall_midway(),
        faults.stall_midway(1),
        faults.drip(1),
        faults.cut(),
        faults.cut(reset=True),
        faults.not_json(),
        faults.not_json(201),
        faults.redirect(),
        faults.redirect(307),
        faults.latency(1),
        faults.latency(1, applied_first=True),
    ]
    assert len(set(every)) == len({fault.name for fault in every}) == len(every)
    assert {faults.server_error(503): 1}[faults.server_error(503)] == 1
    assert repr(faults.reset(applied=True)) == "Fault(name='reset(applied=True)')"


def test_a_fault_that_answers_nothing_is_not_whole() -> None:
    assert not Fault("nothing").whole
    assert Fault("kept from the project", answer=fine()).whole
    assert not Fault("half", applied=True, sent=0.5).whole


def test_doubles_are_no_more_than_ambiguous_requests() -> None:
    """A client that repeats whatever fails: what the counts are there for."""
    jitter = RandomFaults(
        {
            faults.server_error(503): 0.1,
            faults.reset(): 0.1,
            faults.reset(applied=True): 0.1,
            faults.cut(): 0.1,
            faults.not_json(): 0.1,
        },
        seed=11,
    )
    with LocalIterable(Project(), faults=jitter) as iterable:
        for number in range(50):
            body = {"email": ADA, "eventName": "x", "dataFields": {"number": number}}
            while not tracked(iterable, body):
                assert iterable.project.received < 1000
        effects = iterable.project.effects
        lost = [n for n, fault in iterable.faulted.items() if fault.ambiguous]
    assert {effect.data_fields["number"] for effect in effects} == set(range(50))
    assert len(effects) - 50 == jitter.ambiguous == len(lost) > 0
    assert sum(jitter.counts.values()) > jitter.ambiguous


def tracked(iterable: LocalIterable, body: dict[str, Any]) -> bool:
    with open_client(iterable) as connection:
        try:
            response = send(connection, iterable, TRACK, body)
            return response.status == 200 and bool(json.loads(response.read()))
        except (OSError, IncompleteRead, ValueError):
            return False
