"""An exchange: one request that was made, and how it ended. It holds no value of an event."""

from __future__ import annotations

from typing import Final

import attrs

_HUNDRED: Final = 100
_CLASSES: Final = range(1, 6)


@attrs.frozen(kw_only=True)
class Exchange:
    """One HTTP request that was made, and how it ended. It holds no value of an event."""

    #: The endpoint's path, as ``rate_limits`` and :attr:`Counters.requests` have it: where a part
    #: of the path differs, the name of that part stands in braces.
    endpoint: str
    #: How many items it carried, at least 1; 1 for a single call.
    items: int
    #: How many seconds it took, at least 0, from its beginning to the end of the response.
    seconds: float
    #: The HTTP status; None if there was no response.
    status: int | None
    #: The name of the error's class, one of ``iterable_destination.errors``; None if the request
    #: was accepted. Items of a bulk may be refused all the same.
    error: str | None
    #: Which attempt of its calls it was, from 1.
    attempt: int

    @property
    def status_class(self) -> str:
        """``1xx`` to ``5xx``; ``none`` without a response, ``other`` for any other status."""
        if self.status is None:
            return "none"
        hundreds = self.status // _HUNDRED
        return f"{hundreds}xx" if hundreds in _CLASSES else "other"
