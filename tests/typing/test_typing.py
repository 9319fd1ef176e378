"""What users write is accepted by type checkers, which read this file, and does what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

import pytest
from segment.analytics.client import Client as SegmentsOwnClient  # type: ignore[import-untyped]

from iterable_destination import (
    AnalyticsClient,
    Delivered,
    Destination,
    InvalidEvent,
    Outcome,
    Rejected,
    Retryable,
    SegmentDestination,
    Settings,
    Skipped,
    Unknown,
    translate,
)
from iterable_destination.typing import (
    Alias,
    Delete,
    Event,
    Group,
    Identify,
    Page,
    Screen,
    Track,
)


def say_what_to_do(outcome: Outcome) -> str:
    """A ``match`` over the classes is complete: a type checker knows that there are five."""
    match outcome:
        case Delivered() | Skipped():
            return "nothing"
        case Rejected(error=error):
            return f"mend it: {error}"
        case Retryable():
            return "hand it in again"
        case Unknown():
            return "look"
        case _:
            assert_never(outcome)


def count(outcome: Outcome) -> int:
    """So it is over the names."""
    if outcome.name == "delivered" or outcome.name == "skipped":  # noqa: PLR1714 - it narrows
        return 0
    if outcome.name == "rejected":
        return 1
    if outcome.name == "retryable":
        return 2
    if outcome.name == "unknown":
        return 3
    assert_never(outcome.name)


@pytest.mark.parametrize(
    ("outcome", "words", "number"),
    [
        (Delivered(), "nothing", 0),
        (Skipped(), "nothing", 0),
        (Rejected(), "mend it: None", 1),
        (Retryable(), "hand it in again", 2),
        (Unknown(), "look", 3),
    ],
)
def test_there_are_five_outcomes_and_no_other(outcome: Outcome, words: str, number: int) -> None:
    assert (say_what_to_do(outcome), count(outcome)) == (words, number)


def test_a_data_center_has_two_names_of_ours_and_two_of_segments() -> None:
    settings = [Settings(data_center=name) for name in ("US", "EU", "united_states", "europe")]
    assert [each.data_center for each in settings] == ["US", "EU", "US", "EU"]


def test_segments_own_client_is_taken_as_it_is() -> None:
    analytics = SegmentsOwnClient("write-key", send=False)
    with SegmentDestination(AnalyticsClient(analytics), max_workers=1) as to:
        outcome = to.send({"eventName": "emailOpen"})
    assert outcome.name == "rejected"


CALLS: list[Event] = [
    Identify(type="identify", userId="u-1", traits={"plan": "pro"}),
    Track(type="track", userId=5, event="Seen", properties=None, timestamp=datetime.now(UTC)),
    Page(type="page", userId="u-1", name="Pricing", integrations={"All": False, "Iterable": {}}),
    Screen(type="screen", userId="u-1", category="Help", context={"ip": "127.0.0.1"}),
    Group(type="group", userId="u-1", groupId="g-1"),
    Alias(type="alias", userId="u-1", previousId="u-0"),
    Delete(type="delete", userId="u-1"),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["type"])
def test_every_call_has_a_type_and_is_taken(call: Event) -> None:
    assert len(translate(call).calls) == (call["type"] in {"identify", "track", "page", "screen"})


def test_what_is_no_event_is_an_error_for_a_type_checker_and_an_outcome_when_it_runs() -> None:
    misspelled: Track = {"type": "track", "event": "Seen", "userid": "u"}  # type: ignore[typeddict-unknown-key]
    nameless: Track = {"type": "track", "userId": "u"}  # type: ignore[typeddict-item]
    with Destination(Settings(enabled=False)) as to:
        outcomes = [
            to.send(["x"]),  # type: ignore[arg-type]
            to.send("x"),  # type: ignore[arg-type]
            *to.send_all(["x"]),  # type: ignore[list-item]
            to.send(misspelled),
            to.send(nameless),
        ]
    assert {outcome.name for outcome in outcomes} == {"rejected"}


def test_an_event_is_refused_before_anything_is_sent() -> None:
    with Destination(Settings(api_key="key")) as to:
        outcome = to.send({"type": "track"})
    assert isinstance(outcome, Rejected)
    with pytest.raises(InvalidEvent):
        translate({"type": "track"})
