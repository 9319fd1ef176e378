"""Translators: the classic mapping, or mappings of one's own where the settings have some.

What may live here: which of the two it is, and the way of an event through the classic decisions,
with nothing of any one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from iterable_destination.errors import InvalidEvent, InvalidSubscription, Problem
from iterable_destination.mapping import classic
from iterable_destination.mapping.actions import MappedTranslator, subscriptions_from_json
from iterable_destination.mapping.classic.fast_path import fast_path
from iterable_destination.model import validation
from iterable_destination.model.calls import Call
from iterable_destination.model.json_codec import decode_quickly
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

Translator = Callable[[Any, Settings], Translation]

_DEFAULTS: Final = Settings()
_MAPPED: Final = "mapped translator"


def translate(event: Any, settings: Settings | None = None) -> Translation:
    """Translate a Segment event as Segment's classic Iterable destination does.

    ``event`` is a Segment event as a ``dict`` or any other ``Mapping``; it is never changed, and
    the result shares no part of it that could change. ``settings`` None is the default settings;
    where they have ``mappings``, it is translated by these, see
    :class:`~iterable_destination.mapping.actions.MappedTranslator`.

    Raises :exc:`~iterable_destination.errors.InvalidEvent` with every problem of the event (of
    one that has no type, only that), and never anything else for what is in it; but what a
    ``Mapping`` of your own raises when it is read is not caught. Raises
    :exc:`~iterable_destination.errors.InvalidSubscription` for mistakes in ``mappings``.
    """
    chosen = settings or _DEFAULTS
    if chosen.mappings is not None:
        return mapped_translator(chosen)(event, chosen)
    call = fast_path(event, chosen)
    return _carefully(event, chosen) if call is None else Translation(event["messageId"], (call,))


def fast_path_call(text: bytes, settings: Settings) -> tuple[str, Call] | None:
    """Return the ``messageId`` and the call of an ordinary event in JSON, to the classic mapping.

    None for any other text. As for :func:`translate`, but nothing is made that is thrown away.
    """
    try:
        event = decode_quickly(text)
    except ValueError:
        return None
    call = fast_path(event, settings)  # none for what may be a long whole number
    return None if call is None else (event["messageId"], call)


def translator_of(settings: Settings) -> Translator:
    """Return what translates as settings say, with their mappings read.

    Raises :exc:`~iterable_destination.errors.InvalidSubscription` with every mistake in these.
    """
    return translate if settings.mappings is None else mapped_translator(settings)


def mapped_translator(settings: Settings) -> MappedTranslator:
    """Return the translator of settings that have mappings; raises as :func:`translator_of`.

    It stays with the settings: equal ones may differ, since ``True == 1``.
    """
    translator: MappedTranslator | None = settings.made.get(_MAPPED)
    if translator is None:
        try:
            translator = MappedTranslator(subscriptions_from_json(settings.mappings))
        except InvalidSubscription as error:
            raise InvalidSubscription(map(_in_settings, error.problems)) from None
        settings.made[_MAPPED] = translator
    return translator


def _in_settings(problem: Problem) -> Problem:
    return Problem(f"mappings{problem.path.removeprefix('$')}", problem.message)


def _carefully(event: Any, settings: Settings) -> Translation:
    """Translate any event, naming all that is to be noted or refused."""
    reading = SegmentEvent(event)
    call = classic.translate(reading, settings)
    if isinstance(call, str):
        return Translation(reading.message_id, skipped=call, notes=tuple(reading.notes))
    problems = reading.problems + validation.problems(call)
    if problems:
        raise InvalidEvent(problems, reading.message_id)
    return Translation(reading.message_id, (call,), notes=tuple(reading.notes))
