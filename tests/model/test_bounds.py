"""Bounds: numbers inside them are taken, and errors for others name the parameter."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from iterable_destination.model.bounds import check_count, check_rate, check_seconds, check_timeout


@pytest.mark.parametrize("value", [1, 2, 64, 10**9])
def test_a_count_is_a_whole_number_from_1_on(value: int) -> None:
    check_count("max_pending", value)
    check_count("max_pending", value, 10**9)


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, nan, inf, True, "1", None])
def test_anything_else_is_no_count(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_pending: must be a whole number, at least 1$"):
        check_count("max_pending", value)


@pytest.mark.parametrize("value", [0, 65, 1.5, nan, True])
def test_a_count_may_have_a_maximum(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_workers: must be a whole number from 1 to 64$"):
        check_count("max_workers", value, 64)


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 10**9])
def test_a_time_is_a_number_of_seconds_from_0_on(value: float) -> None:
    check_seconds("deadline", value)
    check_timeout(value)


@pytest.mark.parametrize("value", [-1, -0.001, nan, inf])
def test_anything_else_is_no_time(value: float) -> None:
    message = r"^deadline: must be a number of seconds, finite and at least 0$"
    with pytest.raises(ValueError, match=message):
        check_seconds("deadline", value)


@pytest.mark.parametrize("value", [None, 0.001, 5, 1e6])
def test_a_rate_is_a_number_above_0_or_none(value: float | None) -> None:
    check_rate("/api/x", value)


@pytest.mark.parametrize("value", [0, -1, 1_000_001, 1e300, 10**400, inf, nan, True, "5", []])
def test_anything_else_is_no_rate(value: Any) -> None:
    message = r"^/api/x: must be a number above 0, at most 1,000,000, or null \(None\)$"
    with pytest.raises(ValueError, match=message):
        check_rate("/api/x", value)


@pytest.mark.parametrize("value", [None, inf])
def test_a_timeout_may_be_none(value: float | None) -> None:
    check_timeout(value)


@pytest.mark.parametrize("value", [-1, -0.001, nan])
def test_a_timeout_is_not_below_0(value: float) -> None:
    message = r"^timeout: must be a number of seconds, at least 0, or None$"
    with pytest.raises(ValueError, match=message):
        check_timeout(value)
