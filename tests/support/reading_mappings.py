"""A slow, obvious reading of mappings, to check the quick one against. It shares no line with it.

It knows JSON only, and reads the mapping again for every event.
"""

from __future__ import annotations

import json
import re
from typing import Any

NOTHING = object()


def says(mapping: Any, data: Any) -> Any:
    """Return what a mapping says for an event."""
    if isinstance(mapping, list):
        return [null_for_nothing(says(part, data)) for part in mapping]
    if not isinstance(mapping, dict):
        return mapping
    names = [key for key in mapping if key.startswith("@")]
    if names:
        return DIRECTIVES[names[0]](mapping[names[0]], data)
    every = {key: says(part, data) for key, part in mapping.items()}
    return {key: value for key, value in every.items() if value is not NOTHING}


def null_for_nothing(value: Any) -> Any:
    return None if value is NOTHING else value


def at(path: str, data: Any) -> Any:
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


def path(given: Any, data: Any) -> Any:
    wanted = given if isinstance(given, str) else says(given, data)
    return at(wanted, data) if isinstance(wanted, str) else NOTHING


def written(value: Any) -> str:
    if value is NOTHING or value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(
            as_json(part) if isinstance(part, dict | list) else written(part) for part in value
        )
    if isinstance(value, dict):
        return as_json(value)
    return str(int(value)) if value == int(value) else str(value)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def template(given: Any, data: Any) -> Any:
    text = given if isinstance(given, str) else says(given, data)
    if not isinstance(text, str):
        return NOTHING
    parts = re.split(r"(\{\{\{[^{}]+\}\}\}|\{\{[^{}]+\}\})", text)
    paths = parts[1::2]
    parts[1::2] = [written(at(part.strip("{}").strip(), data)) for part in paths]
    return "".join(parts)


def if_(given: Any, data: Any) -> Any:
    if "exists" in given:
        value = says(given["exists"], data)
        branch = "else" if value is NOTHING or value is None else "then"
    else:
        value = says(given["blank"], data)
        blank = value is NOTHING or value is None or value in ("", 0, False) or value == []
        branch = "else" if blank else "then"
    return says(given[branch], data) if branch in given else NOTHING


def array_path(given: Any, data: Any) -> Any:
    found = path(given[0], data) if isinstance(given[0], str) else says(given[0], data)
    if len(given) == 1 or given[1] == {}:
        return found
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        return found
    return [null_for_nothing(says(given[1], element)) for element in found]


def case(given: Any, data: Any) -> Any:
    value = says(given["value"], data) if "value" in given else NOTHING
    if not isinstance(value, str):
        return value
    return value.upper() if given["operator"] == "upper" else value.lower()


def replace(given: Any, data: Any) -> Any:
    value = says(given["value"], data)
    if not isinstance(value, str | bool | int | float):
        return value
    text = written(value)
    for number in ("", "2"):
        pattern = given.get(f"pattern{number}")
        if pattern:
            new = given.get(f"replacement{number}", "")
            text = replaced(text, pattern, new, given)
    return text


def replaced(text: str, pattern: str, new: str, given: Any) -> str:
    """Go from character to character, and look whether the pattern begins there."""
    done, place, may = "", 0, True
    while place < len(text):
        here = text[place : place + len(pattern)]
        same = here == pattern
        if given.get("ignorecase", False):
            same = here.lower() == pattern.lower()
        if same and may:
            done += new
            place += len(pattern)
            may = given.get("global", True)
        else:
            done += text[place]
            place += 1
    return done


def json_(given: Any, data: Any) -> Any:
    value = says(given["value"], data)
    if given["mode"] == "encode":
        return NOTHING if value is NOTHING else as_json(value)
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def flatten(given: Any, data: Any) -> Any:
    value = says(given["value"], data)
    containers: Any = dict if given.get("omitArrays") else (dict, list)
    if not isinstance(value, containers):
        return value
    found: dict[str, Any] = {}

    def walk(inner: Any, keys: list[str]) -> None:
        if not isinstance(inner, containers):
            found[given["separator"].join(keys)] = inner
            return
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner)
        for key, element in pairs:
            walk(element, [*keys, str(key)])

    walk(value, [])
    return found


def merge(given: Any, data: Any) -> Any:
    objects = [says(part, data) for part in given["objects"]]
    objects = [each for each in objects if isinstance(each, dict)]
    if given["direction"] == "left":
        objects.reverse()
    return {key: value for each in objects for key, value in each.items()}


def transform(given: Any, data: Any) -> Any:
    return says(given["mapping"], says(given["apply"], data))


def exclude_when_null(given: Any, data: Any) -> Any:
    value = without_nulls(says(given, data))
    return NOTHING if value is None else value


def without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {key: without_nulls(inner) for key, inner in value.items()}
    return {key: inner for key, inner in kept.items() if inner is not None}


DIRECTIVES: dict[str, Any] = {
    "@path": path,
    "@template": template,
    "@literal": says,
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
