"""Subscriptions: which events a mapped destination sends, and as which action.

A subscription is read from Segment's JSON. Its trigger and its mapping are read once, when it is
made; the error names all mistakes in them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Self

import attrs

from iterable_destination.errors import InvalidSubscription, Problem, Reason
from iterable_destination.mapping.actions.fields import select_fields
from iterable_destination.mapping.actions.fql.conditions import Trigger
from iterable_destination.mapping.actions.fql.lexer import BadTrigger
from iterable_destination.mapping.actions.fql.parser import read_trigger
from iterable_destination.mapping.actions.mapping_kit.compiler import read_mapping
from iterable_destination.mapping.actions.mapping_kit.directive_options import (
    Resolve,
    Unmappable,
    resolve_nothing,
)
from iterable_destination.mapping.actions.payload import Field
from iterable_destination.mapping.actions.presets import PRESETS_JSON
from iterable_destination.model.json_codec import decode
from iterable_destination.model.json_copy import TOO_DEEP
from iterable_destination.model.json_values import as_list, as_object, describe_type, is_blank
from iterable_destination.model.reasons import MISSING, not_a_boolean, not_a_string

#: Subscriptions of one destination (Segment's product document: "a maximum of 50 mappings").
MAX_SUBSCRIPTIONS: Final = 50

#: The actions, by their slugs, and what Segment calls them.
ACTIONS: Final = {
    "trackEvent": "Custom Event",
    "updateUser": "Upsert User",
    "updateCart": "Cart Updates",
    "trackPurchase": "Track Purchase",
    "updateSubscriptions": "Update Subscriptions",
    "updateSubscription": "Update Subscription",
}

_NO_SUCH_ACTION: Final = Reason("unknown-action", f"no such action; there are {', '.join(ACTIONS)}")

#: Our names, and those that Segment's libraries, its API and its Terraform provider use; the first
#: that is present counts. A mapping may be a JSON text, as in Terraform.
_NAMES: Final = {
    "name": ("name",),
    "action": ("partnerAction", "actionSlug", "action"),
    "trigger": ("subscribe", "trigger"),
    "mapping": ("mapping", "settings"),
    "enabled": ("enabled",),
}
#: The kind of event that a preset is for, where it has no trigger: Journeys, linked audiences.
_KIND: Final = ("eventSlug", "event_slug")
#: Segment's other keys of a subscription, which are ignored.
_IGNORED: Final = frozenset(
    {"id", "actionId", "action_id", "destinationId", "destination_id", "type"}
    | {"modelId", "model_id", "reverseETLSchedule", "reverse_etl_schedule", "_metadata"}
    | {*_KIND}
)
#: A trigger that holds for no event: each has a type.
_NEVER: Final = "type = null"


@attrs.frozen(slots=False)
class Subscription:
    """One mapping of a mapped destination: which events, which action, and how its fields are made.

    Raises :exc:`~iterable_destination.errors.InvalidSubscription` with every mistake in it.
    """

    #: Its name in outcomes, errors and explanations.
    name: str
    #: A key of ``ACTIONS``, such as ``trackEvent``.
    action: str
    #: The events it is for, in FQL: ``type = "track" and event = "Signed Up"``.
    trigger: str
    #: The action's fields: values and directives. It is copied.
    mapping: Mapping[str, Any] = attrs.field(repr=False)
    #: Whether it is switched on.
    enabled: bool = True
    #: The parsed trigger.
    condition: Trigger = attrs.field(init=False, eq=False, repr=False)
    #: The action's fields that the mapping can fill.
    fields: tuple[Field, ...] = attrs.field(init=False, eq=False, repr=False)
    #: Returns the mapped payload of an event.
    resolve: Resolve = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        problems = [*_check_fields(self)]
        condition = _parse_trigger(self, problems)
        mapping, resolve = _compile_mapping(self, problems)
        if problems:
            raise InvalidSubscription(problems)
        fields = select_fields(self.action, mapping)
        read = {"condition": condition, "mapping": mapping, "fields": fields, "resolve": resolve}
        for name, value in read.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.action, self.trigger, self.mapping, self.enabled)

    @classmethod
    def from_json(cls, subscription: Any) -> Self:
        """Read a subscription as Segment writes it.

        The keys are ``name`` (by default the action's name), ``enabled`` (by default true),
        ``partnerAction``, ``subscribe`` and ``mapping``, or the API's and Terraform's
        ``actionSlug``, ``trigger`` and ``settings``. Unknown keys are ignored with a
        :exc:`UserWarning`. A preset for a kind of event (``eventSlug``) without a trigger is read,
        and never fires: a :exc:`UserWarning` says so.

        Raises :exc:`~iterable_destination.errors.InvalidSubscription` with every mistake.
        """
        fields = as_object(subscription)
        if fields is None:
            words = f"a subscription is an object, not {describe_type(subscription)}"
            raise InvalidSubscription([Reason("not-an-object", words).problem_at("$")])
        _warn_of_unknown_keys(fields)
        keys = {ours: _find_key(names, fields) for ours, names in _NAMES.items()}
        chosen: dict[str, Any] = {ours: fields.get(theirs) for ours, theirs in keys.items()}
        chosen["mapping"] = _decode_text(chosen["mapping"])
        if chosen["enabled"] is None:
            chosen["enabled"] = True
        if chosen["name"] is None and isinstance(chosen["action"], str):
            chosen["name"] = ACTIONS.get(chosen["action"], chosen["action"])
        kind = fields.get(_find_key(_KIND, fields))
        if is_blank(chosen["trigger"]) and isinstance(kind, str):
            chosen["trigger"] = _NEVER
            message = (
                f"subscription {chosen['name']!r} never fires: "
                f"Segment alone knows which events are {kind!r}; give it a subscribe"
            )
            warnings.warn(message, stacklevel=2)
        try:
            return cls(**chosen)
        except InvalidSubscription as error:
            raise InvalidSubscription(_restore_keys(error.problems, keys)) from None


class UnknownAction(Subscription):
    """A subscription whose action is not known: it fires, and fails for each event.

    So it is named wherever it matters, and takes no other subscription down. Its mapping is kept
    as it is, for what it may say is not known either.
    """

    def __attrs_post_init__(self) -> None:
        problems = [*_check_fields(self)]  # one of them is the action
        condition = _parse_trigger(self, problems)
        mapping, _ = _compile_mapping(self, [])
        if len(problems) > 1:
            raise InvalidSubscription(problems)
        read = {"condition": condition, "mapping": mapping, "fields": (), "resolve": _fail}
        for name, value in read.items():
            object.__setattr__(self, name, value)


def _fail(_: Any) -> Any:
    """Fail for every event, since the action is not known."""
    raise Unmappable(_NO_SUCH_ACTION, "action")


def subscriptions_from_json(subscriptions: Any) -> tuple[Subscription, ...]:
    """Read a list of subscriptions as Segment writes them, see :meth:`Subscription.from_json`.

    An element may also be a :class:`Subscription`. One whose action is not known takes no other
    down: a :exc:`UserWarning` names it, and it fails for each event that fires it.

    Raises :exc:`~iterable_destination.errors.InvalidSubscription` with every mistake in any of
    them, for more than 50 subscriptions, and if no action is known.
    """
    elements = as_list(subscriptions)
    if elements is None:
        words = f"must be a list of subscriptions, not {describe_type(subscriptions)}"
        raise InvalidSubscription([Reason("not-a-list", words).problem_at("$")])
    problems = too_many(elements)
    read: list[Subscription] = []
    unknown: list[Subscription] = []
    is_wrong = bool(problems)
    for index, element in enumerate(elements):
        action_key = _find_unknown_action(element)
        reader = Subscription if action_key is None else UnknownAction
        try:
            read.append(element if isinstance(element, Subscription) else reader.from_json(element))
        except InvalidSubscription as error:
            problems += [_prefix_path(f"[{index}]", problem) for problem in error.problems]
            is_wrong = True
        else:
            if action_key is not None:
                unknown.append(read[-1])
                problems.append(_NO_SUCH_ACTION.problem_at(f"[{index}].{action_key}"))
    if is_wrong or 0 < len(unknown) == len(elements):
        raise InvalidSubscription(problems)
    for each in unknown:
        message = f"subscription {each.name!r} fails for every event: {_NO_SUCH_ACTION.message}"
        warnings.warn(message, stacklevel=2)
    return tuple(read)


def _find_unknown_action(subscription: Any) -> str | None:
    """Return the key of a subscription's action if it is not known, else None."""
    fields = as_object(subscription) or {}
    key = _find_key(_NAMES["action"], fields)
    action = fields.get(key)
    return key if isinstance(action, str) and action and action not in ACTIONS else None


def too_many(subscriptions: Sequence[Any]) -> list[Problem]:
    """Return the problem of a destination with more than 50 subscriptions; else an empty list."""
    count = len(subscriptions)
    if count <= MAX_SUBSCRIPTIONS:
        return []
    words = f"{count:,} subscriptions; a destination has at most {MAX_SUBSCRIPTIONS}"
    return [Reason("too-many", words).problem_at("$")]


def _check_fields(subscription: Subscription) -> Iterator[Problem]:
    """Yield the problems of the name, the action and the switch."""
    name: Any = subscription.name
    action: Any = subscription.action
    enabled: Any = subscription.enabled
    for field, value in (("name", name), ("action", action)):
        if not isinstance(value, str) or not value:
            yield _no_text(value).problem_at(field)
    if isinstance(action, str) and action and action not in ACTIONS:
        yield _NO_SUCH_ACTION.problem_at("action")
    if not isinstance(enabled, bool):
        yield not_a_boolean(enabled).problem_at("enabled")


def _no_text(value: Any) -> Reason:
    return MISSING if is_blank(value) else not_a_string(value)


def _parse_trigger(subscription: Subscription, problems: list[Problem]) -> Trigger | None:
    trigger: Any = subscription.trigger
    if not isinstance(trigger, str) or not trigger:
        problems.append(_no_text(trigger).problem_at("trigger"))
        return None
    try:
        return read_trigger(trigger)
    except BadTrigger as error:
        problems.append(error.reason.problem_at("trigger"))
    except RecursionError:  # the caller is deep in calls itself
        problems.append(TOO_DEEP.problem_at("trigger"))
    return None


def _compile_mapping(subscription: Subscription, problems: list[Problem]) -> tuple[Any, Resolve]:
    mapping: Any = subscription.mapping
    if mapping is None:
        problems.append(MISSING.problem_at("mapping"))
        return {}, resolve_nothing
    try:
        return read_mapping(mapping, "mapping", problems)
    except RecursionError:  # the caller is deep in calls itself
        problems.append(TOO_DEEP.problem_at("mapping"))
        return {}, resolve_nothing


def _find_key(names: tuple[str, ...], fields: Mapping[Any, Any]) -> str:
    return next((name for name in names if fields.get(name) is not None), names[0])


def _warn_of_unknown_keys(fields: Mapping[Any, Any]) -> None:
    known = {name for names in _NAMES.values() for name in names} | _IGNORED
    for key in fields:
        if key not in known:
            message = f"unknown key {key!r} of a subscription is passed over"
            warnings.warn(message, stacklevel=3)


def _decode_text(mapping: Any) -> Any:
    """Decode a mapping that is a JSON text; any other text is returned, and refused later."""
    if not isinstance(mapping, str):
        return mapping
    try:
        return decode(mapping.encode())
    except ValueError:
        return mapping


def _restore_keys(problems: Iterable[Problem], found: Mapping[str, str]) -> list[Problem]:
    """Return the problems with the keys that the user wrote at the start of their places."""
    return [
        attrs.evolve(problem, path=_FIRST_WORD.sub(lambda word: found[word[0]], problem.path))
        for problem in problems
    ]


_FIRST_WORD: Final = re.compile(rf"\A(?:{'|'.join(_NAMES)})\b")


def _prefix_path(place: str, problem: Problem) -> Problem:
    path = place if problem.path == "$" else f"{place}.{problem.path}"
    return attrs.evolve(problem, path=path)


#: The four subscriptions that Segment proposes.
PRESETS: Final = tuple(map(Subscription.from_json, PRESETS_JSON))
