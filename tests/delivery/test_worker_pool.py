"""WorkerPool: each event has one outcome, and delivered ones were accepted by the server."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from iterable_destination import (
    ApiResponse,
    Client,
    Destination,
    Outcome,
    RetryPolicy,
    Settings,
    errors,
)
from iterable_destination.delivery import safe_scheduler
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.io.transport_protocol import HttpResponse
from iterable_destination.model import endpoints
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.testing import LocalIterable, faults
from tests.support import faulty_server as faulty
from tests.support.delivering import (
    QUICK,
    RATE_LIMITS,
    WAIT_SECONDS,
    Leaks,
    by_index,
    cart,
    delivering,
    identify,
    names,
    order,
    page,
    together,
    track,
    wait_until,
)
from tests.support.faulty_server import FaultyServer, Script

KEY = "the-key-of-no-project-0123456789"
SETTINGS = Settings(api_key=KEY)
#: One try, and time enough to find out which item of a bulk was refused.
NONE = RetryPolicy(max_attempts=1, max_server_errors=1, breaker_timeout=0.0)


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


class FixedResponseClient(Client):
    """Gives the same response to every request, parsed as a real one is."""

    def __init__(self, status: int, text: bytes) -> None:
        super().__init__(SETTINGS)
        self.status = status
        self._text = text
        self.paths: list[str] = []
        vars(self)["_transport"] = SimpleNamespace(send=self.respond, close=lambda: None)

    def request(
        self,
        endpoint: Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,
        expects_code: bool = False,
    ) -> ApiResponse:
        self.paths.append(endpoint.path)
        return super().request(endpoint, body, timeout=timeout, expects_code=expects_code)

    def respond(
        self, endpoint: Endpoint, body: bytes | None, timeout: float | None
    ) -> HttpResponse:
        """Stand in for the transport."""
        del endpoint, timeout
        return HttpResponse(self._status_for(body or b""), {}, self._text)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _status_for(self, body: bytes) -> int:
        del body
        return self.status


class StatusByNumberClient(FixedResponseClient):
    """Responds with the status that is the number of the event."""

    def _status_for(self, body: bytes) -> int:
        return int(json.loads(body)["items"][0]["id"])


SUCCESS = {"msg": "", "code": "Success", "params": None}
TALLY = {"successCount": 3, "failCount": 0, "failedUpdates": {}, "createdFields": []}
NOTHING_DONE = {"successCount": 0, "failCount": 3, "failedUpdates": {}}
HALF_DONE = {"successCount": 1, "failCount": 2, "failedUpdates": {}}
BODIES = {
    "success": json.dumps(SUCCESS).encode(),
    "tally": json.dumps(TALLY).encode(),
    "nothing done": json.dumps(NOTHING_DONE).encode(),
    "half done": json.dumps(HALF_DONE).encode(),
    "failure": b'{"msg":"Bad","code":"BadParams","params":null}',
    "object": b"{}",
    "html": b"<!DOCTYPE html><html><body>200 OK</body></html>",
    "empty": b"",
}
#: Three events of three users, for each way they go.
SENT: dict[str, Callable[[int, str], dict[str, Any]]] = {
    "bulkUpdate": identify,
    "trackBulk": track,
    "trackPurchase": order,
    "updateCart": cart,
}


#: Events that one request is made of, or one that goes alone.
_ITEMS = {"bulkUpdate": 3, "trackBulk": 3, "trackPurchase": 1, "updateCart": 1}


def deliver_to(status: int, text: bytes, kind: str) -> tuple[list[Outcome], FixedResponseClient]:
    with (
        FixedResponseClient(status, text) as client,
        Destination(
            SETTINGS, client=client, retry=NONE, rate_limits=RATE_LIMITS, max_workers=1
        ) as to,
    ):
        events = [SENT[kind](n, f"u-{n}") for n in range(_ITEMS[kind])]
        return by_index(to.send_all(together(to, events))), client


#: Some of each kind, and with them the ends of each hundred; then every one.
STATUSES = [
    pytest.param([200, 201, 202, 204, 206, 226, 250, 299, 300, 304, 399, 400, 499, 500, 599]),
    pytest.param(range(200, 600), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("statuses", STATUSES, ids=["some", "every"])
@pytest.mark.parametrize("body", list(BODIES))
@pytest.mark.parametrize("kind", ["trackBulk", "bulkUpdate"])
def test_no_status_of_a_bulk_is_a_false_success(
    kind: str, body: str, statuses: Sequence[int]
) -> None:
    events = [SENT[kind](n, f"u-{n}") for n in range(3)]
    with (
        FixedResponseClient(0, BODIES[body]) as client,
        Destination(
            SETTINGS, client=client, retry=NONE, rate_limits=RATE_LIMITS, max_workers=1
        ) as to,
    ):
        for client.status in statuses:
            client.paths.clear()
            outcomes = by_index(to.send_all(together(to, events)))
            assert len(outcomes) == 3, client.status
            # without a tally each goes singly, and there "success" is a plain acceptance
            if client.status <= 299 and body in {"tally", "success"}:
                assert names(outcomes) == ["delivered"] * 3, client.status
                single_paths = [path for path in client.paths if not path.endswith(kind)]
                assert len(single_paths) == (3 if body == "success" else 0)
            else:
                assert "delivered" not in names(outcomes), client.status


@pytest.mark.parametrize("statuses", STATUSES, ids=["some", "every"])
@pytest.mark.parametrize("body", list(BODIES))
@pytest.mark.parametrize("kind", ["trackPurchase", "updateCart"])
def test_no_status_of_a_single_request_is_a_false_success(
    kind: str, body: str, statuses: Sequence[int]
) -> None:
    with (
        StatusByNumberClient(0, BODIES[body]) as client,
        Destination(SETTINGS, client=client, retry=NONE, rate_limits=RATE_LIMITS) as to,
    ):
        outcomes = by_index(to.send_all(SENT[kind](n, f"u-{n}") for n in statuses))
    assert len(outcomes) == len(client.paths) == len(statuses)
    delivered = [statuses[each.index] for each in outcomes if each.name == "delivered"]
    assert delivered == [each for each in statuses if each <= 299 and body == "success"]


#: What the outcomes of a status are where its body says nothing else.
EXPECTED = {
    **dict.fromkeys([400, 409, 413, 422], "retryable"),
    **dict.fromkeys([301, 302, 307, 308, 401, 403, 404, 405, 410, 418], "retryable"),
    **dict.fromkeys([408, 425, 429, 500, 502, 503, 504, 599], "retryable"),
    **dict.fromkeys([200, 201, 202, 204], "unknown"),
}


@pytest.mark.parametrize("kind", list(SENT))
@pytest.mark.parametrize(("status", "name"), EXPECTED.items())
def test_a_status_decides_where_the_body_says_nothing(status: int, name: str, kind: str) -> None:
    outcomes, client = deliver_to(status, BODIES["html"], kind)
    assert names(outcomes) == [name] * _ITEMS[kind]
    assert len(client.paths) <= 7


#: What each code of Iterable's means with status 400.
CODES = {
    **dict.fromkeys(["BadParams", "BadJsonBody", "InvalidEmailAddressError"], errors.BadRequest),
    **dict.fromkeys(["UnknownEmailError", "UnknownUserIdError"], errors.BadRequest),
    **dict.fromkeys(["InvalidUserIdError", "QueueEmailError"], errors.BadRequest),
    **dict.fromkeys(["EmailAlreadyExists", "UserIdAlreadyExists"], errors.IdentityConflict),
    "ExternalKeyConflict": errors.IdentityConflict,
    "ForgottenUserError": errors.ForgottenUser,
    "BatchTooLarge": errors.TooLarge,
    **dict.fromkeys(["BadApiKey", "BadAuthorizationHeader"], errors.Unauthorized),
    **dict.fromkeys(["InvalidJwtPayload", "JwtUserIdentifiersMismatched"], errors.Unauthorized),
    "Unauthorized": errors.Unauthorized,
    "Forbidden": errors.Forbidden,
    **dict.fromkeys(["DatabaseError", "GenericError"], errors.ServerError),
    "RateLimitExceeded": errors.RateLimited,
}


@pytest.mark.parametrize("kind", list(SENT))
@pytest.mark.parametrize("status", [200, 400])
def test_every_code_of_iterables_has_its_meaning(status: int, kind: str) -> None:
    for code, error in CODES.items():
        text = json.dumps({"msg": "It failed.", "code": code, "params": None}).encode()
        outcomes, _ = deliver_to(status, text, kind)
        refused = issubclass(error, errors.RequestRefused)
        assert names(outcomes) == ["rejected" if refused else "retryable"] * _ITEMS[kind], code
        assert {type(outcome.error) for outcome in outcomes} == {error}, code
        assert {outcome.code for outcome in outcomes} == {code}


def test_a_tally_that_names_one_user_blames_that_one_alone() -> None:
    failed = {"invalidUserIds": ["u-1"]}
    text = json.dumps({"successCount": 2, "failCount": 1, "failedUpdates": failed}).encode()
    for kind in ("trackBulk", "bulkUpdate"):
        outcomes, client = deliver_to(200, text, kind)
        assert names(outcomes) == ["delivered", "rejected", "delivered"]
        assert len(client.paths) == 1


# Faults of the connection ------------------------------------------------------------------------

_SUCCESS = faulty.SUCCESS
#: Faults after which nobody knows whether the request was applied.
AMBIGUOUS: dict[str, Script] = {
    "reset": faulty.resets_after_reading,
    "closed": faulty.closes_after_reading,
    "cut body": faulty.sends(faulty.CUT_BODY),
    "cut headers": faulty.sends(faulty.CUT_HEADERS),
    "no HTTP": faulty.sends(faulty.NO_HTTP),
    "bad chunk": faulty.sends(faulty.BAD_CHUNK),
    "cut chunk": faulty.sends(faulty.CUT_CHUNK),
    "many headers": faulty.sends(faulty.MANY_HEADERS),
    "long header": faulty.sends(faulty.LONG_HEADER),
    "two lengths": faulty.sends(faulty.TWO_LENGTHS),
    "bad gzip": faulty.sends(faulty.BAD_GZIP),
    "cut gzip": faulty.sends(faulty.CUT_GZIP),
    "stall": faulty.sends_and_stalls(b""),
    "stall in the headers": faulty.sends_and_stalls(faulty.CUT_HEADERS),
    "stall in the body": faulty.sends_and_stalls(faulty.CUT_BODY),
    "drip": faulty.drips(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", _SUCCESS * 20, 0.02),
}


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("fault", list(AMBIGUOUS))
@pytest.mark.parametrize("kind", list(SENT))
def test_after_a_fault_of_the_connection_it_is_unknown(kind: str, fault: str) -> None:
    """Once, and the second try goes well; or always."""
    event = SENT[kind](0, "u-0")
    with FaultyServer(AMBIGUOUS[fault], faulty.accepts) as server:
        with delivering(server.url, read_timeout=0.25) as to:
            [outcome] = to.send_all([event])
        assert (outcome.name, outcome.attempts) == ("delivered", 2)
        bodies = [request.body for request in server.requests]
        assert bodies[0] == bodies[1]
    with FaultyServer(AMBIGUOUS[fault]) as server:
        with delivering(server.url, read_timeout=0.25, retry=NONE) as to:
            [outcome] = to.send_all([event])
        assert outcome.name == "unknown"
        assert type(outcome.error) is errors.AmbiguousAnswer


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("kind", list(SENT))
def test_without_a_connection_it_is_retryable(kind: str) -> None:
    with faulty.refusing() as url, delivering(url, retry=RetryPolicy(deadline=0.05)) as to:
        outcomes = by_index(to.send_all(SENT[kind](n, f"u-{n}") for n in range(20)))
    assert names(outcomes) == ["retryable"] * 20
    assert {type(outcome.error) for outcome in outcomes} == {errors.NotConnected}


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("kind", list(SENT))
def test_an_endless_answer_comes_to_an_end(kind: str) -> None:
    flood = faulty.floods(faulty.CHUNKED, b"10000\r\n" + b"a" * 65_536 + b"\r\n")
    with (
        FaultyServer(flood) as server,
        delivering(server.url, read_timeout=0.3, retry=NONE) as to,
    ):
        [outcome] = to.send_all([SENT[kind](0, "u-0")])
    assert outcome.name == "unknown"


# The threads -------------------------------------------------------------------------------------


class CrashingClient(Client):
    """Has a bug."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(SETTINGS)
        self._error = error

    def request(self, *_: Any, **__: Any) -> ApiResponse:
        raise self._error


FAULTS = [ZeroDivisionError("ada@example.com"), MemoryError(), RecursionError(), SystemExit(3)]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_what_a_client_raises_is_the_outcome_of_its_request(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with (
        CrashingClient(error) as client,
        Destination(SETTINGS, client=client, retry=QUICK, rate_limits=RATE_LIMITS) as to,
    ):
        told = by_index(to.send_all(track(n, f"u-{n % 2_000}") for n in range(5_000)))
        assert to.counters.outcomes == Counter(names(told))
    assert set(names(told[:2_000])) == {"unknown"}
    assert set(names(told)) == {"unknown", "retryable"}  # what its user's first events held up
    assert told[0].message == f"the request broke off with {type(error).__name__}"
    assert f"delivery goes on after {type(error).__name__} at {__file__}" in caplog.text
    assert "ada@example.com" not in caplog.text


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), MemoryError()])
def test_what_a_client_raises_is_the_outcome_of_a_single_event(error: Exception) -> None:
    with (
        CrashingClient(error) as client,
        Destination(SETTINGS, client=client, retry=QUICK, rate_limits=RATE_LIMITS) as to,
    ):
        assert to.send(track(0)).name == "unknown"
        assert to.counters.outcomes == Counter(unknown=1)


def test_an_interruption_of_a_request_is_raised_and_holds_up_nothing() -> None:
    with (
        CrashingClient(KeyboardInterrupt()) as client,
        Destination(SETTINGS, client=client, retry=QUICK, rate_limits=RATE_LIMITS) as to,
    ):
        with pytest.raises(KeyboardInterrupt):
            to.send(track(0))
        vars(client)["request"] = lambda *_, **__: ApiResponse(200, {"code": "Success"})
        assert to.send(track(1)).name == "delivered"


def test_the_background_goes_on_after_what_a_client_raised() -> None:
    told: list[Outcome] = []
    with (
        CrashingClient(SystemExit(3)) as client,
        Destination(SETTINGS, client=client, retry=QUICK, rate_limits=RATE_LIMITS) as to,
    ):
        to.start(told.append)
        for n in range(5):
            assert to.enqueue(track(n, f"u-{n}")) == n
            assert to.flush(WAIT_SECONDS) == 0
        assert to.close(WAIT_SECONDS) == 0
    assert names(told) == ["unknown"] * 5


class BreakingScheduler(Scheduler):
    """Breaks in one of its methods, some times."""

    broken: ClassVar[str] = ""
    error: ClassVar[BaseException] = MemoryError()
    left: ClassVar[int] = 0

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name != BreakingScheduler.broken or not BreakingScheduler.left:
            return value

        def breaks_after(*about: Any) -> Any:
            """Do all of it, and fail: the state is what nobody expects."""
            BreakingScheduler.left -= 1
            value(*about)
            raise BreakingScheduler.error

        return breaks_after


METHODS = ["add", "next", "on_response", "on_error"]


@pytest.fixture(params=FAULTS[1:], ids=lambda error: type(error).__name__)
def breaking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_scheduler, "Scheduler", BreakingScheduler)
    monkeypatch.setattr(BreakingScheduler, "error", request.param)


@pytest.mark.usefixtures("breaking")
@pytest.mark.parametrize("method", METHODS)
def test_after_a_fault_of_the_scheduler_everything_is_told_and_delivery_goes_on(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method == "add" and isinstance(BreakingScheduler.error, SystemExit):
        pytest.skip("events are added in a thread of the caller's")
    fails = faults.Script([faults.server_error(503)] * 2)
    with LocalIterable(faults=fails) as iterable, delivering(iterable) as to:
        monkeypatch.setattr(BreakingScheduler, "broken", method)
        monkeypatch.setattr(BreakingScheduler, "left", 1)
        told = by_index(to.send_all(track(n, f"u-{n % 100}") for n in range(1_000)))
        assert BreakingScheduler.left == 0
        assert len(told) == 1_000
        assert to.counters.outcomes == Counter(names(told))
        for outcome in told:
            later = [each.name for each in told[outcome.index :: 100]]
            if outcome.name in {"retryable", "unknown"}:
                assert "delivered" not in later
        stored = {effect.id for effect in iterable.project.effects}
        assert all(outcome.message_id in stored for outcome in told if outcome.name == "delivered")


@pytest.mark.usefixtures("breaking")
@pytest.mark.parametrize("method", METHODS)
def test_after_a_fault_of_the_scheduler_the_background_goes_on(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Outcome] = []
    fails = faults.Script([faults.server_error(503)] * 2)
    with LocalIterable(faults=fails) as iterable, delivering(iterable) as to:
        to.start(told.append)
        monkeypatch.setattr(BreakingScheduler, "broken", method)
        monkeypatch.setattr(BreakingScheduler, "left", 1)
        for n in range(500):
            to.enqueue(track(n, f"u-{n}"))
        assert to.flush(WAIT_SECONDS) == 0
        assert len(by_index(told)) == 500
        wait_until(lambda: BreakingScheduler.left == 0)
        to.enqueue(track(500, "u-500"))
        assert to.flush(WAIT_SECONDS) == 0
        assert told[-1].name == "delivered"
        assert to.close() == 0


def test_threads_are_started_as_they_are_needed_and_used_again() -> None:
    seen: set[threading.Thread] = set()

    class Watching(FixedResponseClient):
        def respond(self, *about: Any) -> HttpResponse:
            seen.add(threading.current_thread())
            return super().respond(*about)

    with (
        Watching(200, BODIES["success"]) as client,
        Destination(SETTINGS, client=client, rate_limits=RATE_LIMITS, max_workers=5) as to,
    ):
        outcomes = list(to.send_all(order(n, "u-1") for n in range(100)))
        assert len(seen) <= 5
        assert names(outcomes) == ["delivered"] * 100
    assert all(not thread.is_alive() for thread in seen)


def test_many_events_at_once_start_one_thread_until_that_has_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[threading.Thread] = []

    def never_runs(thread: threading.Thread) -> None:
        started.append(thread)

    monkeypatch.setattr(threading.Thread, "start", never_runs)
    with (
        FixedResponseClient(200, BODIES["success"]) as client,
        Destination(SETTINGS, client=client, rate_limits=RATE_LIMITS) as to,
    ):
        pool = to._make_pool(to._policy)
        for n in range(50):
            pool.submit(*to._preparer.prepare(n, order(n, f"u-{n}")))
        pool.close(wait=0)
    assert len(started) == 1


def test_an_event_of_a_slow_source_is_sent_while_the_next_is_awaited() -> None:
    arrived = threading.Event()

    class Noting(FixedResponseClient):
        def respond(self, *about: Any) -> HttpResponse:
            arrived.set()
            return super().respond(*about)

    def slow(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        arrived.clear()
        yield event
        assert arrived.wait(WAIT_SECONDS)

    for kind, text in (("trackPurchase", "success"), ("trackBulk", "tally")):
        with (
            Noting(200, BODIES[text]) as client,
            Destination(SETTINGS, client=client, rate_limits=RATE_LIMITS, retry=NONE) as to,
        ):
            list(to.send_all(slow(SENT[kind](0, "u-0"))))
            assert len(client.paths) >= 1


def test_a_job_has_the_same_body_each_time() -> None:
    bodies: list[bytes] = []
    for_bulk = endpoints.EVENTS_TRACK_BULK.path

    class Losing(FixedResponseClient):
        def respond(
            self, endpoint: Endpoint, body: bytes | None, timeout: float | None
        ) -> HttpResponse:
            assert endpoint.path == for_bulk
            bodies.append(body or b"")
            if len(bodies) < 4:
                raise errors.AmbiguousAnswer("lost")
            return super().respond(endpoint, body, timeout)

    with (
        Losing(200, BODIES["tally"]) as client,
        Destination(SETTINGS, client=client, retry=QUICK, rate_limits=RATE_LIMITS) as to,
    ):
        events = [track(0, "u-0"), page(1, "u-1"), track(2, "u-2")]
        outcomes = list(to.send_all(together(to, events)))
    assert names(outcomes) == ["delivered"] * 3
    assert {outcome.attempts for outcome in outcomes} == {4}
    assert len(bodies) == 4
    assert len(set(bodies)) == 1


# Where no thread can be started ------------------------------------------------------------------


def test_where_no_thread_can_be_started_requests_are_sent_in_the_calling_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As at the end of the interpreter from Python 3.12 on; what is retried waits there, too."""
    events = [order(n, f"u-{n % 3}") for n in range(20)]
    threads = set()

    class Noting(FixedResponseClient):
        def respond(self, *arguments: Any) -> HttpResponse:
            threads.add(threading.current_thread())
            self.status = 200 if self.status == 503 or len(self.paths) > 5 else 503
            return super().respond(*arguments)

    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", fails)
    with (
        Noting(200, BODIES["success"]) as client,
        Destination(SETTINGS, client=client, retry=QUICK, rate_limits=RATE_LIMITS) as to,
    ):
        outcomes = by_index(to.send_all(events))
        assert names(to.send_all(events, timeout=0)) == ["retryable"] * 20
    assert names(outcomes) == ["delivered"] * 20
    assert len(client.paths) > 20
    assert threads == {threading.current_thread()}
