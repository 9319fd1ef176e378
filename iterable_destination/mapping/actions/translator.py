"""The mapped translator: one event, and what its subscriptions make of it.

What may live here: which subscriptions fire, what becomes of an event when some of them fail, and
the way of one payload from its mapping to its calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from iterable_destination.errors import InvalidEvent, InvalidSubscription, Note, Problem
from iterable_destination.mapping.actions.call_builders import CALLS
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.fql.conditions import Trigger
from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from iterable_destination.mapping.actions.paths import NOTHING
from iterable_destination.mapping.actions.payload import coerce_fields
from iterable_destination.mapping.actions.reading import Reading
from iterable_destination.mapping.actions.subscriptions import PRESETS, Subscription, too_many
from iterable_destination.model import validation
from iterable_destination.model.calls import Call
from iterable_destination.model.json_copy import TOO_DEEP
from iterable_destination.model.json_values import as_object, describe_type, scalar
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import FailedSubscription, Translation

NO_IDENTITY: Final = "Must include email or userId."
ANONYMOUS: Final = "anonymous: neither email nor userId, and skip_anonymous is on"
NOTHING_FIRED: Final = "no enabled subscription fires for this event"

_DEFAULTS: Final = Settings()
#: Names of events for which it is remembered who may fire, and how long they may be.
_MOST_NAMES: Final = 1_000
_LONGEST_NAME: Final = 200


class Mapped(Findings):
    """What one subscription makes of an event that fired it."""

    __slots__ = ("calls", "is_anonymous", "payload", "subscription")

    def __init__(self, subscription: str) -> None:
        super().__init__()
        #: The subscription's name.
        self.subscription: Final = subscription
        #: The mapped payload, before it was coerced; it shares parts with the event.
        self.payload: Any = None
        self.calls: tuple[Call, ...] = ()
        #: Whether it is about nobody, and such are skipped.
        self.is_anonymous = False


class MappedTranslator:
    """Translates events as these subscriptions say: a mapped destination.

    Give it to :class:`~iterable_destination.Destination` as its ``translator``, or call it with an
    event and, if you have some, settings. Of these ``skip_anonymous`` counts. It never changes, and
    can be used by several threads.

    Raises :exc:`~iterable_destination.errors.InvalidSubscription` for more than 50 subscriptions.
    """

    def __init__(self, subscriptions: Iterable[Subscription] = PRESETS) -> None:
        #: The subscriptions, those that are switched off included.
        self.subscriptions: Final = tuple(subscriptions)
        if problems := too_many(self.subscriptions):
            raise InvalidSubscription(problems)
        self._shortlists: dict[tuple[str, Any], tuple[_Candidate, ...]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.subscriptions,)

    def __call__(self, event: Any, settings: Settings | None = None) -> Translation:
        """Return the calls of all subscriptions that fire, in the subscriptions' order.

        One that fails is named in ``errors`` and does not stop the others. The event is never
        changed, and the result shares no part of it that could change.

        Raises :exc:`~iterable_destination.errors.InvalidEvent` if the event cannot be read, or if
        no subscription that fired gives a call and one failed; then each problem's place begins
        with the subscription's name. What a ``Mapping`` of your own raises is not caught.
        """
        reading = Reading(event)
        if reading.switched_off is not None:
            return Translation(reading.message_id, skipped=reading.switched_off)
        try:
            return self._translated(reading, settings or _DEFAULTS)
        except RecursionError:  # the caller is deep in calls itself
            raise too_deep(reading) from None

    def _translated(self, reading: Reading, settings: Settings) -> Translation:
        body = reading.body
        fired = []
        for subscription, trigger in self._candidates(body):
            if trigger is None or trigger.holds(body):
                fired.append(mapped(subscription, body, settings))
        if len(fired) == 1:
            made = fired[0]
            if made.calls and not made.notes:  # as nearly always
                names = (made.subscription,) * len(made.calls)
                return Translation(reading.message_id, made.calls, None, (), names, ())
        return _gathered(fired, reading)

    def _candidates(self, event: dict[Any, Any]) -> tuple[_Candidate, ...]:
        """Return who may fire for an event, as far as its type and its name tell.

        Most triggers ask for these two, and they are the same again and again; so what they leave
        to be asked is found out once.
        """
        its_type, name = event["type"], event.get("event", NOTHING)
        if type(its_type) is not str or not (type(name) is str or name is NOTHING):
            return _shortlist(self.subscriptions, {})
        candidates = self._shortlists.get((its_type, name))
        if candidates is None:
            candidates = _shortlist(self.subscriptions, {"type": its_type, "event": name})
            if len(its_type) + (0 if name is NOTHING else len(name)) <= _LONGEST_NAME:
                if len(self._shortlists) >= _MOST_NAMES:
                    self._shortlists = {}
                self._shortlists[its_type, name] = candidates
        return candidates


#: A subscription, and what is left to ask before it fires; None if nothing is.
_Candidate = tuple[Subscription, Trigger | None]


def _shortlist(
    subscriptions: Iterable[Subscription], known: dict[str, Any]
) -> tuple[_Candidate, ...]:
    found: list[_Candidate] = []
    for subscription in subscriptions:
        if subscription.enabled:
            rest = subscription.condition.simplify(known)
            if rest is True:
                found.append((subscription, None))
            elif not isinstance(rest, bool):
                found.append((subscription, rest))
    return tuple(found)


def _gathered(fired: Sequence[Mapped], reading: Reading) -> Translation:
    """Put together what the subscriptions of one event gave; raises :exc:`InvalidEvent`."""
    calls = tuple([call for made in fired for call in made.calls])
    errors = [
        FailedSubscription(made.subscription, tuple(made.problems))
        for made in fired
        if made.problems
    ]
    if errors and not calls:
        raise InvalidEvent(_problems(errors), reading.message_id)
    return Translation(
        reading.message_id,
        calls,
        None if calls else _reason(fired),
        tuple([note for made in fired for note in _notes(made)]),
        tuple([made.subscription for made in fired for _ in made.calls]),
        tuple(errors),
    )


def _reason(fired: Sequence[Mapped]) -> str:
    return ANONYMOUS if any(made.is_anonymous for made in fired) else NOTHING_FIRED


def _notes(made: Mapped) -> Iterator[Note]:
    return (Note(f"{made.subscription}: {note.path}", note.message) for note in made.notes)


def _problems(errors: Iterable[FailedSubscription]) -> Iterator[Problem]:
    for error in errors:
        for problem in error.problems:
            yield Problem(f"{error.subscription}: {problem.path}", problem.message)


def mapped(subscription: Subscription, event: dict[Any, Any], settings: Settings) -> Mapped:
    """Return what a subscription makes of an event that fires it."""
    made = Mapped(subscription.name)
    try:
        payload = made.payload = subscription.resolve(event)
    except Unmappable as error:
        made.add_problem("mapping", str(error))
        return made
    if type(payload) is not dict:
        payload = {} if payload is NOTHING else as_object(scalar(payload))
        if payload is None:
            made.add_problem("mapping", f"must give an object, not {describe_type(made.payload)}")
            return made
    fields = coerce_fields(subscription.fields, payload, "", made)
    if not made.problems:
        _judge(made, CALLS[subscription.action](fields, made), settings)
    return made


def _judge(made: Mapped, calls: tuple[Call, ...], settings: Settings) -> None:
    """Keep the calls of a payload if nothing is wrong with them."""
    who = calls[0].identity
    if who.email is None and who.user_id is None:
        if settings.skip_anonymous:
            made.is_anonymous = True
            made.problems.clear()
            return
        made.add_problem(who.user_id_source, NO_IDENTITY)
    elif not made.is_ordinary:
        for call in calls:
            made.problems += validation.problems(call)
    if not made.problems:
        made.calls = calls


def too_deep(reading: Reading) -> InvalidEvent:
    """Return the error for an event that is nested too deeply to be read where we are."""
    return InvalidEvent([Problem("$", TOO_DEEP)], reading.message_id)
