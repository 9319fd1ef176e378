"""Every rule of the classic mapping has a case, and every case comes out to the key."""

from __future__ import annotations

import pytest

from iterable_destination.conformance import answer
from tests.support.conformance_cases import by_id

CASES = by_id("classic")

#: The sections of the mapping reference that have rules. 9.9, that the input is never changed,
#: cannot be shown by input and output; it is a property test.
RULES = {*"12345678", *(f"9.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10))}


@pytest.mark.parametrize("name", CASES)
def test_comes_out_as_the_case_says_word_for_word(name: str) -> None:
    assert answer(CASES[name].request) == CASES[name].output


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES.values()} == RULES


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_a_departure_says_why_it_departs(name: str) -> None:
    case = CASES[name]
    assert case.departure is not None or not case.rule.startswith("9.")
