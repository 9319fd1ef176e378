"""Webhook: Segment's events over HTTP, as a WSGI application.

What may live here: the application that users make, and what it has to do with WSGI.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from iterable_destination.closing import Closing
from iterable_destination.dead_letters import DeadLetters
from iterable_destination.delivery import Destination
from iterable_destination.messages import Reply, Request
from iterable_destination.outbox import Outbox
from iterable_destination.receiver import Receiver
from iterable_destination.receiving import MAX_BODY, TIME_LIMIT, Receiving, Secrets
from iterable_destination.settings import Settings
from iterable_destination.wsgi import answered, request_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_log: Final = logging.getLogger("iterable_destination.receivers")


class WebhookApp(Closing):
    """A WSGI application around a receiver. Safe to use from several threads."""

    def __init__(self, receiver: Receiving) -> None:
        self._receiver: Final = receiver

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        until = time.monotonic() + self.time_limit
        return answered(self.answer(request_of(environ, until), until), start_response)

    @property
    def time_limit(self) -> float:
        """Seconds within which an answer is given."""
        return self._receiver.time_limit

    def answer(self, request: Request, until: float) -> Reply:
        """Return the reply to a request, by then on the clock of :func:`time.monotonic`.

        Whatever goes wrong here, there is one.
        """
        try:
            return self._receiver.answer(request, until)
        except Exception as error:  # noqa: BLE001 - Segment is to send it again
            _log.error("a request could not be answered: %s", type(error).__name__)
            _log.debug("a request could not be answered", exc_info=True)
            return Reply(503, {"error": "something went wrong here"})

    def close(self) -> None:
        """Finish what was started, and close the connections to Iterable."""
        self._receiver.close()


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
    receiver = Receiver(
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
