"""Attempts: an event as it stands in the editor, with the settings and mappings beside it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidJSON, InvalidSettings, InvalidSubscription
from iterable_destination.mapping.actions import PRESETS, MappedTranslator, Subscription
from iterable_destination.mapping.translate import Translator, translator_for
from iterable_destination.model.json_codec import decode
from iterable_destination.model.records import LineRecord
from iterable_destination.model.settings import Settings

#: The settings that the page switches: those by which an event becomes something else.
SWITCHES: Final = (
    "map_all_pages_to_single_event_name",
    "track_all_pages",
    "track_categorized_pages",
    "track_named_pages",
    "skip_anonymous",
    "refuse_placeholder_ids",
)
#: Instead of subscriptions of one's own, those that Segment begins with.
_PRESETS: Final = "presets"


class WrongAttempt(Exception):
    """There is no event to translate, or something beside it is wrong; the message says what."""


@attrs.frozen
class Attempt:
    """An event, and how it is to be translated."""

    event: dict[str, Any] = attrs.field(repr=False)
    settings: Settings
    translator: Translator

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The subscriptions of a mapped destination; empty for the classic mapping."""
        translator = self.translator
        return translator.subscriptions if isinstance(translator, MappedTranslator) else ()


def read_attempt(asked: Mapping[str, Any], settings: Settings) -> Attempt:
    """Read what the page asks for; raises :exc:`WrongAttempt`.

    ``asked`` has ``text``, the event as it was typed, and what :func:`read_choices` reads.
    """
    chosen, translator = read_choices(asked, settings)
    return Attempt(read_json_object(asked.get("text")), chosen, translator)


def read_choices(asked: Mapping[str, Any], settings: Settings) -> tuple[Settings, Translator]:
    """Read how events are to be translated; raises :exc:`WrongAttempt`.

    ``asked`` has ``switches``, an object of settings that are on or off; and ``mappings``: null for
    the classic mapping, ``"presets"``, or a JSON list of subscriptions as text. What is missing is
    as in ``settings``.
    """
    try:
        switches = _read_switches(asked.get("switches") or {})
        chosen = attrs.evolve(settings, nan_as_null=False, **switches)
        if "mappings" in asked:
            chosen = attrs.evolve(chosen, mappings=_read_mappings(asked["mappings"]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the command line prints them
            return chosen, translator_for(chosen)
    except (InvalidSettings, InvalidSubscription) as error:
        raise WrongAttempt(str(error)) from None


def read_json_object(text: Any) -> dict[str, Any]:
    """Read a JSON object as it was typed; raises :exc:`WrongAttempt`."""
    if not isinstance(text, str) or not text.strip():
        raise WrongAttempt("there is no event")
    try:
        return LineRecord(1, text.encode("utf-8", "surrogatepass")).event()
    except InvalidJSON as error:
        raise WrongAttempt(str(error).removeprefix("line 1: ")) from None


def _read_switches(switches: Any) -> dict[str, Any]:
    if not isinstance(switches, dict):
        raise WrongAttempt("switches: must be an object")
    return {name: switches[name] for name in SWITCHES if name in switches}


def _read_mappings(mappings: Any) -> Any:
    if mappings is None:
        return None
    if mappings == _PRESETS:
        return PRESETS
    try:
        read = decode(mappings.encode()) if isinstance(mappings, str) else None
    except ValueError as error:
        raise WrongAttempt(f"mappings: no JSON: {error}") from None
    if not isinstance(read, list):
        raise WrongAttempt("mappings: must be a JSON list of subscriptions")
    return read
