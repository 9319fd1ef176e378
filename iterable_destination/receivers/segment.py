"""A receiver of Segment's webhooks, and of Segment's own clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from iterable_destination.delivery.destination import Destination
from iterable_destination.errors import InvalidSettings
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.model.settings import Settings
from iterable_destination.receivers import auth, tracking_api
from iterable_destination.receivers.base import (
    MAX_BODY,
    TIME_LIMIT,
    Receiver,
    Secrets,
    parse_secrets,
)
from iterable_destination.receivers.http import (
    HTTPError,
    Request,
    Response,
    decompress,
    parse_json,
)
from iterable_destination.receivers.wsgi import WebhookApp

#: Bytes of a body that is read before its sender is authenticated. Segment's clients send 500,000.
_MAX_UNAUTHENTICATED_BODY: Final = 600_000
#: Lets browsers send from any page, and ask first whether they may.
_CROSS_ORIGIN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding",
}
_NO_SECRETS: Final = (
    "shared_secret: missing, and header_secrets and write_keys too, so anybody could send events;"
    " without_authentication=True allows that"
)


class SegmentReceiver(Receiver):
    """Receives requests from Segment's Webhooks destination, and from Segment's own clients."""

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
        outbox: AnyOutbox | None = None,
        destination: Destination | None = None,
        log_message_ids: bool = False,
        health_details: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a receiver; :func:`webhook_app` describes the arguments."""
        self._shared_secrets: Final = parse_secrets("shared_secret", shared_secret)
        self._write_keys: Final = parse_secrets("write_keys", write_keys, in_header=True)
        self._is_open: Final = without_authentication
        if not (
            without_authentication or self._shared_secrets or header_secrets or self._write_keys
        ):
            raise InvalidSettings(_NO_SECRETS)
        if destination is not None and dead_letters is not None:
            raise ValueError("dead_letters: give them to the destination instead")
        self._owns_destination: Final = destination is None
        super().__init__(
            destination or Destination(settings, dead_letters=dead_letters),
            header_secrets=header_secrets,
            time_limit=time_limit,
            max_body=max_body,
            outbox=outbox,
            log_message_ids=log_message_ids,
            health_details=health_details,
            clock=clock,
        )

    def close(self) -> None:
        """Close the destination, unless the caller passed it in."""
        if self._owns_destination:
            self._destination.close()

    def handle(self, request: Request, deadline: float) -> Response:
        """Deliver or store the events of a request, and return the response.

        A browser, which names the page's origin, may send to the paths of clients from any page.
        """
        if not (request.header("origin") and tracking_api.is_known(request.path)):
            return super().handle(request, deadline)
        if request.method == "OPTIONS":
            return Response(200, {}, dict(_CROSS_ORIGIN))
        response = super().handle(request, deadline)
        return attrs.evolve(response, headers=response.headers | _CROSS_ORIGIN)

    def read_events(self, request: Request) -> Sequence[Any]:
        """Return the events of a request. Raises :exc:`HTTPError` for an invalid request."""
        if request.path.startswith(tracking_api.PREFIX):
            request.require_client_post()
            return self._read_client_request(request)
        request.require_json_post()
        return self._read_webhook(request)

    def _read_webhook(self, request: Request) -> Sequence[Any]:
        if not (self._shared_secrets or self._header_secrets or self._is_open):
            raise HTTPError(404, "not found")
        body = self.read_plain_body(request)
        signature = request.header("x-signature")
        if self._shared_secrets and not auth.is_signed(body, signature, self._shared_secrets):
            raise HTTPError(401, "invalid signature")
        value = parse_json(body)
        if not isinstance(value, dict | list):
            raise HTTPError(400, "the body must be an event, or an array of events")
        return value if isinstance(value, list) else [value]

    def _read_client_request(self, request: Request) -> Sequence[Any]:
        received_at = datetime.now(UTC)  # before the body, which may take long to come
        is_enabled = self._write_keys or self._is_open
        if not is_enabled or not tracking_api.is_known(request.path):
            raise HTTPError(404, "not found")
        authorization = request.header("authorization")
        limit = self._max_body if authorization else min(self._max_body, _MAX_UNAUTHENTICATED_BODY)
        if authorization:
            self._check_write_key(auth.parse_user_name(authorization))
        body = request.read(limit)
        value = parse_json(decompress(body, request.header("content-encoding"), limit))
        if not authorization:  # Older clients send it in the body only.
            self._check_write_key(value.get("writeKey") if isinstance(value, dict) else None)
        events = tracking_api.read_events(request.path, value)
        return tracking_api.complete(events, value.get("sentAt"), received_at)

    def _check_write_key(self, write_key: Any) -> None:
        text = write_key if isinstance(write_key, str) else ""
        if self._write_keys and not auth.is_one_of(text, self._write_keys):
            message = "invalid write key"
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
    outbox: AnyOutbox | None = None,
    destination: Destination | None = None,
    log_message_ids: bool = False,
    health_details: bool = False,
) -> WebhookApp:
    """Make a WSGI application that delivers the events that Segment posts to it.

    At any path it accepts the requests of Segment's Webhooks destination: one event, or an array of
    events. Under ``/v1/`` it accepts the requests of Segment's clients to Segment's tracking API:
    ``/v1/batch``, ``/v1/identify``, ``/v1/track``, ``/v1/page``, ``/v1/screen``, with gzip or
    without, as ``application/json`` or ``text/plain``. As Segment does, it corrects their times by
    ``sentAt``, and gives an event an id and the time of receipt if it has none. GET and HEAD of
    ``/``, ``/health``, ``/healthz``, ``/livez`` and ``/readyz`` are answered with 200, without
    authentication.

    ``shared_secret`` is the webhook's, which ``X-Signature`` is made with. Of an array Segment
    signs the first event only; ``header_secrets``, the required values of headers by name, cover
    the rest. ``write_keys`` are those that clients may use; without any, every path under ``/v1/``
    is a 404. Each may be a sequence of values, for rotation. Without any of them,
    ``without_authentication`` must be True, and then anybody may send.

    The application responds within ``time_limit`` seconds, above 0. Events that are not delivered
    by then are not sent. The status is 200 if every event is delivered, skipped, or stored in
    ``dead_letters``; 503 if Segment should send the request again; 400 if some events are refused
    for good and not stored. ``max_body`` is bytes, at least 1. With an ``outbox`` the status is 200
    as soon as the events are on disk, and they are delivered from there. ``destination`` None makes
    one from the settings, which the application closes; a destination that is passed in has its own
    dead letters. ``log_message_ids`` True puts the ids of the events into the log record of each
    request; with an outbox there is no such record. ``health_details`` True adds to the responses
    of health checks, which anybody can ask for, the state of the key and how many events wait.

    Raises :exc:`~errors.InvalidSettings` without authentication, for an empty secret, and without
    an ``api_key``; :exc:`ValueError` for numbers out of bounds.
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
        log_message_ids=log_message_ids,
        health_details=health_details,
    )
    return WebhookApp(receiver)
