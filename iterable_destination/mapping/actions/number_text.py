"""Numbers as texts, as JavaScript writes them: Segment's directives and coercions run there."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Final

from iterable_destination.model.json_values import TOO_LARGE

#: Numbers from here on are written with an exponent, and those nearer to 0 than the other.
_LARGE: Final = 10**21
_SMALL: Final = 1e-6


def write_number(number: float) -> str | None:
    """Return a number as text: ``1.0`` as ``"1"``, ``1e21`` as ``"1e+21"``, ``-0.0`` as ``"0"``.

    A whole number below 1e21 keeps all its digits. None for what is not finite, or too large for a
    double.
    """
    if isinstance(number, int):
        if -_LARGE < number < _LARGE:
            return str(number)
        if not -TOO_LARGE < number < TOO_LARGE:
            return None
        number = float(number)
    if not isfinite(number):
        return None
    text = repr(number)
    if "e" not in text:
        return "0" if number == 0 else text.removesuffix(".0")
    if _SMALL <= abs(number) < _LARGE:
        return format(Decimal(text), "f")
    mantissa, exponent = text.split("e")
    return f"{mantissa}e{int(exponent):+d}"
