"""The explanation of an event: all that can be said of what it becomes, as values.

The command line prints it, and the page of the playground shows it, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidEvent, Note, Problem
from iterable_destination.mapping.actions import Explanation
from iterable_destination.mapping.origins import Origin, find_deciding_settings, origins
from iterable_destination.mapping.places import find_place
from iterable_destination.mapping.rules import find_rule
from iterable_destination.mapping.translate import Translator
from iterable_destination.model.calls import Call
from iterable_destination.model.json_codec import encode
from iterable_destination.model.json_values import as_object
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

#: Characters of a value that are shown.
_MAX_VALUE_LENGTH: Final = 60
#: Types whose values are shown beside what is wrong with them.
_SHOWN: Final = (str, int, float, bool, type(None))


@attrs.frozen
class FieldExplanation:
    """One field of a request."""

    #: Where it came from.
    origin: Origin
    #: The page of the documentation that has its rule: ``reference/track.md``.
    rule: str

    @property
    def value(self) -> str:
        """The field's value as JSON, shortened. It may be personal data."""
        return shorten_value(self.origin.value)

    @property
    def source(self) -> str:
        """The places it came from and the values there, as words. They may be personal data."""
        places = zip(self.origin.places, self.origin.given, strict=False)
        sources = [f"{place}: {shorten_value(given)}" for place, given in places]
        sources += [f"the setting {name}" for name in self.origin.settings]
        return ", ".join(sources) or "no single place in the event"


@attrs.frozen
class RequestExplanation:
    """One request that an event becomes."""

    call: Call
    #: The subscription that it comes from; None in the classic mapping.
    subscription: str | None
    #: Its single values, in the order of the body.
    fields: tuple[FieldExplanation, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The pages of the documentation that have the rules of its fields."""
        return tuple(dict.fromkeys([each.rule for each in self.fields]))


@attrs.frozen
class EventExplanation:
    """What an event becomes, and why."""

    #: What each subscription made of it; empty in the classic mapping.
    subscriptions: tuple[Explanation, ...] = ()
    #: Why nothing is sent although nothing is wrong; None otherwise.
    skipped: str | None = None
    #: The names of the settings because of which it is sent and not skipped; any would do alone.
    deciding_settings: tuple[str, ...] = ()
    requests: tuple[RequestExplanation, ...] = ()
    #: Notes about the event, without those of its subscriptions.
    notes: tuple[Note, ...] = ()
    #: Why it is refused as a whole; empty if it is not.
    problems: tuple[Problem, ...] = ()
    #: Whether the event, or one of its subscriptions, is refused.
    is_refused: bool = False


def explain_event(event: Any, translator: Translator, settings: Settings) -> EventExplanation:
    """Explain what an event becomes: each request and field, what is skipped, what is refused.

    It raises nothing for what is in the event, which is never changed.
    """
    subscriptions: tuple[Explanation, ...] = ()
    try:
        subscriptions = translator.explain(event, settings)
        translation = translator(event, settings)
        requests = tuple(_explain_requests(event, translation, translator, settings))
    except InvalidEvent as error:
        return EventExplanation(subscriptions, problems=error.problems, is_refused=True)
    is_sent = translation.skipped is None
    notes = translation.notes
    if settings.mappings is not None:  # those of a subscription are in its own explanation
        notes = tuple([note for note in notes if ": " not in note.path])
    return EventExplanation(
        subscriptions,
        translation.skipped,
        find_deciding_settings(event, translator, settings) if is_sent else (),
        requests,
        notes,
        is_refused=bool(translation.errors),
    )


def _explain_requests(
    event: Any, translation: Translation, translator: Translator, settings: Settings
) -> Iterator[RequestExplanation]:
    found = origins(event, translator, settings)
    names = translation.subscriptions or (None,) * len(translation.calls)
    event_type = str((as_object(event) or {}).get("type")).lower()
    is_mapped = settings.mappings is not None
    for number, (call, name) in enumerate(zip(translation.calls, names, strict=True)):
        fields = [
            FieldExplanation(
                each, find_rule(call, each.field, event_type=event_type, is_mapped=is_mapped)
            )
            for each in found
            if each.call == number
        ]
        yield RequestExplanation(call, name, tuple(fields))


def describe_field(field: FieldExplanation) -> str:
    """Return a field with its places, the values there, and its own where it is another."""
    origin = field.origin
    words = f"{origin.field} from {field.source}"
    if origin.is_converted:
        return f"{words}, converted to {field.value}"
    return words if origin.places else f"{words}: {field.value}"


def describe_problem(problem: Note | Problem, event: Any) -> str:
    """Return a problem or note with its place in the event, and the value if one stands there."""
    found = find_place(event, problem.path)
    words = f"{problem.path}: {problem.message}"
    if not (found.is_whole and isinstance(found.value, _SHOWN)):
        return words
    return f"{words}; the value is {shorten_value(found.value)}"


def shorten_value(value: Any) -> str:
    """Return a value as JSON of at most 60 characters; what JSON cannot hold as Python has it."""
    is_json = not isinstance(value, float) or isfinite(value)
    text = encode(value).decode() if is_json else str(value)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 1]}…"
