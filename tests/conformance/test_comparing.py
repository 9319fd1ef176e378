"""What differs is named by its place; what is for people does not count."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.conformance import compare

CALL = {"method": "POST", "path": "/api/events/track", "body": {"a": [1, {"b": "x"}]}}
SENT = {"messageId": "m1", "calls": [CALL]}


def calls(body: Any) -> dict[str, Any]:
    return {"messageId": "m1", "calls": [CALL | {"body": body}]}


def refused(*problems: tuple[str, str, str]) -> dict[str, Any]:
    found = [dict(zip(("path", "message", "code"), each, strict=True)) for each in problems]
    return {"messageId": "m1", "error": {"type": "T", "message": "…", "problems": found}}


SAME: list[tuple[Any, Any]] = [
    (SENT, SENT),
    (calls({"a": 1, "b": 2}), calls({"b": 2, "a": 1})),
    (calls({"a": 1}), calls({"a": 1.0})),
    (SENT, SENT | {"of its own": 1}),
    ({"messageId": None, "skipped": "why"}, {"messageId": None, "skipped": "otherwise"}),
    ({"ignored": "why"}, {"ignored": "otherwise"}),
    (
        refused(("a", "x", "missing"), ("b", "y", "not-a-date")),
        refused(("b", "in German", "not-a-date"), ("a", "in French", "missing")),
    ),
    (
        SENT | {"notes": [{"path": "a", "message": "x", "code": "missing"}]},
        SENT | {"notes": [{"path": "a", "code": "missing"}]},
    ),
    (
        {"returned": {"statusCode": 200, "body": "x"}, "delivered": [1]},
        {"returned": {"statusCode": 200, "body": "y"}, "delivered": [1]},
    ),
    (
        {"raised": {"type": "ValueError", "message": "x"}, "delivered": []},
        {"raised": {}, "delivered": []},
    ),
]


@pytest.mark.parametrize(("expected", "given"), SAME)
def test_what_is_the_same_has_no_differences(expected: Any, given: Any) -> None:
    assert compare(expected, given) == []


DIFFERENT: list[tuple[Any, Any, str]] = [
    (SENT, None, "the output: expected an object, not null"),
    (SENT, {"calls": [CALL]}, 'messageId: expected "m1", not nothing'),
    (calls({"a": 1}), calls({"a": True}), "calls[0].body.a: expected 1, not true"),
    (calls({"a": 0}), calls({"a": None}), "calls[0].body.a: expected 0, not null"),
    (calls({"a": 3}), calls({"a": "3"}), 'calls[0].body.a: expected 3, not "3"'),
    (calls({"a": None}), calls({}), "calls[0].body.a: expected null, not nothing"),
    (calls({}), calls({"a": None}), "calls[0].body.a: expected nothing, not null"),
    (calls([1, 2]), calls([2, 1]), "calls[0].body[0]: expected 1, not 2"),
    (calls([1]), calls([1, 2]), "calls[0].body: expected [1], not [1, 2]"),
    (calls({"a": "<now>"}), calls({"a": None}), 'calls[0].body.a: expected "<now>", not null'),
    (SENT, {"messageId": "m1", "calls": 5}, "calls: expected ["),
    (
        SENT,
        SENT | {"notes": [{"path": "a", "message": "x", "code": "missing"}]},
        "notes: expected nothing, not [",
    ),
    (
        SENT | {"notes": [{"path": "a", "message": "x", "code": "missing"}]},
        SENT | {"notes": [{"path": "a"}]},
        'notes[0]: expected ["a", "missing"], not {"path": "a"}',
    ),
    (SENT, SENT | {"errors": "odd"}, 'errors: expected nothing, not "odd"'),
    (
        refused(("a", "x", "missing")),
        refused(("a", "x", "other")),
        'error[0][1]: expected "missing", not "other"',
    ),
    (
        refused(("a", "x", "missing")),
        refused(("a", "x", "missing"), ("a", "x", "missing")),
        'error: expected [["a", "missing"]], not [["a", "missing"], ["a", "missing"]]',
    ),
    (
        {"returned": {"statusCode": 200}, "delivered": [1]},
        {"returned": {"statusCode": 500}, "delivered": [1]},
        "returned.statusCode: expected 200, not 500",
    ),
]


#: A list that holds itself.
CIRCULAR: list[Any] = []
CIRCULAR.append(CIRCULAR)


@pytest.mark.parametrize(("expected", "given", "difference"), DIFFERENT)
def test_what_differs_is_named_by_its_place(expected: Any, given: Any, difference: str) -> None:
    assert compare(expected, given)[0].startswith(difference)


@pytest.mark.parametrize("given", [b"x", {1, 2}, [b"x"], CIRCULAR])
def test_what_is_no_json_differs_and_is_named_by_its_type(given: Any) -> None:
    expected = f"calls: expected [], not a value of type {type(given).__name__} that is no JSON"
    assert compare({"calls": []}, {"calls": given}) == [expected]


def test_every_difference_is_named_and_a_long_value_is_cut() -> None:
    given = calls({"a": "x" * 200, "c": 1})
    assert compare(calls({"a": 1, "b": 2}), given) == [
        f'calls[0].body.a: expected 1, not "{"x" * 79}…',
        "calls[0].body.b: expected 2, not nothing",
        "calls[0].body.c: expected nothing, not 1",
    ]


def test_an_implementation_may_have_no_notes() -> None:
    noted = SENT | {"notes": [{"path": "a", "message": "x", "code": "missing"}]}
    assert compare(noted, SENT, notes=False) == []
    assert len(compare(noted, SENT)) == 1


def test_of_the_original_neither_notes_nor_problems_nor_the_id_count() -> None:
    noted = calls({"at": 1_675_629_730}) | {
        "notes": [{"path": "a", "message": "x", "code": "missing"}]
    }
    original = {"calls": calls({"at": "<now>"})["calls"]}
    assert compare(original, noted, original=True) == []
    assert compare({"error": "why"}, refused(("a", "x", "missing")), original=True) == []
    assert len(compare({"error": "why"}, noted, original=True)) == 2


def test_the_moment_of_translation_may_stand_where_the_case_has_no_time() -> None:
    case, given = calls({"dataFields": {}}), calls({"createdAt": 5, "dataFields": {}})
    assert compare(case, given, original=True) == []
    assert compare(case, given) == ["calls[0].body.createdAt: expected nothing, not 5"]
    assert len(compare(given, case, original=True)) == 1


def test_failed_subscriptions_are_compared_by_name_and_problems() -> None:
    def failed(name: str, message: str) -> dict[str, Any]:
        problem = {"path": "a", "message": message, "code": "missing"}
        return SENT | {"errors": [{"subscription": name, "problems": [problem]}]}

    assert compare(failed("One", "x"), failed("One", "y")) == []
    assert compare(failed("One", "x"), failed("Two", "x")) == [
        'errors[0][0]: expected "One", not "Two"'
    ]
