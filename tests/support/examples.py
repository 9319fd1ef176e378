"""How many examples a property test tries."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

#: Examples of a property by the profile that tries many.
HEAVY: Final = 60


def examples(count: int) -> int:
    """Return the examples of a property that needs another number of them in the heavy profile.

    In a lighter profile there are fewer, in proportion.
    """
    return max(count * settings().max_examples // HEAVY, 1)
