"""Acknowledgement: an event is acknowledged only when it is safe."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from iterable_destination.errors import BadRequest, InvalidCall, InvalidEvent, NotSent, Problem
from iterable_destination.model.outcomes import (
    Delivered,
    Outcome,
    Rejected,
    Retryable,
    Skipped,
    Unknown,
)
from iterable_destination.receivers.acknowledgement import (
    deliver_batch,
    http_status,
    is_acknowledged,
    summarize,
)

ALL: tuple[type[Outcome], ...] = (Delivered, Skipped, Rejected, Retryable, Unknown)


@pytest.mark.parametrize(
    ("kept", "done"),
    [(False, {"delivered", "skipped"}), (True, {"delivered", "skipped", "rejected", "unknown"})],
)
def test_an_event_is_done_with_if_it_is_delivered_or_kept(*, kept: bool, done: set[str]) -> None:
    assert {each.name for each in ALL if is_acknowledged(each(), keeps_dead_letters=kept)} == done


@pytest.mark.parametrize(
    ("kinds", "alone", "with_letters"),
    [
        ((), 200, 200),
        ((Delivered, Skipped), 200, 200),
        ((Rejected,), 400, 200),
        ((Delivered, Rejected, Rejected), 400, 200),
        ((Unknown,), 503, 200),
        ((Retryable,), 503, 503),
        ((Delivered, Retryable), 503, 503),
        ((Rejected, Retryable), 503, 503),
        ((Rejected, Unknown), 503, 200),
        (ALL, 503, 503),
    ],
)
def test_the_status_says_what_is_to_be_done(
    kinds: tuple[type[Outcome], ...], alone: int, with_letters: int
) -> None:
    outcomes = [kind() for kind in kinds]
    assert http_status(outcomes, keeps_dead_letters=False) == alone
    assert http_status(iter(outcomes), keeps_dead_letters=True) == with_letters


def test_no_event_is_given_up_and_none_is_asked_for_in_vain() -> None:
    """200 only if all are acknowledged; 400 only if sending again changes nothing."""
    for kinds in product(ALL, repeat=3):
        outcomes = [kind() for kind in kinds]
        for kept in (False, True):
            result = http_status(outcomes, keeps_dead_letters=kept)
            assert (result == 200) == all(
                is_acknowledged(each, keeps_dead_letters=kept) for each in outcomes
            )
            may_change = {Retryable} if kept else {Retryable, Unknown}
            assert (result == 503) == bool(may_change & set(kinds))


def test_outcomes_are_told_in_numbers() -> None:
    kinds = (Delivered, Delivered, Skipped, Retryable)
    assert summarize(kind() for kind in kinds) == {"delivered": 2, "skipped": 1, "retryable": 1}
    assert summarize([]) == {}


def test_problems_of_the_first_refused_are_told() -> None:
    problems = [Problem(f"traits.{n}", "is wrong") for n in range(7)]
    kinds = [InvalidEvent(problems), *(InvalidCall(problems[:1]) for _ in range(6))]
    outcomes = [Rejected(index=n, error=error) for n, error in enumerate(kinds)]
    result = summarize(iter(outcomes))
    wrong = [{"path": f"traits.{n}", "message": "is wrong", "code": "other"} for n in range(7)]
    assert result == {
        "rejected": 7,
        "errors": {"InvalidEvent": 1, "InvalidCall": 6},
        "problems": [
            {"index": 0, "problems": wrong[:5]},
            *({"index": n, "problems": wrong[:1]} for n in range(1, 5)),
        ],
    }


def test_errors_are_counted_by_their_names() -> None:
    """So that a response of 503 names its cause."""
    kinds = (NotSent, NotSent, BadRequest)
    outcomes: list[Outcome] = [Delivered(), *(Retryable(error=kind("any words")) for kind in kinds)]
    assert summarize(outcomes) == {
        "delivered": 1,
        "retryable": 3,
        "errors": {"NotSent": 2, "BadRequest": 1},
    }


def test_what_iterable_said_is_not_repeated() -> None:
    outcomes: list[Outcome] = [
        Rejected(message="ada@example.com is wrong", error=BadRequest("ada@example.com is wrong")),
        Retryable(message="ada@example.com", error=NotSent("ada@example.com")),
        Unknown(message="ada@example.com"),
    ]
    assert summarize(outcomes) == {
        "rejected": 1,
        "retryable": 1,
        "unknown": 1,
        "errors": {"BadRequest": 1, "NotSent": 1},
    }


@pytest.mark.parametrize(
    ("kind", "level"), [(Delivered, "INFO"), (Rejected, "WARNING"), (Retryable, "WARNING")]
)
def test_a_batch_that_is_not_acknowledged_is_a_warning_in_the_log(
    kind: type[Outcome], level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    to: Any = SimpleNamespace(send_all=lambda *_, **__: [kind()], keeps_dead_letters=False)
    deliver_batch(to, [{}], 1.0)
    message = f"1 event: 1 {kind.name}"
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [(level, message)]


def delivered_by(outcomes: list[Outcome]) -> Any:
    return SimpleNamespace(send_all=lambda *_, **__: outcomes, keeps_dead_letters=False)


def test_a_batch_is_told_in_words_and_in_fields(caplog: pytest.LogCaptureFixture) -> None:
    problems = [Problem("userId", "missing"), Problem("event", "missing")]
    outcomes: list[Outcome] = [
        *(Delivered(index=index) for index in range(38)),
        Rejected(index=38, error=InvalidEvent(problems)),
        Rejected(index=39, error=BadRequest("ada@example.com")),
    ]
    deliver_batch(delivered_by(outcomes), [{}] * 40, 1.0)
    [record] = caplog.records
    assert record.getMessage() == (
        "40 events: 38 delivered, 2 rejected; errors: 1 BadRequest, 1 InvalidEvent;"
        " event 38: userId: missing, event: missing"
    )
    fields = {name: value for name, value in vars(record).items() if "iterable_" in name}
    assert fields == {
        "iterable_events": 40,
        "iterable_outcomes": {"delivered": 38, "rejected": 2},
        "iterable_errors": {"InvalidEvent": 1, "BadRequest": 1},
        "iterable_problems": summarize(outcomes)["problems"],
    }


def test_a_batch_without_events_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    deliver_batch(delivered_by([]), [], 1.0)
    assert caplog.messages == ["0 events: no outcome"]


def test_keys_of_an_event_begin_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    problem = Problem("properties.a\nERROR b\x1b[2J", "is wrong")
    deliver_batch(delivered_by([Rejected(error=InvalidEvent([problem]))]), [{}], 1.0)
    [message] = caplog.messages
    assert message.isprintable()
    assert r"properties.a\nERROR b\x1b[2J: is wrong" in message


def test_message_ids_are_logged_only_if_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    outcomes: list[Outcome] = [
        Delivered(index=0, message_id="m-1"),
        Delivered(index=1),
        Delivered(index=2, message_id="m-3"),
        Rejected(index=3, message_id="m" * 500),
    ]
    deliver_batch(delivered_by(outcomes), [{}] * 4, 1.0)
    deliver_batch(delivered_by(outcomes), [{}] * 4, 1.0, log_message_ids=True)
    without, with_ids = caplog.records
    assert "m-1" not in repr(vars(without))
    ids = vars(with_ids)["iterable_message_ids"]
    assert ids["delivered"] == ["m-1", "m-3"]
    assert [len(each) for each in ids["rejected"]] == [201]
    assert with_ids.getMessage() == without.getMessage()


def test_each_event_is_handed_over_with_its_own_ordering_key() -> None:
    keys: list[str | None] = ["a", None, "a"]
    given: list[Any] = []

    def send_all(events: Any, *, ordering_key: Any = None, **_: Any) -> list[Outcome]:
        given.extend(event if ordering_key is None else ordering_key(event) for event in events)
        return []

    to: Any = SimpleNamespace(send_all=send_all, keeps_dead_letters=False)
    deliver_batch(to, [{}, {}, {}], 1.0, ordering_keys=keys)
    assert given == keys
    deliver_batch(to, [{}], 1.0)
    assert given == [*keys, {}]
