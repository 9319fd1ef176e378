"""Every directive, operator, coercion, action and preset has a golden case that comes out so."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import attrs
import pytest

from iterable_destination import InvalidEvent, Settings, Translation
from iterable_destination.mapping.actions import (
    PRESETS,
    MappedTranslator,
    Subscription,
    explain,
    subscriptions_from_json,
)
from iterable_destination.mapping.actions.mapping_kit.compiler import DIRECTIVES
from tests.support.golden_cases import ACTIONS, cases, describe_error

CASES = cases(ACTIONS)


def build_line(event: Any, translator: MappedTranslator, settings: Settings) -> dict[str, Any]:
    """Return what became of an event, as the command line would write it."""
    try:
        result = translator(event, settings)
    except InvalidEvent as error:
        return {"messageId": error.message_id, "error": describe_error(error)}
    if result.skipped is not None:
        return {"messageId": result.message_id, "skipped": result.skipped}
    written: dict[str, Any] = {"messageId": result.message_id, "calls": list_calls(result)}
    if result.notes:
        written["notes"] = [attrs.asdict(note) for note in result.notes]
    if result.errors:
        errors = [attrs.asdict(error) for error in result.errors]
        written["errors"] = [error | {"problems": list(error["problems"])} for error in errors]
    return written


def read_subscriptions(case: dict[str, Any]) -> tuple[Subscription, ...]:
    """Return the subscriptions of a case; what a warning says of them the case shows too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PRESETS if "preset" in case else subscriptions_from_json(case["subscriptions"])


def list_calls(result: Translation) -> list[dict[str, Any]]:
    return [
        {
            "method": call.endpoint.method,
            "path": call.endpoint.path,
            "body": call.body(),
            "subscription": name,
        }
        for call, name in zip(result.calls, result.subscriptions, strict=True)
    ]


@pytest.mark.parametrize("name", CASES)
def test_comes_out_as_the_golden_case_says(name: str) -> None:
    case = copy.deepcopy(CASES[name])
    given = read_subscriptions(case)
    settings = Settings.from_mapping(case.get("settings", {}))
    assert build_line(case["input"], MappedTranslator(given), settings) == case["output"]
    assert case["input"] == CASES[name]["input"]


@pytest.mark.parametrize("name", CASES)
def test_an_explanation_tells_the_same(name: str) -> None:
    case = CASES[name]
    given = read_subscriptions(case)
    settings = Settings.from_mapping(case.get("settings", {}))
    try:
        explained = explain(case["input"], given, settings)
    except InvalidEvent as error:
        assert str(error) == case["output"]["error"]["message"]  # noqa: PT017 - or it is told
        return
    bodies = [call.body() for each in explained for call in each.calls]
    assert bodies == [call["body"] for call in case["output"].get("calls", [])]
    problems = [
        f"{each.subscription}: {problem}" for each in explained for problem in each.problems
    ]
    if "error" in case["output"]:
        assert "; ".join(problems) == case["output"]["error"]["message"]
    else:
        assert len(problems) == len(case["output"].get("errors", []))


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_what_it_shows(name: str) -> None:
    case = CASES[name]
    assert case["shows"].endswith(".")
    assert ("preset" in case) != ("subscriptions" in case)


def test_every_directive_has_a_case() -> None:
    text = "".join(str(case.get("subscriptions", "")) for case in CASES.values())
    assert [name for name in DIRECTIVES if f"'{name}'" not in text] == []
