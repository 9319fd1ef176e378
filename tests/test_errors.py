"""The errors: one tree, as it is drawn, and what each says."""

from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import pytest

from iterable_destination import errors
from iterable_destination.errors import (
    ApiError,
    Invalid,
    InvalidCall,
    InvalidEvent,
    InvalidJSON,
    InvalidSettings,
    InvalidWebhook,
    IterableDestinationError,
    Problem,
    RateLimited,
    Reason,
)

CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, IterableDestinationError)
]
API_ERRORS = [error for error in CLASSES if issubclass(error, ApiError)]

PROBLEMS = (
    Problem("userId", "missing", "missing"),
    Problem("properties.total", "must be a number"),
)
TAKEN = Reason("sent-as-string", "sent as a string")


def drawn() -> dict[str, str | None]:
    """Read the tree that the module draws: each error's name, and its parent's."""
    parents: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r" {4}([│├└─ ]*)([A-Z]\w+)(?:  |$)", line)
        if match:
            depth = len(match[1]) // 4
            parents[match[2]] = branch[depth - 1] if depth else None
            branch[depth:] = [match[2]]
    return parents


def test_the_tree_is_as_it_is_drawn() -> None:
    bases = {error.__name__: error.__bases__[0].__name__ for error in CLASSES}
    assert bases | {"IterableDestinationError": None} == drawn()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Invalid, True),
        (InvalidEvent, True),
        (InvalidWebhook, True),
        (InvalidCall, True),
        (InvalidJSON, True),
        (InvalidSettings, True),
        (errors.UnreadableInput, False),
        (ApiError, False),
    ],
)
def test_what_is_handed_in_wrong_is_a_value_error(
    error: type[Exception],
    expected: bool,  # noqa: FBT001
) -> None:
    assert issubclass(error, ValueError) is expected


def test_a_problem_reads_as_its_place_and_what_is_wrong_there() -> None:
    assert str(Problem("properties.total", "missing")) == "properties.total: missing"


@pytest.mark.parametrize("error", [Invalid, InvalidEvent, InvalidWebhook, InvalidCall])
def test_an_invalid_says_every_problem(error: type[Invalid]) -> None:
    raised = error(iter(PROBLEMS), "m-1")
    assert str(raised) == "userId: missing; properties.total: must be a number"
    assert (raised.problems, raised.message_id) == (PROBLEMS, "m-1")
    assert error(PROBLEMS).message_id is None


@pytest.mark.parametrize("error", [Invalid, InvalidEvent, InvalidWebhook, InvalidCall])
def test_an_invalid_survives_a_pickle(error: type[Invalid]) -> None:
    again = pickle.loads(pickle.dumps(error(PROBLEMS, "m-1")))  # noqa: S301 - our own
    assert type(again) is error
    assert (str(again), again.problems, again.message_id) == (
        "userId: missing; properties.total: must be a number",
        PROBLEMS,
        "m-1",
    )


KNOWN: dict[str, Any] = {
    "status": 429,
    "code": "RateLimitExceeded",
    "params": {"a": 1},
    "request_id": "r-1",
    "retry_after": 1.5,
}


def test_an_api_error_knows_what_iterable_said() -> None:
    error = RateLimited("slow down", **KNOWN)
    assert (str(error), vars(error)) == ("slow down", {"message": "slow down", **KNOWN})


def test_an_api_error_need_not_know_anything_else() -> None:
    assert vars(ApiError("no answer")) == {"message": "no answer", **dict.fromkeys(KNOWN)}


@pytest.mark.parametrize("error", API_ERRORS)
def test_an_api_error_survives_a_pickle(error: type[ApiError]) -> None:
    again = pickle.loads(pickle.dumps(error("slow down", **KNOWN)))  # noqa: S301 - our own
    assert type(again) is error
    assert (str(again), vars(again)) == ("slow down", {"message": "slow down", **KNOWN})


def test_a_problem_or_note_of_somebody_elses_has_a_code_too() -> None:
    assert errors.Problem("a", "b").code == errors.Note("a", "b").code == "other"
    assert (
        errors.Problem("a", "b", "mine").code == errors.Note("a", "b", code="mine").code == "mine"
    )


# What an event can lengthen ----------------------------------------------------------------------


def test_of_many_problems_the_first_are_listed_and_the_others_counted() -> None:
    problems = [errors.Problem(f"p[{n}]", "missing") for n in range(250)]
    error = errors.InvalidEvent(problems)
    assert error.problems[:-1] == tuple(problems[:100])
    assert error.problems[-1] == errors.Problem("$", "and 150 more problems", "unlisted")
    assert str(error).endswith("p[99]: missing; $: and 150 more problems")
    assert errors.InvalidEvent(error.problems).problems == error.problems
    assert errors.InvalidEvent(problems[:100]).problems == tuple(problems[:100])


def test_one_problem_or_note_that_is_not_listed_is_counted_as_one() -> None:
    error = errors.InvalidEvent([errors.Problem(f"p[{n}]", "missing") for n in range(101)])
    assert error.problems[100:] == (errors.Problem("$", "and 1 more problem", "unlisted"),)
    assert errors.InvalidEvent(error.problems).problems == error.problems
    listed = errors.list_notes([TAKEN.note_at(f"p[{n}]") for n in range(101)])
    assert listed[100:] == (errors.Note("$", "and 1 more note", "unlisted"),)


def test_only_what_counts_the_others_is_taken_for_their_count() -> None:
    problems = [errors.Problem(f"p[{n}]", "and so on") for n in range(101)]
    assert errors.list_problems(problems)[100].message == "and 1 more problem"


def test_of_many_notes_the_first_are_listed_and_the_others_counted() -> None:
    notes: list[errors.Note] = []
    for n in range(1_101):
        errors.add_note(notes, f"p[{n}]", TAKEN)
    listed = errors.list_notes(notes)
    assert [note.path for note in listed[:100]] == [f"p[{n}]" for n in range(100)]
    assert listed[100:] == (errors.Note("$", "and 1,001 more notes", "unlisted"),)
    assert errors.list_notes(listed) == listed


def test_a_problem_that_is_not_listed_costs_no_memory() -> None:
    problems: list[errors.Problem] = []
    for n in range(10_000):
        errors.add_problem(problems, f"p[{n}]", Reason("missing", "missing"))
    assert len({id(problem) for problem in problems}) == 101
    assert errors.list_problems(problems)[-1].message == "and 9,900 more problems"
