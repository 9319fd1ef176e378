"""Settings: what a user can choose, read from Segment's names or ours.

What may live here: the settings, where they come from, and the care that the key is never shown.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self
from urllib.parse import urlsplit

import attrs

from iterable_destination.errors import InvalidSettings
from iterable_destination.model import endpoints
from iterable_destination.model.json_values import describe_type

#: Segment's name for a data center, and ours.
_DATA_CENTERS: Final = {"united_states": "US", "europe": "EU", "US": "US", "EU": "EU"}


def _boolean(_: Any, attribute: attrs.Attribute[bool], value: Any) -> None:
    if not isinstance(value, bool):
        message = f"{attribute.name}: must be true or false, not {describe_type(value)}"
        raise InvalidSettings(message)


def _text(_: Any, attribute: attrs.Attribute[str | None], value: Any) -> None:
    if value is not None and not isinstance(value, str):
        message = f"{attribute.name}: must be a string, not {describe_type(value)}"
        raise InvalidSettings(message)


def _key(instance: Any, attribute: attrs.Attribute[str | None], value: Any) -> None:
    _text(instance, attribute, value)
    if value is not None and not (value and value.isascii() and value.isprintable()):
        message = f"{attribute.name}: must be printable ASCII and not empty"
        raise InvalidSettings(message)
    if value is not None and value != value.strip():
        message = f"{attribute.name}: must not begin or end with a space"
        raise InvalidSettings(message)


def _data_center(value: Any) -> Any:
    return _DATA_CENTERS.get(value, value) if isinstance(value, str) else value


def _known_data_center(_: Any, attribute: attrs.Attribute[str], value: Any) -> None:
    if not isinstance(value, str) or value not in endpoints.BASE_URLS:
        message = f"{attribute.name}: must be US or EU (for Segment united_states or europe)"
        raise InvalidSettings(message)


def _url(instance: Any, attribute: attrs.Attribute[str | None], value: Any) -> None:
    _text(instance, attribute, value)
    if value is None:
        return
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or _NOT_IN_URL.search(value):
        message = "must be https:// or http://, a host, and perhaps a port and a path"
        raise InvalidSettings(f"{attribute.name}: {message}")


#: A password, a query, a fragment, and what is no printable ASCII.
_NOT_IN_URL: Final = re.compile(r"[@?#]|[^!-~]")


def _elements(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _list(_: Any, attribute: attrs.Attribute[Sequence[Any] | None], value: Any) -> None:
    if value is not None and not isinstance(value, tuple):
        raise InvalidSettings(f"{attribute.name}: must be a list, not {describe_type(value)}")


def _shortened(mappings: Sequence[Any] | None) -> str:
    return "[...]" if mappings else repr(mappings)


@attrs.frozen(kw_only=True)
class Settings:
    """What can be chosen. Immutable; a wrong type or value raises :exc:`InvalidSettings`.

    The key is left out of ``repr`` and of pickles: a copy made by ``pickle`` has none.
    """

    #: The key of an Iterable project, of the type *Server-side*. Needed to send, not to
    #: translate. Segment: ``apiKey``.
    api_key: str | None = attrs.field(default=None, repr=False, validator=_key)
    #: Send every page and screen as ``Loaded a Page`` or ``Loaded a Screen``; otherwise by its
    #: own name (``shoppingCart page``). Segment: ``mapAllPagesToSingleEventName``.
    map_all_pages_to_single_event_name: bool = attrs.field(default=True, validator=_boolean)
    #: Send every page and screen. Segment: ``trackAllPages``.
    track_all_pages: bool = attrs.field(default=False, validator=_boolean)
    #: Send pages and screens that have a category. Segment: ``trackCategorizedPages``.
    track_categorized_pages: bool = attrs.field(default=True, validator=_boolean)
    #: Send pages and screens that have a name. Segment: ``trackNamedPages``.
    track_named_pages: bool = attrs.field(default=True, validator=_boolean)
    #: ``US`` or ``EU``: where the project is. Segment: ``dataCenterLocation``, with
    #: ``united_states`` or ``europe``.
    data_center: str = attrs.field(
        default="US", converter=_data_center, validator=_known_data_center
    )
    #: Another server, such as a local Iterable; None is that of the data center.
    base_url: str | None = attrs.field(default=None, validator=_url)
    #: A mapped destination instead of the classic mapping: its subscriptions, at most 50, as
    #: Segment writes them or as ``mapping.actions.Subscription``; None is the classic mapping.
    #: Mistakes in them are found where they are read first, by a
    #: :class:`~iterable_destination.Destination` when it is made. Not copied: do not change it.
    mappings: Sequence[Any] | None = attrs.field(
        default=None, converter=_elements, validator=_list, hash=False, repr=_shortened
    )
    #: Skip events with neither email nor userId instead of refusing them: most web traffic is
    #: anonymous.
    skip_anonymous: bool = attrs.field(default=False, validator=_boolean)
    #: What others made of these settings, by its name, so that they make it once.
    made: dict[str, Any] = attrs.field(factory=dict, init=False, eq=False, repr=False)

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
                problems += _problems(name, key, value)
        if problems:
            raise InvalidSettings("; ".join(problems))
        return cls(**chosen)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, base: Settings | None = None
    ) -> Settings:
        """Read ``ITERABLE_API_KEY``, ``ITERABLE_DATA_CENTER`` and ``ITERABLE_BASE_URL``.

        ``environment`` None is ``os.environ``. What is not set there, or is empty, is as in
        ``base``, or the default if that is None. Raises :exc:`InvalidSettings` naming the
        variable for a wrong value.
        """
        variables = os.environ if environment is None else environment
        chosen: dict[str, Any] = {
            name: variables[variable]
            for variable, name in _VARIABLES.items()
            if variables.get(variable)
        }
        problems = [
            problem
            for variable, name in _VARIABLES.items()
            if name in chosen
            for problem in _problems(name, variable, chosen[name])
        ]
        if problems:
            raise InvalidSettings("; ".join(problems))
        return attrs.evolve(base or cls(), **chosen)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _NAMES if name != "api_key"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in ({"api_key": None, "made": {}} | state).items():
            object.__setattr__(self, name, value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self


def _problems(name: str, key: str, value: Any) -> list[str]:
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
_NAMES: Final = frozenset(field.name for field in attrs.fields(Settings) if field.init)
_VARIABLES: Final = {
    "ITERABLE_API_KEY": "api_key",
    "ITERABLE_DATA_CENTER": "data_center",
    "ITERABLE_BASE_URL": "base_url",
}
