"""Receiver: requests with Segment's events in, replies out.

What may live here: what Segment's Webhooks destination and Segment's clients send.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from iterable_destination.delivery.destination import Destination
from iterable_destination.errors import InvalidSettings
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.outbox import Outbox
from iterable_destination.model.settings import Settings
from iterable_destination.receivers import auth as signatures
from iterable_destination.receivers import tracking_api
from iterable_destination.receivers.base import MAX_BODY, TIME_LIMIT, Receiver, Secrets, several
from iterable_destination.receivers.http import HTTPError, Request, decompress, parse_json
from iterable_destination.receivers.wsgi import WebhookApp

#: Bytes of a body that must be read to know who sends it; Segment's clients send 500,000 at most.
_MOST_OF_STRANGERS: Final = 600_000
_ANYBODY: Final = (
    "shared_secret: there is none, nor header_secrets or write_keys, so that anybody could send"
    " events; without_authentication=True lets them"
)


class SegmentReceiver(Receiver):
    """Takes requests from Segment's Webhooks destination, and from Segment's own clients."""

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        settings: Settings,
        *,
        shared_secret: Secrets | None = None,
        header_secrets: Mapping[str, Secrets] | None = None,
        write_keys: Secrets | None = None,
        without_authentication: bool = False,
        time_limit: float = TIME_LIMIT,
        max_body: int = MAX_BODY,
        dead_letters: DeadLetters | None = None,
        outbox: Outbox | None = None,
        destination: Destination | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a receiver, as :func:`webhook_app` says."""
        self._signing: Final = several("shared_secret", shared_secret)
        self._write_keys: Final = several("write_keys", write_keys, in_header=True)
        self._is_open: Final = without_authentication
        if not (without_authentication or self._signing or header_secrets or self._write_keys):
            raise InvalidSettings(_ANYBODY)
        if destination is not None and dead_letters is not None:
            raise ValueError("dead_letters: are those of the destination that is handed in")
        self._owns_destination: Final = destination is None
        super().__init__(
            destination or Destination(settings, dead_letters=dead_letters),
            header_secrets=header_secrets,
            time_limit=time_limit,
            max_body=max_body,
            outbox=outbox,
            clock=clock,
        )

    def close(self) -> None:
        """Finish what was started; a destination that was handed in is its owner's to close."""
        if self._owns_destination:
            self._destination.close()

    def events(self, request: Request) -> Sequence[Any]:
        """Return the events of a request that is as it must be."""
        request.post_of_json()
        if request.path.startswith(tracking_api.PREFIX):
            return self._of_client(request)
        return self._of_webhook(request)

    def _of_webhook(self, request: Request) -> Sequence[Any]:
        if not (self._signing or self._in_headers or self._is_open):
            raise HTTPError(404, "there is nothing here")
        body = self.plain_body(request)
        signature = request.header("x-signature")
        if self._signing and not signatures.is_signed(body, signature, self._signing):
            raise HTTPError(401, "the signature does not fit")
        value = parse_json(body)
        if not isinstance(value, dict | list):
            raise HTTPError(400, "the body must be an event, or an array of events")
        return value if isinstance(value, list) else [value]

    def _of_client(self, request: Request) -> Sequence[Any]:
        is_here = self._write_keys or self._is_open
        if not is_here or not tracking_api.is_known(request.path):
            raise HTTPError(404, "there is nothing here")
        authorization = request.header("authorization")
        limit = self._max_body if authorization else min(self._max_body, _MOST_OF_STRANGERS)
        body = request.read(limit)
        if authorization:
            self._check_write_key(signatures.user_name(authorization))
        value = parse_json(decompress(body, request.header("content-encoding"), limit))
        if not authorization:  # older clients have it in the body only
            self._check_write_key(value.get("writeKey") if isinstance(value, dict) else None)
        return tracking_api.events_of(request.path, value)

    def _check_write_key(self, given: Any) -> None:
        text = given if isinstance(given, str) else ""
        if self._write_keys and not signatures.is_one_of(text, self._write_keys):
            message = "the write key does not fit"
            raise HTTPError(401, message, {"WWW-Authenticate": 'Basic realm="Segment write key"'})


def webhook_app(  # noqa: PLR0913 - keywords, each with a default
    settings: Settings,
    *,
    shared_secret: Secrets | None = None,
    header_secrets: Mapping[str, Secrets] | None = None,
    write_keys: Secrets | None = None,
    without_authentication: bool = False,
    time_limit: float = TIME_LIMIT,
    max_body: int = MAX_BODY,
    dead_letters: DeadLetters | None = None,
    outbox: Outbox | None = None,
    destination: Destination | None = None,
) -> WebhookApp:
    """Make a WSGI application that delivers what Segment posts to it.

    It takes what Segment's Webhooks destination sends, one event or an array of them, at any path;
    and, under ``/v1/``, what Segment's clients send to Segment's own tracking API: ``/v1/batch``,
    ``/v1/identify``, ``/v1/track``, ``/v1/page``, ``/v1/screen``, packed by gzip or not.

    ``shared_secret`` is the webhook's, of which ``X-Signature`` is made. Of an array Segment signs
    the first event only; ``header_secrets``, values of headers by their names, cover the rest:
    each must be there. ``write_keys`` are those that clients may use; without any there is
    nothing under ``/v1/``. Each can be several, while they are changed. If there are none of
    all these, ``without_authentication`` must say that anybody may send.

    An answer is given within ``time_limit`` seconds, above 0: what is not delivered by then is
    not sent, and is to be handed over again. It is 200 if every event is delivered, skipped, or
    kept in ``dead_letters``; 503 if the request is to be sent again; 400 if some events are
    refused for good and not kept. ``max_body`` is bytes, at least 1. With an ``outbox`` the answer
    is 200 as soon as the events are on disk, and they are delivered from there. ``destination``
    None makes one of the settings, which the application closes; one that is handed in has its own
    dead letters.

    Raises :exc:`~errors.InvalidSettings` if nothing says who may send, for a secret that is empty,
    or if there is no ``api_key``; :exc:`ValueError` for numbers out of bounds.
    """
    receiver = SegmentReceiver(
        settings,
        shared_secret=shared_secret,
        header_secrets=header_secrets,
        write_keys=write_keys,
        without_authentication=without_authentication,
        time_limit=time_limit,
        max_body=max_body,
        dead_letters=dead_letters,
        outbox=outbox,
        destination=destination,
    )
    return WebhookApp(receiver)
