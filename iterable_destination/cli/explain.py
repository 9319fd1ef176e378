"""Explain the translation of an event, in lines for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidEvent, InvalidJSON, Note, Problem
from iterable_destination.mapping.actions import Explanation
from iterable_destination.mapping.origins import Origin, find_deciding_settings, origins
from iterable_destination.mapping.translate import Translator
from iterable_destination.model.calls import Call
from iterable_destination.model.json_codec import encode
from iterable_destination.model.records import LineRecord
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

#: Characters of a value that are shown beside its place.
_MAX_VALUE_LENGTH: Final = 60

_HEADING: Final = "bold"
_REQUEST: Final = "cyan"
_SKIPPED: Final = "yellow"
_REFUSED: Final = "red"
_NOTED: Final = "magenta"


@attrs.frozen
class Line:
    """A line to print, and its colour on a terminal."""

    words: str
    style: str = ""


@attrs.frozen
class EventExplanation:
    """The explanation of one event of the input."""

    #: Lines to print.
    lines: tuple[Line, ...]
    #: Whether the event, or one of its subscriptions, is refused.
    is_refused: bool


def explain_line(line: LineRecord, translator: Translator, settings: Settings) -> EventExplanation:
    """Explain which subscriptions fire, what is sent, and where each field comes from."""
    try:
        event = line.event()
    except InvalidJSON as error:
        lines = (Line(str(error), _HEADING), Line("  refused", _REFUSED))
        return EventExplanation(lines, is_refused=True)
    told = [Line(_describe_event(line, event), _HEADING)]
    try:
        told += _explain_subscriptions(event, translator, settings)
        translation = translator(event, settings)
        told += _explain_requests(event, translation, translator, settings)
    except InvalidEvent as error:
        told += [Line("  refused", _REFUSED), *_indent("problem", error.problems, _REFUSED)]
        return EventExplanation(tuple(told), is_refused=True)
    return EventExplanation(tuple(told), is_refused=bool(translation.errors))


def _describe_event(line: LineRecord, event: dict[str, Any]) -> str:
    named = [event.get("type"), event.get("messageId")]
    words = " ".join([each for each in named if isinstance(each, str)])
    return f"line {line.number}, {words}" if words else f"line {line.number}"


def _explain_subscriptions(
    event: Any, translator: Translator, settings: Settings
) -> Iterator[Line]:
    for each in translator.explain(event, settings):
        yield from _explain_subscription(each)


def _explain_subscription(each: Explanation) -> Iterator[Line]:
    if not each.fired:
        yield Line(f"  {each.subscription}: did not fire, by {each.because}", _SKIPPED)
        return
    yield Line(f"  {each.subscription}: fired, by {each.because}")
    yield Line(f"    payload: {encode(each.payload).decode()}")
    yield from _indent("coerced", each.coercions, _NOTED)
    yield from _indent("problem", each.problems, _REFUSED)
    if each.skipped is not None:
        yield Line(f"    skipped: {each.skipped}", _SKIPPED)


def _explain_requests(
    event: Any, translation: Translation, translator: Translator, settings: Settings
) -> Iterator[Line]:
    if translation.skipped is not None:
        yield Line(f"  skipped: {translation.skipped}", _SKIPPED)
    elif deciding := find_deciding_settings(event, translator, settings):
        yield Line(f"  sent because of {', '.join(deciding)}")
    found = origins(event, translator, settings)
    names = translation.subscriptions or (None,) * len(translation.calls)
    for number, (call, name) in enumerate(zip(translation.calls, names, strict=True)):
        yield from _explain_request(call, name, [each for each in found if each.call == number])
    notes = translation.notes
    if settings.mappings is not None:  # those of a subscription are shown with it
        notes = tuple(note for note in notes if ": " not in note.path)
    yield from _indent("note", notes, _NOTED)


def _explain_request(
    call: Call, subscription: str | None, fields: Iterable[Origin]
) -> Iterator[Line]:
    of = "" if subscription is None else f", of {subscription}"
    yield Line(f"  {call.endpoint.method} {call.endpoint.path}{of}", _REQUEST)
    yield Line(f"    body: {encode(call.body()).decode()}")
    yield from (Line(f"    {describe_origin(each)}") for each in fields)


def describe_origin(origin: Origin) -> str:
    """Return a field with its places, the values there, and its own where it is another."""
    places = zip(origin.places, origin.given, strict=False)
    sources = [f"{place}: {_shorten(given)}" for place, given in places]
    sources += [f"the setting {name}" for name in origin.settings]
    value = _shorten(origin.value)
    if not sources:
        return f"{origin.field} from no single place in the event: {value}"
    words = f"{origin.field} from {', '.join(sources)}"
    if origin.is_converted:
        return f"{words}, converted to {value}"
    return words if origin.places else f"{words}: {value}"


def _shorten(value: Any) -> str:
    text = encode(value).decode()
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 1]}…"


def _indent(word: str, found: Iterable[Note | Problem], style: str) -> Iterator[Line]:
    return (Line(f"    {word}: {each.path}: {each.message}", style) for each in found)
