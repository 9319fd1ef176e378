"""Reasons that several modules give: each code stands here beside its words, once.

A reason that one module alone gives stands in that module.
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import Reason
from iterable_destination.model.json_values import describe_type

MISSING: Final = Reason("missing", "missing")
NOT_A_DATE: Final = Reason(
    "not-a-date", "not a date; use ISO 8601, or Unix seconds or milliseconds"
)
INVALID_EMAIL: Final = Reason(
    "invalid-email", "not a valid email address (expected name@host.domain)"
)
TOO_LARGE_FOR_ITERABLE: Final = Reason("number-too-large", "is a number too large for Iterable")
SENT_AS_STRING: Final = Reason("sent-as-string", "a number, sent as a string")
EMPTY_LIST: Final = Reason("empty-list", "an empty list, taken as an empty object")
NULL_PASSED_OVER: Final = Reason("null-passed-over", "null, passed over")


def not_a_string(value: Any) -> Reason:
    """Return what is wrong with a value that must be a string and is none."""
    return Reason("not-a-string", f"must be a string, not {describe_type(value)}")


def not_an_object(value: Any) -> Reason:
    """Return what is wrong with a value that must be an object and is none."""
    return Reason("not-an-object", f"must be an object, not {describe_type(value)}")


def not_a_boolean(value: Any) -> Reason:
    """Return what is wrong with a value that must be true or false and is neither."""
    return Reason("not-a-boolean", f"must be true or false, not {describe_type(value)}")


def not_json(value: Any) -> Reason:
    """Return what is wrong with a value that has no form in JSON."""
    return Reason("not-json", f"is {describe_type(value)}, which JSON cannot hold")


def key_not_a_string(key: Any) -> Reason:
    """Return what is wrong with an object that has a key which is no string."""
    return Reason("invalid-key", f"has a key that is {describe_type(key)}; JSON's keys are strings")
