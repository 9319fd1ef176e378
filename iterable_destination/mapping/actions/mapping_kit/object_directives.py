"""Directives that build objects and lists.

They are ``@arrayPath``, ``@flatten``, ``@merge``, ``@transform`` and ``@excludeWhenNull``. The size
of what another directive passes to them is checked first, see
:mod:`~iterable_destination.mapping.actions.mapping_kit.limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from iterable_destination.errors import Reason
from iterable_destination.mapping.actions.mapping_kit.directive_options import (
    Options,
    Resolve,
    Unmappable,
    is_directive,
    not_a_directive,
)
from iterable_destination.mapping.actions.mapping_kit.limits import check_size
from iterable_destination.mapping.actions.paths import NOTHING, BadPath, build_getter, read_path
from iterable_destination.model.endpoints import MAX_BODY_BYTES
from iterable_destination.model.json_copy import MAX_NESTING, TOO_DEEP
from iterable_destination.model.json_values import as_list, as_object, describe_type, scalar
from iterable_destination.model.reasons import key_not_a_string, not_an_object


def array_path(options: Options) -> Resolve:
    """``@arrayPath``: a list, each element of which is mapped to a shape.

    Only an object that is not empty is a shape; with anything else it is the list itself.
    """
    value = options.value
    if not isinstance(value, list) or not 1 <= len(value) <= 2:  # noqa: PLR2004 - path and shape
        words = "must be a list of a path and perhaps a shape"
        options.add_problem(Reason("not-a-list", words))
        return lambda _: NOTHING
    source = _read_source(options)
    if not isinstance(value[-1], dict) or not value[1:] or not value[1]:
        return source
    shape = options.read_element(1)

    def resolve(data: Any) -> Any:
        found = source(data)
        elements = found if type(found) is list else _list_elements(found)
        if elements is None:
            return found
        shaped = [
            shape(element) if element is not None else _shape_null(shape) for element in elements
        ]
        return [None if value is NOTHING else value for value in shaped]

    return resolve


class ShapedNull(dict[Any, Any]):
    """The object that a shape makes of an element that is null: it stands for no thing."""


def _shape_null(shape: Resolve) -> Any:
    shaped = shape(None)
    return ShapedNull(shaped) if type(shaped) is dict else shaped


def _list_elements(found: Any) -> list[Any] | None:
    """Return the elements of a list, or a single object as a list of one; None of other values."""
    plain = scalar(found)
    return as_list(plain) if as_object(plain) is None else [plain]


def _read_source(options: Options) -> Resolve:
    """Read the first element: a path, or a directive that resolves to the list itself."""
    path = options.value[0]
    if isinstance(path, str):
        try:
            return build_getter(read_path(path))
        except BadPath as error:
            options.add_problem(error.reason, "[0]")
    elif not is_directive(path):
        options.add_problem(not_a_directive(path), "[0]")
    wanted = options.read_element(0)
    return lambda data: check_size(wanted(data))


def flatten(options: Options) -> Resolve:
    """``@flatten``: an object of one level, whose keys are paths joined by the separator."""
    options.require_object("value", "separator", "omitArrays")
    separator = options.read_text("separator")
    keeps_lists = options.read_flag("omitArrays", default=False)
    wanted = options.read_part("value", required=True)

    def resolve(data: Any) -> Any:
        value = scalar(check_size(wanted(data)))
        if _list_children(value, keeps_lists=keeps_lists) is None:
            return value
        flat, remaining = {}, MAX_BODY_BYTES
        for key, inner in _flatten_value(value, (), separator, keeps_lists=keeps_lists):
            flat[key] = inner
            remaining -= len(key)
            if remaining < 0:
                words = f"makes keys of more than {MAX_BODY_BYTES:,} characters"
                raise Unmappable(Reason("too-large", words))
        return flat

    return resolve


def _list_children(value: Any, *, keeps_lists: bool) -> Iterable[tuple[Any, Any]] | None:
    """Return the keys and values of a value that can be flattened; None of any other."""
    fields = as_object(value)
    if fields is not None:
        for key in fields:
            if not isinstance(key, str):
                raise Unmappable(key_not_a_string(key))
        return fields.items()
    elements = None if keeps_lists else as_list(value)
    return None if elements is None else enumerate(elements)


def _flatten_value(
    value: Any, keys: tuple[str, ...], separator: str, *, keeps_lists: bool
) -> Iterator[tuple[str, Any]]:
    children = _list_children(value, keeps_lists=keeps_lists)
    if children is None:
        yield separator.join(keys), value
        return
    if len(keys) >= MAX_NESTING:
        raise Unmappable(TOO_DEEP)
    for key, inner in children:
        yield from _flatten_value(
            scalar(inner), (*keys, str(key)), separator, keeps_lists=keeps_lists
        )


def merge(options: Options) -> Resolve:
    """``@merge``: several objects in one; ``direction`` says which value of a key counts."""
    options.require_object("objects", "direction")
    direction = options.read_choice("direction", ("right", "left"))
    objects = options.get("objects")
    if not isinstance(objects, list):
        words = f"must be a list of objects, not {describe_type(objects)}"
        options.add_problem(Reason("not-a-list", words), ".objects")
    wanted = options.read_part("objects")

    def resolve(data: Any) -> dict[Any, Any]:
        found = [fields for value in wanted(data) if (fields := as_object(scalar(value)))]
        merged: dict[Any, Any] = {}
        for fields in found if direction == "right" else reversed(found):
            merged |= fields
        return merged

    return resolve


def transform(options: Options) -> Resolve:
    """``@transform``: a mapping of the result of another mapping."""
    options.require_object("apply", "mapping")
    for key in ("apply", "mapping"):
        value = options.get(key)
        if options.has(key) and not isinstance(value, dict):
            options.add_problem(not_an_object(value), f".{key}")
    apply = options.read_part("apply", required=True)
    mapping = options.read_part("mapping", required=True)
    return lambda data: mapping(check_size(apply(data)))


def exclude_when_null(options: Options) -> Resolve:
    """``@excludeWhenNull``: a value without the nulls in its objects; null becomes nothing."""
    wanted = options.read_whole()

    def resolve(data: Any) -> Any:
        value = _remove_nulls(check_size(wanted(data)), MAX_NESTING)
        return NOTHING if value is None else value

    return resolve


def _remove_nulls(value: Any, remaining: int) -> Any:
    plain = scalar(value)
    fields = as_object(plain)
    if fields is None:
        return plain
    if not remaining:
        raise Unmappable(TOO_DEEP)
    cleaned = {key: _remove_nulls(inner, remaining - 1) for key, inner in fields.items()}
    return {key: inner for key, inner in cleaned.items() if inner is not None}
