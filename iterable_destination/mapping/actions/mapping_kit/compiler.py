"""Mappings: objects in which some objects are directives, made ready once.

How a mapping is read, and the table of directives. Those that change texts stand in
``text_directives``, those that change objects and lists in ``object_directives``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iterable_destination.errors import Problem
from iterable_destination.mapping.actions.mapping_kit import object_directives as shapes
from iterable_destination.mapping.actions.mapping_kit import text_directives as texts
from iterable_destination.mapping.actions.mapping_kit.directive_options import (
    METADATA,
    Make,
    Options,
    Reader,
    Resolve,
)
from iterable_destination.mapping.actions.mapping_kit.limits import bounded
from iterable_destination.mapping.actions.paths import NOTHING, BadPath, OneKey, getter, read_path
from iterable_destination.model.dates import TEXTS_STAY
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import describe_type, scalar

#: Values in a mapping, objects and lists included. Ours: Segment documents no limit.
MAX_VALUES: Final = 10_000
#: From here on what a mapping makes is counted for each event.
_MANY_VALUES: Final = 500


class ReadMapping(Reader):
    """Reads a mapping, and writes down every mistake in it with its place."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._count = 0
        self._feeds_itself = False

    @property
    def may_grow(self) -> bool:
        """Whether what it makes of an event can be out of all proportion to the event."""
        return self._feeds_itself or self._count > _MANY_VALUES

    def add_problem(self, path: str, message: str) -> None:
        """Add a problem."""
        self._problems.append(Problem(path, message))

    def read(self, value: Any, path: str) -> Resolve:
        """Return the function that gives what a part of the mapping says, for an event."""
        self._count += 1
        if self._count == MAX_VALUES + 1:
            self.add_problem(path, f"a mapping has at most {MAX_VALUES:,} values")
        if self._count > MAX_VALUES:
            return Constant(None)
        if isinstance(value, list):
            return self._list(value, path)
        if not isinstance(value, dict):
            return Constant(value)
        directives = [key for key in value if key.startswith("@")]
        return self._directive(directives, value, path) if directives else self._object(value, path)

    def _list(self, elements: list[Any], path: str) -> Resolve:
        parts = [self.read(element, f"{path}[{index}]") for index, element in enumerate(elements)]

        def resolve(data: Any) -> list[Any]:
            found = [part(data) for part in parts]
            return [None if value is NOTHING else value for value in found]

        return resolve

    def _object(self, fields: dict[str, Any], path: str) -> Resolve:
        parts = {key: self.read(value, f"{path}.{key}") for key, value in fields.items()}
        names = {key: part.key for key, part in parts.items() if isinstance(part, OneKey)}
        if len(names) == len(parts):
            return _copied(list(names.items()))
        constants = {key: part.value for key, part in parts.items() if isinstance(part, Constant)}
        return _made(constants, [part for part in parts.items() if part[0] not in constants])

    def _directive(self, names: list[str], value: dict[str, Any], path: str) -> Resolve:
        name = names[0]
        if value.keys() - {name, METADATA}:
            self.add_problem(path, f"{name} must be the only key of its object")
        elif name in DIRECTIVES:
            options = Options(self, name, value[name], f"{path}.{name}")
            self._feeds_itself |= name == "@transform" or options.begins_with_directive
            return DIRECTIVES[name](options)
        else:
            reason = _REFUSED.get(name, "there is no such directive")
            self.add_problem(f"{path}.{name}", reason)
        return Constant(None)


class Constant:
    """Gives the same value for every event."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value: Final = value

    def __call__(self, _: Any) -> Any:
        """Return the value."""
        return self.value


def _made(constants: dict[str, Any], parts: list[tuple[str, Resolve]]) -> Resolve:
    """Return a function that makes an object of these parts."""

    def resolve(data: Any) -> dict[str, Any]:
        made = constants.copy()
        for key, part in parts:
            value = part(data)
            if value is not NOTHING:
                made[key] = value
        return made

    return resolve


def _copied(names: list[tuple[str, str]]) -> Resolve:
    """Return a function that makes an object of another's fields, under other names: quicker."""
    made = _made({}, [(key, OneKey(name)) for key, name in names])

    def resolve(data: Any) -> Any:
        if type(data) is not dict:
            return made(data)
        return {key: data[name] for key, name in names if name in data}

    return resolve


def read_mapping(mapping: Any, path: str, problems: list[Problem]) -> tuple[Any, Resolve]:
    """Return a copy of a mapping, and the function that gives what it says for an event.

    What is wrong with it is added to ``problems``, with the place; then the function is not to be
    used. ``path`` is what the mapping itself is called.
    """
    before = len(problems)
    if not isinstance(mapping, Mapping):
        problems.append(Problem(path, f"must be an object, not {describe_type(mapping)}"))
        return {}, Constant(NOTHING)
    copy = data_fields({path: mapping}, "", problems, TEXTS_STAY)[path]
    if len(problems) > before:
        return copy, Constant(NOTHING)
    reader = ReadMapping(problems)
    resolve = reader.read(copy, path)
    return copy, (lambda data: bounded(resolve(data))) if reader.may_grow else resolve


# --- The directives that look something up -----------------------------------------------------


def _path(options: Options) -> Resolve:
    if isinstance(options.given, str):
        try:
            return getter(read_path(options.given))
        except BadPath as error:
            options.add_problem(str(error))
            return Constant(NOTHING)
    wanted = options.text_or_directive()

    def resolve(data: Any) -> Any:
        text = scalar(wanted(data))
        try:
            return getter(read_path(text))(data) if isinstance(text, str) else NOTHING
        except BadPath:
            return NOTHING

    return resolve


def _literal(options: Options) -> Resolve:
    return options.whole()


def _if(options: Options) -> Resolve:
    options.is_object("exists", "blank", "then", "else")
    exists = options.has("exists")
    if not exists and not options.has("blank"):
        options.add_problem("needs exists or blank")
    says = _is_there if exists else _is_not_blank
    asked = options.part("exists" if exists else "blank")
    then, otherwise = options.part("then"), options.part("else")
    if exists and options.get("then") == options.get("exists"):
        return _first(asked, otherwise)
    return lambda data: (then if says(asked(data)) else otherwise)(data)


def _first(wanted: Resolve, otherwise: Resolve) -> Resolve:
    """Return a function that gives a value if it is there, and else another: the usual ``@if``."""

    def resolve(data: Any) -> Any:
        value = wanted(data)
        return otherwise(data) if value is NOTHING or value is None else value

    return resolve


def _is_there(value: Any) -> bool:
    return value is not NOTHING and value is not None


def _is_not_blank(value: Any) -> bool:
    """Whether a value counts: blank are nothing, null, ``""``, 0, false and an empty list."""
    plain = scalar(value)
    return _is_there(plain) and (isinstance(plain, Mapping) or not _is_empty(plain))


def _is_empty(value: Any) -> bool:
    return isinstance(value, str | bool | int | float | list | tuple) and not value


#: Every directive, and what makes a function of it.
DIRECTIVES: Final[dict[str, Make]] = {
    "@path": _path,
    "@template": texts.template,
    "@literal": _literal,
    "@if": _if,
    "@case": texts.case,
    "@replace": texts.replace,
    "@json": texts.json,
    "@arrayPath": shapes.array_path,
    "@flatten": shapes.flatten,
    "@merge": shapes.merge,
    "@transform": shapes.transform,
    "@excludeWhenNull": shapes.exclude_when_null,
}
#: Directives of Segment's that are known and not taken.
_REFUSED: Final = {"@liquid": "is not supported: write it with the other directives"}
