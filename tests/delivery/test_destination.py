"""Destination: attempts, waits and deadlines of single events, and the reported outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import attrs
import pytest

from iterable_destination import (
    Client,
    Delivered,
    Destination,
    InvalidEvent,
    InvalidSettings,
    Note,
    Outcome,
    Problem,
    Rejected,
    Retryable,
    RetryPolicy,
    Settings,
    Skipped,
    Unknown,
    errors,
    translate,
)
from iterable_destination.delivery.policies import Runtime
from iterable_destination.errors import Unauthorized
from iterable_destination.model.calls import (
    Call,
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateUser,
)
from iterable_destination.model.endpoints import EVENTS_TRACK, Endpoint
from iterable_destination.model.json_codec import decode
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.translation import Translation
from iterable_destination.testing import LocalIterable
from iterable_destination.typing import Identify, Track
from tests.support import faulty_server as faulty
from tests.support.delivering import delivering, track
from tests.support.faulty_server import FaultyServer, Script

KEY = "the-key-of-no-project-0123456789"
SETTINGS = Settings(api_key=KEY)
EVENT = {"type": "track", "event": "Signed Up", "userId": "u-1", "messageId": "m-1"}
ACCEPTED = ApiResponse(200, {"msg": "ok", "code": "Success"}, "Success", "ok", "r-1")

Reply = ApiResponse | Exception


class Time:
    """A clock that only sleeping moves, and chance that always gives the same part of a range."""

    def __init__(self, part: float = 1.0) -> None:
        self.now = 1_000.0
        self.part = part
        self.waits: list[float] = []
        self.bounds: list[tuple[float, float]] = []
        self.runtime = Runtime(self.clock, self.sleep, self.jitter)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def jitter(self, low: float, high: float) -> float:
        self.bounds.append((low, high))
        return low + self.part * (high - low)


class FakeClient(Client):
    """Gives what it is told to give, in order, the last one ever after."""

    def __init__(self, *replies: Reply, time: Time | None = None, takes: float = 0.0) -> None:
        super().__init__(SETTINGS)
        self._replies = list(replies)
        self._time = time
        self._takes = takes
        self.sent: list[Call] = []
        self.closings = 0

    def request(
        self,
        endpoint: Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,
        expects_code: bool = False,
    ) -> ApiResponse:
        assert (timeout, expects_code) == (None, True)
        kind = next(each for each in get_args(Call) if each.endpoint == endpoint)
        self.sent.append(kind.of_body(decode(body or b"")))
        if self._time is not None:
            self._time.now += self._takes
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def close(self) -> None:
        self.closings += 1
        super().close()


@attrs.frozen
class Result:
    outcome: Outcome
    client: FakeClient
    time: Time

    @property
    def waits(self) -> list[float]:
        return self.time.waits

    @property
    def bounds(self) -> list[float]:
        assert all(low == 0 for low, _ in self.time.bounds)
        return [high for _, high in self.time.bounds]


def deliver(
    *replies: Reply,
    event: Any = EVENT,
    part: float = 1.0,
    takes: float = 0.0,
    retry: RetryPolicy | None = None,
    index: int = 0,
    translator: Callable[[Any, Settings], Translation] = translate,
    stamp_ids: bool = True,
) -> Result:
    """Send one event with the client giving these replies."""
    time = Time(part)
    client = FakeClient(*replies, time=time, takes=takes)
    destination = Destination(
        SETTINGS,
        client=client,
        translator=translator,
        retry=retry,
        stamp_ids=stamp_ids,
        _runtime=time.runtime,
    )
    return Result(destination.send(event, index=index), client, time)


def error(
    kind: type[errors.ApiError], message: str = "It failed.", **about: Any
) -> errors.ApiError:
    return kind(message, **about)


NOT_CONNECTED = error(errors.NotConnected)
AMBIGUOUS = error(errors.AmbiguousAnswer)
SERVER = error(errors.ServerError, status=503)
LIMITED = error(errors.RateLimited, status=429)

REFUSALS = [
    errors.BadRequest,
    errors.TooLarge,
    errors.IdentityConflict,
    errors.ForgottenUser,
    errors.EventDisallowed,
]
CONFIGURATION = [errors.Unauthorized, errors.Forbidden, errors.WrongAddress]
TRANSIENT = [NOT_CONNECTED, AMBIGUOUS, SERVER, LIMITED]
TRANSIENT_NAMES = [type(each).__name__ for each in TRANSIENT]


# Outcomes ----------------------------------------------------------------------------------------


def test_an_accepted_event_is_delivered() -> None:
    result = deliver(ACCEPTED, index=7)
    call = TrackEvent(Identity(None, "u-1"), "Signed Up", id="m-1")
    assert result.outcome == Delivered(
        message_id="m-1",
        index=7,
        calls=(call,),
        attempts=1,
        code="Success",
        message="ok",
        request_id="r-1",
    )
    assert result.client.sent == [call]
    assert (result.waits, result.bounds) == ([], [])
    assert result.outcome.summary() == {"index": 7, "messageId": "m-1", "outcome": "delivered"}


def test_an_invalid_event_is_rejected_and_nothing_is_sent() -> None:
    event = {"type": "track", "messageId": "m-2", "properties": 1}
    result = deliver(ACCEPTED, event=event, index=3)
    outcome = result.outcome
    assert type(outcome) is Rejected
    assert isinstance(outcome.error, InvalidEvent)
    problems = (
        Problem("properties", "must be an object, not a number", "not-an-object"),
        Problem("userId", "Must set either userId or email", "no-user"),
        Problem("event", "missing", "missing"),
    )
    assert outcome.error.problems == problems
    message = "; ".join(map(str, problems))
    assert (outcome.index, outcome.message_id, outcome.message) == (3, "m-2", message)
    assert (outcome.attempts, outcome.calls, outcome.code, outcome.request_id) == (
        0,
        (),
        None,
        None,
    )
    assert outcome.summary() == {
        "index": 3,
        "messageId": "m-2",
        "outcome": "rejected",
        "error": {
            "type": "InvalidEvent",
            "code": None,
            "message": message,
            "problems": [attrs.asdict(each) for each in problems],
        },
    }
    assert result.client.sent == []


@pytest.mark.parametrize("event", [None, [], "event", 1, b"{}", {}, {1: 2}, {"type": 1}])
def test_whatever_is_handed_in_has_an_outcome(event: Any) -> None:
    result = deliver(ACCEPTED, event=event)
    assert type(result.outcome) is Rejected
    assert result.client.sent == []


def test_a_skipped_event_is_told_and_nothing_is_sent() -> None:
    event = EVENT | {"type": "group"}
    result = deliver(ACCEPTED, event=event, index=4)
    outcome = result.outcome
    assert type(outcome) is Skipped
    assert outcome.message
    assert outcome.message == translate(event).skipped
    assert (outcome.index, outcome.message_id, outcome.attempts) == (4, "m-1", 0)
    assert (outcome.calls, outcome.error, outcome.code) == ((), None, None)
    assert outcome.summary()["skipped"] == outcome.message
    assert result.client.sent == []


def test_notes_are_carried_to_the_outcome() -> None:
    result = deliver(ACCEPTED, event=EVENT | {"userId": 5})
    assert result.outcome.notes == (Note("userId", "a number, sent as a string", "sent-as-string"),)


@pytest.mark.parametrize("reply", [error(errors.BadRequest), error(errors.Forbidden), AMBIGUOUS])
def test_notes_are_carried_to_the_outcome_of_a_failure(reply: errors.ApiError) -> None:
    result = deliver(reply, event=EVENT | {"userId": 5}, retry=RetryPolicy(deadline=0))
    assert result.outcome.notes == (Note("userId", "a number, sent as a string", "sent-as-string"),)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_request_is_rejected_and_not_repeated(kind: type[errors.ApiError]) -> None:
    refusal = error(kind, "No.", status=400, code="Bad", params={"a": 1}, request_id="r-9")
    result = deliver(refusal, index=2)
    outcome = result.outcome
    assert outcome == Rejected(
        message_id="m-1",
        index=2,
        calls=(TrackEvent(Identity(None, "u-1"), "Signed Up", id="m-1"),),
        attempts=1,
        code="Bad",
        message="No.",
        request_id="r-9",
        error=refusal,
    )
    assert outcome.error is refusal
    assert len(result.client.sent) == 1
    assert result.waits == []
    assert outcome.summary() == {
        "index": 2,
        "messageId": "m-1",
        "outcome": "rejected",
        "error": {"type": kind.__name__, "code": "Bad", "message": "No.", "requestId": "r-9"},
    }


@pytest.mark.parametrize("kind", CONFIGURATION)
def test_a_wrong_configuration_leaves_the_event_retryable_and_is_not_repeated(
    kind: type[errors.ApiError],
) -> None:
    wrong = error(kind, status=401, code="BadApiKey")
    result = deliver(wrong)
    assert type(result.outcome) is Retryable
    assert result.outcome.error is wrong
    assert (result.outcome.attempts, result.outcome.code) == (1, "BadApiKey")
    assert len(result.client.sent) == 1
    assert result.waits == []
    assert result.outcome.summary()["error"] == {
        "type": kind.__name__,
        "code": "BadApiKey",
        "message": "It failed.",
    }


@pytest.mark.parametrize("failure", TRANSIENT, ids=TRANSIENT_NAMES)
def test_what_passes_is_delivered_at_a_further_try(failure: errors.ApiError) -> None:
    result = deliver(failure, failure, failure, ACCEPTED)
    assert type(result.outcome) is Delivered
    assert (result.outcome.attempts, result.outcome.error) == (4, None)
    assert len(result.client.sent) == 4
    assert len(result.waits) == 3


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(NOT_CONNECTED, Retryable), (AMBIGUOUS, Unknown), (SERVER, Retryable), (LIMITED, Retryable)],
    ids=TRANSIENT_NAMES,
)
def test_what_lasts_is_given_up_and_told(failure: errors.ApiError, kind: type[Outcome]) -> None:
    result = deliver(failure)
    assert type(result.outcome) is kind
    assert result.outcome.error is failure
    assert result.outcome.attempts == len(result.client.sent) > 1
    assert result.outcome.message == "It failed."
    assert result.outcome.summary()["outcome"] == kind.name


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (NOT_CONNECTED, Unknown),
        (SERVER, Unknown),
        (LIMITED, Unknown),
        (AMBIGUOUS, Unknown),
        *((error(each), Rejected) for each in REFUSALS),
        *((error(each), Unknown) for each in CONFIGURATION),
        (ACCEPTED, Delivered),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else value.__name__,
)
def test_what_may_have_been_applied_is_unknown_until_iterable_says_otherwise(
    last: Reply, kind: type[Outcome]
) -> None:
    result = deliver(AMBIGUOUS, last)
    assert type(result.outcome) is kind
    assert result.outcome.error is (None if isinstance(last, ApiResponse) else last)


def test_the_last_fault_is_the_one_that_is_told() -> None:
    result = deliver(AMBIGUOUS, error(errors.BadRequest, "No.", code="BadParams", request_id="r-5"))
    outcome = result.outcome
    assert (outcome.code, outcome.message, outcome.request_id) == ("BadParams", "No.", "r-5")
    assert outcome.attempts == 2


def test_an_error_that_is_none_of_ours_leaves_open_whether_it_was_applied() -> None:
    outcome = deliver(ZeroDivisionError()).outcome
    assert (outcome.name, outcome.attempts) == ("unknown", 1)
    assert outcome.message == "the request broke off with ZeroDivisionError"


def test_an_error_that_is_raised_for_every_event_does_not_grow() -> None:
    with LocalIterable() as iterable, delivering(iterable, key="another-key") as to:
        found = []
        for n in range(20):
            outcome = to.send(track(n))
            assert outcome.error is not None
            with pytest.raises(errors.Unauthorized) as caught:
                raise outcome.error
            found.append((caught.value, len(caught.traceback)))
    assert len({id(error) for error, _ in found}) == 20
    assert {depth for _, depth in found[1:]} == {1}


# Waits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [NOT_CONNECTED, AMBIGUOUS], ids=["no connection", "ambiguous"])
def test_waits_are_drawn_from_zero_to_a_bound_that_doubles_up_to_the_longest(
    failure: errors.ApiError,
) -> None:
    result = deliver(failure, part=0.5, retry=RetryPolicy(deadline=75.0))
    assert result.bounds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]
    assert result.waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert result.outcome.attempts == 10


def test_waits_after_429_begin_with_a_second() -> None:
    result = deliver(LIMITED, part=0.5, retry=RetryPolicy(deadline=75.0))
    assert result.bounds == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


def test_waits_are_as_the_caller_chooses() -> None:
    retry = RetryPolicy(deadline=10.0, initial_backoff=0.1, max_backoff=0.3, max_server_errors=6)
    result = deliver(SERVER, retry=retry)
    assert result.bounds == [0.1, 0.2, 0.3, 0.3, 0.3]
    assert result.waits == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.3])


def test_a_longest_wait_below_a_second_holds_after_429_too() -> None:
    result = deliver(LIMITED, ACCEPTED, retry=RetryPolicy(max_backoff=0.3))
    assert result.waits == pytest.approx([0.3])


def test_a_bound_stays_finite_after_very_many_tries() -> None:
    retry = RetryPolicy(deadline=5_000.0, max_attempts=10_000, initial_backoff=1.0, max_backoff=1.0)
    result = deliver(NOT_CONNECTED, retry=retry)
    assert result.outcome.attempts == 5_001


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_five_answers_of_a_failing_server_are_enough(part: float) -> None:
    result = deliver(SERVER, part=part)
    assert type(result.outcome) is Retryable
    assert result.outcome.attempts == 5
    assert result.bounds == [0.5, 1.0, 2.0, 4.0]
    assert result.waits == [part * bound for bound in result.bounds if part]


def test_the_number_of_server_errors_is_the_callers_choice() -> None:
    assert deliver(SERVER, retry=RetryPolicy(max_server_errors=1)).outcome.attempts == 1
    assert deliver(SERVER, retry=RetryPolicy(max_server_errors=2)).outcome.attempts == 2


def test_only_answers_of_a_failing_server_count_as_such() -> None:
    result = deliver(*[SERVER, LIMITED, NOT_CONNECTED] * 2, *[SERVER] * 9, part=0.0)
    assert result.outcome.attempts == 9


LIMITED_OR_FAILED = [(errors.RateLimited, 1.0), (errors.ServerError, 0.5)]


@pytest.mark.parametrize(("failure", "bound"), LIMITED_OR_FAILED)
@pytest.mark.parametrize(
    ("asked", "waited"), [(1.5, 1.5), (7.0, 7.0), (30.0, 30.0), (31.0, 30.0), (999_999_999.0, 30.0)]
)
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_the_wait_that_iterable_asks_for_is_kept_up_to_the_longest(
    failure: type[errors.ApiError], bound: float, asked: float, waited: float, part: float
) -> None:
    result = deliver(error(failure, retry_after=asked), ACCEPTED, part=part)
    assert result.waits == [waited]
    assert result.bounds == [bound]
    assert type(result.outcome) is Delivered


@pytest.mark.parametrize(("failure", "bound"), LIMITED_OR_FAILED)
@pytest.mark.parametrize("asked", [None, 0.0, 0.1, 0.25])
def test_our_own_wait_is_kept_where_iterable_asks_for_less(
    failure: type[errors.ApiError], bound: float, asked: float | None
) -> None:
    result = deliver(error(failure, retry_after=asked), ACCEPTED, part=0.5)
    assert result.waits == [bound * 0.5]
    assert result.bounds == [bound]


def test_the_wait_grows_though_iterable_asks_for_the_same_each_time() -> None:
    asked = error(errors.RateLimited, retry_after=3.0)
    result = deliver(asked, part=0.5, retry=RetryPolicy(deadline=45.0))
    assert result.bounds == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert result.waits == [3.0, 3.0, 3.0, 3.0, 4.0, 8.0, 15.0]


def test_what_iterable_asks_for_is_no_longer_than_a_longest_wait_of_ones_own() -> None:
    asked = error(errors.ServerError, retry_after=5.0)
    result = deliver(asked, ACCEPTED, retry=RetryPolicy(max_backoff=0.3))
    assert result.waits == pytest.approx([0.3])


def test_a_server_that_asks_for_no_wait_is_not_asked_without_a_pause() -> None:
    hasty = error(errors.RateLimited, retry_after=0.0)
    result = deliver(hasty, takes=0.01, retry=RetryPolicy(deadline=10.0))
    assert result.waits == [1.0, 1.0, 2.0, 4.0]
    assert result.outcome.attempts == 5


# The deadline ------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", TRANSIENT, ids=TRANSIENT_NAMES)
@pytest.mark.parametrize("deadline", [0.0, 0.4, 3.0, 3.5, 29.0, 60.0, 61.5, 100.0])
@pytest.mark.parametrize("takes", [0.0, 0.3, 7.0])
def test_no_wait_runs_over_the_deadline(
    failure: errors.ApiError, deadline: float, takes: float
) -> None:
    retry = RetryPolicy(deadline=deadline, max_server_errors=1_000)
    result = deliver(failure, takes=takes, retry=retry)
    elapsed = result.time.now - 1_000.0
    assert elapsed <= deadline + takes + 1e-6
    assert len(result.client.sent) == len(result.waits) + 1
    if elapsed > 0 and takes == 0:
        assert elapsed + result.bounds[-1] > deadline


def test_a_wait_that_ends_at_the_deadline_is_taken_and_one_beyond_is_not() -> None:
    asked = error(errors.RateLimited, retry_after=10.0)
    assert deliver(asked, ACCEPTED, retry=RetryPolicy(deadline=10.0)).waits == [10.0]
    given_up = deliver(asked, ACCEPTED, retry=RetryPolicy(deadline=9.99))
    assert given_up.waits == []
    assert type(given_up.outcome) is Retryable
    assert given_up.outcome.attempts == 1


def test_the_default_deadline_is_a_minute() -> None:
    result = deliver(NOT_CONNECTED)
    assert result.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    assert result.time.now - 1_000.0 == 31.5
    assert result.outcome.attempts == 7


def test_time_that_requests_take_counts() -> None:
    result = deliver(AMBIGUOUS, takes=30.0, retry=RetryPolicy(deadline=60.0))
    assert result.waits == [0.5]
    assert result.outcome.attempts == 2


def test_each_event_has_the_whole_time() -> None:
    time = Time()
    client = FakeClient(NOT_CONNECTED, time=time)
    destination = Destination(SETTINGS, client=client, _runtime=time.runtime)
    assert [destination.send(EVENT).attempts for _ in range(3)] == [7, 7, 7]


# Ids ---------------------------------------------------------------------------------------------

PRODUCT = {"product_id": "p-1", "name": "Shoe", "price": 1, "quantity": 1}
ORDER = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u-1",
    "messageId": "m-1",
    "properties": {"total": 1, "products": [PRODUCT]},
}
PAGE = {"type": "page", "name": "Home", "userId": "u-1", "messageId": "m-1"}
IDENTIFY = {"type": "identify", "userId": "u-1", "messageId": "m-1", "traits": {"a": 1}}
CART = ORDER | {"event": "Product Added", "properties": {"products": [PRODUCT]}}


@pytest.mark.parametrize(
    ("event", "kind"), [(EVENT, TrackEvent), (PAGE, TrackEvent), (ORDER, TrackPurchase)]
)
def test_events_and_purchases_get_their_message_id_as_id(
    event: dict[str, Any], kind: type[Call]
) -> None:
    result = deliver(ACCEPTED, event=event)
    (call,) = result.client.sent
    assert type(call) is kind
    assert call.body()["id"] == "m-1"
    assert result.outcome.calls == (call,)
    assert translate(event).calls[0].body() == {
        key: value for key, value in call.body().items() if key != "id"
    }


@pytest.mark.parametrize(("event", "kind"), [(IDENTIFY, UpdateUser), (CART, UpdateCart)])
def test_profiles_and_carts_get_no_id(event: dict[str, Any], kind: type[Call]) -> None:
    result = deliver(ACCEPTED, event=event)
    (call,) = result.client.sent
    assert type(call) is kind
    assert call == translate(event).calls[0]
    assert "id" not in call.body()


@pytest.mark.parametrize("event", [EVENT, PAGE, ORDER])
def test_ids_can_be_turned_off(event: dict[str, Any]) -> None:
    result = deliver(ACCEPTED, event=event, stamp_ids=False)
    assert "id" not in result.client.sent[0].body()
    assert result.outcome.message_id == "m-1"


@pytest.mark.parametrize(
    ("message_id", "stamped"),
    [
        ("m", "m"),
        ("x" * 512, "x" * 512),
        ("x" * 513, None),
        ("é" * 256, "é" * 256),
        ("é" * 256 + "x", None),
        ("😀" * 128, "😀" * 128),
        ("😀" * 128 + "x", None),
        (12, "12"),
        ("", None),
        (None, None),
        (["m"], None),
        (True, None),
    ],
    ids=lambda value: None if value is None else str(value)[:3] + str(len(str(value))),
)
def test_an_id_is_stamped_if_it_has_from_1_to_512_bytes_of_utf_8(
    message_id: Any, stamped: str | None
) -> None:
    result = deliver(ACCEPTED, event=EVENT | {"messageId": message_id})
    assert type(result.outcome) is Delivered
    assert result.client.sent[0].body().get("id") == stamped


def test_an_event_without_a_message_id_gets_no_id() -> None:
    event = {key: value for key, value in EVENT.items() if key != "messageId"}
    result = deliver(ACCEPTED, event=event)
    assert "id" not in result.client.sent[0].body()
    assert result.outcome.message_id is None


@pytest.mark.parametrize("message_id", ["m-\ud800", "\udfff" * 300])
@pytest.mark.parametrize("event", [EVENT, ORDER], ids=["event", "purchase"])
def test_half_of_a_surrogate_pair_is_no_id(event: dict[str, Any], message_id: str) -> None:
    """Anywhere else in an event it is refused; as an id it would have the event refused."""
    result = deliver(ACCEPTED, event=event | {"messageId": message_id})
    assert "id" not in result.client.sent[0].body()
    assert type(result.outcome) is Delivered
    assert result.outcome.message_id == message_id


@pytest.mark.parametrize("failure", TRANSIENT, ids=TRANSIENT_NAMES)
def test_a_repeat_is_the_same_request_with_the_same_id(failure: errors.ApiError) -> None:
    result = deliver(failure, failure, failure, ACCEPTED)
    first, *others = [call.body() for call in result.client.sent]
    assert first["id"] == "m-1"
    assert others == [first] * 3


def translated(*calls: Call) -> Callable[[Any, Settings], Translation]:
    return lambda event, _: Translation(event["messageId"], calls)


WHO = Identity(None, "u-1")
FIRST = TrackEvent(WHO, "First")
SECOND = TrackEvent(WHO, "Second")


def test_an_id_that_the_translator_chose_stays() -> None:
    translator = translated(attrs.evolve(FIRST, id="chosen"))
    result = deliver(ACCEPTED, translator=translator)
    assert result.client.sent[0].body()["id"] == "chosen"


# A translator of one's own -----------------------------------------------------------------------


def test_the_translator_gets_the_event_and_the_settings() -> None:
    seen: list[Any] = []

    def translator(event: Any, settings: Settings) -> Translation:
        seen.append((event, settings))
        return Translation("m-1", skipped="not today")

    assert deliver(ACCEPTED, translator=translator).outcome.message == "not today"
    assert seen == [(EVENT, SETTINGS)]


def test_several_calls_of_an_event_go_out_in_order() -> None:
    result = deliver(ACCEPTED, NOT_CONNECTED, ACCEPTED, translator=translated(FIRST, SECOND))
    names = [call.body()["eventName"] for call in result.client.sent]
    assert names == ["First", "Second", "Second"]
    assert (type(result.outcome), result.outcome.attempts) == (Delivered, 3)


def test_the_first_of_several_calls_that_fails_ends_the_event() -> None:
    refusal = error(errors.BadRequest)
    result = deliver(refusal, ACCEPTED, translator=translated(FIRST, SECOND))
    assert len(result.client.sent) == 1
    assert (type(result.outcome), result.outcome.attempts) == (Rejected, 1)
    assert len(result.outcome.calls) == 2


@pytest.mark.parametrize(
    "last",
    [error(errors.Unauthorized), NOT_CONNECTED, SERVER, LIMITED],
    ids=lambda e: type(e).__name__,
)
def test_a_call_that_was_accepted_in_the_end_is_no_longer_in_doubt(last: errors.ApiError) -> None:
    result = deliver(AMBIGUOUS, ACCEPTED, last, translator=translated(FIRST, SECOND))
    assert type(result.outcome) is Retryable
    assert result.outcome.error is last


def test_doubt_about_a_later_call_makes_the_event_unknown() -> None:
    replies = (ACCEPTED, AMBIGUOUS, error(errors.Unauthorized))
    result = deliver(*replies, translator=translated(FIRST, SECOND))
    assert type(result.outcome) is Unknown


def test_an_event_of_no_calls_is_delivered() -> None:
    result = deliver(ACCEPTED, translator=translated())
    assert result.outcome == Delivered(message_id="m-1")
    assert result.client.sent == []


# A destination's life ----------------------------------------------------------------------------


class ClosingClient(Client):
    """Counts how often any of its kind is closed."""

    closings = 0

    def close(self) -> None:
        type(self).closings += 1
        super().close()


def test_a_destination_closes_the_client_that_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iterable_destination.delivery.destination.Client", ClosingClient)
    monkeypatch.setattr(ClosingClient, "closings", 0)
    with Destination(SETTINGS):
        assert ClosingClient.closings == 0
    assert ClosingClient.closings == 1


def test_a_client_that_is_handed_in_is_its_owners_to_close() -> None:
    client = FakeClient(ACCEPTED)
    with Destination(SETTINGS, client=client) as destination:
        destination.send(EVENT)
    assert client.closings == 0


def broken(time: Time, *replies: Reply) -> tuple[Destination, FakeClient]:
    client = FakeClient(*replies, time=time)
    retry = RetryPolicy(breaker_timeout=30.0)
    return Destination(
        SETTINGS, client=client, _runtime=Runtime(clock=time.clock), retry=retry
    ), client


def test_an_event_whose_turn_comes_after_the_deadline_is_not_sent() -> None:
    time = Time()
    client = FakeClient(ACCEPTED)
    rates = {EVENTS_TRACK.path: 1 / 60.5}
    with Destination(SETTINGS, client=client, rate_limits=rates, _runtime=time.runtime) as to:
        outcomes = [to.send(EVENT), to.send(EVENT)]
    assert [type(outcome) for outcome in outcomes] == [Delivered, Retryable]
    assert str(outcomes[1].error) == "not sent: too many requests wait for this endpoint"
    assert (len(client.sent), time.waits) == (1, [])


def test_nothing_is_sent_for_a_while_after_a_wrong_key() -> None:
    time = Time(1.0)
    wrong = Unauthorized("unknown key", status=401, code="BadApiKey")
    destination, client = broken(time, wrong)
    outcomes = [destination.send(EVENT, index=index) for index in range(10_000)]
    assert len(client.sent) == 1
    assert {type(outcome) for outcome in outcomes} == {Retryable}
    assert [outcome.attempts for outcome in outcomes] == [1] + [0] * 9_999
    assert outcomes[-1].summary() == {
        "index": 9_999,
        "messageId": "m-1",
        "outcome": "retryable",
        "error": {"type": "Unauthorized", "code": "BadApiKey", "message": "unknown key"},
    }


def test_a_wrong_key_is_tried_again_after_the_while_and_forgotten_if_it_works() -> None:
    time = Time(1.0)
    destination, client = broken(time, Unauthorized("unknown key", status=401), ACCEPTED)
    names = [destination.send(EVENT).name, destination.send(EVENT).name]
    time.now += 29.9
    names.append(destination.send(EVENT).name)
    time.now += 0.1
    names += [destination.send(EVENT).name, destination.send(EVENT).name]
    assert names == ["retryable", "retryable", "retryable", "delivered", "delivered"]
    assert len(client.sent) == 3


def test_what_needs_no_request_is_settled_while_nothing_is_sent() -> None:
    destination, _ = broken(Time(1.0), Unauthorized("unknown key", status=401))
    destination.send(EVENT)
    names = [destination.send(event).name for event in ({}, {"type": "group"})]
    assert names == ["rejected", "skipped"]


@pytest.mark.parametrize("name", ["deadline", "initial_backoff", "max_backoff", "breaker_timeout"])
@pytest.mark.parametrize("wrong", [-1, -0.1, float("nan"), float("inf")])
def test_patience_is_measured_in_seconds(name: str, wrong: float) -> None:
    options: dict[str, Any] = {name: wrong}
    words = f"^{name}: must be a number of seconds, finite and at least 0$"
    with pytest.raises(ValueError, match=words):
        RetryPolicy(**options)
    none: dict[str, Any] = {name: 0.0}
    assert getattr(RetryPolicy(**none), name) == 0.0


def test_patience_tries_at_least_once() -> None:
    with pytest.raises(ValueError, match="max_server_errors"):
        RetryPolicy(max_server_errors=0)


def test_a_destination_can_be_closed_twice() -> None:
    destination = Destination(SETTINGS)
    destination.close()
    destination.close()


def test_a_destination_needs_a_key() -> None:
    with pytest.raises(InvalidSettings) as caught:
        Destination(Settings())
    assert str(caught.value).startswith("api_key: missing; pass it, or set ITERABLE_API_KEY")


def test_where_delivery_is_off_events_are_checked_and_skipped_without_a_key() -> None:
    said = "delivery is off: the setting enabled (ITERABLE_ENABLED) is false"
    with Destination(Settings(enabled=False, skip_anonymous=False)) as to:
        sent = to.send({"type": "track", "userId": "u-1", "event": "Seen", "messageId": "m-1"})
        assert (sent.name, sent.message, sent.message_id) == ("skipped", said, "m-1")
        assert to.send({"type": "group", "userId": "u-1"}).message != said
        assert to.send({"type": "track", "event": "Seen"}).name == "rejected"
        mixed: list[Identify | Track] = [
            {"type": "identify", "userId": "u-1", "traits": {"a": []}},
            {"type": "track", "userId": "u", "event": ""},
        ]
        assert [each.name for each in to.send_all(mixed)] == ["skipped", "rejected"]
        assert not to.counters.requests


def test_where_delivery_is_off_mapped_events_are_skipped_too() -> None:
    one = {
        "name": "One",
        "partnerAction": "trackEvent",
        "subscribe": 'type = "track"',
        "mapping": {"userId": "u-1", "eventName": "x"},
    }
    with Destination(Settings(enabled=False, mappings=[one])) as to:
        outcome = to.send({"type": "track", "event": "Seen"})
        assert (outcome.name, outcome.calls) == ("skipped", ())


def test_an_outcome_cannot_be_changed() -> None:
    outcome = deliver(ACCEPTED).outcome
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        outcome.index = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Delivered, "delivered"),
        (Skipped, "skipped"),
        (Rejected, "rejected"),
        (Retryable, "retryable"),
        (Unknown, "unknown"),
    ],
)
def test_every_outcome_has_its_name(kind: type[Outcome], name: str) -> None:
    assert kind().summary() == {"index": 0, "messageId": None, "outcome": name}
    assert set(get_args(Outcome)) == {Delivered, Skipped, Rejected, Retryable, Unknown}


# Over real connections ---------------------------------------------------------------------------


def over_the_wire(*scripts: Script) -> tuple[Outcome, FaultyServer, Time]:
    time = Time()
    with FaultyServer(*scripts) as server:
        settings = Settings(api_key=KEY, base_url=server.url)
        client = Client(settings, read_timeout=0.2)
        with Destination(settings, client=client, _runtime=time.runtime) as destination:
            outcome = destination.send(EVENT, index=1)
    return outcome, server, time


def test_a_lost_answer_is_asked_for_again_with_the_same_bytes() -> None:
    outcome, server, time = over_the_wire(
        faulty.resets_after_reading,
        faulty.sends(faulty.CUT_BODY),
        faulty.sends_and_stalls(b""),
        faulty.accepts,
    )
    assert (type(outcome), outcome.attempts) == (Delivered, 4)
    assert time.waits == [0.5, 1.0, 2.0]
    assert len(server.requests) == 4
    assert len({request.body for request in server.requests}) == 1
    assert server.bodies[0]["id"] == "m-1"


def test_half_of_a_surrogate_pair_goes_over_the_wire_only_where_it_was() -> None:
    time = Time()
    event = EVENT | {"messageId": "m-\ud800"}
    with FaultyServer(faulty.accepts) as server:
        settings = Settings(api_key=KEY, base_url=server.url)
        with Destination(settings, _runtime=time.runtime) as destination:
            assert type(destination.send(event)) is Delivered
    assert server.bodies == [{"userId": "u-1", "eventName": "Signed Up", "dataFields": {}}]


def test_a_server_that_asks_for_no_wait_is_given_one_over_the_wire() -> None:
    hasty = faulty.answers(429, b"Too Many Requests", "Retry-After: 0\r\n")
    outcome, server, time = over_the_wire(hasty, hasty, hasty, faulty.accepts)
    assert (type(outcome), len(server.requests)) == (Delivered, 4)
    assert time.waits == [1.0, 1.0, 2.0]


def test_a_limit_a_failure_and_a_refusal_over_the_wire() -> None:
    refusal = {"msg": "Bad.", "code": "BadParams", "params": None}
    outcome, server, time = over_the_wire(
        faulty.answers(429, b"Too Many Requests", "Retry-After: 3\r\n"),
        faulty.answers(503, b"<html>", "Content-Type: text/html\r\n"),
        faulty.answers(400, json.dumps(refusal).encode(), "Iterable-Request-Id: r-7\r\n"),
    )
    assert (type(outcome), outcome.attempts) == (Rejected, 3)
    assert time.waits == [3.0, 1.0]
    assert len(server.requests) == 3
    assert outcome.summary() == {
        "index": 1,
        "messageId": "m-1",
        "outcome": "rejected",
        "error": {
            "type": "BadRequest",
            "code": "BadParams",
            "message": "Bad.",
            "requestId": "r-7",
        },
    }


def test_a_redirect_over_the_wire_is_a_wrong_configuration() -> None:
    outcome, server, _ = over_the_wire(faulty.answers(302, b"", "Location: /elsewhere\r\n"))
    assert (type(outcome), outcome.attempts, len(server.requests)) == (Retryable, 1, 1)
    assert isinstance(outcome.error, errors.WrongAddress)
