"""Explain the translation of an event, in lines for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidJSON, Note, Problem
from iterable_destination.mapping.actions import Explanation
from iterable_destination.mapping.explanation import (
    EventExplanation,
    RequestExplanation,
    describe_field,
    describe_problem,
    explain_event,
)
from iterable_destination.mapping.translate import Translator
from iterable_destination.model.json_codec import encode
from iterable_destination.model.records import LineRecord
from iterable_destination.model.settings import Settings

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
class LineExplanation:
    """The explanation of one event of the input."""

    #: Lines to print.
    lines: tuple[Line, ...]
    #: Whether the event, or one of its subscriptions, is refused.
    is_refused: bool


def explain_line(line: LineRecord, translator: Translator, settings: Settings) -> LineExplanation:
    """Explain which subscriptions fire, what is sent, and where each field comes from."""
    try:
        event = line.event()
    except InvalidJSON as error:
        refusal = (Line(str(error), _HEADING), Line("  refused", _REFUSED))
        return LineExplanation(refusal, is_refused=True)
    explanation = explain_event(event, translator, settings)
    heading = Line(_describe_event(line, event), _HEADING)
    lines = (heading, *_describe(event, explanation))
    return LineExplanation(lines, explanation.is_refused)


def _describe_event(line: LineRecord, event: dict[str, Any]) -> str:
    named = [event.get("type"), event.get("messageId")]
    words = " ".join([each for each in named if isinstance(each, str)])
    return f"line {line.number}, {words}" if words else f"line {line.number}"


def _describe(event: Any, explanation: EventExplanation) -> Iterator[Line]:
    for each in explanation.subscriptions:
        yield from _describe_subscription(each)
    if explanation.problems:
        yield Line("  refused", _REFUSED)
    if explanation.skipped is not None:
        yield Line(f"  skipped: {explanation.skipped}", _SKIPPED)
    if explanation.deciding_settings:
        yield Line(f"  sent because of {', '.join(explanation.deciding_settings)}")
    for request in explanation.requests:
        yield from _describe_request(request)
    yield from _indent("note", explanation.notes, _NOTED, event)
    yield from _indent("problem", explanation.problems, _REFUSED, event)


def _describe_subscription(each: Explanation) -> Iterator[Line]:
    if not each.fired:
        yield Line(f"  {each.subscription}: did not fire, by {each.because}", _SKIPPED)
        return
    yield Line(f"  {each.subscription}: fired, by {each.because}")
    yield Line(f"    payload: {encode(each.payload).decode()}")
    yield from _indent("coerced", each.coercions, _NOTED, each.payload)
    yield from _indent("problem", each.problems, _REFUSED, each.payload)
    if each.skipped is not None:
        yield Line(f"    skipped: {each.skipped}", _SKIPPED)


def _describe_request(request: RequestExplanation) -> Iterator[Line]:
    of = "" if request.subscription is None else f", of {request.subscription}"
    endpoint = request.call.endpoint
    yield Line(f"  {endpoint.method} {endpoint.path}{of}", _REQUEST)
    yield Line(f"    body: {encode(request.call.body()).decode()}")
    yield from (Line(f"    {describe_field(each)}") for each in request.fields)
    yield Line(f"    rules: {', '.join([f'docs/{rule}' for rule in request.rules])}")


def _indent(word: str, found: Iterable[Note | Problem], style: str, event: Any) -> Iterator[Line]:
    return (Line(f"    {word}: {describe_problem(each, event)}", style) for each in found)
