"""A slow, simple implementation of mappings, to check the package's against.

It shares no code with the package, supports JSON only, and reads the mapping for every event.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

NOTHING = object()


def resolve_slowly(mapping: Any, data: Any) -> Any:
    """Resolve a mapping for an event."""
    if isinstance(mapping, list):
        return [replace_nothing(resolve_slowly(part, data)) for part in mapping]
    if not isinstance(mapping, dict):
        return mapping
    names = [key for key in mapping if key.startswith("@")]
    if names:
        return DIRECTIVES[names[0]](mapping[names[0]], data)
    every = {key: resolve_slowly(part, data) for key, part in mapping.items()}
    return {key: value for key, value in every.items() if value is not NOTHING}


def replace_nothing(value: Any) -> Any:
    return None if value is NOTHING else value


def follow_path(path: str, data: Any) -> Any:
    """Follow a path, one step after the other."""
    rest = path.removeprefix("$").removeprefix(".")
    while rest:
        quoted = re.match(r"""\.?\[(?:'([^']*)'|"([^"]*)"|(\d+))\]""", rest)
        plain = quoted or re.match(r"\.?([^.\[\]]+)", rest)
        assert plain is not None
        key = next(group for group in plain.groups() if group is not None)
        rest = rest[plain.end() :]
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and key.isdecimal() and int(key) < len(data):
            data = data[int(key)]
        else:
            return NOTHING
    return data


def path(options: Any, data: Any) -> Any:
    wanted = options if isinstance(options, str) else resolve_slowly(options, data)
    return follow_path(wanted, data) if isinstance(wanted, str) else NOTHING


def format_value(value: Any) -> str:
    if value is NOTHING or value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(
            encode_json(part) if isinstance(part, dict | list) else format_value(part)
            for part in value
        )
    if isinstance(value, dict):
        return encode_json(value)
    return write_number(value)


def write_number(value: float) -> str:
    """Write a number by the steps of ECMAScript's Number::toString."""
    if isinstance(value, int) and abs(value) < 10**21:
        return str(value)
    if value == 0:
        return "0"
    if value < 0:
        return "-" + write_number(-value)
    _, digits, exponent = Decimal(repr(float(value))).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + int(exponent)
    if len(text) <= point <= 21:
        return text.ljust(point, "0")
    if 0 < point <= 21:
        return f"{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{text}"
    mantissa = text if len(text) == 1 else f"{text[0]}.{text[1:]}"
    return f"{mantissa}e{point - 1:+d}"


def encode_json(value: Any) -> str:
    """Write JSON as JavaScript does."""
    if isinstance(value, dict):
        inner = (f"{encode_json(key)}:{encode_json(each)}" for key, each in value.items())
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encode_json, value)) + "]"
    if isinstance(value, str | bool) or value is None:
        return json.dumps(value, ensure_ascii=False)
    return write_number(value)


def decode_json(text: str) -> Any:
    """Read JSON as JavaScript does; a number that becomes infinite there is sent as null."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    return lose_infinity(json.loads(text, parse_constant=refuse))


def lose_infinity(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: lose_infinity(each) for key, each in value.items()}
    if isinstance(value, list):
        return [lose_infinity(each) for each in value]
    return None if value in (float("inf"), -float("inf")) else value


def template(options: Any, data: Any) -> Any:
    text = options if isinstance(options, str) else resolve_slowly(options, data)
    if not isinstance(text, str):
        return NOTHING
    parts = re.split(r"(\{\{\{[^{}]+\}\}\}|\{\{[^{}]+\}\})", text)
    paths = parts[1::2]
    parts[1::2] = [format_value(follow_path(part.strip("{}").strip(), data)) for part in paths]
    return "".join(parts)


def if_(options: Any, data: Any) -> Any:
    if "exists" in options:
        value = resolve_slowly(options["exists"], data)
        branch = "else" if value is NOTHING or value is None else "then"
    else:
        value = resolve_slowly(options["blank"], data)
        blank = value is NOTHING or value is None or value in ("", 0, False) or value == []
        branch = "else" if blank else "then"
    return resolve_slowly(options[branch], data) if branch in options else NOTHING


def array_path(options: Any, data: Any) -> Any:
    found = (
        path(options[0], data) if isinstance(options[0], str) else resolve_slowly(options[0], data)
    )
    if len(options) == 1 or not isinstance(options[1], dict) or options[1] == {}:
        return found
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        return found
    return [replace_nothing(resolve_slowly(options[1], element)) for element in found]


def case(options: Any, data: Any) -> Any:
    value = resolve_slowly(options["value"], data) if "value" in options else NOTHING
    if not isinstance(value, str):
        return value
    return value.upper() if options["operator"] == "upper" else value.lower()


def replace(options: Any, data: Any) -> Any:
    value = resolve_slowly(options["value"], data)
    if not isinstance(value, str | bool | int | float):
        return value
    text = format_value(value)
    for number in ("", "2"):
        pattern = options.get(f"pattern{number}")
        if pattern:
            new = options.get(f"replacement{number}", "")
            text = replace_all(text, pattern, new, options)
    return text


def replace_all(text: str, pattern: str, new: str, options: Any) -> str:
    """Check at every character whether the pattern begins there."""
    done, place, is_open = "", 0, True
    while place < len(text):
        here = text[place : place + len(pattern)]
        same = here == pattern
        if options.get("ignorecase", False):
            same = list(map(canonicalize, here)) == list(map(canonicalize, pattern))
        if same and is_open:
            done += expand(new, text[:place], here, text[place + len(pattern) :])
            place += len(pattern)
            is_open = options.get("global", True)
        else:
            done += text[place]
            place += 1
    return done


def canonicalize(character: str) -> str:
    """Return a character without its case, by ECMAScript's Canonicalize (no flag u)."""
    upper = character.upper()
    if len(upper) != 1 or ord(character) > 0xFFFF:
        return character
    return character if ord(character) >= 128 > ord(upper) else upper


def expand(new: str, before: str, match: str, after: str) -> str:
    """Fill a replacement from left to right."""
    special = {"$": "$", "&": match, "`": before, "'": after}
    done, place = "", 0
    while place < len(new):
        is_special = new[place] == "$" and new[place + 1 : place + 2] in special
        is_special = is_special and place + 1 < len(new)
        done += special[new[place + 1]] if is_special else new[place]
        place += 2 if is_special else 1
    return done


def json_(options: Any, data: Any) -> Any:
    value = resolve_slowly(options["value"], data)
    if options["mode"] == "encode":
        return NOTHING if value is NOTHING else encode_json(value)
    try:
        return decode_json(value) if isinstance(value, str) else value
    except ValueError:
        return value


def flatten(options: Any, data: Any) -> Any:
    value = resolve_slowly(options["value"], data)
    containers: Any = dict if options.get("omitArrays") else (dict, list)
    if not isinstance(value, containers):
        return value
    found: dict[str, Any] = {}

    def walk(inner: Any, keys: list[str]) -> None:
        if not isinstance(inner, containers):
            found[options["separator"].join(keys)] = inner
            return
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner)
        for key, element in pairs:
            walk(element, [*keys, str(key)])

    walk(value, [])
    return found


def merge(options: Any, data: Any) -> Any:
    objects = [resolve_slowly(part, data) for part in options["objects"]]
    objects = [each for each in objects if isinstance(each, dict)]
    if options["direction"] == "left":
        objects.reverse()
    return {key: value for each in objects for key, value in each.items()}


def transform(options: Any, data: Any) -> Any:
    return resolve_slowly(options["mapping"], resolve_slowly(options["apply"], data))


def exclude_when_null(options: Any, data: Any) -> Any:
    value = remove_nulls(resolve_slowly(options, data))
    return NOTHING if value is None else value


def remove_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {key: remove_nulls(inner) for key, inner in value.items()}
    return {key: inner for key, inner in kept.items() if inner is not None}


DIRECTIVES: dict[str, Any] = {
    "@path": path,
    "@template": template,
    "@literal": resolve_slowly,
    "@if": if_,
    "@arrayPath": array_path,
    "@case": case,
    "@replace": replace,
    "@json": json_,
    "@flatten": flatten,
    "@merge": merge,
    "@transform": transform,
    "@excludeWhenNull": exclude_when_null,
}
