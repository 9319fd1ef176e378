"""The package itself as an implementation of the suite."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import attrs

from iterable_destination.errors import Invalid, InvalidEvent, InvalidSubscription, InvalidWebhook
from iterable_destination.mapping.translate import Translate
from iterable_destination.mapping.translate import translate as translate_event
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation
from iterable_destination.source import Ignored, SourceOptions, to_segment


def answer(request: Mapping[str, Any], *, translate: Translate = translate_event) -> dict[str, Any]:
    """Return what becomes of the input of a request, as the output of a case says it.

    ``request`` is that of a :class:`Case`. ``translate`` takes an event and the settings of the
    request; one of your own, such as a ``DestinationFunction``, is asked in the systems
    ``classic`` and ``mapped``. What it raises other than :exc:`InvalidEvent` is raised.
    """
    if request["system"] == "source":
        return _answer_webhook(request["input"], SourceOptions(**request["settings"]))
    if request["system"] == "hosts":
        from iterable_destination.conformance.hosts import answer_host  # noqa: PLC0415 - it loads a server

        return answer_host(request["host"], request["settings"], request["input"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases have unknown settings, keys or actions
        settings = Settings.from_mapping(
            {**request["settings"], "mappings": request.get("subscriptions")}
        )
        try:
            return describe_translation(translate(request["input"], settings))
        except InvalidEvent as error:
            return {"messageId": error.message_id, "error": describe_invalid(error)}
        except InvalidSubscription as error:
            return {"error": describe_invalid(error)}


def _answer_webhook(webhook: Any, options: SourceOptions) -> dict[str, Any]:
    try:
        result = to_segment(webhook, options)
    except InvalidWebhook as error:
        return {"error": describe_invalid(error)}
    if isinstance(result, Ignored):
        return {"ignored": result.reason}
    notes = {"notes": [attrs.asdict(note) for note in result.notes]} if result.notes else {}
    return {"track": result.body()} | notes


def describe_invalid(error: Invalid) -> dict[str, Any]:
    """Return an error as a JSON object."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "problems": [attrs.asdict(problem) for problem in error.problems],
    }


def describe_translation(translation: Translation) -> dict[str, Any]:
    """Return a translation as a JSON object."""
    result: dict[str, Any] = {"messageId": translation.message_id}
    if translation.skipped is not None:
        return result | {"skipped": translation.skipped}
    result["calls"] = [
        {"method": call.endpoint.method, "path": call.endpoint.path, "body": call.body()}
        for call in translation.calls
    ]
    for call, name in zip(result["calls"], translation.subscriptions, strict=False):
        call["subscription"] = name
    if translation.errors:
        result["errors"] = [
            {
                "subscription": failed.subscription,
                "problems": [attrs.asdict(problem) for problem in failed.problems],
            }
            for failed in translation.errors
        ]
    if translation.notes:
        result["notes"] = [attrs.asdict(note) for note in translation.notes]
    return result
