"""Explaining: why an event becomes what it becomes, in lines that people read.

What may live here: words and their order. What is so is found out by the translators.
"""

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
class Explained:
    """What is said about a line of input."""

    lines: tuple[str, ...]
    #: Whether it, or one of its subscriptions, is refused.
    is_refused: bool


def explained(line: LineRecord, translator: Translator, settings: Settings) -> Explained:
    """Say about an event what fired, what is sent, and where each field came from."""
    try:
        event = line.event()
    except InvalidJSON as error:
        return Explained((str(error), "  refused"), is_refused=True)
    lines = [_title(line, event)]
    try:
        lines += _subscriptions(event, translator, settings)
        translation = translator(event, settings)
        lines += _requests(event, translation, translator, settings)
    except InvalidEvent as error:
        lines += ["  refused", *_indented("problem", error.problems)]
        return Explained(tuple(lines), is_refused=True)
    return Explained(tuple(lines), is_refused=bool(translation.errors))


def _title(line: LineRecord, event: dict[str, Any]) -> str:
    named = [event.get("type"), event.get("messageId")]
    words = " ".join([each for each in named if isinstance(each, str)])
    return f"line {line.number}, {words}" if words else f"line {line.number}"


def _subscriptions(event: Any, translator: Translator, settings: Settings) -> Iterator[str]:
    if isinstance(translator, MappedTranslator):
        for each in explain(event, translator.subscriptions, settings):
            yield from _subscription(each)


def _subscription(each: Explanation) -> Iterator[str]:
    if not each.fired:
        yield f"  {each.subscription}: did not fire, by {each.because}"
        return
    yield f"  {each.subscription}: fired, by {each.because}"
    yield f"    payload: {encode(each.payload).decode()}"
    yield from _indented("coerced", each.coercions)
    yield from _indented("problem", each.problems)
    if each.skipped is not None:
        yield f"    skipped: {each.skipped}"


def _requests(
    event: Any, translation: Translation, translator: Translator, settings: Settings
) -> Iterator[str]:
    if translation.skipped is not None:
        yield f"  skipped: {translation.skipped}"
    found = origins(event, translator, settings)
    names = translation.subscriptions or (None,) * len(translation.calls)
    for number, (call, name) in enumerate(zip(translation.calls, names, strict=True)):
        yield from _request(call, name, [each for each in found if each.call == number])
    if not isinstance(translator, MappedTranslator):  # of subscriptions they were told above
        yield from _indented("note", translation.notes)


def _request(call: Call, subscription: str | None, fields: Iterable[Origin]) -> Iterator[str]:
    of = "" if subscription is None else f", of {subscription}"
    yield f"  {call.endpoint.method} {call.endpoint.path}{of}"
    for each in fields:
        places = ", ".join(each.places) or "no single place in the event"
        yield f"    {each.field} from {places}"


def _indented(word: str, found: Iterable[Note | Problem]) -> Iterator[str]:
    return (f"    {word}: {each.path}: {each.message}" for each in found)
