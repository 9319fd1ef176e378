"""Directives that build and change texts: ``@template``, ``@case``, ``@replace`` and ``@json``.

A user's pattern is plain text, never a regular expression, and no text may be larger than a request
can be, so that no mapping can hang.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from iterable_destination.errors import Problem
from iterable_destination.mapping.actions.mapping_kit.directive_options import (
    Options,
    Resolve,
    Unmappable,
    resolve_nothing,
)
from iterable_destination.mapping.actions.mapping_kit.limits import check_size
from iterable_destination.mapping.actions.paths import NOTHING, BadPath, build_getter, read_path
from iterable_destination.model.dates import TEXTS_STAY
from iterable_destination.model.endpoints import MAX_BODY_BYTES
from iterable_destination.model.json_codec import decode, encode
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_list, as_object, scalar
from iterable_destination.model.segment_event import as_id

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


def _split_template(text: str, add_problem: Callable[[str], None]) -> list[str | Resolve]:
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


def _read_placeholder(path: str, add_problem: Callable[[str], None]) -> Resolve:
    try:
        return build_getter(read_path(path))
    except BadPath as error:
        add_problem(f"{{{{{path}}}}} {error}")
        return resolve_nothing


def _ignore_problem(_: str) -> None:
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


_TOO_LONG: Final = f"makes a text of more than {MAX_BODY_BYTES:,} characters"


def format_value(value: Any) -> str:
    """Format a value for a template: null as ``""``, an object as JSON."""
    plain = scalar(value)
    if plain is NOTHING or plain is None:
        return ""
    if isinstance(plain, str):
        return plain
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int | float) and isinstance(text := as_id(plain), str):
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
            options.add_problem(f"has at most {MAX_PATTERN_LENGTH} characters", f".{key}")
    count = 0 if everywhere else 1
    if ignores_case:
        regex = re.compile(re.escape(old), re.IGNORECASE)
        return lambda text: regex.sub(lambda _: new, text, count)
    return lambda text: text.replace(old, new, count or -1)


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
    """Decode a JSON text; return any other text unchanged."""
    try:
        return decode(text.encode())
    except (ValueError, RecursionError):
        return text


def _encode_json(value: Any) -> str:
    problems: list[Problem] = []
    plain = data_fields({"value": check_size(value)}, "", problems, TEXTS_STAY)["value"]
    if problems:
        raise Unmappable(f"cannot be written as JSON: {problems[0].message}")
    return _check_length(encode(plain).decode())
