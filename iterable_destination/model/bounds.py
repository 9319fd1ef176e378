"""Bounds: what a number that a caller gives must be. Each error names the parameter."""

from __future__ import annotations

from math import inf
from typing import Final


def check_count(name: str, value: int, maximum: int | None = None) -> None:
    """Raise :exc:`ValueError` unless a number is whole, at least 1, and at most ``maximum``."""
    is_count = type(value) is int and value >= 1
    if maximum is not None and not (is_count and value <= maximum):
        raise ValueError(f"{name}: must be a whole number from 1 to {maximum}")
    if not is_count:
        raise ValueError(f"{name}: must be a whole number, at least 1")


def check_seconds(name: str, value: float) -> None:
    """Raise :exc:`ValueError` unless a time is a finite number of seconds, at least 0."""
    if not 0 <= value < inf:  # nor NaN
        raise ValueError(f"{name}: must be a number of seconds, finite and at least 0")


#: Requests per second: more is as good as no limit.
_MAX_RATE: Final = 1_000_000


def check_rate(name: str, value: float | None) -> None:
    """Raise :exc:`ValueError` unless a rate is None, or above 0 and at most 1,000,000 a second."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 < value <= _MAX_RATE):  # nor NaN
        raise ValueError(f"{name}: must be a number above 0, at most 1,000,000, or null (None)")


def check_timeout(timeout: float | None) -> None:
    """Raise :exc:`ValueError` unless a timeout is None, or a number of seconds, at least 0."""
    if timeout is not None and not timeout >= 0:  # nor NaN
        raise ValueError("timeout: must be a number of seconds, at least 0, or None")
