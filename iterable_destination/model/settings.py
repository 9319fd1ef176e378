"""Settings: what a user can choose, under Segment's names or ours, or from the environment."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

import attrs

from iterable_destination.errors import InvalidSettings
from iterable_destination.model import endpoints
from iterable_destination.model.json_values import describe_type

#: Where an Iterable project is, or a Segment workspace.
DataCenter = Literal["US", "EU"]
#: Segment's names for data centers, and ours, in lower case.
_DATA_CENTERS: Final[Mapping[str, DataCenter]] = {
    "united_states": "US",
    "europe": "EU",
    "us": "US",
    "eu": "EU",
}
#: What a URL must not have: a password, a query, a fragment, or anything but printable ASCII.
_NOT_IN_URL: Final = re.compile(r"[@?#]|[^!-~]")


def check_boolean(name: str, value: Any) -> None:
    """Raise :exc:`InvalidSettings` unless a setting is true or false."""
    if not isinstance(value, bool):
        raise InvalidSettings(f"{name}: must be true or false, not {describe_type(value)}")


def check_key(name: str, value: Any) -> None:
    """Raise :exc:`InvalidSettings` unless a key can stand in a header."""
    _check_string(name, value)
    if not (value and value.isascii() and value.isprintable()):
        raise InvalidSettings(f"{name}: must be printable ASCII and not empty")
    if value != value.strip():
        raise InvalidSettings(f"{name}: must not begin or end with a space")


def check_url(name: str, value: Any) -> None:
    """Raise :exc:`InvalidSettings` unless an address is one that requests can go to."""
    _check_string(name, value)
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or _NOT_IN_URL.search(value):
        message = "must be https:// or http://, a host, and perhaps a port and a path"
        raise InvalidSettings(f"{name}: {message}")


def _check_string(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise InvalidSettings(f"{name}: must be a string, not {describe_type(value)}")


def validate(check: Callable[[str, Any], None]) -> Any:
    """Return an attrs validator that checks a value by the field's name."""
    return lambda _, attribute, value: check(attribute.name, value)


def _validate_optional(check: Callable[[str, Any], None]) -> Any:
    return attrs.validators.optional(validate(check))


def _convert_data_center(value: Any) -> Any:
    return _DATA_CENTERS.get(value.lower(), value) if isinstance(value, str) else value


def _check_data_center(name: str, value: Any) -> None:
    if not isinstance(value, str) or value not in endpoints.BASE_URLS:
        raise InvalidSettings(f"{name}: must be US or EU (for Segment united_states or europe)")


def _convert_list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_list(name: str, value: Any) -> None:
    if not isinstance(value, tuple):
        raise InvalidSettings(f"{name}: must be a list, not {describe_type(value)}")


def _shorten(mappings: Sequence[Any] | None) -> str:
    return "[...]" if mappings else repr(mappings)


@attrs.frozen(kw_only=True)
class Settings:
    """What a user can choose. Immutable; a wrong type or value raises :exc:`InvalidSettings`.

    The key is left out of ``repr`` and of pickles: a copy made by ``pickle`` has none.
    """

    #: The key of an Iterable project, of the type *Server-side*. Needed to send, not to
    #: translate. Segment: ``apiKey``.
    api_key: str | None = attrs.field(
        default=None, repr=False, validator=_validate_optional(check_key)
    )
    #: Send every page and screen as ``Loaded a Page`` or ``Loaded a Screen``; otherwise by its
    #: own name (``shoppingCart page``). Segment: ``mapAllPagesToSingleEventName``.
    map_all_pages_to_single_event_name: bool = attrs.field(
        default=True, validator=validate(check_boolean)
    )
    #: Send every page and screen. Segment: ``trackAllPages``.
    track_all_pages: bool = attrs.field(default=False, validator=validate(check_boolean))
    #: Send pages and screens that have a category. Segment: ``trackCategorizedPages``.
    track_categorized_pages: bool = attrs.field(default=True, validator=validate(check_boolean))
    #: Send pages and screens that have a name. Segment: ``trackNamedPages``.
    track_named_pages: bool = attrs.field(default=True, validator=validate(check_boolean))
    #: ``US`` or ``EU``: where the project is. Segment: ``dataCenterLocation``, with
    #: ``united_states`` or ``europe``.
    data_center: DataCenter = attrs.field(
        default="US", converter=_convert_data_center, validator=validate(_check_data_center)
    )
    #: Another server, such as a local Iterable; None is that of the data center.
    base_url: str | None = attrs.field(default=None, validator=_validate_optional(check_url))
    #: A mapped destination instead of the classic mapping: its subscriptions, at most 50, as
    #: Segment writes them or as ``mapping.actions.Subscription``; None is the classic mapping.
    #: Mistakes in them are raised where they are read first, by a
    #: :class:`~iterable_destination.Destination` when it is made. Not copied: do not change it.
    mappings: Sequence[Any] | None = attrs.field(
        default=None,
        converter=_convert_list,
        validator=_validate_optional(_check_list),
        hash=False,
        repr=_shorten,
    )
    #: Skip events with neither email nor userId instead of rejecting them: most web traffic is
    #: anonymous.
    skip_anonymous: bool = attrs.field(default=False, validator=validate(check_boolean))
    #: Reject events with a userId that looks like none, such as ``undefined``, ``null`` or ``0``;
    #: otherwise they have a note.
    refuse_placeholder_ids: bool = attrs.field(default=False, validator=validate(check_boolean))
    #: Read ``NaN``, and ``NaT`` and ``NA`` of pandas, as null, with a note; otherwise an event with
    #: one is rejected.
    nan_as_null: bool = attrs.field(default=False, validator=validate(check_boolean))
    #: Deliver events. Where it is False, as in tests and previews, a destination checks them and
    #: skips each one that it would send, and needs no key.
    enabled: bool = attrs.field(default=True, validator=validate(check_boolean))

    @property
    def url(self) -> str:
        """The server to send to, without a slash at the end."""
        return (self.base_url or endpoints.BASE_URLS[self.data_center]).rstrip("/")

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """Read settings under Segment's names or ours (``trackAllPages``, ``track_all_pages``).

        Keys that are neither are passed over with a :exc:`UserWarning`. A value of null is the
        default. Raises :exc:`InvalidSettings` naming the key for a wrong type or value, or for
        a setting that is there under both names.
        """
        chosen: dict[str, Any] = {}
        problems: list[str] = []
        for key, value in settings.items():
            name = _OURS.get(key, key)
            if name not in _NAMES:
                warnings.warn(f"unknown setting {key!r} is passed over", stacklevel=2)
            elif name in chosen:
                problems.append(f"{key}: is given twice, under Segment's name and ours")
            elif value is not None:
                chosen[name] = value
                problems += _find_problems(name, key, value)
        if problems:
            raise InvalidSettings("; ".join(problems))
        return cls(**chosen)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, base: Settings | None = None
    ) -> Settings:
        """Read the variables: ``ITERABLE_`` and a setting's name, as in ``ITERABLE_API_KEY``.

        True and false are ``true``, ``yes``, ``on`` or ``1``, and ``false``, ``no``, ``off`` or
        ``0``, in any case; ``ITERABLE_MAPPINGS`` is a JSON list. ``environment`` None is
        ``os.environ``. What is not set there, or is empty, is as in ``base``, or the default if
        that is None. Variables that begin so and are no setting are passed over with a
        :exc:`UserWarning`. Raises :exc:`InvalidSettings` naming the variable for a wrong value.
        """
        variables = os.environ if environment is None else environment
        chosen: dict[str, Any] = {}
        problems: list[str] = []
        for variable, text in variables.items():
            if not variable.startswith(_PREFIX) or not text or variable in _OF_OTHERS:
                continue
            name = variable.removeprefix(_PREFIX).lower()
            if name not in _NAMES or variable != variable.upper():
                warnings.warn(_describe_unknown(variable, name), stacklevel=2)
                continue
            try:
                chosen[name] = _read_text(name, text)
            except (ValueError, RecursionError):
                problems.append(f"{variable}: {_FORMS[name]}")
            else:
                problems += _find_problems(name, variable, chosen[name])
        if problems:
            raise InvalidSettings("; ".join(problems))
        return attrs.evolve(base or cls(), **chosen)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _NAMES if name != "api_key"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in ({"api_key": None} | state).items():
            object.__setattr__(self, name, value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self


def _describe_unknown(variable: str, name: str) -> str:
    likely = get_close_matches(name, sorted(_NAMES), 1)
    if not likely:
        return f"unknown variable {variable!r} is passed over"
    other = _PREFIX + likely[0].upper()
    return f"unknown variable {variable!r} is passed over (perhaps: {other})"


def _read_text(name: str, text: str) -> Any:
    """Return what the text of a variable stands for; raises :exc:`ValueError` if for nothing."""
    form = _FORMS.get(name)
    if form == _BOOLEAN:
        if text.strip().lower() not in _BOOLEANS:
            raise ValueError
        return _BOOLEANS[text.strip().lower()]
    return text if form is None else json.loads(text)


def _find_problems(name: str, key: str, value: Any) -> list[str]:
    """Try one setting alone; an error names the key as it was written."""
    try:
        Settings(**{name: value})
    except InvalidSettings as error:
        return [str(error).replace(name, key, 1)]
    return []


#: Segment's name of a setting, and ours.
_OURS: Final = {
    "apiKey": "api_key",
    "mapAllPagesToSingleEventName": "map_all_pages_to_single_event_name",
    "trackAllPages": "track_all_pages",
    "trackCategorizedPages": "track_categorized_pages",
    "trackNamedPages": "track_named_pages",
    "dataCenterLocation": "data_center",
}
_NAMES: Final = frozenset(field.name for field in attrs.fields(Settings))
_PREFIX: Final = "ITERABLE_"
#: Variables of this package that are no settings.
_OF_OTHERS: Final = frozenset({"ITERABLE_WEBHOOK_TOKEN"})
_BOOLEANS: Final[Mapping[str, bool]] = dict.fromkeys(
    ("true", "yes", "on", "1"), True
) | dict.fromkeys(("false", "no", "off", "0"), False)
_BOOLEAN: Final = "must be true or false"
#: What is said of the text of a variable, where it must stand for another value.
_FORMS: Final = {
    field.name: _BOOLEAN for field in attrs.fields(Settings) if isinstance(field.default, bool)
} | {"mappings": "must be a JSON list"}
