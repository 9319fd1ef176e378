"""Sizes: how large what a mapping makes may become.

What may live here: the bound, and how a value is counted. A mapping can name the same part of an
event again and again, and what it made as well, so a few lines could make more than there is
memory for.
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from iterable_destination.model.json_values import SCALARS, as_list, as_object

#: Values in what one directive hands to another; 32 characters of a text count as one more. Ours:
#: an event of Segment's has at most 32 KB, and so some thousand.
MAX_SIZE: Final = 200_000


def check_size(value: Any) -> Any:
    """Return a value as it is; raises :exc:`Unmappable` if it holds too many."""
    waiting, count = [value], 0
    while waiting:
        fields = as_object(inner := waiting.pop())
        elements = as_list(inner) if fields is None else fields.values()
        if elements is None:
            continue
        texts = [len(element) for element in elements if isinstance(element, str)]
        count += len(elements) + sum(texts) // 32
        if count > MAX_SIZE:
            raise Unmappable(f"makes more than {MAX_SIZE:,} values, or as much text")
        waiting += [element for element in elements if type(element) not in SCALARS]
    return value
