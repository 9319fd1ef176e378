"""Limits: how large the result of a mapping may become.

A mapping can use the same part of an event many times, and its own results too, so without a limit
a few lines could exhaust the memory.
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import Reason
from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from iterable_destination.model.json_values import SCALARS, as_list, as_object

#: Values in what one directive passes to another; 32 characters of a text count as one more value.
#: Ours: a Segment event has at most 32 KB, and so some thousand values.
MAX_SIZE: Final = 200_000


def check_size(value: Any) -> Any:
    """Return a value unchanged; raises :exc:`Unmappable` if it holds more than the limit."""
    waiting, count = [value], 0
    while waiting:
        fields = as_object(inner := waiting.pop())
        elements = as_list(inner) if fields is None else fields.values()
        if elements is None:
            continue
        texts = [len(element) for element in elements if isinstance(element, str)]
        count += len(elements) + sum(texts) // 32
        if count > MAX_SIZE:
            words = f"makes more than {MAX_SIZE:,} values, or as much text"
            raise Unmappable(Reason("too-large", words))
        waiting += [element for element in elements if type(element) not in SCALARS]
    return value
