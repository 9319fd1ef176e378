"""See which cases of the suite a function of your own changes."""

from functools import partial
from typing import Any

from iterable_destination import DestinationFunction, Identity, Settings, TrackEvent
from iterable_destination.conformance import answer, cases, run


class Groups(DestinationFunction):
    """Sends a group as an event; everything else as the classic mapping does."""

    def on_group(self, event: dict[str, Any], _: Settings) -> TrackEvent:
        """Say which group the user is in."""
        return TrackEvent(Identity(user_id=event.get("userId")), "Group Joined")


results = run(partial(answer, translate=Groups()), cases("classic"))

for result in results:
    if result.differences:
        print(result.case.id, "-", result.differences[0])
