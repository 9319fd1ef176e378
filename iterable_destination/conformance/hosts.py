"""The package's functions for hosts, asked about what hosts hand over, with a local Iterable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from iterable_destination.delivery.destination import Destination
from iterable_destination.errors import NotAccepted
from iterable_destination.model.settings import Settings
from iterable_destination.receivers import aws_lambda
from iterable_destination.receivers.segment import webhook_app
from iterable_destination.testing import LocalIterable

_MAKERS: Final[Mapping[str, Callable[[Destination], aws_lambda.LambdaHandler]]] = {
    "sqs": aws_lambda.sqs_handler,
    "kinesis": aws_lambda.kinesis_handler,
    "eventbridge": aws_lambda.eventbridge_handler,
}


@attrs.frozen
class _Context:
    """The part of a Lambda context that handlers use."""

    milliseconds: int = 20_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def answer_host(host: str, settings: Mapping[str, Any], handed_over: Any) -> dict[str, Any]:
    """Return what a function answers to what a host hands over, and which events arrived."""
    with LocalIterable() as iterable:
        own = Settings(api_key=iterable.api_key, base_url=iterable.url)
        with Destination(own) as to:
            try:
                output = {"returned": _make(host, settings, own, to)(handed_over, _Context())}
            except (ValueError, NotAccepted) as error:
                output = {"raised": {"type": type(error).__name__, "message": str(error)}}
        arrived = sorted(int(effect.data_fields["n"]) for effect in iterable.project.effects)
    return output | {"delivered": arrived}


def _make(
    host: str, settings: Mapping[str, Any], own: Settings, to: Destination
) -> aws_lambda.LambdaHandler:
    if host != "http":
        return _MAKERS[host](to)
    application = webhook_app(
        own,
        shared_secret=settings["sharedSecret"],
        write_keys=settings["writeKey"],
        max_body=settings["maxBody"],
        destination=to,
    )
    return aws_lambda.http_handler(application)
