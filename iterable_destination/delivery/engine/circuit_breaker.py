"""Circuit breaker: nothing is sent for a while after an error of configuration."""

from __future__ import annotations

from typing import Final

from iterable_destination.errors import ConfigurationError


class CircuitBreaker:
    """Lets nothing through for a while after an error of configuration, then one request.

    Not safe for several threads at once; ``now`` is on the caller's clock, in seconds.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds: Final = seconds
        self._until = 0.0
        #: What opened it; None while it is closed.
        self.error: ConfigurationError | None = None

    def refusal(self, now: float) -> ConfigurationError | None:
        """Return why nothing may be sent now, or None if something may."""
        return self.error if now < self._until else None

    def begin(self, now: float) -> None:
        """Take note that a request goes out: one alone, if it is to find out how things are."""
        if self.error is not None:
            self._until = now + self._seconds

    def open(self, error: ConfigurationError, now: float) -> None:
        """Let nothing through from now on."""
        self.error = error
        self._until = now + self._seconds

    def close(self) -> None:
        """Let everything through: a request was answered, or failed in another way."""
        self.error = None
        self._until = 0.0
