"""The mapped translator: which subscriptions an event fires, and what they make of it together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import attrs

from iterable_destination.errors import (
    UNLISTED_NOTE,
    UNLISTED_PROBLEM,
    InvalidEvent,
    InvalidSubscription,
    Note,
    Problem,
    list_notes,
    list_problems,
)
from iterable_destination.mapping.actions.apply import (
    Mapped,
    apply_subscription,
    event_of,
    fail_trigger,
    read_header,
    too_deep,
)
from iterable_destination.mapping.actions.explain import Explanation, explain
from iterable_destination.mapping.actions.fql.conditions import Trigger
from iterable_destination.mapping.actions.paths import NOTHING
from iterable_destination.mapping.actions.subscriptions import PRESETS, Subscription, too_many
from iterable_destination.model.segment_event import EventHeader, SegmentEvent, unreadable_event
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import ANONYMOUS, FailedSubscription, Translation

NOTHING_FIRED: Final = "no enabled subscription fires for this event"

_DEFAULTS: Final = Settings()
#: Names of events for which it is remembered who may fire, and how long they may be.
_MOST_NAMES: Final = 1_000
_LONGEST_NAME: Final = 200


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
        with the subscription's name. What a value raises when it is read is a problem like any
        other.
        """
        header, reason = read_header(event)
        if reason is not None:
            return Translation(header.message_id, skipped=reason, notes=tuple(header.notes))
        try:
            return self._translate(header, settings or _DEFAULTS)
        except RecursionError:  # the caller is deep in calls itself
            raise too_deep(header) from None

    def skip_reason(self, event: SegmentEvent) -> str | None:
        """Return why the event's ``integrations`` switch it off here, or None if they do not.

        Raises :exc:`~iterable_destination.errors.InvalidEvent` if they cannot be read.
        """
        try:
            return event.mapped_skip_reason()
        except Exception as error:
            raise unreadable_event(event.raw, error) from error

    def explain(self, event: Any, settings: Settings) -> tuple[Explanation, ...]:
        """Explain what each subscription makes of an event, in their order.

        Raises :exc:`~iterable_destination.errors.InvalidEvent` if the event cannot be read.
        """
        return explain(event, self.subscriptions, settings)

    def _translate(self, header: EventHeader, settings: Settings) -> Translation:
        fired = []
        body = event_of(header)
        try:
            for subscription, trigger in self._candidates(body):
                if trigger is None or trigger.holds(body):
                    fired.append(apply_subscription(subscription, body, settings))
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a value may do and raise anything
            fired = self._apply_guarded(body, settings)
        if len(fired) == 1:
            made = fired[0]
            if made.calls and not (made.notes or header.notes):  # as nearly always
                names = (made.subscription,) * len(made.calls)
                return Translation(header.message_id, made.calls, None, (), names, ())
        return _combine(fired, header)

    def _apply_guarded(self, event: dict[Any, Any], settings: Settings) -> list[Mapped]:
        """Return what all subscriptions make of an event for which a trigger raises an exception.

        It is slower than to expect none, as nearly every event gives.
        """
        fired = []
        for subscription, trigger in self._candidates(event):
            try:
                fires = trigger is None or trigger.holds(event)
            except RecursionError:
                raise
            except Exception as error:  # noqa: BLE001 - a value may do and raise anything
                fired.append(fail_trigger(subscription, error))
            else:
                if fires:
                    fired.append(apply_subscription(subscription, event, settings))
        return fired

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


def _combine(fired: Sequence[Mapped], header: EventHeader) -> Translation:
    """Return what the subscriptions of one event gave together; raises :exc:`InvalidEvent`."""
    calls = tuple([call for made in fired for call in made.calls])
    errors = [
        FailedSubscription(made.subscription, list_problems(made.problems))
        for made in fired
        if made.problems
    ]
    if errors and not calls:
        raise InvalidEvent(_problems(fired), header.message_id)
    notes = list_notes([*header.notes, *(note for made in fired for note in _notes(made))])
    if not calls:
        return Translation(header.message_id, skipped=_reason(fired), notes=notes)
    return Translation(
        header.message_id,
        calls,
        None,
        notes,
        tuple([made.subscription for made in fired for _ in made.calls]),
        tuple(errors),
    )


def _reason(fired: Sequence[Mapped]) -> str:
    return ANONYMOUS if any(made.is_anonymous for made in fired) else NOTHING_FIRED


def _notes(made: Mapped) -> Iterator[Note]:
    for note in made.notes:
        is_listed = note is not UNLISTED_NOTE
        path = f"{made.subscription}: {note.path}"
        yield attrs.evolve(note, path=path) if is_listed else note


def _problems(fired: Iterable[Mapped]) -> Iterator[Problem]:
    for made in fired:
        for problem in made.problems:
            is_listed = problem is not UNLISTED_PROBLEM
            path = f"{made.subscription}: {problem.path}"
            yield attrs.evolve(problem, path=path) if is_listed else problem
