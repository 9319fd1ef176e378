"""Receiver: a request in, a response out, for every sender and every server.

It holds what all receivers have in common: secrets, limits, the deadline, and delivery or storage
of the events. Each receiver reads the events of a request in its own way.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Final

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.errors import InvalidSettings, OutboxError, QueueFull
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.model.bounds import check_count
from iterable_destination.receivers import auth
from iterable_destination.receivers.acknowledgement import deliver_batch, http_status, summarize
from iterable_destination.receivers.http import HTTPError, Request, Response

_log: Final = logging.getLogger("iterable_destination.receivers")

#: One secret, or several while they are changed.
Secrets = str | Sequence[str]

#: Seconds within which a receiver responds. Segment waits 5 for a webhook, 10 for one in batches.
TIME_LIMIT: Final = 4.0
#: The largest body, in bytes: 4,000 events of 4 KB.
MAX_BODY: Final = 16_000_000
#: Events of one request. Segment sends 4,000 at most; even an event that says nothing takes time.
_MAX_EVENTS: Final = 5_000
#: Seconds of the time limit that are reserved for the response itself.
_RESPONSE_TIME: Final = 0.1


#: What load balancers ask for, to know whether this is alive. None of it is a webhook.
_HEALTH_METHODS: Final = frozenset({"GET", "HEAD"})
_HEALTH_PATHS: Final = frozenset({"", "/", "/health", "/healthz", "/livez", "/readyz"})
#: How details of health name whether the key was accepted.
_KEY_STATES: Final = {True: "works", False: "refused", None: "unknown"}
_NOT_STORED: Final = "the events cannot be stored now"
#: Characters of a method or a path that are logged.
_MAX_LOGGED: Final = 200


class Receiver(Closeable):
    """Handles requests: it delivers the events of each before it responds.

    With an outbox, it writes the events to disk before it responds. ``clock`` returns seconds that
    never go back.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        destination: BaseDestination,
        *,
        header_secrets: Mapping[str, Secrets] | None,
        time_limit: float,
        max_body: int,
        outbox: AnyOutbox | None,
        log_message_ids: bool = False,
        health_details: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < time_limit < inf:  # nor NaN
            raise ValueError("time_limit: must be a number of seconds, finite and above 0")
        check_count("max_body", max_body)
        self.time_limit: Final = time_limit
        self._header_secrets: Final = {
            _parse_header_name(name): parse_secrets(
                f"header_secrets[{name!r}]", secrets or (), in_header=True
            )
            for name, secrets in (header_secrets or {}).items()
        }
        self._max_body: Final = max_body
        self._outbox: Final = outbox
        self._log_message_ids: Final = log_message_ids
        self._has_health_details: Final = health_details
        self._destination: Final = destination
        self._clock: Final = clock
        if outbox is not None:
            destination.start(outbox=outbox)

    def handle(self, request: Request, deadline: float) -> Response:
        """Deliver or store the events of a request, and return the response.

        ``deadline`` is when to respond, on the receiver's clock.
        """
        try:
            if request.method in _HEALTH_METHODS and request.path in _HEALTH_PATHS:
                return self._check_health(deadline - self._clock() - _RESPONSE_TIME)
            events = self.read_events(request)
            _check_count(events)
            timeout = deadline - self._clock() - _RESPONSE_TIME
            if self._outbox is not None:
                return _store(events, self._outbox, timeout)
            return self._deliver(events, timeout)
        except HTTPError as error:
            # Escaped, since a line break in them would begin another line of the log.
            method, path = request.method[:_MAX_LOGGED], request.path[:_MAX_LOGGED]
            fields = {
                "iterable_method": ascii(method)[1:-1],
                "iterable_path": ascii(path)[1:-1],
                "iterable_status": error.response.status,
            }
            _log.info("%a %a: %s", method, path, error, extra=fields)
            return error.response

    def _check_health(self, timeout: float) -> Response:
        """Respond to a load balancer, which asks often and has no secret, so nothing is logged."""
        content: dict[str, Any] = {"status": "ok"}
        if self._has_health_details:
            content["key"] = _KEY_STATES[self._destination.is_key_accepted]
        if self._outbox is not None:
            try:
                self._outbox.check_writable(timeout=timeout)
                if self._has_health_details:
                    content["waiting"] = self._outbox.count(timeout)
            except OutboxError:
                return Response(503, {"error": _NOT_STORED})
        return Response(200, content)

    def read_events(self, request: Request) -> Sequence[Any]:
        """Return the events of a request. Raises :exc:`HTTPError` for an invalid request."""
        raise NotImplementedError

    def read_plain_body(self, request: Request) -> bytes:
        """Return the body of a request without a content encoding, and check its header secrets.

        The secrets are checked first: of a request without them nothing more is read. Raises
        :exc:`HTTPError` for a missing or invalid secret, a content encoding, and a body that cannot
        be read.
        """
        for name, secrets in self._header_secrets.items():
            if not auth.is_one_of(request.header(name), secrets):
                raise HTTPError(401, "missing or invalid secret")
        if request.header("content-encoding"):
            raise HTTPError(415, "content encodings are not supported for webhooks")
        return request.read(self._max_body)

    def _deliver(self, events: Sequence[Any], timeout: float) -> Response:
        outcomes = deliver_batch(
            self._destination, events, timeout, log_message_ids=self._log_message_ids
        )
        keeps = self._destination.keeps_dead_letters
        return Response(http_status(outcomes, keeps_dead_letters=keeps), summarize(outcomes))


def _check_count(events: Sequence[Any]) -> None:
    if len(events) > _MAX_EVENTS:
        raise HTTPError(413, f"the body must have at most {_MAX_EVENTS:,} events")


def _store(events: Sequence[Any], outbox: AnyOutbox, timeout: float) -> Response:
    try:
        outbox.add_all(events, timeout=timeout)
    except (OutboxError, QueueFull) as error:
        fields = {"iterable_events": len(events), "iterable_error": type(error).__name__}
        _log.error("events cannot be stored: %s", error, extra=fields)
        raise HTTPError(503, _NOT_STORED) from None
    return Response(200, {"kept": len(events)})


def _parse_header_name(name: str) -> str:
    """Return the name of a header in lower case. Raises :exc:`InvalidSettings`."""
    if not re.fullmatch("[A-Za-z0-9-]+", name):
        raise InvalidSettings(f"header_secrets[{name!r}]: must be a name of letters, digits and -")
    return name.lower()


def parse_secrets(
    name: str, secrets: Secrets | None, *, in_header: bool = False
) -> tuple[str, ...]:
    """Return one or several secrets as a tuple; None as an empty one.

    ``name`` is that of the option, for messages. Raises :exc:`InvalidSettings` for an empty
    sequence, for a secret that is no string or is empty, and, with ``in_header``, for one that a
    header cannot hold.
    """
    if secrets is None:
        return ()
    parsed = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    if not parsed or not all(each and isinstance(each, str) for each in parsed):
        raise InvalidSettings(f"{name}: must be a string that is not empty, or a list of them")
    if in_header and not all(re.fullmatch("[!-~]([ -~]*[!-~])?", each) for each in parsed):
        raise InvalidSettings(f"{name}: must be printable ASCII, without spaces at its ends")
    return parsed
