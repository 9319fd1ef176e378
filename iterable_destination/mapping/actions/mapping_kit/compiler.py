"""The mapping compiler: turn a mapping into one function, which is called for every event.

It also has the table of directives, and those that look something up. ``text_directives`` has
those that change texts, ``object_directives`` those that change objects and lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iterable_destination.errors import Problem, Reason
from iterable_destination.mapping.actions.mapping_kit import object_directives, text_directives
from iterable_destination.mapping.actions.mapping_kit.directive_options import (
    METADATA,
    DirectiveBuilder,
    Options,
    Reader,
    Resolve,
)
from iterable_destination.mapping.actions.mapping_kit.limits import check_size
from iterable_destination.mapping.actions.paths import (
    NOTHING,
    BadPath,
    OneKey,
    build_getter,
    read_path,
)
from iterable_destination.model.dates import TEXTS_STAY
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import scalar
from iterable_destination.model.reasons import not_an_object

#: Values in a mapping, objects and lists included. Ours: Segment documents no limit.
MAX_VALUES: Final = 10_000
#: A mapping with more values than this may grow: its result is counted for each event.
_MANY_VALUES: Final = 500


class MappingCompiler(Reader):
    """Compiles a mapping, and adds a problem with its place for every mistake in it."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._count = 0
        self._feeds_itself = False

    @property
    def may_grow(self) -> bool:
        """Whether the result for an event can be far larger than the event."""
        return self._feeds_itself or self._count > _MANY_VALUES

    def add_problem(self, path: str, reason: Reason) -> None:
        """Add a problem."""
        self._problems.append(reason.problem_at(path))

    def read(self, value: Any, path: str) -> Resolve:
        """Return the function that resolves a part of the mapping for an event."""
        self._count += 1
        if self._count == MAX_VALUES + 1:
            words = f"a mapping has at most {MAX_VALUES:,} values"
            self.add_problem(path, Reason("too-large", words))
        if self._count > MAX_VALUES:
            return Constant(None)
        if isinstance(value, list):
            return self._read_list(value, path)
        if not isinstance(value, dict):
            return Constant(value)
        directives = [key for key in value if key.startswith("@")]
        return (
            self._read_directive(directives, value, path)
            if directives
            else self._read_object(value, path)
        )

    def _read_list(self, elements: list[Any], path: str) -> Resolve:
        parts = [self.read(element, f"{path}[{index}]") for index, element in enumerate(elements)]

        def resolve(data: Any) -> list[Any]:
            values = [part(data) for part in parts]
            return [None if value is NOTHING else value for value in values]

        return resolve

    def _read_object(self, fields: dict[str, Any], path: str) -> Resolve:
        parts = {key: self.read(value, f"{path}.{key}") for key, value in fields.items()}
        names = {key: part.key for key, part in parts.items() if isinstance(part, OneKey)}
        if len(names) == len(parts):
            return _build_renamed(list(names.items()))
        constants = {key: part.value for key, part in parts.items() if isinstance(part, Constant)}
        return _build_object(
            constants, [part for part in parts.items() if part[0] not in constants]
        )

    def _read_directive(self, names: list[str], value: dict[str, Any], path: str) -> Resolve:
        name = names[0]
        if value.keys() - {name, METADATA}:
            words = f"{name} must be the only key of its object"
            self.add_problem(path, Reason("unknown-key", words))
        elif name in DIRECTIVES:
            options = Options(self, name, value[name], f"{path}.{name}")
            self._feeds_itself |= name == "@transform" or options.begins_with_directive
            return DIRECTIVES[name](options)
        else:
            self.add_problem(f"{path}.{name}", _UNSUPPORTED.get(name, _NO_SUCH_DIRECTIVE))
        return Constant(None)


class Constant:
    """Resolves to the same value for every event."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value: Final = value

    def __call__(self, _: Any) -> Any:
        """Return the value."""
        return self.value


def _build_object(constants: dict[str, Any], parts: list[tuple[str, Resolve]]) -> Resolve:
    """Build a function that resolves to an object of these parts."""

    def resolve(data: Any) -> dict[str, Any]:
        result = constants.copy()
        for key, part in parts:
            value = part(data)
            if value is not NOTHING:
                result[key] = value
        return result

    return resolve


def _build_renamed(names: list[tuple[str, str]]) -> Resolve:
    """Build a function that copies fields of an object under other names.

    It is a quicker case of :func:`_build_object`.
    """
    resolve_other = _build_object({}, [(key, OneKey(name)) for key, name in names])

    def resolve(data: Any) -> Any:
        if type(data) is not dict:
            return resolve_other(data)
        return {key: data[name] for key, name in names if name in data}

    return resolve


def read_mapping(mapping: Any, path: str, problems: list[Problem]) -> tuple[Any, Resolve]:
    """Return a copy of a mapping, and the function that resolves it for an event.

    Mistakes are added to ``problems``, with their places; then do not call the function. ``path``
    is the place of the mapping itself.
    """
    before = len(problems)
    if not isinstance(mapping, Mapping):
        problems.append(not_an_object(mapping).problem_at(path))
        return {}, Constant(NOTHING)
    copy = data_fields({path: mapping}, "", problems, TEXTS_STAY)[path]
    if len(problems) > before:
        return copy, Constant(NOTHING)
    reader = MappingCompiler(problems)
    resolve = reader.read(copy, path)
    return copy, (lambda data: check_size(resolve(data))) if reader.may_grow else resolve


# --- The directives that look something up -----------------------------------------------------


def _path(options: Options) -> Resolve:
    if isinstance(options.value, str):
        try:
            return build_getter(read_path(options.value))
        except BadPath as error:
            options.add_problem(error.reason)
            return Constant(NOTHING)
    wanted = options.read_text_or_directive()

    def resolve(data: Any) -> Any:
        text = scalar(wanted(data))
        try:
            return build_getter(read_path(text))(data) if isinstance(text, str) else NOTHING
        except BadPath:
            return NOTHING

    return resolve


def _literal(options: Options) -> Resolve:
    return options.read_whole()


def _if(options: Options) -> Resolve:
    options.require_object("exists", "blank", "then", "else")
    exists = options.has("exists")
    if not exists and not options.has("blank"):
        options.add_problem(Reason("missing", "needs exists or blank"))
    is_given = _is_present if exists else _is_not_blank
    asked = options.read_part("exists" if exists else "blank")
    then, otherwise = options.read_part("then"), options.read_part("else")
    if exists and options.get("then") == options.get("exists"):
        return _build_fallback(asked, otherwise)
    return lambda data: (then if is_given(asked(data)) else otherwise)(data)


def _build_fallback(wanted: Resolve, otherwise: Resolve) -> Resolve:
    """Build a function that resolves to a value if there is one, and else to another one.

    This is the most common ``@if``.
    """

    def resolve(data: Any) -> Any:
        value = wanted(data)
        return otherwise(data) if value is NOTHING or value is None else value

    return resolve


def _is_present(value: Any) -> bool:
    return value is not NOTHING and value is not None


def _is_not_blank(value: Any) -> bool:
    """Whether a value is not blank; nothing, null, ``""``, 0, false and ``[]`` are blank."""
    plain = scalar(value)
    return _is_present(plain) and (isinstance(plain, Mapping) or not _is_empty(plain))


def _is_empty(value: Any) -> bool:
    return isinstance(value, str | bool | int | float | list | tuple) and not value


#: The directives, and the functions that build their resolvers.
DIRECTIVES: Final[dict[str, DirectiveBuilder]] = {
    "@path": _path,
    "@template": text_directives.template,
    "@literal": _literal,
    "@if": _if,
    "@case": text_directives.case,
    "@replace": text_directives.replace,
    "@json": text_directives.json,
    "@arrayPath": object_directives.array_path,
    "@flatten": object_directives.flatten,
    "@merge": object_directives.merge,
    "@transform": object_directives.transform,
    "@excludeWhenNull": object_directives.exclude_when_null,
}
_NO_SUCH_DIRECTIVE: Final = Reason("unknown-directive", "there is no such directive")
#: Segment's directives that are not supported.
_UNSUPPORTED: Final = {
    "@liquid": Reason(
        "unsupported-directive", "is not supported: write it with the other directives"
    )
}
