"""Which mapping an event goes through: the classic one, or the settings' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import attrs

from iterable_destination.errors import (
    InvalidEvent,
    InvalidSubscription,
    Note,
    Problem,
    list_notes,
)
from iterable_destination.mapping import classic
from iterable_destination.mapping.actions import (
    Explanation,
    MappedTranslator,
    subscriptions_from_json,
)
from iterable_destination.model.nulls import replace_nan
from iterable_destination.model.segment_event import SegmentEvent, unreadable_event
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation
from iterable_destination.typing import Event

#: What translates an event by some settings, such as a :class:`Translator` or a function.
Translate = Callable[[Any, Settings], Translation]

_DEFAULTS: Final = Settings()
#: How many mapped destinations are remembered with their settings.
_MAX_REMEMBERED: Final = 1_000


class Translator(Protocol):
    """A mapping: how events become calls, and what can be said about that."""

    def __call__(self, event: Any, settings: Settings, /) -> Translation:
        """Translate an event."""

    def skip_reason(self, event: SegmentEvent) -> str | None:
        """Return why the event's ``integrations`` switch it off here, or None if they do not."""

    def explain(self, event: Any, settings: Settings) -> tuple[Explanation, ...]:
        """Explain what each subscription makes of an event; nothing where there are none."""


class ClassicTranslator:
    """Segment's classic Iterable destination, key for key."""

    def __call__(self, event: Any, settings: Settings, /) -> Translation:
        """Translate an event; raises as :func:`translate` does."""
        try:
            segment_event = SegmentEvent(event)
            call = classic.translate(segment_event, settings)
            if isinstance(call, str):
                return _skip(segment_event, call)
        except (InvalidEvent, RecursionError, MemoryError):
            raise
        except Exception as error:
            raise unreadable_event(event, error) from error
        notes = list_notes(segment_event.notes)
        if segment_event.problems or segment_event.refusals:
            problems = segment_event.problems + segment_event.refusals
            raise InvalidEvent(problems, segment_event.message_id, call.identity)
        return Translation(segment_event.message_id, (call,), None, notes)

    def skip_reason(self, event: SegmentEvent) -> str | None:
        """Return why the event's ``integrations`` switch it off here, or None if they do not."""
        return event.skip_reason()

    def explain(self, event: Any, settings: Settings) -> tuple[Explanation, ...]:  # noqa: ARG002
        """Return nothing: there are no subscriptions."""
        return ()


def _skip(event: SegmentEvent, reason: str) -> Translation:
    notes, identity = list_notes(event.notes), event.identity()
    return Translation(event.message_id, skipped=reason, notes=notes, identity=identity)


class NanAsNull:
    """A translator by which NaN in an event is null, as the setting ``nan_as_null`` asks."""

    def __init__(self, translator: Translator) -> None:
        self.translator: Final = translator

    def __call__(self, event: Any, settings: Settings, /) -> Translation:
        """Translate an event; raises as :func:`translate` does."""
        notes: list[Note] = []
        translation = self.translator(replace_nan(event, notes), settings)
        if not notes:
            return translation
        return attrs.evolve(translation, notes=list_notes([*notes, *translation.notes]))

    def skip_reason(self, event: SegmentEvent) -> str | None:
        """Return why the event's ``integrations`` switch it off here, or None if they do not."""
        return self.translator.skip_reason(event)

    def explain(self, event: Any, settings: Settings) -> tuple[Explanation, ...]:
        """Explain what each subscription makes of an event; nothing where there are none."""
        return self.translator.explain(replace_nan(event, []), settings)


def fix_subscriptions(translator: Translate, translation: Translation) -> Translate:
    """Return a translator by which the subscriptions that fired here fire always, and no others.

    A translator without subscriptions is returned as it is.
    """
    if isinstance(translator, NanAsNull):
        return fix_subscriptions(translator.translator, translation)
    if not isinstance(translator, MappedTranslator):
        return translator
    fired = {*translation.subscriptions, *[each.subscription for each in translation.errors]}
    return MappedTranslator(
        [
            attrs.evolve(each, trigger=_ALWAYS)
            for each in translator.subscriptions
            if each.enabled and each.name in fired
        ]
    )


#: A trigger that every event fires, since each has a type.
_ALWAYS: Final = 'type!=""'
_CLASSIC: Final = ClassicTranslator()
#: The mapped destinations that were made last, by the identity of their mappings, which are kept
#: alive with them. Equal mappings may differ, since ``True == 1``.
_mapped: Final[dict[int, tuple[Any, MappedTranslator]]] = {}


def translate(event: Event, settings: Settings | None = None) -> Translation:
    """Translate a Segment event as Segment's classic Iterable destination does.

    ``event`` is a Segment event as a ``dict`` or any other ``Mapping``; it is never changed, and
    the result shares no part of it that could change. ``settings`` None is the default settings;
    where they have ``mappings``, it is translated by these, see
    :class:`~iterable_destination.mapping.actions.MappedTranslator`.

    Raises :exc:`~iterable_destination.errors.InvalidEvent` with every problem of the event (of
    one that has no type, only that), and never anything else for what is in it: what a value
    raises where it is read is such a problem, with its place and the exception's type. Raises
    :exc:`~iterable_destination.errors.InvalidSubscription` for mistakes in ``mappings``.
    """
    chosen = settings or _DEFAULTS
    return translator_for(chosen)(event, chosen)


def translator_for(settings: Settings) -> Translator:
    """Return the mapping that settings choose.

    Raises :exc:`~iterable_destination.errors.InvalidSubscription` with every mistake in their
    ``mappings``.
    """
    mappings = settings.mappings
    translator: Translator = _CLASSIC if mappings is None else _find_mapped(mappings)
    return NanAsNull(translator) if settings.nan_as_null else translator


def _find_mapped(mappings: Sequence[Any]) -> MappedTranslator:
    found = _mapped.get(id(mappings))
    if found is not None and found[0] is mappings:
        return found[1]
    try:
        translator = MappedTranslator(subscriptions_from_json(mappings))
    except InvalidSubscription as error:
        raise InvalidSubscription(map(_in_settings, error.problems)) from None
    if len(_mapped) >= _MAX_REMEMBERED:
        _mapped.clear()
    _mapped[id(mappings)] = mappings, translator
    return translator


def _in_settings(problem: Problem) -> Problem:
    return attrs.evolve(problem, path=f"mappings{problem.path.removeprefix('$')}")
