"""Envelopes and batches: which call goes on after a failure, and the outcome of all failures."""

from __future__ import annotations

from itertools import permutations

import pytest

from iterable_destination import errors
from iterable_destination.delivery.engine.bulk import ITERABLE_BULK_ENDPOINTS
from iterable_destination.delivery.engine.envelope import (
    Batch,
    Envelope,
    Failed,
    UserQueue,
    build_delivered,
    build_failed,
    build_final,
    copy_error,
    next_call_after_failure,
    undelivered_kind,
)
from iterable_destination.delivery.engine.retry import Attempts
from iterable_destination.model import endpoints
from iterable_destination.model.calls import (
    Identity,
    TrackEvent,
    UpdateEmail,
    UpdateUser,
    encode_call,
)
from iterable_destination.model.outcomes import (
    Delivered,
    Failure,
    Outcome,
    Rejected,
    Retryable,
    Unknown,
)
from iterable_destination.model.responses import ApiResponse

ANN = Identity(user_id="ann")
CALLS = (encode_call(UpdateUser(ANN)), encode_call(TrackEvent(ANN, "Seen")))
RESPONSE = ApiResponse(200, {}, "Success", "ok", "r-1")
FAILURES: list[tuple[type[Outcome], errors.ApiError]] = [
    (Rejected, errors.BadRequest("no")),
    (Retryable, errors.ServerError("later")),
    (Unknown, errors.AmbiguousAnswer("perhaps")),
]


class Picky(errors.BadRequest):
    """An error of a user's own, which asks for something else than the one it is."""

    def __init__(self, word: str, *, status: int) -> None:
        super().__init__(f"no, {word}", status=status)


def build_envelope(*subscriptions: str, call_index: int = 1) -> Envelope:
    return Envelope(
        7,
        "m-7",
        calls=CALLS,
        subscriptions=subscriptions,
        call_index=call_index,
        attempts=Attempts(deadline=9.0, total=3),
    )


# --- The next call after a failure -------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "subscriptions", "call_index", "expected"),
    [
        ([UpdateUser, TrackEvent], (), 0, None),
        ([UpdateUser, TrackEvent], ("a", "b"), 0, 1),
        ([UpdateUser, TrackEvent], ("a", "a"), 0, 1),
        ([UpdateUser, TrackEvent], ("a", "b"), 1, None),
        ([UpdateUser, UpdateEmail, TrackEvent], ("a", "a", "b"), 0, 2),
        ([UpdateUser, UpdateEmail], ("a", "a"), 0, None),
        ([UpdateUser, UpdateEmail], ("a", "b"), 0, 1),
        ([UpdateUser, UpdateEmail, TrackEvent], ("a", "a", "b"), 1, 2),
    ],
)
def test_a_failed_call_stops_only_what_depends_on_it(
    kinds: list[type], subscriptions: tuple[str, ...], call_index: int, expected: int | None
) -> None:
    assert next_call_after_failure(kinds, subscriptions, call_index) == expected


# --- The final outcome -------------------------------------------------------------------------


def test_an_outcome_without_any_failure_is_final_as_it_is() -> None:
    outcome = Delivered(index=7)
    assert build_final(build_envelope("a", "b"), outcome) is outcome


def test_a_failure_without_subscriptions_is_final_as_it_is() -> None:
    outcome = Rejected(index=7, error=errors.BadRequest("no"))
    assert build_final(build_envelope(), outcome) is outcome


def test_the_failure_of_the_last_call_is_listed_by_its_subscription() -> None:
    error = errors.BadRequest("no", code="BadParams", request_id="r-2")
    envelope = build_envelope("a", "b")
    outcome = build_final(envelope, build_failed(Rejected, envelope, error))
    assert outcome == Rejected(
        index=7,
        message_id="m-7",
        calls=CALLS,
        attempts=3,
        code="BadParams",
        message="no",
        request_id="r-2",
        error=error,
        failures=(Failure("b", "rejected", error, "/api/events/track"),),
    )


def test_an_accepted_last_call_does_not_undo_an_earlier_failure() -> None:
    error = errors.ServerError("later")
    envelope = build_envelope("a", "b")
    earlier = Retryable(index=7, message_id="m-7", attempts=1, message="later", error=error)
    envelope.failures = (Failed("a", earlier, "/api/users/update"),)
    assert build_final(envelope, build_delivered(envelope, RESPONSE)) == Retryable(
        index=7,
        message_id="m-7",
        calls=CALLS,
        attempts=3,
        message="later",
        error=error,
        failures=(Failure("a", "retryable", error, "/api/users/update"),),
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.NotSent("not now"),
        errors.ServerError("later", status=500, code="C", params={"a": 1}, request_id="r-1"),
        Picky("mine", status=400),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_of_an_error_says_the_same_and_does_not_grow_with_it(
    error: errors.IterableDestinationError,
) -> None:
    error.__cause__ = cause = OSError("it broke")
    copy = copy_error(error)
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
    assert copy.__cause__ is cause
    with pytest.raises(type(error)):
        raise error
    assert copy.__traceback__ is None


def test_a_copy_of_an_error_without_a_cause_tells_what_it_was_raised_in() -> None:
    assert copy_error(errors.NotSent("not now")).__suppress_context__ is False


@pytest.mark.parametrize("order", list(permutations(FAILURES)))
def test_the_gravest_failure_is_the_outcome(
    order: tuple[tuple[type[Outcome], errors.ApiError], ...],
) -> None:
    envelope = build_envelope("a", "b", "c", call_index=2)
    envelope.calls = (*CALLS, CALLS[1])
    first, second, last = (kind(index=7, error=error) for kind, error in order)
    envelope.failures = (Failed("a", first), Failed("b", second, "/api/users/update"))
    outcome = build_final(envelope, last)
    assert type(outcome) is Unknown
    assert outcome.error is FAILURES[2][1]
    assert [each.subscription for each in outcome.failures] == ["a", "b", "c"]
    paths = [None, "/api/users/update", "/api/events/track"]
    assert [each.path for each in outcome.failures] == paths
    assert [each.outcome for each in outcome.failures] == [kind.name for kind, _ in order]


def test_the_first_of_two_equal_failures_is_the_outcome() -> None:
    envelope = build_envelope("a", "b")
    first, last = (Rejected(index=7, message=word, error=errors.BadRequest(word)) for word in "xy")
    envelope.failures = (Failed("a", first),)
    assert build_final(envelope, last).message == "x"


def test_what_was_never_sent_has_no_attempts() -> None:
    envelope = build_envelope("a", "b", call_index=0)
    envelope.attempts = None
    error = errors.NotSent("not sent")
    assert build_final(envelope, build_failed(Retryable, envelope, error)) == Retryable(
        index=7,
        message_id="m-7",
        calls=CALLS,
        message="not sent",
        error=error,
        failures=(Failure("a", "retryable", error, "/api/users/update"),),
    )


def test_an_event_without_calls_is_delivered_without_a_response() -> None:
    assert build_delivered(Envelope(7, "m-7"), None) == Delivered(index=7, message_id="m-7")


def test_a_delivered_event_has_the_response_to_its_last_call() -> None:
    assert build_delivered(build_envelope(), RESPONSE) == Delivered(
        index=7,
        message_id="m-7",
        calls=CALLS,
        attempts=3,
        code="Success",
        message="ok",
        request_id="r-1",
    )


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        (None, Retryable),
        (Attempts(deadline=9.0), Retryable),
        (Attempts(deadline=9.0, is_ambiguous=True), Unknown),
    ],
)
def test_an_event_that_is_given_up_is_unknown_if_a_response_is_missing(
    attempts: Attempts | None, expected: type[Outcome]
) -> None:
    assert undelivered_kind(attempts) is expected


# --- Envelopes and batches ---------------------------------------------------------------------


def test_the_item_of_an_envelope_is_the_body_of_its_current_call() -> None:
    assert Envelope(0, None).item == b""
    assert build_envelope(call_index=0).item == b'{"userId":"ann","dataFields":{}}'
    assert build_envelope().item == b'{"userId":"ann","eventName":"Seen","dataFields":{}}'


def test_the_queue_of_an_envelope_is_the_one_its_own_was_merged_into() -> None:
    first, second, third = UserQueue("#1"), UserQueue("#2"), UserQueue("#3")
    first.merged_into, second.merged_into = second, third
    envelope = build_envelope()
    envelope.user_queue = first
    assert envelope.queue is third


def test_part_of_a_batch_has_attempts_of_its_own() -> None:
    envelopes = [build_envelope(call_index=0), build_envelope(call_index=0)]
    bulk = ITERABLE_BULK_ENDPOINTS[endpoints.USERS_UPDATE.path]
    batch = Batch(bulk.endpoint, envelopes, Attempts(deadline=9.0, total=1), bulk, hints=2)
    part = batch.subset(envelopes[1:])
    part.attempts.begin()
    assert part.body() == b'{"users":[{"userId":"ann","dataFields":{}}]}'
    assert (part.queue_name, part.hints) == (endpoints.USERS_BULK_UPDATE.path, 2)
    assert (batch.attempts.total, part.attempts.total) == (1, 2)
    assert envelopes[1].attempts is part.attempts


def test_a_response_is_conclusive_for_events_of_one_call_without_failures() -> None:
    bulk = ITERABLE_BULK_ENDPOINTS[endpoints.EVENTS_TRACK.path]
    single, double = Envelope(0, "m-0", calls=CALLS[1:]), build_envelope()
    attempts = Attempts(deadline=9.0)
    assert Batch(bulk.endpoint, [single], attempts, bulk).is_conclusive is True
    assert Batch(bulk.endpoint, [single, double], attempts, bulk).is_conclusive is False
    single.failures = (Failed("a", Rejected()),)
    assert Batch(bulk.endpoint, [single], attempts, bulk).is_conclusive is False
