"""Every directive, operator, coercion, action and preset has a case that comes out so."""

from __future__ import annotations

import warnings

import pytest

from iterable_destination import InvalidEvent, Settings
from iterable_destination.conformance import answer
from iterable_destination.mapping.actions import explain, subscriptions_from_json
from iterable_destination.mapping.actions.mapping_kit.compiler import DIRECTIVES
from tests.support.conformance_cases import by_id

CASES = by_id("mapped")
#: Those whose subscriptions are not refused.
READ = {name: case for name, case in CASES.items() if "messageId" in case.output}


@pytest.mark.parametrize("name", CASES)
def test_comes_out_as_the_case_says_word_for_word(name: str) -> None:
    request = CASES[name].request
    assert answer(request) == CASES[name].output
    assert request == CASES[name].request


@pytest.mark.parametrize("name", READ)
def test_an_explanation_tells_the_same(name: str) -> None:
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a warning says of some subscriptions the case shows
        given = subscriptions_from_json(case.subscriptions or [])
    try:
        explained = explain(case.input, given, Settings.from_mapping(case.settings))
    except InvalidEvent as error:
        assert str(error) == case.output["error"]["message"]  # noqa: PT017 - or it is told
        return
    bodies = [call.body() for each in explained for call in each.calls]
    assert bodies == [call["body"] for call in case.output.get("calls", [])]
    problems = [
        f"{each.subscription}: {problem}" for each in explained for problem in each.problems
    ]
    if "error" in case.output:
        assert "; ".join(problems) == case.output["error"]["message"]
    else:
        assert len(problems) == len(case.output.get("errors", []))


def test_every_directive_has_a_case() -> None:
    text = "".join(str(case.subscriptions) for case in CASES.values())
    assert [name for name in DIRECTIVES if f"'{name}'" not in text] == []
