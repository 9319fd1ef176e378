"""Cases are read as values, and chosen by system, rule and departure."""

from __future__ import annotations

import pytest

from iterable_destination.conformance import SYSTEMS, cases
from iterable_destination.conformance.cases import select

CASES = {case.id: case for case in cases()}


def test_cases_are_sorted_within_their_system() -> None:
    order = [(SYSTEMS.index(case.system), case.id) for case in cases()]
    assert order == sorted(order)
    assert cases("source") == [case for case in cases() if case.system == "source"]


def test_a_system_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^there is no system sauce$"):
        cases("sauce")


def test_a_request_is_a_case_without_what_is_expected() -> None:
    case = CASES["track-nulls-are-kept"]
    assert case.request == {
        "id": "track-nulls-are-kept",
        "system": "classic",
        "settings": {},
        "input": case.input,
    }
    assert set(CASES["trigger-contains"].request) - set(case.request) == {"subscriptions"}
    assert set(CASES["sqs"].request) - set(case.request) == {"host"}


def test_who_changes_a_request_changes_no_case() -> None:
    case = CASES["trigger-contains"]
    request = case.request
    request["input"].clear()
    request["subscriptions"].clear()
    assert case.input
    assert case.subscriptions


@pytest.mark.parametrize(
    ("rules", "found"),
    [(("5",), {"5"}), (("9.1", "7"), {"7", "9.1"}), (("who",), {"who"}), (("3.1",), set())],
)
def test_rules_choose_cases(rules: tuple[str, ...], found: set[str]) -> None:
    assert {case.rule for case in select(cases(), rules)} == found


def test_a_rule_includes_its_parts_and_no_rule_is_all() -> None:
    chosen = {case.rule for case in select(cases(), ("9",))}
    assert chosen == {case.rule for case in cases() if case.rule.startswith("9.")}
    assert {"9.1", "9.10"} <= chosen
    assert select(cases()) == cases()


def test_departures_can_be_left_out() -> None:
    chosen = select(cases("classic"), departures=lambda _: False)
    assert 0 < len(chosen) < len(cases("classic"))
    assert {case.departure for case in chosen} == {None}
