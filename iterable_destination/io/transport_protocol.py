"""What a transport is, for threads and for an event loop, and what both kinds have in common.

A transport sends one request to a server, and has one response or one typed error for it. What a
request or a response means is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import attrs

from iterable_destination import __version__
from iterable_destination.model.endpoints import Endpoint

_A_DAY: Final = 86_400.0
#: Bytes of a response: far more than Iterable sends.
MAX_RESPONSE: Final = 50_000_000
#: Bytes that are read at once.
CHUNK: Final = 65_536
NO_END: Final = "the response does not end"


@attrs.frozen
class HttpResponse:
    """A response of a server, whatever it means."""

    #: The HTTP status.
    status: int
    #: Headers by name, in any case.
    headers: Mapping[str, str]
    #: The body.
    text: bytes = attrs.field(repr=False)

    @property
    def retry_after(self) -> float | None:
        """The seconds to wait by ``Retry-After``, at most a day, or until the date in it.

        None without the header, if it cannot be parsed, and for a date without a ``Date`` header.
        """
        header = self.headers.get("Retry-After", "").strip()
        if not header:
            return None
        if header.isascii() and header.isdigit():
            return min(float(header), _A_DAY)
        try:
            until = parsedate_to_datetime(header)
            now = parsedate_to_datetime(self.headers["Date"])
            return max(0.0, (until - now).total_seconds())
        except (KeyError, OverflowError, TypeError, ValueError):
            return None


class Transport(Protocol):
    """Sends requests to one server. Safe to use from several threads."""

    def send(self, endpoint: Endpoint, body: bytes | None, timeout: float | None) -> HttpResponse:
        """Send a request and return the response; redirects are not followed.

        ``body`` None sends none. ``timeout`` is seconds above 0 that shorten the transport's own
        timeouts; None leaves them. Raises :exc:`~errors.NotConnected` if it is certain that nothing
        was sent, :exc:`~errors.AmbiguousAnswer` if it may have been applied,
        :exc:`~errors.WrongAddress` and :exc:`~errors.ConfigurationError`.
        """

    def close(self) -> None:
        """Close the connections. The transport can still be used, and opens new ones."""


class AsyncTransport(Protocol):
    """Sends requests to one server, in one event loop at a time."""

    async def send(
        self,
        endpoint: Endpoint,
        body: bytes | None,
        timeout: float | None,  # noqa: ASYNC109 - as of the other
    ) -> HttpResponse:
        """Send a request and return the response, with the errors of :meth:`Transport.send`."""

    async def close(self) -> None:
        """Close the connections. The transport can still be used, and opens new ones."""


def check_timeouts(timeouts: tuple[float, float]) -> None:
    """Raise :exc:`ValueError` unless each timeout is above 0 and at most a day."""
    if not all(0 < seconds <= _A_DAY for seconds in timeouts):
        raise ValueError("a timeout must be above 0 and at most 86,400 seconds")


def complete_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every request, with these of its server."""
    return {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"iterable_destination/{__version__}",
        **headers,
    }


def describe_request(endpoint: Endpoint) -> dict[str, object]:
    """Return the fields of a log record that say which request it is of."""
    return {"iterable_method": endpoint.method, "iterable_endpoint": endpoint.path}
