"""Say once that a server has not answered yet, so that a wait does not look like a standstill."""

from __future__ import annotations

import threading
from typing import Any, Final, Self

import click

from iterable_destination.cli import console
from iterable_destination.errors import ApiError
from iterable_destination.io.iterable_client import Client
from iterable_destination.io.segment_client import SegmentClient
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.settings import DataCenter, Settings

#: Seconds without an answer after which it is said.
_PATIENCE: Final = 2.0


class Notice:
    """Watches the requests to one address, each in a ``with`` block.

    If none of them has an answer two seconds after the first began, it says so on standard error,
    once, with the kind of the last network error if there is one. Safe to use from several threads.
    """

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._lock: Final = threading.Lock()
        self._timer: threading.Timer | None = None
        self._is_answered = False
        self._error = ""

    def __enter__(self) -> Self:
        if self._timer is None:
            self._begin()
        return self

    def _begin(self) -> None:
        with self._lock:
            if self._timer is None:
                timer = threading.Timer(_PATIENCE, self._say)
                timer.daemon = True
                timer.start()
                self._timer = timer

    def __exit__(self, _: object, error: object, __: object) -> None:
        if self._is_answered:
            return
        if isinstance(error, ApiError) and error.status is None:
            self._error = error.message.partition(":")[0]
        elif error is None or isinstance(error, ApiError):
            self._is_answered = True
            self.cancel()

    def cancel(self) -> None:
        """Say nothing from now on."""
        if self._timer is not None:
            self._timer.cancel()

    def _say(self) -> None:
        words = f"trying {self._url}: no answer yet"
        if self._error:
            words = f"trying {self._url}: no answer yet, last error: {self._error}"
        click.echo(console.escape_unprintable(words), err=True)


class _Watched:
    """A client whose requests are watched."""

    _notice: Notice

    def request(self, *arguments: Any, **options: Any) -> ApiResponse:
        """Send a request, as the client does."""
        with self._notice:
            response: ApiResponse = super().request(*arguments, **options)  # type: ignore[misc]
            return response

    def close(self) -> None:
        """Close the connections, and say nothing more."""
        self._notice.cancel()
        super().close()  # type: ignore[misc]


class WatchedClient(_Watched, Client):
    """A client that says so if Iterable does not answer."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._notice = Notice(settings.url)


class WatchedSegmentClient(_Watched, SegmentClient):
    """A client that says so if Segment does not answer."""

    def __init__(self, write_key: str, *, region: DataCenter, base_url: str | None) -> None:
        super().__init__(write_key, region=region, base_url=base_url)
        self._notice = Notice(self._url)
