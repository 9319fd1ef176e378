"""Directives that build and change texts: ``@template``, ``@case``, ``@replace`` and ``@json``.

A user's pattern is plain text, never a regular expression, and no text may be larger than a request
can be, so that no mapping can hang.
"""

from __future__ import annotations

import json as json_library
import re
from collections.abc import Callable, Iterator
from datetime import date
from math import isfinite
from typing import Any, Final

from iterable_destination.errors import Problem, Reason
from iterable_destination.mapping.actions.mapping_kit.directive_options import (
    Options,
    Resolve,
    Unmappable,
    resolve_nothing,
)
from iterable_destination.mapping.actions.mapping_kit.limits import check_size
from iterable_destination.mapping.actions.number_text import write_number
from iterable_destination.mapping.actions.paths import NOTHING, BadPath, build_getter, read_path
from iterable_destination.model.dates import TEXTS_STAY
from iterable_destination.model.endpoints import MAX_BODY_BYTES
from iterable_destination.model.json_codec import encode
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import TOO_LARGE, as_list, as_object, scalar

#: Characters of a pattern, and of its replacement: Segment's own limit.
MAX_PATTERN_LENGTH: Final = 10

_PLACEHOLDER: Final = re.compile(r"\{\{\{([^{}]+)\}\}\}|\{\{([^{}]+)\}\}")
_CASES: Final[dict[str, Callable[[str], str]]] = {"upper": str.upper, "lower": str.lower}


def template(options: Options) -> Resolve:
    """``@template``: a text in which ``{{a.b}}`` is replaced by the value at that path."""
    wanted = options.read_text_or_directive()
    if isinstance(options.value, str):
        pieces = _split_template(options.value, options.add_problem)
        return lambda data: _fill_template(pieces, data)

    def resolve(data: Any) -> Any:
        text = scalar(wanted(data))
        return (
            _fill_template(_split_template(text, _ignore_problem), data)
            if isinstance(text, str)
            else NOTHING
        )

    return resolve


def _split_template(text: str, add_problem: Callable[[Reason], None]) -> list[str | Resolve]:
    """Split a template into its literal texts and the getters of its paths."""
    pieces: list[str | Resolve] = []
    end = 0
    for place in _PLACEHOLDER.finditer(text):
        pieces += [
            text[end : place.start()],
            _read_placeholder((place[1] or place[2]).strip(), add_problem),
        ]
        end = place.end()
    return [*pieces, text[end:]]


def _read_placeholder(path: str, add_problem: Callable[[Reason], None]) -> Resolve:
    try:
        return build_getter(read_path(path))
    except BadPath as error:
        reason = error.reason
        add_problem(Reason(reason.code, f"{{{{{path}}}}} {reason.message}"))
        return resolve_nothing


def _ignore_problem(_: Reason) -> None:
    """Ignore a bad path in a template that is only known for an event."""


def _fill_template(pieces: list[str | Resolve], data: Any) -> str:
    parts, remaining = [], MAX_BODY_BYTES
    for piece in pieces:
        text = piece if isinstance(piece, str) else format_value(piece(data))
        parts.append(text)
        remaining -= len(text)
        if remaining < 0:
            raise Unmappable(_TOO_LONG)
    return "".join(parts)


_TOO_LONG: Final = Reason("too-large", f"makes a text of more than {MAX_BODY_BYTES:,} characters")


def format_value(value: Any) -> str:
    """Format a value for a template: null as ``""``, an object as JSON."""
    plain = scalar(value)
    if plain is NOTHING or plain is None:
        return ""
    if isinstance(plain, str):
        return plain
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int | float) and (text := write_number(plain)) is not None:
        return text
    elements = as_list(plain)
    if elements is None:
        written = _encode_json(plain)
        return written[1:-1] if isinstance(plain, date) else written
    return ",".join(
        [_encode_json(value) if _is_deep(value) else format_value(value) for value in elements]
    )


def _is_deep(value: Any) -> bool:
    return as_object(scalar(value)) is not None or as_list(scalar(value)) is not None


def case(options: Options) -> Resolve:
    """``@case``: a text in upper or lower case; other values are unchanged."""
    options.require_object("operator", "value")
    change = _CASES[options.read_choice("operator", ("upper", "lower"))]
    return _map_text(options.read_part("value"), change)


def _map_text(wanted: Resolve, change: Callable[[str], str]) -> Resolve:
    def resolve(data: Any) -> Any:
        plain = scalar(wanted(data))
        return change(plain) if isinstance(plain, str) else plain

    return resolve


def replace(options: Options) -> Resolve:
    """``@replace``: a text, number or boolean with one or two patterns replaced."""
    options.require_object(
        *("pattern", "replacement", "pattern2", "replacement2", "ignorecase", "global", "value")
    )
    flags = (
        options.read_flag("ignorecase", default=False),
        options.read_flag("global", default=True),
    )
    first = _read_replacement(options, "pattern", "replacement", flags)
    second = _read_second_replacement(options, flags)
    wanted = options.read_part("value", required=True)

    def resolve(data: Any) -> Any:
        plain = scalar(wanted(data))
        if isinstance(plain, str | bool | int | float):
            return _check_length(second(_check_length(first(format_value(plain)))))
        return plain

    return resolve


def _read_second_replacement(options: Options, flags: tuple[bool, bool]) -> Callable[[str], str]:
    if not options.get("pattern2"):
        return str
    return _read_replacement(options, "pattern2", "replacement2", flags)


def _read_replacement(
    options: Options, pattern: str, replacement: str, flags: tuple[bool, bool]
) -> Callable[[str], str]:
    ignores_case, everywhere = flags
    old, new = options.read_text(pattern), options.read_text(replacement, "")
    for key, text in ((pattern, old), (replacement, new)):
        if len(text) > MAX_PATTERN_LENGTH:
            words = f"has at most {MAX_PATTERN_LENGTH} characters"
            options.add_problem(Reason("too-long", words), f".{key}")
    pieces = _SPECIAL.split(new)
    if len(pieces) == 1 and not ignores_case:
        return lambda text: text.replace(old, new, -1 if everywhere else 1)

    def change(text: str) -> str:
        searched, pattern = (text, old) if not ignores_case else (_fold(text), _fold(old))
        parts: list[str] = []
        end, remaining = 0, MAX_BODY_BYTES
        for place in _find_places(searched, pattern, everywhere=everywhere):
            after = place + len(old)
            replaced = _fill_replacement(pieces, text, place, after)
            parts += (text[end:place], replaced)
            end = after
            remaining -= len(replaced)
            if remaining < 0:
                raise Unmappable(_TOO_LONG)
        return "".join([*parts, text[end:]])

    return change


#: What stands for other text in a replacement, as in JavaScript.
_SPECIAL: Final = re.compile(r"(\$[$&`'])")


def _fill_replacement(pieces: list[str], text: str, place: int, after: int) -> str:
    """Return what stands in place of ``text[place:after]``; every second piece is special."""
    filled = pieces.copy()
    for index in range(1, len(pieces), 2):
        filled[index] = _SPECIAL_TEXTS[pieces[index]](text, place, after)
    return "".join(filled)


_SPECIAL_TEXTS: Final[dict[str, Callable[[str, int, int], str]]] = {
    "$$": lambda _text, _place, _after: "$",
    "$&": lambda text, place, after: text[place:after],
    "$`": lambda text, place, _: text[:place],
    "$'": lambda text, _, after: text[after:],
}


def _find_places(text: str, pattern: str, *, everywhere: bool) -> Iterator[int]:
    place = text.find(pattern)
    while place >= 0:
        yield place
        if not everywhere:
            return
        place = text.find(pattern, place + len(pattern))


class _Folds(dict[int, str]):
    """What each character is when case is ignored, as JavaScript's regular expressions see it.

    That is its one upper case letter. A letter beyond ASCII never becomes one of ASCII: the long s
    is no s. Characters beyond 16 bits are themselves.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code > _LAST_OF_16_BITS:
            return character
        upper = character.upper()
        if len(upper) == 1 and upper.isascii() is character.isascii():
            character = upper
        self[code] = character
        return character


_LAST_OF_16_BITS: Final = 0xFFFF
_folds: Final = _Folds()


def _fold(text: str) -> str:
    """Return a text in which letters that differ in case only are the same."""
    return text.upper() if text.isascii() else text.translate(_folds)


def _check_length(text: str) -> str:
    if len(text) > MAX_BODY_BYTES:
        raise Unmappable(_TOO_LONG)
    return text


def json(options: Options) -> Resolve:
    """``@json``: a value as a JSON text, or the value of a JSON text."""
    options.require_object("mode", "value")
    mode = options.read_choice("mode", ("encode", "decode"))
    wanted = options.read_part("value", required=True)
    if mode == "decode":
        return _map_text(wanted, _decode_json)

    def resolve(data: Any) -> Any:
        value = wanted(data)
        return NOTHING if value is NOTHING else _encode_json(value)

    return resolve


def _decode_json(text: str) -> Any:
    """Decode a JSON text; return any other text unchanged, also one with a byte order mark.

    A number too large for a double is None, as it is where JavaScript sends it.
    """
    try:
        return _decode_strictly(text)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and infinity, which Python reads


def _read_float(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


def _read_whole(text: str) -> int | None:
    if len(text) > _MOST_DIGITS:  # of some thousand digits Python reads none
        return None
    number = int(text)
    return number if -TOO_LARGE < number < TOO_LARGE else None


_MOST_DIGITS: Final = 310
_decode_strictly: Final = json_library.JSONDecoder(
    parse_float=_read_float, parse_int=_read_whole, parse_constant=_refuse_constant
).decode


def _encode_json(value: Any) -> str:
    problems: list[Problem] = []
    plain = data_fields({"value": check_size(value)}, "", problems, TEXTS_STAY)["value"]
    if problems:
        first = problems[0]
        raise Unmappable(Reason(first.code, f"cannot be written as JSON: {first.message}"))
    return _check_length(_write_json(plain))


def _write_json(value: Any) -> str:
    """Return plain JSON as compact text, with its numbers as JavaScript writes them."""
    if isinstance(value, dict):
        entries = [f"{_write_json(key)}:{_write_json(inner)}" for key, inner in value.items()]
        return f"{{{','.join(entries)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_write_json, value))}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return write_number(value) or "null"
    return encode(value).decode()
