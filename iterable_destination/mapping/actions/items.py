"""Items: coerce the products of a cart or a purchase to Iterable's commerce items."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.mapping_kit.object_directives import ShapedNull
from iterable_destination.mapping.actions.payload import (
    NUMBER,
    PLAIN,
    TEXT,
    WHOLE,
    Field,
    coerce_fields,
)
from iterable_destination.model.dates import DAYS_STAY
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_list, as_object, is_blank, scalar
from iterable_destination.model.reasons import NULL_PASSED_OVER
from iterable_destination.model.validation import (
    categories_problem,
    int64_problem,
    number_problem,
)

#: The fields of an item. All its other keys are sent in its ``dataFields``.
_FIELDS: Final = (
    Field("id", coercion.coerce_text, TEXT, required=True),
    Field("name", coercion.coerce_text, TEXT, required=True),
    Field("quantity", coercion.coerce_integer, WHOLE, int64_problem, required=True),
    Field("price", coercion.coerce_number, NUMBER, number_problem, required=True),
    Field("sku", coercion.coerce_text, TEXT),
    Field("url", coercion.coerce_text, TEXT),
    Field("imageUrl", coercion.coerce_text, TEXT),
    Field("description", coercion.coerce_text, TEXT),
)
#: Keys of an item that are not sent in its ``dataFields``.
_NOT_DATA: Final = frozenset({field.name for field in _FIELDS}) | {
    *("categories", "category", "image_url", "product_id"),
}


def coerce_items(value: Any, path: str, found: Findings) -> list[dict[str, Any]]:
    """Return a list of items. A single object counts as a list of one; nulls are passed over."""
    plain = value if type(value) in PLAIN else scalar(value)
    elements = as_list(plain) if as_object(plain) is None else [plain]
    if elements is None:
        coercion.coerce_object(plain, f"{path}[0]", found)
        return []
    items = []
    for index, element in enumerate(elements):
        if element is None or type(element) is ShapedNull:
            found.add_note(f"{path}[{index}]", NULL_PASSED_OVER)
        else:
            items.append(_coerce_item(element, f"{path}[{index}]", found))
    return items


def _coerce_item(value: Any, path: str, found: Findings) -> dict[str, Any]:
    """Coerce an item to the form that Iterable takes."""
    fields = coercion.coerce_object(value, path, found)
    if fields is None:
        return {}
    item = coerce_fields(_FIELDS, fields, f"{path}.", found)
    categories = scalar(fields.get("categories"))
    if not is_blank(categories):
        item["categories"] = _coerce_categories(categories, f"{path}.categories", found)
    rest = {}
    if not _NOT_DATA.issuperset(fields):
        rest = {key: value for key, value in fields.items() if key not in _NOT_DATA}
        rest = data_fields(rest, path, found.problems, DAYS_STAY)
    item["dataFields"] = rest
    return item


def _coerce_categories(value: Any, path: str, found: Findings) -> list[Any]:
    """Return a single category as a list of one, and a list with numbers in it as texts."""
    elements = as_list(value)
    if elements is None:
        return [coercion.coerce_text(value, path, found)]
    categories = list(map(scalar, elements))
    for index, category in enumerate(categories):
        if isinstance(category, int | float):
            categories[index] = coercion.coerce_text(category, f"{path}[{index}]", found)
    problem = categories_problem(categories)
    if problem is not None:
        found.add_refusal(path, problem)
    return categories
