"""The responses of the two bulk endpoints, and which of their items failed.

Source: ``UserBulkUpdateListResponse`` and ``BulkTrackResponse`` in Iterable's API description, with
the deprecated lists at the top. Choices: each email, userId and name is listed once; a disallowed
event counts as failed; lists that only some responses have (``noOpEmails``, ``noOpUserIds``) are
left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from iterable_destination.testing.responses import Refusal, Response, json_response
from iterable_destination.testing.state import Fields


@attrs.frozen
class Shape:
    """The lists in one kind of response to a bulk."""

    #: The causes in ``failedUpdates``; each has a list of emails and one of userIds.
    causes: tuple[str, ...]
    #: The lists of ``failedUpdates`` that the deprecated ``invalidEmails`` repeats.
    invalid_emails: tuple[str, ...]
    #: The lists that the deprecated ``invalidUserIds`` repeats.
    invalid_user_ids: tuple[str, ...]

    def failed_updates(self) -> dict[str, dict[str, None]]:
        """Every list of ``failedUpdates``, empty."""
        return {cause + kind: {} for cause in self.causes for kind in ("Emails", "UserIds")}


_USER_CAUSES: Final = ("invalid", "notFound", "forgotten", "conflict", "invalidData")

#: Deprecated lists: every user that failed.
USERS: Final = Shape(
    _USER_CAUSES,
    tuple(f"{cause}Emails" for cause in _USER_CAUSES),
    tuple(f"{cause}UserIds" for cause in _USER_CAUSES),
)
#: Deprecated lists: malformed emails, and userIds that were not found.
EVENTS: Final = Shape(
    ("invalid", "notFound", "forgotten"), ("invalidEmails",), ("notFoundUserIds",)
)


@attrs.define
class Tally:
    """The results of the items of one bulk; dicts serve as ordered sets."""

    shape: Shape
    succeeded: int = attrs.field(default=0, init=False)
    failed: int = attrs.field(default=0, init=False)
    _created: dict[str, None] = attrs.field(factory=dict, init=False)
    _filtered_out: dict[str, None] = attrs.field(factory=dict, init=False)
    _disallowed: dict[str, None] = attrs.field(factory=dict, init=False)
    _lists: dict[str, dict[str, None]] = attrs.field(init=False)

    @_lists.default
    def _make_lists(self) -> dict[str, dict[str, None]]:
        return self.shape.failed_updates()

    def succeed(self, fields: Fields) -> None:
        """Count an item that was applied."""
        self.succeeded += 1
        self._created |= dict.fromkeys(fields.created)
        self._filtered_out |= dict.fromkeys(fields.filtered_out)

    def skip(self) -> None:
        """Count an item that ``updateOnly`` leaves out: a success that changes nothing."""
        self.succeeded += 1

    def fail(self, refused: Refusal) -> None:
        """Count an item that was refused, and name it."""
        self.failed += 1
        for place, parts in (refused.failed or {}).items():
            self._lists[place] |= dict.fromkeys(parts)

    def disallow(self, event_name: str) -> None:
        """Count an event whose name the project does not accept."""
        self.failed += 1
        self._disallowed[event_name] = None

    def response(self) -> Response:
        """Status 200 with the whole tally."""
        content: dict[str, Any] = {
            "successCount": self.succeeded,
            "failCount": self.failed,
            "invalidEmails": self._repeat_lists(self.shape.invalid_emails),
            "invalidUserIds": self._repeat_lists(self.shape.invalid_user_ids),
            "filteredOutFields": list(self._filtered_out),
            "createdFields": list(self._created),
            "failedUpdates": {place: list(parts) for place, parts in self._lists.items()},
        }
        if self.shape is EVENTS:
            content["disallowedEventNames"] = list(self._disallowed)
        return json_response(content)

    def _repeat_lists(self, places: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(part for place in places for part in self._lists[place]))
