"""Validation: finds all problems of a call at once.

The rules are those of Iterable's documented schema, and never stricter than Iterable is. There is
one function for each kind of value, which says why Iterable would refuse one. Mappings ask it where
they read the value, and so know its place in the event; :func:`find_problems` asks it for the calls
that a user made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import Any, Final

from iterable_destination.errors import Problem, Reason, add_problem, shortened
from iterable_destination.model import endpoints
from iterable_destination.model.calls import (
    Call,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateEmail,
    UpdateSubscription,
    UpdateUser,
)
from iterable_destination.model.json_copy import text_problem
from iterable_destination.model.json_values import TOO_LARGE, describe_type, is_blank
from iterable_destination.model.reasons import (
    INVALID_EMAIL,
    MISSING,
    TOO_LARGE_FOR_ITERABLE,
    not_a_boolean,
    not_a_string,
)

#: Says why Iterable would refuse a value; None if it would take it.
FindProblem = Callable[[Any], Reason | None]

NO_IDENTITY: Final = Reason("no-user", "Must set either userId or email")

#: Fields that look like an identity, of which a message names so many.
_MAX_LOOKALIKES: Final = 10
_NO_NUMBER: Final = Reason(
    "not-a-number", "must be a number, or a string of digits with at most one dot"
)

#: One ``@``, something before it, and a dot inside what is after it; no spaces and no control
#: characters. It never goes back, so no text takes long.
_EMAIL: Final = re.compile(
    r"[^@\s\x00-\x1f\x7f-\x9f]++"
    r"@[^@\s\x00-\x1f\x7f-\x9f][^@.\s\x00-\x1f\x7f-\x9f]*+\.[^@\s\x00-\x1f\x7f-\x9f]++"
)


def email_problem(value: Any) -> Reason | None:
    """Return why a value cannot be an email, or None if it may be one."""
    if not isinstance(value, str):
        return not_a_string(value)
    if not reads_like_email(value):
        return INVALID_EMAIL
    return text_problem(value)


def reads_like_email(text: str) -> bool:
    """Whether a text has one ``@``, something before it, and a dot inside what is after it.

    There may be no spaces and no control characters. Iterable checks everything else about an
    email.
    """
    return _EMAIL.fullmatch(text) is not None


def user_id_problem(value: Any) -> Reason | None:
    """Return why a value cannot be a userId, or None if it can."""
    if not isinstance(value, str):
        return not_a_string(value)
    if len(value) > endpoints.MAX_USER_ID_LENGTH:
        most = endpoints.MAX_USER_ID_LENGTH
        words = f"is {len(value):,} characters long; a userId has at most {most}"
        return Reason("user-id-too-long", words)
    if value.isascii() and value.isprintable() and value and value[-1] != " ":
        return None
    return Reason("invalid-user-id", "must be printable ASCII, not empty, and not end with a space")


#: Texts that broken clients send in place of the userId of everybody, as they are usually spelled.
_NO_IDS: Final = (
    *("undefined", "null", "None", "nil", "NaN", "anonymous", "true", "false", "[object Object]"),
    *("(null)", "<null>", "n/a"),
)
PLACEHOLDER_IDS: Final = frozenset(
    [spell(text) for text in _NO_IDS for spell in (str, str.lower, str.upper, str.title)]
    + ["0" * count for count in range(1, endpoints.MAX_USER_ID_LENGTH + 1)]
    + ["00000000-0000-0000-0000-000000000000"]
)
#: What is wrong with a userId that is one of these.
PLACEHOLDER: Final = Reason(
    "placeholder-user-id", "looks like no id: such a text is sent for many users, who become one"
)
MANAGED: Final = Reason("managed-field", "is a field that Iterable keeps itself")


def missing_problem(places: Iterable[str]) -> Reason:
    """Return what is wrong with a field that is missing, where others may stand in its place."""
    hint = ", ".join(map(shortened, places))
    return Reason("missing", f"missing (not read in its place: {hint})") if hint else MISSING


def missing_identity_problem(lookalikes: Iterable[str]) -> Reason:
    """Return what is wrong with an event that has neither, but perhaps fields that look like it."""
    names = list(lookalikes)
    if len(names) > _MAX_LOOKALIKES:
        names[_MAX_LOOKALIKES:] = ["…"]
    hint = ", ".join(map(shortened, names))
    if not hint:
        return NO_IDENTITY
    words = f"{NO_IDENTITY.message} (these are not read as one: {hint})"
    return Reason(NO_IDENTITY.code, words)


def event_name_problem(value: Any) -> Reason | None:
    """Return why a value cannot be an event's name, or None if it can."""
    return MISSING if is_blank(value) else required_text_problem(value)


def required_text_problem(value: Any) -> Reason | None:
    """Return why a value cannot be a text that must be there, or None if it can."""
    if isinstance(value, str):
        return text_problem(value)
    return MISSING if value is None else not_a_string(value)


def number_problem(value: Any) -> Reason | None:
    """Return why a value cannot be a number that must be there, or None if it can."""
    if type(value) in _NUMBERS and -TOO_LARGE < value < TOO_LARGE:
        return None
    if value is None:
        return MISSING
    if isinstance(value, str):
        return _NO_NUMBER
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not isfinite(value)):
        return Reason("not-a-number", f"must be a number, not {describe_type(value)}")
    return None if -TOO_LARGE < value < TOO_LARGE else TOO_LARGE_FOR_ITERABLE


_NUMBERS: Final = frozenset({int, float})


def whole_number_problem(bounds: range, value: Any) -> Reason | None:
    """Return why a value cannot be a whole number within bounds, or None if it can."""
    if isinstance(value, bool) or not isinstance(value, int):
        return number_problem(value) or Reason("not-a-whole-number", "must be a whole number")
    if value not in bounds:
        words = f"must be between {bounds.start:,} and {bounds.stop - 1:,}"
        return Reason("out-of-range", words)
    return None


int32_problem: Final[FindProblem] = partial(whole_number_problem, endpoints.INT32)
int64_problem: Final[FindProblem] = partial(whole_number_problem, endpoints.INT64)


group_id_problem: Final[FindProblem] = partial(whole_number_problem, endpoints.GROUP_IDS)


def find_managed_fields(profile: Mapping[str, Any]) -> list[str]:
    """Return the keys of a profile that Iterable keeps itself, in their order by name."""
    if endpoints.MANAGED_FIELDS.isdisjoint(profile):
        return []
    return sorted(endpoints.MANAGED_FIELDS.intersection(profile))


def choice_problem(choices: Sequence[str], value: Any) -> Reason | None:
    """Return why a value cannot be one of these texts, or None if it is one."""
    if isinstance(value, str):
        if value in choices:
            return None
        return Reason("invalid-choice", f"must be {_list_choices(choices)}")
    return required_text_problem(value)


def _list_choices(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


group_type_problem: Final[FindProblem] = partial(choice_problem, endpoints.SUBSCRIPTION_GROUPS)
subscription_action_problem: Final[FindProblem] = partial(
    choice_problem, endpoints.SUBSCRIPTION_ACTIONS
)


def categories_problem(value: Any) -> Reason | None:
    """Return why a value cannot be the categories of an item, or None if it can."""
    if isinstance(value, list) and all(isinstance(category, str) for category in value):
        return next(filter(None, map(text_problem, value)), None)
    words = f"must be a string or a list of strings, not {describe_type(value)}"
    return Reason("not-a-string", words)


def merge_problem(value: Any) -> Reason | None:
    """Return why a value cannot say whether objects are merged, or None if it can."""
    if value is None or isinstance(value, bool):
        return None
    return not_a_boolean(value)


#: What is wrong with the fields of an item, in the order in which problems are named.
ITEM_FIELDS: Final[dict[str, FindProblem]] = {
    "id": required_text_problem,
    "name": required_text_problem,
    "price": number_problem,
    "quantity": int64_problem,
    "categories": categories_problem,
    "sku": required_text_problem,
    "description": required_text_problem,
    "imageUrl": required_text_problem,
    "url": required_text_problem,
}
#: The fields that every item has.
REQUIRED_ITEM_FIELDS: Final = frozenset({"id", "name", "price", "quantity"})


def find_problems(call: Call) -> list[Problem]:
    """Return every reason why Iterable would refuse a call; none if it would take it.

    The paths of the problems are keys of the call's body, or names of parts of its path.
    """
    problems: list[Problem] = []
    check = partial(_check, problems)
    email_key, id_key, who = "email", "userId", call.identity
    if isinstance(call, UpdateEmail):
        email_key, id_key = "currentEmail", "currentUserId"
    elif isinstance(call, UpdateSubscription):
        email_key, id_key, who = "users[0]", "usersByUserId[0]", call.sent_identity
    email, user_id = who.email, who.user_id
    if email is None and user_id is None:
        check(id_key, NO_IDENTITY)
    if email is not None:
        check(email_key, email_problem(email))
    if user_id is not None:
        check(id_key, user_id_problem(user_id))
    _CHECKS[type(call)](call, check)
    return problems


#: Adds a problem at a path; None is none.
_Check = Callable[[str, Reason | None], None]


def _check(problems: list[Problem], path: str, problem: Reason | None) -> None:
    if problem is not None:
        add_problem(problems, path, problem)


def _check_user(call: UpdateUser, check: _Check) -> None:
    check("mergeNestedObjects", merge_problem(call.merge_nested_objects))


def _check_event(call: TrackEvent, check: _Check) -> None:
    check("eventName", event_name_problem(call.event_name))
    _check_attribution(call, check, int64_problem)


def _check_attribution(
    call: TrackEvent | TrackPurchase, check: _Check, find_problem: FindProblem
) -> None:
    """Check the campaign and the template that a call is attributed to."""
    for key, value in (("campaignId", call.campaign_id), ("templateId", call.template_id)):
        if value is not None:
            check(key, find_problem(value))


def _check_items(call: UpdateCart | TrackPurchase, check: _Check) -> None:
    for index, item in enumerate(call.items):
        for key, find_problem in ITEM_FIELDS.items():
            value = item.get(key)
            if value is not None or key in REQUIRED_ITEM_FIELDS:
                check(f"items[{index}].{key}", find_problem(value))


def _check_purchase(call: TrackPurchase, check: _Check) -> None:
    check("total", number_problem(call.total))
    _check_attribution(call, check, int32_problem)
    _check_items(call, check)


def _check_email_change(call: UpdateEmail, check: _Check) -> None:
    check("newEmail", email_problem(call.new_email))


def _check_subscription(call: UpdateSubscription, check: _Check) -> None:
    check("subscriptionGroup", group_type_problem(call.group_type))
    check("subscriptionGroupId", group_id_problem(call.group_id))
    check("action", subscription_action_problem(call.action))


_CHECKS: Final[dict[type, Callable[[Any, _Check], None]]] = {
    UpdateUser: _check_user,
    TrackEvent: _check_event,
    UpdateCart: _check_items,
    TrackPurchase: _check_purchase,
    UpdateEmail: _check_email_change,
    UpdateSubscription: _check_subscription,
}
