"""Numbers as texts: the same as JavaScript writes."""

from __future__ import annotations

import decimal
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.mapping.actions.number_text import write_number
from tests.support import reading_mappings

WRITTEN = [
    (5, "5"),
    (100.0, "100"),
    (-0.0, "0"),
    (0.1, "0.1"),
    (-1.5, "-1.5"),
    (1e16, "10000000000000000"),
    (123456789012345680000.0, "123456789012345680000"),
    (1e21, "1e+21"),
    (-1.5e300, "-1.5e+300"),
    (10**21, "1e+21"),
    (-(10**21) + 1, "-999999999999999999999"),
    (0.00001, "0.00001"),
    (1.25e-6, "0.00000125"),
    (1e-7, "1e-7"),
    (5e-324, "5e-324"),
    (math.nan, None),
    (math.inf, None),
    (10**308, None),
]


@pytest.mark.parametrize(("number", "text"), WRITTEN)
def test_a_number_is_written(number: float, text: str | None) -> None:
    assert write_number(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30))
def test_every_number_is_written_as_javascript_does(number: float) -> None:
    text = write_number(number)
    assert text == reading_mappings.write_number(number)
    assert float(str(text)) == float(number)


def test_the_decimal_context_of_the_program_does_not_matter() -> None:
    with decimal.localcontext(decimal.Context(prec=1)):
        assert write_number(1.2345e-5) == "0.000012345"
