"""The source's webhook: what Iterable posts, as a WSGI application that hands it on to Segment.

What may live here: what Iterable sends and how it proves that it is Iterable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.errors import InvalidSettings
from iterable_destination.io.outbox import Outbox
from iterable_destination.receivers import auth as signatures
from iterable_destination.receivers.base import MAX_BODY, TIME_LIMIT, Receiver, Secrets, several
from iterable_destination.receivers.http import HTTPError, Request, parse_json
from iterable_destination.receivers.wsgi import WebhookApp

_ANYBODY: Final = (
    "tokens: there is none, nor header_secrets, so that anybody could send webhooks;"
    " without_authentication=True lets them"
)


class IterableReceiver(Receiver):
    """Takes Iterable's system webhooks. A destination that is handed in is its owner's to close."""

    def __init__(
        self,
        destination: SegmentDestination,
        *,
        tokens: Secrets | None,
        without_authentication: bool,
        **more: Any,
    ) -> None:
        self._tokens: Final = several("tokens", tokens, in_header=True)
        if not (without_authentication or self._tokens or more.get("header_secrets")):
            raise InvalidSettings(_ANYBODY)
        super().__init__(destination, **more)

    def close(self) -> None:
        """Do nothing: the destination is its owner's."""

    def events(self, request: Request) -> Sequence[Any]:
        """Return the webhook of a request that is as it must be."""
        request.post_of_json()
        body = self.plain_body(request)
        self._check_token(request.header("authorization"))
        value = parse_json(body)
        if not isinstance(value, dict):
            raise HTTPError(400, "the body must be a webhook of Iterable's, a JSON object")
        return [value]

    def _check_token(self, authorization: str) -> None:
        """Raise if there is no token, alone or after the name of its type."""
        forms = (authorization.strip(), authorization.strip().partition(" ")[2].strip())
        fits = [signatures.is_one_of(form, self._tokens) for form in forms]
        if self._tokens and not any(fits):
            raise HTTPError(401, "the token does not fit")


def source_app(  # noqa: PLR0913 - keywords, each with a default
    destination: SegmentDestination,
    *,
    tokens: Secrets | None = None,
    header_secrets: Mapping[str, Secrets] | None = None,
    without_authentication: bool = False,
    time_limit: float = TIME_LIMIT,
    max_body: int = MAX_BODY,
    outbox: Outbox | None = None,
) -> WebhookApp:
    """Make a WSGI application that hands on to Segment what Iterable's system webhooks tell.

    ``tokens`` are those of the ``Authorization`` header that Iterable is told to send, of which
    one must be there, alone or after ``Bearer``, ``Basic`` or another type. ``header_secrets``,
    values of headers by their names, must each be there. Each can be several, while they are
    changed. If there are none, ``without_authentication`` must say that anybody may send.

    An answer is given within ``time_limit`` seconds, above 0. It is 200 if the webhook was sent
    on, is ignored, or is kept among the destination's dead letters; 503 if it is to be sent again;
    400 if it is refused for good and not kept. With an ``outbox`` it is 200 as soon as the webhook
    is on disk. ``max_body`` is bytes, at least 1.

    Raises :exc:`~errors.InvalidSettings` if nothing says who may send or a secret is empty, and
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
    )
    return WebhookApp(receiver)
