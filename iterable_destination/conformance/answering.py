"""The package itself as an implementation of the suite."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from iterable_destination.errors import InvalidEvent, InvalidSubscription, InvalidWebhook
from iterable_destination.mapping.translate import Translate
from iterable_destination.mapping.translate import translate as translate_event
from iterable_destination.model.lines import describe_error, describe_track, describe_translation
from iterable_destination.model.settings import Settings
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
            return {"messageId": error.message_id, "error": describe_error(error)}
        except InvalidSubscription as error:
            return {"error": describe_error(error)}


def _answer_webhook(webhook: Any, options: SourceOptions) -> dict[str, Any]:
    try:
        result = to_segment(webhook, options)
    except InvalidWebhook as error:
        return {"error": describe_error(error)}
    if isinstance(result, Ignored):
        return {"ignored": result.reason}
    return describe_track(result)
