"""Explain the translation of an event, in lines for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from iterable_destination.errors import InvalidEvent, InvalidJSON, Note, Problem
from iterable_destination.mapping.actions import Explanation, MappedTranslator, explain
from iterable_destination.mapping.origins import Origin, origins
from iterable_destination.mapping.translate import Translator
from iterable_destination.model.calls import Call
from iterable_destination.model.json_codec import encode
from iterable_destination.model.records import LineRecord
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation


@attrs.frozen
class EventExplanation:
    """The explanation of one line of input."""

    #: Lines to print.
    lines: tuple[str, ...]
    #: Whether the event, or one of its subscriptions, is refused.
    is_refused: bool


def explain_line(line: LineRecord, translator: Translator, settings: Settings) -> EventExplanation:
    """Explain which subscriptions fire, what is sent, and where each field comes from."""
    try:
        event = line.event()
    except InvalidJSON as error:
        return EventExplanation((str(error), "  refused"), is_refused=True)
    lines = [_describe_event(line, event)]
    try:
        lines += _explain_subscriptions(event, translator, settings)
        translation = translator(event, settings)
        lines += _explain_requests(event, translation, translator, settings)
    except InvalidEvent as error:
        lines += ["  refused", *_indent("problem", error.problems)]
        return EventExplanation(tuple(lines), is_refused=True)
    return EventExplanation(tuple(lines), is_refused=bool(translation.errors))


def _describe_event(line: LineRecord, event: dict[str, Any]) -> str:
    named = [event.get("type"), event.get("messageId")]
    words = " ".join([each for each in named if isinstance(each, str)])
    return f"line {line.number}, {words}" if words else f"line {line.number}"


def _explain_subscriptions(event: Any, translator: Translator, settings: Settings) -> Iterator[str]:
    if isinstance(translator, MappedTranslator):
        for each in explain(event, translator.subscriptions, settings):
            yield from _explain_subscription(each)


def _explain_subscription(each: Explanation) -> Iterator[str]:
    if not each.fired:
        yield f"  {each.subscription}: did not fire, by {each.because}"
        return
    yield f"  {each.subscription}: fired, by {each.because}"
    yield f"    payload: {encode(each.payload).decode()}"
    yield from _indent("coerced", each.coercions)
    yield from _indent("problem", each.problems)
    if each.skipped is not None:
        yield f"    skipped: {each.skipped}"


def _explain_requests(
    event: Any, translation: Translation, translator: Translator, settings: Settings
) -> Iterator[str]:
    if translation.skipped is not None:
        yield f"  skipped: {translation.skipped}"
    found = origins(event, translator, settings)
    names = translation.subscriptions or (None,) * len(translation.calls)
    for number, (call, name) in enumerate(zip(translation.calls, names, strict=True)):
        yield from _explain_request(call, name, [each for each in found if each.call == number])
    notes = translation.notes
    if isinstance(translator, MappedTranslator):  # those of a subscription are shown with it
        notes = tuple(note for note in notes if ": " not in note.path)
    yield from _indent("note", notes)


def _explain_request(
    call: Call, subscription: str | None, fields: Iterable[Origin]
) -> Iterator[str]:
    of = "" if subscription is None else f", of {subscription}"
    yield f"  {call.endpoint.method} {call.endpoint.path}{of}"
    for each in fields:
        places = ", ".join(each.places) or "no single place in the event"
        yield f"    {each.field} from {places}"


def _indent(word: str, found: Iterable[Note | Problem]) -> Iterator[str]:
    return (f"    {word}: {each.path}: {each.message}" for each in found)
