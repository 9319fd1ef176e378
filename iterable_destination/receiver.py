"""Receiver: requests with Segment events in, replies out, whoever the server is.

What may live here: the way from a request to delivery and back. How a server hands over a request
is its own door's business: ``webhook``, ``aws_lambda``, ``cloud_functions``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from iterable_destination import acceptance, signatures, tracking_api
from iterable_destination.closing import Closing
from iterable_destination.dead_letters import DeadLetters
from iterable_destination.delivery import Destination
from iterable_destination.errors import InvalidSettings, OutboxError, QueueFull
from iterable_destination.handover import deliver
from iterable_destination.messages import Refused, Reply, Request, json_of, unpacked
from iterable_destination.outbox import Outbox
from iterable_destination.settings import Settings

_log: Final = logging.getLogger(__name__)

#: One secret, or several while they are changed.
Secrets = str | Sequence[str]

#: Seconds within which an answer is given. Segment waits 5 for a webhook, 10 for one in batches.
TIME_LIMIT: Final = 4.0
#: The largest body, in bytes: 4,000 events of 4 KB.
MAX_BODY: Final = 16_000_000
#: Seconds of the time limit that are left for the answer itself.
_FOR_THE_ANSWER: Final = 0.1

_ANYBODY: Final = (
    "shared_secret: there is none, nor header_secrets or write_keys, so that anybody could send"
    " events; without_authentication=True lets them"
)


class Receiver(Closing):
    """Takes requests from Segment's Webhooks destination, and from Segment's own clients.

    Events are delivered before the answer is given; with an outbox, they are on disk then.
    """

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
        """Make a receiver, as :func:`iterable_destination.webhook.webhook_app` says."""
        self._signing: Final = _several("shared_secret", shared_secret)
        self._in_headers: Final = {
            name.lower(): _several(f"header_secrets[{name!r}]", secrets, at_least=1)
            for name, secrets in (header_secrets or {}).items()
        }
        self._write_keys: Final = _several("write_keys", write_keys)
        self._is_open: Final = without_authentication
        if not (without_authentication or self._signing or self._in_headers or self._write_keys):
            raise InvalidSettings(_ANYBODY)
        if time_limit <= 0 or max_body < 1:
            raise ValueError("time_limit and max_body must be above 0")
        if destination is not None and dead_letters is not None:
            raise ValueError("dead_letters: are those of the destination that is handed in")
        self.time_limit: Final = time_limit
        self._max_body: Final = max_body
        self._outbox: Final = outbox
        self._owns_destination: Final = destination is None
        self._destination: Final = destination or Destination(settings, dead_letters=dead_letters)
        self._clock: Final = clock
        if outbox is not None:
            self._destination.start(outbox=outbox)

    def close(self) -> None:
        """Finish what was started; a destination that was handed in is its owner's to close."""
        if self._owns_destination:
            self._destination.close()

    def answer(self, request: Request, until: float) -> Reply:
        """Deliver the events of a request, and return what is to be answered.

        ``until`` is when the answer is to be given, on the clock of the receiver.
        """
        try:
            events = self._events(request)
            if self._outbox is not None:
                return _kept(events, self._outbox)
            return self._delivered(events, until)
        except Refused as refusal:
            _log.info("%s %s: %s", request.method, request.path, refusal)
            return refusal.reply

    # What came in --------------------------------------------------------------------------------

    def _events(self, request: Request) -> Sequence[Any]:
        """Return the events of a request that is as it must be."""
        request.post_of_json()
        if request.path.startswith(tracking_api.PREFIX):
            return self._of_client(request)
        return self._of_webhook(request)

    def _of_webhook(self, request: Request) -> Sequence[Any]:
        if not (self._signing or self._in_headers or self._is_open):
            raise Refused(404, "there is nothing here")
        if request.header("content-encoding"):
            raise Refused(415, "a content encoding is not taken here")
        body = request.read(self._max_body)
        self._check_headers(request)
        signature = request.header("x-signature")
        if self._signing and not signatures.is_signed(body, signature, self._signing):
            raise Refused(401, "the signature does not fit")
        value = json_of(body)
        if not isinstance(value, dict | list):
            raise Refused(400, "the body must be an event, or an array of events")
        return value if isinstance(value, list) else [value]

    def _check_headers(self, request: Request) -> None:
        for name, secrets in self._in_headers.items():
            if not signatures.is_one_of(request.header(name), secrets):
                raise Refused(401, "a secret is missing or does not fit")

    def _of_client(self, request: Request) -> Sequence[Any]:
        is_here = self._write_keys or self._is_open
        if not is_here or not tracking_api.is_known(request.path):
            raise Refused(404, "there is nothing here")
        body = request.read(self._max_body)
        user = signatures.user_name(request.header("authorization"))
        if self._write_keys and not signatures.is_one_of(user or "", self._write_keys):
            message = "the write key does not fit"
            raise Refused(401, message, {"WWW-Authenticate": 'Basic realm="Segment write key"'})
        text = unpacked(body, request.header("content-encoding"), self._max_body)
        return tracking_api.events_of(request.path, json_of(text))

    # What becomes of it --------------------------------------------------------------------------

    def _delivered(self, events: Sequence[Any], until: float) -> Reply:
        within = until - self._clock() - _FOR_THE_ANSWER
        outcomes = deliver(self._destination, events, within)
        status = acceptance.status(outcomes, kept=self._destination.keeps_dead_letters)
        return Reply(status, acceptance.content(outcomes))


def _kept(events: Sequence[Any], outbox: Outbox) -> Reply:
    try:
        outbox.add_all(events)
    except (OutboxError, QueueFull) as error:
        _log.error("events cannot be kept: %s", error)
        raise Refused(503, "the events cannot be kept now") from None
    return Reply(200, {"kept": len(events)})


def _several(name: str, secrets: Secrets | None, *, at_least: int = 0) -> tuple[str, ...]:
    """Return secrets as a tuple; raises :exc:`InvalidSettings` for one that is none."""
    several = (secrets,) if isinstance(secrets, str) else tuple(secrets or ())
    if len(several) < at_least or not all(each and isinstance(each, str) for each in several):
        raise InvalidSettings(f"{name}: must be a text that is not empty, or several")
    return several
