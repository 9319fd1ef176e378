"""Settings: their names and defaults, and the messages for wrong values."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import Any

import attrs
import pytest

from iterable_destination.errors import InvalidSettings
from iterable_destination.model.settings import Settings

KEY = "0123456789abcdef0123456789abcdef"

DEFAULTS = {
    "api_key": None,
    "map_all_pages_to_single_event_name": True,
    "track_all_pages": False,
    "track_categorized_pages": True,
    "track_named_pages": True,
    "data_center": "US",
    "base_url": None,
    "mappings": None,
    "skip_anonymous": False,
    "refuse_placeholder_ids": False,
    "nan_as_null": False,
    "enabled": True,
}

#: Every setting by Segment's name, if it has one there, and ours; and what is not its default.
OTHERS: list[tuple[str | None, str, Any, Any]] = [
    ("apiKey", "api_key", KEY, KEY),
    (
        "mapAllPagesToSingleEventName",
        "map_all_pages_to_single_event_name",
        False,
        False,
    ),
    ("trackAllPages", "track_all_pages", True, True),
    ("trackCategorizedPages", "track_categorized_pages", False, False),
    ("trackNamedPages", "track_named_pages", False, False),
    ("dataCenterLocation", "data_center", "europe", "EU"),
    (None, "base_url", "http://localhost:8080", "http://localhost:8080"),
    (None, "mappings", [{"name": "One"}], ({"name": "One"},)),
    (None, "skip_anonymous", True, True),
    (None, "refuse_placeholder_ids", True, True),
    (None, "nan_as_null", True, True),
    (None, "enabled", False, False),
]


def chosen(settings: Settings) -> dict[str, Any]:
    """Return what can be chosen, by our names."""
    return attrs.asdict(settings, filter=lambda field, _: field.init)


BOOLEANS = [name for name, default in DEFAULTS.items() if isinstance(default, bool)]


def test_the_defaults_are_those_of_segment() -> None:
    assert chosen(Settings()) == DEFAULTS


@pytest.mark.parametrize(("segments", "ours", "given", "expected"), OTHERS)
def test_a_setting_is_read_under_both_names(
    segments: str | None, ours: str, given: Any, expected: Any
) -> None:
    names = [name for name in (segments, ours) if name is not None]
    read = [chosen(Settings.from_mapping({name: given})) for name in names]
    assert read == [{**DEFAULTS, ours: expected} for _ in names]


def test_every_setting_is_read_at_once() -> None:
    read = Settings.from_mapping({ours: given for _, ours, given, _ in OTHERS})
    assert chosen(read) == {ours: expected for _, ours, _, expected in OTHERS}


def test_null_is_the_default() -> None:
    assert Settings.from_mapping(dict.fromkeys(DEFAULTS)) == Settings()


def test_an_unknown_setting_is_passed_over_with_a_warning() -> None:
    said = "unknown setting 'trackallpages' is passed over"
    with pytest.warns(UserWarning, match=rf"\A{said}\Z") as caught:
        settings = Settings.from_mapping({"trackallpages": True, "track_named_pages": False})
    assert settings == Settings(track_named_pages=False)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("US", "US"),
        ("EU", "EU"),
        ("united_states", "US"),
        ("europe", "EU"),
        ("eu", "EU"),
        ("Us", "US"),
        ("Europe", "EU"),
    ],
)
def test_a_data_center_has_two_names_in_any_case(given: str, expected: str) -> None:
    assert Settings(data_center=given).data_center == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), "https://api.iterable.com"),
        (Settings(data_center="EU"), "https://api.eu.iterable.com"),
        (Settings(base_url="http://localhost:1/"), "http://localhost:1"),
        (Settings(base_url="https://x.test/api//", data_center="EU"), "https://x.test/api"),
    ],
)
def test_the_url_is_that_of_the_data_center_or_ones_own(settings: Settings, expected: str) -> None:
    assert settings.url == expected


NO_URL = "must be https:// or http://, a host, and perhaps a port and a path"

WRONG: list[tuple[str, Any, str]] = [
    *(
        (name, value, f"must be true or false, not {kind}")
        for name in BOOLEANS
        for value, kind in (("true", "a string"), (1, "a number"), ([], "a list"))
    ),
    ("api_key", 5, "must be a string, not a number"),
    ("api_key", b"x", "must be a string, not a value of type bytes"),
    ("api_key", "", "must be printable ASCII and not empty"),
    ("api_key", "kéy", "must be printable ASCII and not empty"),
    ("api_key", "key\n", "must be printable ASCII and not empty"),
    ("api_key", " key", "must not begin or end with a space"),
    ("api_key", "key ", "must not begin or end with a space"),
    ("api_key", " ", "must not begin or end with a space"),
    ("data_center", "de", "must be US or EU (for Segment united_states or europe)"),
    ("data_center", "", "must be US or EU (for Segment united_states or europe)"),
    ("data_center", 1, "must be US or EU (for Segment united_states or europe)"),
    ("data_center", ["US"], "must be US or EU (for Segment united_states or europe)"),
    ("base_url", 1, "must be a string, not a number"),
    ("base_url", "", NO_URL),
    ("base_url", "api.iterable.com", NO_URL),
    ("base_url", "ftp://x.test", NO_URL),
    ("base_url", "https://", NO_URL),
    ("base_url", "https:///api", NO_URL),
    ("base_url", "https://user:secret@x.test", NO_URL),
    ("base_url", "https://x.test?a=b", NO_URL),
    ("base_url", "https://x.test#a", NO_URL),
    ("base_url", "https://x.test:0", NO_URL),
    ("base_url", "https://x.test:65536", NO_URL),
    ("base_url", "https://x.test:port", NO_URL),
    ("base_url", "https://[x", NO_URL),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_setting_is_named(name: str, value: Any, message: str) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(InvalidSettings) as caught:
        Settings(**arguments)
    assert str(caught.value) == f"{name}: {message}"


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_setting_is_named_as_it_was_written(name: str, value: Any, message: str) -> None:
    written = next(segments or ours for segments, ours, _, _ in OTHERS if ours == name)
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_mapping({written: value})
    assert str(caught.value) == f"{written}: {message}"


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_mapping({"trackAllPages": "yes", "apiKey": "", "track_named_pages": True})
    assert str(caught.value) == (
        "trackAllPages: must be true or false, not a string; "
        "apiKey: must be printable ASCII and not empty"
    )


def test_a_setting_that_is_given_twice_is_an_error() -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_mapping({"track_all_pages": True, "trackAllPages": True})
    said = "trackAllPages: is given twice, under Segment's name and ours"
    assert str(caught.value) == said


def test_a_setting_that_is_null_under_one_name_is_not_given_twice() -> None:
    read = Settings.from_mapping({"track_all_pages": None, "trackAllPages": True})
    assert read == Settings(track_all_pages=True)


ENVIRONMENT = {
    "ITERABLE_API_KEY": KEY,
    "ITERABLE_DATA_CENTER": "EU",
    "ITERABLE_BASE_URL": "http://localhost",
    "ITERABLE_TRACK_ALL_PAGES": "true",
    "ITERABLE_WEBHOOK_TOKEN": "of the source",
    "PATH": "/bin",
}


def test_the_environment_has_settings_by_their_names() -> None:
    expected = Settings(
        api_key=KEY, data_center="EU", base_url="http://localhost", track_all_pages=True
    )
    assert Settings.from_environment(ENVIRONMENT) == expected


@pytest.mark.parametrize(("_", "ours", "given", "expected"), OTHERS)
def test_every_setting_has_a_variable(_: Any, ours: str, given: Any, expected: Any) -> None:
    text = given if isinstance(given, str) else json.dumps(given)
    read = Settings.from_environment({f"ITERABLE_{ours.upper()}": text})
    assert chosen(read) == {**DEFAULTS, ours: expected}


@pytest.mark.parametrize("name", BOOLEANS)
@pytest.mark.parametrize(
    ("texts", "expected"),
    [(("true", "Yes", "ON", "1", " 1 "), True), (("false", "No", "OFF", "0"), False)],
)
def test_a_variable_is_true_or_false_in_the_usual_words(
    name: str,
    texts: tuple[str, ...],
    expected: bool,  # noqa: FBT001
) -> None:
    for text in texts:
        read = Settings.from_environment({f"ITERABLE_{name.upper()}": text})
        assert getattr(read, name) is expected


@pytest.mark.parametrize(
    ("variable", "perhaps"),
    [
        ("ITERABLE_TRACK_ALL", " (perhaps: ITERABLE_TRACK_ALL_PAGES)"),
        ("ITERABLE_track_all_pages", " (perhaps: ITERABLE_TRACK_ALL_PAGES)"),
        ("ITERABLE_", ""),
    ],
)
def test_a_variable_that_is_no_setting_is_passed_over_with_a_warning(
    variable: str, perhaps: str
) -> None:
    said = re.escape(f"unknown variable '{variable}' is passed over{perhaps}")
    with pytest.warns(UserWarning, match=rf"\A{said}\Z") as caught:
        settings = Settings.from_environment({variable: "1", "ITERABLE_API_KEY": KEY})
    assert settings == Settings(api_key=KEY)
    assert [warning.filename for warning in caught] == [__file__]


def test_the_environment_is_that_of_the_process_if_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    assert Settings.from_environment() == Settings.from_environment(ENVIRONMENT)


def test_an_empty_environment_gives_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITERABLE_DATA_CENTER", "EU")
    assert Settings.from_environment({}) == Settings()


def test_the_environment_outweighs_what_it_is_laid_over() -> None:
    base = Settings(api_key="other", data_center="EU", track_all_pages=True)
    read = Settings.from_environment({"ITERABLE_API_KEY": KEY}, base=base)
    assert read == Settings(api_key=KEY, data_center="EU", track_all_pages=True)


def test_an_empty_variable_is_as_if_absent() -> None:
    base = Settings(api_key=KEY, base_url="http://localhost")
    assert Settings.from_environment(dict.fromkeys(ENVIRONMENT, ""), base=base) == base


def test_every_wrong_variable_is_named_without_its_value() -> None:
    wrong = {
        "ITERABLE_API_KEY": "sécret",
        "ITERABLE_BASE_URL": "x",
        "ITERABLE_DATA_CENTER": "EU",
        "ITERABLE_ENABLED": "ja",
        "ITERABLE_SKIP_ANONYMOUS": "2",
        "ITERABLE_MAPPINGS": "{}",
    }
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment(wrong)
    assert str(caught.value).split("; ") == [
        "ITERABLE_API_KEY: must be printable ASCII and not empty",
        f"ITERABLE_BASE_URL: {NO_URL}",
        "ITERABLE_ENABLED: must be true or false",
        "ITERABLE_SKIP_ANONYMOUS: must be true or false",
        "ITERABLE_MAPPINGS: must be a list, not an object",
    ]


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000, "[NaN"])
def test_mappings_of_the_environment_are_json(text: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment({"ITERABLE_MAPPINGS": text})
    assert str(caught.value) == "ITERABLE_MAPPINGS: must be a JSON list"


def test_settings_are_immutable() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Settings().api_key = KEY  # type: ignore[misc]


def test_settings_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        Settings(KEY)  # type: ignore[call-arg]


def test_the_key_is_in_no_repr() -> None:
    settings = Settings(api_key=KEY, data_center="EU")
    assert KEY not in repr(settings)
    assert "data_center='EU'" in repr(settings)


def test_the_key_is_in_no_pickle_and_the_rest_is() -> None:
    settings = Settings(api_key=KEY, data_center="EU", skip_anonymous=True)
    pickled = pickle.dumps(settings)
    assert KEY.encode() not in pickled
    unpickled = pickle.loads(pickled)  # noqa: S301 - our own
    assert unpickled == Settings(data_center="EU", skip_anonymous=True)


def test_a_copy_is_the_same() -> None:
    settings = Settings(api_key=KEY)
    assert copy.copy(settings) is settings
    assert copy.deepcopy(settings) is settings


def test_equal_settings_are_one_in_a_set() -> None:
    assert len({Settings(api_key=KEY), Settings(api_key=KEY), Settings()}) == 2
