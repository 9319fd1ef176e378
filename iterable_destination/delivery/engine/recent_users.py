"""Recent users: whose profile Iterable accepted a moment ago, and may not have applied yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from iterable_destination.delivery.engine.linked_keys import ordering_keys
from iterable_destination.model.calls import EncodedCall, UpdateEmail, UpdateUser

#: Seconds that Iterable says to wait after a new profile before a call that needs it.
SETTLING_TIME: Final = 60.0
#: How many names are kept, the latest ones.
_MAX_NAMES: Final = 100_000


class RecentUsers:
    """The names of users that were identified lately. ``now`` is on the caller's clock."""

    def __init__(self, max_names: int = _MAX_NAMES) -> None:
        """Know nobody yet, and ``max_names`` names at most, at least 1."""
        self._max_names: Final = max_names
        self._identified_at: Final[OrderedDict[str, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many names are kept."""
        return len(self._identified_at)

    def add(self, calls: Iterable[EncodedCall], now: float) -> None:
        """Record the users of those calls that change a profile; they were accepted now."""
        identified_at = self._identified_at
        for call in calls:
            if call.kind is UpdateUser or call.kind is UpdateEmail:
                names = ordering_keys([call])
                if call.kind is UpdateEmail:
                    names.add("@" + call.call().new_email.lower())
                for name in names:
                    identified_at[name] = now
                    identified_at.move_to_end(name)
        while identified_at:
            oldest = next(iter(identified_at))
            if (
                len(identified_at) <= self._max_names
                and now - identified_at[oldest] < SETTLING_TIME
            ):
                break
            del identified_at[oldest]

    def has(self, call: EncodedCall, now: float) -> bool:
        """Whether the user of a call was identified less than 60 seconds ago."""
        times = map(self._identified_at.get, ordering_keys([call]))
        return any(at is not None and now - at < SETTLING_TIME for at in times)
