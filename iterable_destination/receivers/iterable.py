"""A receiver of Iterable's system webhooks, which forwards them to Segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.errors import InvalidSettings
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.receivers import auth
from iterable_destination.receivers.base import (
    MAX_BODY,
    TIME_LIMIT,
    Receiver,
    Secrets,
    parse_secrets,
)
from iterable_destination.receivers.http import HTTPError, Request, parse_json
from iterable_destination.receivers.wsgi import WebhookApp

_NO_SECRETS: Final = (
    "tokens: missing, and header_secrets too, so anybody could send webhooks;"
    " without_authentication=True allows that"
)


class IterableReceiver(Receiver):
    """Receives Iterable's system webhooks. It does not close its destination."""

    def __init__(
        self,
        destination: SegmentDestination,
        *,
        tokens: Secrets | None,
        without_authentication: bool,
        **options: Any,
    ) -> None:
        self._tokens: Final = parse_secrets("tokens", tokens, in_header=True)
        if not (without_authentication or self._tokens or options.get("header_secrets")):
            raise InvalidSettings(_NO_SECRETS)
        super().__init__(destination, **options)

    def close(self) -> None:
        """Do nothing: the caller closes the destination."""

    def read_events(self, request: Request) -> Sequence[Any]:
        """Return the webhook of a request. Raises :exc:`HTTPError` for an invalid request."""
        request.require_json_post()
        self._check_token(request.header("authorization"))
        body = self.read_plain_body(request)
        value = parse_json(body)
        if not isinstance(value, dict):
            raise HTTPError(400, "the body must be a webhook of Iterable's, a JSON object")
        return [value]

    def _check_token(self, authorization: str) -> None:
        """Raise :exc:`HTTPError` unless a token stands alone or after a scheme."""
        forms = (authorization.strip(), authorization.strip().partition(" ")[2].strip())
        # A list, not a generator: both forms are always compared.
        matches = [auth.is_one_of(form, self._tokens) for form in forms]
        if self._tokens and not any(matches):
            raise HTTPError(401, "invalid token")


def source_app(  # noqa: PLR0913 - keywords, each with a default
    destination: SegmentDestination,
    *,
    tokens: Secrets | None = None,
    header_secrets: Mapping[str, Secrets] | None = None,
    without_authentication: bool = False,
    time_limit: float = TIME_LIMIT,
    max_body: int = MAX_BODY,
    outbox: AnyOutbox | None = None,
    log_message_ids: bool = False,
    health_details: bool = False,
) -> WebhookApp:
    """Make a WSGI application that forwards Iterable's system webhooks to Segment.

    ``tokens`` are the accepted values of the ``Authorization`` header that Iterable sends, alone or
    after ``Bearer``, ``Basic`` or another scheme. ``header_secrets`` are the required values of
    other headers, by name. Each may be a sequence of values, for rotation. Without any of them,
    ``without_authentication`` must be True, and then anybody may send.

    The application responds within ``time_limit`` seconds, above 0. The status is 200 if the
    webhook was forwarded, ignored, or stored among the destination's dead letters; 503 if Iterable
    should send it again; 400 if it is refused for good and not stored. With an ``outbox`` the
    status is 200 as soon as the webhook is on disk. ``max_body`` is bytes, at least 1.
    ``log_message_ids`` True puts the id of the event into the log record of each request.
    ``health_details`` True adds to the responses of health checks, which anybody can ask for, the
    state of the write key and how many webhooks wait.

    Raises :exc:`~errors.InvalidSettings` without authentication or for an empty secret, and
    :exc:`ValueError` for numbers out of bounds.
    """
    receiver = IterableReceiver(
        destination,
        tokens=tokens,
        without_authentication=without_authentication,
        header_secrets=header_secrets,
        time_limit=time_limit,
        max_body=max_body,
        outbox=outbox,
        log_message_ids=log_message_ids,
        health_details=health_details,
    )
    return WebhookApp(receiver)
