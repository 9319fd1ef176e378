"""Names: how a field of Iterable's is spelled as a property of a Segment event."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from iterable_destination.model.remembered import BoundedCache

#: Between a small letter or digit and a capital, and before the last of several capitals.
_NEW_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS: Final = re.compile(r"[\s.-]+")


def to_snake_case(key: str) -> str:
    """Convert a key to snake_case: ``fromSMSSenderId`` becomes ``from_sms_sender_id``.

    Spaces, dots and dashes become one underscore. A key in snake_case stays as it is.
    """
    return _BETWEEN_WORDS.sub("_", _NEW_WORD.sub("_", key)).lower()


class Names(BoundedCache[str]):
    """The names of properties, by the keys of fields: ``names[key]``."""

    def __init__(self, spell: Callable[[str], str]) -> None:
        super().__init__(spell)
        #: Ids that are strings in Segment's email spec.
        self.ids = tuple(map(spell, ("campaignId", "emailId", "linkId", "listId")))
        #: The URL of a link, and the fields it is read from otherwise, the preferred one first.
        self.link, self.links = spell("linkUrl"), (spell("url"), spell("clickedUrl"))
        #: The id of a list, and the ids of all lists.
        self.list, self.lists = spell("listId"), spell("emailListIds")
        #: The fields that move to the context: the key there, and the property's name.
        self.context_fields = tuple((key, spell(key)) for key in ("ip", "userAgent"))
        #: The properties that can be left out of an event that is too large.
        self.removable = tuple(map(spell, ("inAppBody", "transactionalData", "dataFeed")))


SNAKE_CASE: Final = Names(to_snake_case)
#: Iterable's own spelling.
UNCHANGED: Final = Names(str.__str__)
