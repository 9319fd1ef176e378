"""Names: how a field of Iterable's is spelled as a property of a Segment event.

What may live here: spelling, and nothing of what is in a field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: Between a small letter or digit and a capital, and before the last of several capitals.
_NEW_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS: Final = re.compile(r"[\s.-]+")


def snake_case(key: str) -> str:
    """Spell a key in snake_case: ``fromSMSSenderId`` is ``from_sms_sender_id``.

    Spaces, dots and dashes become one underscore; what is in snake_case already stays so.
    """
    return _BETWEEN_WORDS.sub("_", _NEW_WORD.sub("_", key)).lower()


class _SnakeCase(dict[str, str]):
    """Keys in snake_case; those of a sane length are remembered, for they come again and again."""

    def __missing__(self, key: str) -> str:
        name = snake_case(key)
        if len(key) <= _LONGEST_KEY:
            if len(self) >= _MOST_KEYS:
                self.clear()
            self[key] = name
        return name


class _AsTheyAre(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return key


_MOST_KEYS: Final = 5_000
_LONGEST_KEY: Final = 100

#: The name of a property for every key there can be.
SNAKE_CASE: Final[Mapping[str, str]] = _SnakeCase()
#: Likewise, in Iterable's own spelling.
AS_THEY_ARE: Final[Mapping[str, str]] = _AsTheyAre()
