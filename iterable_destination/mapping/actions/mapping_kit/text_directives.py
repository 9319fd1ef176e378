"""Directives that make and change texts.

What may live here: ``@template``, ``@case``, ``@replace`` and ``@json``. A pattern of a user's is
plain text and never a regular expression, and no text grows beyond what can be sent, so that no
mapping can hang.
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
    nothing,
)
from iterable_destination.mapping.actions.mapping_kit.limits import bounded
from iterable_destination.mapping.actions.paths import NOTHING, BadPath, getter, read_path
from iterable_destination.model.dates import TEXTS_STAY
from iterable_destination.model.endpoints import MAX_BODY_BYTES
from iterable_destination.model.json_codec import decode, encode
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_list, as_object, scalar
from iterable_destination.model.segment_event import as_id

#: Characters of a pattern and of what replaces it: Segment's own limit.
MAX_PATTERN_LENGTH: Final = 10

_PLACEHOLDER: Final = re.compile(r"\{\{\{([^{}]+)\}\}\}|\{\{([^{}]+)\}\}")
_CASES: Final[dict[str, Callable[[str], str]]] = {"upper": str.upper, "lower": str.lower}


def template(options: Options) -> Resolve:
    """``@template``: a text in which ``{{a.b}}`` stands for what is at that path."""
    wanted = options.text_or_directive()
    if isinstance(options.given, str):
        pieces = _pieces(options.given, options.add_problem)
        return lambda data: _filled(pieces, data)

    def resolve(data: Any) -> Any:
        text = scalar(wanted(data))
        return _filled(_pieces(text, _passed_over), data) if isinstance(text, str) else NOTHING

    return resolve


def _pieces(text: str, refuse: Callable[[str], None]) -> list[str | Resolve]:
    """Cut a template into its own words and the paths between them."""
    pieces: list[str | Resolve] = []
    end = 0
    for place in _PLACEHOLDER.finditer(text):
        pieces += [text[end : place.start()], _place((place[1] or place[2]).strip(), refuse)]
        end = place.end()
    return [*pieces, text[end:]]


def _place(path: str, refuse: Callable[[str], None]) -> Resolve:
    try:
        return getter(read_path(path))
    except BadPath as error:
        refuse(f"{{{{{path}}}}} {error}")
        return nothing


def _passed_over(_: str) -> None:
    """Pass over a bad path in a text that is only known when an event comes."""


def _filled(pieces: list[str | Resolve], data: Any) -> str:
    filled, room = [], MAX_BODY_BYTES
    for piece in pieces:
        text = piece if isinstance(piece, str) else shown(piece(data))
        filled.append(text)
        room -= len(text)
        if room < 0:
            raise Unmappable(_TOO_LONG)
    return "".join(filled)


_TOO_LONG: Final = f"makes a text of more than {MAX_BODY_BYTES:,} characters"


def shown(value: Any) -> str:
    """Return a value as a template shows it: null as nothing, an object as JSON."""
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
        written = _encoded(plain)
        return written[1:-1] if isinstance(plain, date) else written
    return ",".join([_encoded(value) if _is_deep(value) else shown(value) for value in elements])


def _is_deep(value: Any) -> bool:
    return as_object(scalar(value)) is not None or as_list(scalar(value)) is not None


def case(options: Options) -> Resolve:
    """``@case``: a text in upper or lower case; other values stay as they are."""
    options.is_object("operator", "value")
    change = _CASES[options.choice("operator", ("upper", "lower"))]
    return _changed(options.part("value"), change)


def _changed(wanted: Resolve, change: Callable[[str], str]) -> Resolve:
    def resolve(data: Any) -> Any:
        plain = scalar(wanted(data))
        return change(plain) if isinstance(plain, str) else plain

    return resolve


def replace(options: Options) -> Resolve:
    """``@replace``: one text, and perhaps a second, in a text, number or boolean."""
    options.is_object(
        *("pattern", "replacement", "pattern2", "replacement2", "ignorecase", "global", "value")
    )
    flags = options.flag("ignorecase", default=False), options.flag("global", default=True)
    first = _replacement(options, "pattern", "replacement", flags)
    second = _second(options, flags)
    wanted = options.part("value", required=True)

    def resolve(data: Any) -> Any:
        plain = scalar(wanted(data))
        if isinstance(plain, str | bool | int | float):
            return _bounded(second(_bounded(first(shown(plain)))))
        return plain

    return resolve


def _second(options: Options, flags: tuple[bool, bool]) -> Callable[[str], str]:
    if not options.get("pattern2"):
        return str
    return _replacement(options, "pattern2", "replacement2", flags)


def _replacement(
    options: Options, pattern: str, replacement: str, flags: tuple[bool, bool]
) -> Callable[[str], str]:
    ignores_case, everywhere = flags
    old, new = options.text(pattern), options.text(replacement, "")
    for key, text in ((pattern, old), (replacement, new)):
        if len(text) > MAX_PATTERN_LENGTH:
            options.add_problem(f"has at most {MAX_PATTERN_LENGTH} characters", f".{key}")
    count = 0 if everywhere else 1
    if ignores_case:
        found = re.compile(re.escape(old), re.IGNORECASE)
        return lambda text: found.sub(lambda _: new, text, count)
    return lambda text: text.replace(old, new, count or -1)


def _bounded(text: str) -> str:
    if len(text) > MAX_BODY_BYTES:
        raise Unmappable(_TOO_LONG)
    return text


def json(options: Options) -> Resolve:
    """``@json``: a value as a JSON text, or the value of a JSON text."""
    options.is_object("mode", "value")
    mode = options.choice("mode", ("encode", "decode"))
    wanted = options.part("value", required=True)
    if mode == "decode":
        return _changed(wanted, _decoded)

    def resolve(data: Any) -> Any:
        value = wanted(data)
        return NOTHING if value is NOTHING else _encoded(value)

    return resolve


def _decoded(text: str) -> Any:
    """Return the value of a JSON text; a text that is none stays as it is."""
    try:
        return decode(text.encode())
    except (ValueError, RecursionError):
        return text


def _encoded(value: Any) -> str:
    problems: list[Problem] = []
    plain = data_fields({"value": bounded(value)}, "", problems, TEXTS_STAY)["value"]
    if problems:
        raise Unmappable(f"cannot be written as JSON: {problems[0].message}")
    return _bounded(encode(plain).decode())
