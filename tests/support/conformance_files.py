"""The files that are made from the package and from the cases, and what makes them.

``python -m tests.support.conformance_files`` writes them; a test holds that they are up to date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from iterable_destination.conformance import cases
from iterable_destination.conformance.cases import read_rules
from iterable_destination.mapping.actions import PRESETS_JSON
from iterable_destination.model import endpoints
from iterable_destination.testing import schema
from iterable_destination.testing.shapes import Definition, ListOf, Scalar, Type
from tests.support.reference_rows import WITHOUT_CASES, list_rows

ROOT: Final = Path(__file__).parents[2]

#: The requests of the mapping, and the bulk requests of delivery: method, path, body.
REQUESTS: Final = (
    (endpoints.USERS_UPDATE, schema.USER_UPDATE),
    (endpoints.USERS_BULK_UPDATE, schema.BULK_UPDATE_USERS),
    (endpoints.USERS_UPDATE_EMAIL, schema.UPDATE_EMAIL),
    (endpoints.EVENTS_TRACK, schema.TRACK),
    (endpoints.EVENTS_TRACK_BULK, schema.BULK_TRACK),
    (endpoints.UPDATE_CART, schema.UPDATE_CART),
    (endpoints.TRACK_PURCHASE, schema.TRACK_PURCHASE),
    (endpoints.SUBSCRIPTIONS, schema.SUBSCRIPTION_CHANGE),
)
SCALARS: Final[dict[str, dict[str, Any]]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "number (double)": {"type": "number"},
    "integer (int32)": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "integer (int64)": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
}
SUBSCRIPTION_PATH: Final = (
    r"^/api/subscriptions/(emailList|messageType|messageChannel)/[1-9][0-9]*"
    r"\?action=(subscribe|unsubscribe)$"
)


def build_requests_schema() -> str:
    """Return the JSON Schema of a call, from the tables of the local Iterable."""
    definitions: dict[str, Any] = {}
    calls = []
    for endpoint, definition in REQUESTS:
        is_template = "{" in endpoint.path
        path = {"pattern": SUBSCRIPTION_PATH} if is_template else {"const": endpoint.path}
        properties = {
            "method": {"const": endpoint.method},
            "path": path,
            "body": describe(definition, definitions),
        }
        calls.append({"properties": properties, "required": list(properties)})
    return to_json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "A request to Iterable: its method, path and body",
            "description": "A key that Iterable does not document is not allowed here; Iterable"
            " itself ignores it.",
            "type": "object",
            "oneOf": calls,
            "$defs": dict(sorted(definitions.items())),
        }
    )


def describe(kind: Type, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a type, and add those that it refers to."""
    if isinstance(kind, ListOf):
        return {"type": "array", "items": describe(kind.item, definitions)}
    if isinstance(kind, Scalar):
        return SCALARS[kind.name]
    assert isinstance(kind, Definition)
    definitions[kind.name] = {
        "type": "object",
        "properties": {each.name: describe(each.type, definitions) for each in kind.fields},
        "required": [each.name for each in kind.fields if each.required],
        "additionalProperties": False,
    }
    return {"$ref": f"#/$defs/{kind.name}"}


def build_presets() -> str:
    """Return Segment's presets as JSON."""
    return to_json(list(PRESETS_JSON))


def build_coverage_page() -> str:
    """Return the page of the documentation that says which rule and which row has which cases."""
    return "\n".join([*_COVERAGE, "", *_list_rules(), *_list_row_tables()]) + "\n"


_COVERAGE: Final = (
    "# Which case shows what",
    "",
    "Made from the [cases](conformance.md): how many there are of each rule, and which ones",
    "show each row of the tables of the reference. Each name is that of a file in",
    "`conformance/classic`, `mapped`, `source` or `hosts`.",
)


def _list_rules() -> Iterator[str]:
    yield "## By rule\n\n| System | Rule | | Cases | Of them departures |\n|---|---|---|---|---|"
    found = cases()
    for rule, about in read_rules().items():
        of_rule = [case for case in found if case.rule == rule]
        departures = sum(case.departure is not None for case in of_rule)
        title = f"[{about['title']}](../{about['page'].removeprefix('docs/')})"
        yield f"| {about['system']} | `{rule}` | {title} | {len(of_rule)} | {departures} |"


def _list_row_tables() -> Iterator[str]:
    by_row: dict[str, list[str]] = {}
    for case in cases():
        for name in case.rows:
            by_row.setdefault(name, []).append(f"`{case.id}`")
    place = ""
    for row in list_rows():
        if place != row.place:
            place = row.place
            yield f"\n## {place}\n\n[The tables]({place})\n\n| Row | Cases |\n|---|---|"
        shown = ", ".join(by_row.get(row.id, ())) or f"none: {WITHOUT_CASES[row.id]}"
        yield f"| {_escape(row.name)} | {shown} |"


def _escape(text: str) -> str:
    """Return a text that Markdown shows as it is, inside a table."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~^])", r"\\\1", text)


def to_json(value: Any) -> str:
    """Return a value as the files have it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


#: What is made, by its path.
FILES: Final[dict[str, Callable[[], str]]] = {
    "conformance/presets.json": build_presets,
    "conformance/requests.schema.json": build_requests_schema,
    "docs/reference/coverage.md": build_coverage_page,
}

if __name__ == "__main__":
    for name, build in FILES.items():
        (ROOT / name).write_text(build(), "utf-8")
