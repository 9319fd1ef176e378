"""Every rule of the classic mapping has a golden case, and every case comes out to the key."""

from __future__ import annotations

import warnings
from typing import Any

import attrs
import pytest

from iterable_destination import InvalidEvent, Settings, translate
from tests.support.golden_cases import CLASSIC, cases, describe_error

CASES = cases(CLASSIC)

#: The sections of the mapping reference that have rules. 9.9, that the input is never changed,
#: cannot be shown by input and output; it is a property test.
RULES = {*"12345678", *(f"9.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10))}


def line(event: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what became of an event, as the command line would write it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some cases show unknown settings
        chosen = Settings.from_mapping(settings)
    try:
        result = translate(event, chosen)
    except InvalidEvent as error:
        return {"messageId": error.message_id, "error": describe_error(error)}
    if result.skipped is not None:
        return {"messageId": result.message_id, "skipped": result.skipped}
    calls = [
        {"method": call.endpoint.method, "path": call.endpoint.path, "body": call.body()}
        for call in result.calls
    ]
    notes = {"notes": [attrs.asdict(note) for note in result.notes]} if result.notes else {}
    return {"messageId": result.message_id, "calls": calls} | notes


@pytest.mark.parametrize("name", CASES)
def test_comes_out_as_the_golden_case_says(name: str) -> None:
    case = CASES[name]
    assert line(case["input"], case.get("settings", {})) == case["output"]


def test_every_rule_has_a_case() -> None:
    assert {case["rule"] for case in CASES.values()} == RULES


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_what_it_shows_and_whether_it_departs(name: str) -> None:
    case = CASES[name]
    assert case["shows"].endswith(".")
    assert ("departure" in case) == case["rule"].startswith("9.")
