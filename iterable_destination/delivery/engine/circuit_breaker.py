"""Circuit breaker: nothing is sent for a while after an error of configuration."""

from __future__ import annotations

from typing import Final

from iterable_destination.errors import ConfigurationError


class CircuitBreaker:
    """Closed, open for a time after an error of configuration, then half-open.

    While it is half-open one request goes out as a probe: its response closes or opens it again.
    Not for several threads at once; ``now`` is on the caller's clock, in seconds.
    """

    def __init__(self, timeout: float) -> None:
        """Make a closed breaker that stays open for ``timeout`` seconds, at least 0."""
        self._timeout: Final = timeout
        self._open_until = 0.0
        #: What opened it; None while it is closed.
        self.error: ConfigurationError | None = None
        #: Whether the key and the address were accepted last; None until a response says so.
        self.is_accepted: bool | None = None

    def refusal(self, now: float) -> ConfigurationError | None:
        """Return why nothing may be sent now, or None if something may."""
        return self.error if now < self._open_until else None

    def begin(self, now: float) -> None:
        """Record a request. While the breaker is half-open, let this one probe through alone."""
        if self.error is not None:
            self._open_until = now + self._timeout

    def open(self, error: ConfigurationError, now: float) -> None:
        """Open the breaker: nothing is sent from now on, for its timeout."""
        self.error, self._open_until = error, now + self._timeout
        self.is_accepted = False

    def close(self, *, is_accepted: bool = True) -> None:
        """Close the breaker: the key and the address work, or nothing says that they do not.

        ``is_accepted`` False means the latter: no response, or one that says nothing of them.
        """
        self.error = None
        if is_accepted:
            self.is_accepted = True
