"""JSON to and from bytes, by orjson where it is installed and the standard library where not.

Both give the same values. orjson is tried first because it is quicker; where the two differ the
standard library decides.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, Final

try:
    import orjson
except ImportError:  # the extra [fast] is not installed
    HAS_ORJSON = False
else:
    HAS_ORJSON = True

#: orjson reads whole numbers of more than 64 bits as floats. To find them, all digits are made the
#: same, and all that can stand before a number, and then a row of digits is searched: that is ten
#: times quicker than a regular expression. A row inside a string is seldom found.
_SAME: Final = bytes.maketrans(b"123456789,[- \t\r\n", b"000000000:::::::")
_LONG_NUMBER: Final = b":" + b"0" * 19


def decode(text: bytes) -> Any:
    """Return the value of a JSON text in UTF-8; raises :exc:`ValueError` if it is none.

    ``NaN`` and ``Infinity`` are read, as Python writes them, so that the event that has them can
    be named. A text nested too deeply for Python to read is a :exc:`ValueError` too.
    """
    if HAS_ORJSON and not _may_have_long_number(text):
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # the standard library decides, and names the place of an error
    try:
        return json.loads(str(text.removeprefix(codecs.BOM_UTF8), "utf-8"))
    except RecursionError:
        message = "nested too deeply to be read"
        raise ValueError(message) from None


def _may_have_long_number(text: bytes) -> bool:
    same = text.translate(_SAME)
    return _LONG_NUMBER in same or same.startswith(_LONG_NUMBER[1:])


def encode(value: Any) -> bytes:
    """Return a JSON value as compact UTF-8.

    Half of a surrogate pair, which UTF-8 cannot hold, is written as its escape. Raises
    :exc:`ValueError` or :exc:`TypeError` for what is no JSON. The caller must not pass NaN or
    infinity.
    """
    if HAS_ORJSON:
        try:
            return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME)
        except TypeError:
            pass  # long numbers, deep nesting, half surrogates: the standard library takes them
    try:
        return _compact(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def encode_to_fit(value: Any) -> bytes:
    """Return the same as :func:`encode`, in a block of its own size.

    orjson returns bytes in a block of some kilobytes. A copy keeps the memory of pending calls
    small.
    """
    return bytes(memoryview(encode(value)))


_compact: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def canonical(value: Any, *, is_usual: bool = False) -> bytes:
    """Return the canonical form of a JSON value: the same bytes however its keys are ordered.

    Keys are in the order of their code points, there are no spaces, texts are UTF-8 with as few
    escapes as possible, and numbers are as Python writes them. ``is_usual`` says that whole numbers
    have at most 64 bits and floats are not written with an exponent, so that both libraries write
    them alike. Raises :exc:`ValueError` for NaN, infinity and half of a surrogate pair.
    """
    if HAS_ORJSON and is_usual:
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            pass  # a key of a subclass of str, or half of a surrogate pair
    return _in_order(value).encode()


_in_order: Final = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode
