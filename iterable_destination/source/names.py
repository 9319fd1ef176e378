"""Names: how a field of Iterable's is spelled as a property of a Segment event.

What may live here: spelling, and nothing of what is in a field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

#: Between a small letter or digit and a capital, and before the last of several capitals.
_NEW_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS: Final = re.compile(r"[\s.-]+")


def snake_case(key: str) -> str:
    """Spell a key in snake_case: ``fromSMSSenderId`` is ``from_sms_sender_id``.

    Spaces, dots and dashes become one underscore; what is in snake_case already stays so.
    """
    return _BETWEEN_WORDS.sub("_", _NEW_WORD.sub("_", key)).lower()


class Names:
    """The name of a property for every key there can be."""

    __slots__ = ("_spell", "can_go", "ids", "known", "link", "links", "list", "lists", "moved")

    def __init__(self, spell: Callable[[str], str]) -> None:
        self._spell = spell
        #: The names of keys that were asked for: the same ones come again and again.
        self.known: dict[str, str] = {}
        #: Ids that Segment's email spec makes strings.
        self.ids = tuple(map(spell, ("campaignId", "emailId", "linkId", "listId")))
        #: Where a link leads, and where else that may stand, the best first.
        self.link, self.links = spell("linkUrl"), (spell("url"), spell("clickedUrl"))
        #: A list's id, and the ids of all lists.
        self.list, self.lists = spell("listId"), spell("emailListIds")
        #: What moves to the context: its key there, and its name.
        self.moved = tuple((key, spell(key)) for key in ("ip", "userAgent"))
        #: What can be left out of an event that is too large.
        self.can_go = tuple(map(spell, ("inAppBody", "transactionalData", "dataFeed")))

    def __getitem__(self, key: str) -> str:
        name = self.known.get(key)
        if name is None:
            name = self._spell(key)
            if len(key) <= _LONGEST_KEY:
                if len(self.known) >= _MOST_KEYS:
                    self.known.clear()
                self.known[key] = name
        return name


_MOST_KEYS: Final = 5_000
_LONGEST_KEY: Final = 100

SNAKE_CASE: Final = Names(snake_case)
#: Iterable's own spelling.
AS_THEY_ARE: Final = Names(str.__str__)
