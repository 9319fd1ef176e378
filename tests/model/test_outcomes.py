"""Outcomes, as the command line prints them."""

from __future__ import annotations

from typing import Any, get_args

import attrs
import pytest

from iterable_destination.delivery.engine.envelope import Envelope, build_delivered
from iterable_destination.errors import (
    BadRequest,
    InvalidEvent,
    IterableDestinationError,
    NotConnected,
    Problem,
)
from iterable_destination.model.outcomes import (
    Delivered,
    Failure,
    Outcome,
    Rejected,
    Retryable,
    Skipped,
    Unknown,
)
from iterable_destination.model.responses import ApiResponse

NAMES: dict[type[Outcome], str] = {
    Delivered: "delivered",
    Skipped: "skipped",
    Rejected: "rejected",
    Retryable: "retryable",
    Unknown: "unknown",
}


def test_there_are_five_ways_to_end() -> None:
    assert set(get_args(Outcome)) == set(NAMES)


@pytest.mark.parametrize("outcome", NAMES)
def test_without_an_error_the_summary_says_which_event_and_how_it_ended(
    outcome: type[Outcome],
) -> None:
    expected = {"index": 3, "messageId": "m-1", "outcome": NAMES[outcome]}
    assert outcome(message_id="m-1", index=3).summary() == expected


@pytest.mark.parametrize("outcome", NAMES)
def test_only_a_skipped_event_says_why_without_an_error(outcome: type[Outcome]) -> None:
    printed = outcome(message="the reason").summary()
    assert printed.get("skipped") == ("the reason" if outcome is Skipped else None)
    assert list(printed)[:3] == ["index", "messageId", "outcome"]
    assert "the reason" not in {value for key, value in printed.items() if key != "skipped"}


def test_an_outcome_knows_nothing_by_default() -> None:
    expected = {"index": 0, "messageId": None, "outcome": "delivered"}
    assert Delivered().summary() == expected
    assert (Delivered().calls, Delivered().notes, Delivered().attempts) == ((), (), 0)


ERRORS: list[tuple[IterableDestinationError, str | None, dict[str, Any]]] = [
    (
        InvalidEvent([Problem("userId", "missing", "missing"), Problem("event", "mine")]),
        "r-1",
        {
            "type": "InvalidEvent",
            "code": None,
            "message": "said",
            "problems": [
                {"path": "userId", "message": "missing", "code": "missing"},
                {"path": "event", "message": "mine", "code": "other"},
            ],
        },
    ),
    (
        BadRequest("x"),
        "r-1",
        {"type": "BadRequest", "code": None, "message": "said", "requestId": "r-1"},
    ),
    (BadRequest("x"), None, {"type": "BadRequest", "code": None, "message": "said"}),
    (NotConnected("x"), None, {"type": "NotConnected", "code": None, "message": "said"}),
    (
        IterableDestinationError("x"),
        "r-1",
        {"type": "IterableDestinationError", "code": None, "message": "said"},
    ),
]


@pytest.mark.parametrize(("error", "request_id", "expected"), ERRORS)
def test_with_an_error_the_summary_says_what_went_wrong(
    error: IterableDestinationError, request_id: str | None, expected: dict[str, Any]
) -> None:
    outcome = Rejected(error=error, message="said", request_id=request_id)
    assert outcome.summary() == {
        "index": 0,
        "messageId": None,
        "outcome": "rejected",
        "error": expected,
    }


def test_iterables_code_is_in_the_summary() -> None:
    summary = Retryable(error=BadRequest("x"), code="BadParams").summary()
    assert summary["error"] == {"type": "BadRequest", "code": "BadParams", "message": None}


def test_an_outcome_is_immutable_and_given_by_name() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Delivered().index = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Delivered("m-1")  # type: ignore[call-arg]


def test_a_summary_names_every_subscription_that_failed() -> None:
    error = BadRequest("status 400: no", status=400)
    outcome = Rejected(error=error, failures=(Failure("Tracks", "rejected", error),))
    assert outcome.summary()["failures"] == [
        {
            "subscription": "Tracks",
            "outcome": "rejected",
            "type": "BadRequest",
            "message": "status 400: no",
        }
    ]
    assert "failures" not in Rejected(error=error).summary()


def test_a_failed_call_has_its_path_in_the_summary() -> None:
    error = BadRequest("status 400: no", status=400)
    failures = [Failure("Both", "rejected", error, path) for path in ("/api/users/update", None)]
    printed = Rejected(error=error, failures=tuple(failures)).summary()["failures"]
    assert [each.get("path", "none") for each in printed] == ["/api/users/update", "none"]
    assert [list(each)[-3:] for each in printed] == [["outcome", "type", "message"]] * 2


def test_an_outcome_that_is_made_quickly_is_like_any_other() -> None:
    made = Delivered(message_id="m-1", index=3, attempts=2, code="Success", request_id="r-1")
    same = Delivered.of(dict(vars(made)))
    assert (same, repr(same), same.summary()) == (made, repr(made), made.summary())
    assert attrs.evolve(same, index=4) == attrs.evolve(made, index=4)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        same.index = 5  # type: ignore[misc]


def test_what_is_told_of_an_accepted_event_has_every_field() -> None:
    told = build_delivered(Envelope(3, "m-1"), ApiResponse(200, {}, "Success", "", "r-1"))
    assert list(vars(told)) == list(vars(Delivered()))
    assert told == Delivered(
        message_id="m-1", index=3, code="Success", message="", request_id="r-1"
    )
