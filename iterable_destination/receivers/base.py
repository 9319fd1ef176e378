"""Receiving: a request in, a reply out, whoever sends it and whatever the server is.

What may live here: what all receivers have in common: secrets, limits, the time there is, and what
becomes of what came in. Which requests have what in them is each receiver's own business.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.errors import InvalidSettings, OutboxError, QueueFull
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.io.outbox import Outbox
from iterable_destination.receivers import acknowledgement as acceptance
from iterable_destination.receivers import auth as signatures
from iterable_destination.receivers.acknowledgement import deliver_batch
from iterable_destination.receivers.http import HTTPError, Request, Response

_log: Final = logging.getLogger("iterable_destination.receivers")

#: One secret, or several while they are changed.
Secrets = str | Sequence[str]

#: Seconds within which an answer is given. Segment waits 5 for a webhook, 10 for one in batches.
TIME_LIMIT: Final = 4.0
#: The largest body, in bytes: 4,000 events of 4 KB.
MAX_BODY: Final = 16_000_000
#: Events of one request. Segment sends 4,000 at most; each takes some time, even if it is nothing.
_MOST_EVENTS: Final = 5_000
#: Seconds of the time limit that are left for the answer itself.
_FOR_THE_ANSWER: Final = 0.1


class Receiver(Closeable):
    """Takes requests. What is in them is delivered before the answer is given.

    With an outbox, it is on disk then. ``clock`` gives seconds that never go back.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        destination: BaseDestination,
        *,
        header_secrets: Mapping[str, Secrets] | None,
        time_limit: float,
        max_body: int,
        outbox: Outbox | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if time_limit <= 0 or max_body < 1:
            raise ValueError("time_limit and max_body must be above 0")
        self.time_limit: Final = time_limit
        self._in_headers: Final = {
            _header(name): several(f"header_secrets[{name!r}]", secrets or (), in_header=True)
            for name, secrets in (header_secrets or {}).items()
        }
        self._max_body: Final = max_body
        self._outbox: Final = outbox
        self._destination: Final = destination
        self._clock: Final = clock
        if outbox is not None:
            destination.start(outbox=outbox)

    def answer(self, request: Request, until: float) -> Response:
        """Deliver what is in a request, and return what is to be answered.

        ``until`` is when the answer is to be given, on the clock of the receiver.
        """
        try:
            events = _not_too_many(self.events(request))
            if self._outbox is not None:
                return _kept(events, self._outbox, until - self._clock() - _FOR_THE_ANSWER)
            return self._delivered(events, until)
        except HTTPError as refusal:
            # As they came they could break the line.
            _log.info("%a %a: %s", request.method, request.path, refusal)
            return refusal.reply

    def events(self, request: Request) -> Sequence[Any]:
        """Return what is in a request; raises :exc:`Refused` for one that is not as it must be."""
        raise NotImplementedError

    def plain_body(self, request: Request) -> bytes:
        """Return the body of a request that must not be packed, and has all secrets."""
        if request.header("content-encoding"):
            raise HTTPError(415, "a content encoding is not taken here")
        body = request.read(self._max_body)
        for name, secrets in self._in_headers.items():
            if not signatures.is_one_of(request.header(name), secrets):
                raise HTTPError(401, "a secret is missing or does not fit")
        return body

    def _delivered(self, events: Sequence[Any], until: float) -> Response:
        timeout = until - self._clock() - _FOR_THE_ANSWER
        outcomes = deliver_batch(self._destination, events, timeout)
        status = acceptance.http_status(outcomes, kept=self._destination.keeps_dead_letters)
        return Response(status, acceptance.summarize(outcomes))


def _not_too_many(events: Sequence[Any]) -> Sequence[Any]:
    if len(events) > _MOST_EVENTS:
        raise HTTPError(413, f"the body must have at most {_MOST_EVENTS:,} events")
    return events


def _kept(events: Sequence[Any], outbox: Outbox, timeout: float) -> Response:
    try:
        outbox.add_all(events, timeout=timeout)
    except (OutboxError, QueueFull) as error:
        _log.error("events cannot be kept: %s", error)
        raise HTTPError(503, "the events cannot be kept now") from None
    return Response(200, {"kept": len(events)})


def _header(name: str) -> str:
    """Return the name of a header as it is looked up."""
    if not re.fullmatch("[A-Za-z0-9-]+", name):
        raise InvalidSettings(f"header_secrets[{name!r}]: must be a name of letters, digits and -")
    return name.lower()


def several(name: str, secrets: Secrets | None, *, in_header: bool = False) -> tuple[str, ...]:
    """Return secrets as a tuple, None as an empty one.

    Raises :exc:`InvalidSettings` for none where there should be some, for one that is empty
    (nobody means that), and for one that is to come in a header and cannot.
    """
    if secrets is None:
        return ()
    those = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    if not those or not all(each and isinstance(each, str) for each in those):
        raise InvalidSettings(f"{name}: must be a text that is not empty, or several")
    if in_header and not all(re.fullmatch("[!-~]([ -~]*[!-~])?", each) for each in those):
        raise InvalidSettings(f"{name}: must be printable ASCII, without spaces at its ends")
    return those
