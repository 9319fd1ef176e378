"""Mapped destinations on the command line: their output, and its explanation."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from iterable_destination import Outbox
from iterable_destination.cli import console
from iterable_destination.mapping.explanation import FieldExplanation, describe_field
from iterable_destination.mapping.origins import Origin
from iterable_destination.testing import LocalIterable, Project
from tests.cli.test_main import BOM, read_lines, read_outcomes, run, start_process, to_json

WHO = {"userId": {"@path": "$.userId"}}
EVENTS = {
    "name": "Events",
    "enabled": True,
    "partnerAction": "trackEvent",
    "subscribe": 'type = "track"',
    "mapping": {**WHO, "eventName": {"@path": "$.event"}},
}
PLANS = {
    "name": "Plans",
    "enabled": True,
    "partnerAction": "updateUser",
    "subscribe": 'type = "track" and properties.plan != null',
    "mapping": {
        **WHO,
        "dataFields": {"plan": {"@path": "$.properties.plan"}},
        "mergeNestedObjects": {"@path": "$.properties.merge"},
    },
}
SEEN = {"messageId": "m-1", "type": "track", "userId": "u-1", "event": "Seen"}
PAID = SEEN | {"messageId": "m-2", "properties": {"plan": "pro", "merge": True}}
HALF = SEEN | {"messageId": "m-3", "properties": {"plan": "pro", "merge": "yes"}}
NAMELESS = {"messageId": "m-4", "type": "track", "userId": "u-1"}
PAGE = {"messageId": "m-5", "type": "page", "userId": "u-1"}
NOT_A_BOOLEAN = "must be true or false, not this string"

TRACKED = {
    "method": "POST",
    "path": "/api/events/track",
    "body": {"userId": "u-1", "eventName": "Seen", "dataFields": {}},
    "subscription": "Events",
}
UPDATED = {
    "method": "POST",
    "path": "/api/users/update",
    "body": {"userId": "u-1", "dataFields": {"plan": "pro"}, "mergeNestedObjects": True},
    "subscription": "Plans",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ITERABLE_DATA_CENTER", "ITERABLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ITERABLE_API_KEY", "any-key")


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable(Project(api_key="any-key", disallowed_events=["Secret"])) as running:
        yield running


@pytest.fixture
def mappings(tmp_path: Path) -> str:
    return write_json(tmp_path, [EVENTS, PLANS])


def write_json(folder: Path, content: Any) -> str:
    path = folder / "mappings.json"
    path.write_bytes(content if isinstance(content, bytes) else to_json(content))
    return str(path)


def lines(*events: Any) -> bytes:
    return b"\n".join(each if isinstance(each, bytes) else to_json(each) for each in events)


# translate ----------------------------------------------------------------------------------------


def test_each_call_names_its_subscription(mappings: str) -> None:
    result = run("translate", "--mappings", mappings, stdin=lines(SEEN, PAID, PAGE))
    assert (result.exit_code, result.stderr) == (0, "")
    assert read_lines(result) == [
        {"messageId": "m-1", "calls": [TRACKED]},
        {"messageId": "m-2", "calls": [TRACKED, UPDATED]},
        {"messageId": "m-5", "skipped": "no enabled subscription fires for this event"},
    ]


def test_subscriptions_that_failed_stand_beside_the_others(mappings: str) -> None:
    result = run("translate", "--mappings", mappings, stdin=lines(HALF | {"userId": 7}, SEEN))
    assert (result.exit_code, result.stderr) == (1, "")
    failed, fine = read_lines(result)
    assert failed == {
        "messageId": "m-3",
        "calls": [TRACKED | {"body": {"userId": "7", "eventName": "Seen", "dataFields": {}}}],
        "errors": [
            {
                "subscription": "Plans",
                "problems": [
                    {
                        "path": "mergeNestedObjects",
                        "message": NOT_A_BOOLEAN,
                        "code": "not-a-boolean",
                    }
                ],
            }
        ],
        "notes": [
            {
                "path": f"{name}: userId",
                "message": "a number, taken as a string",
                "code": "sent-as-string",
            }
            for name in ("Events", "Plans")
        ],
    }
    assert fine == {"messageId": "m-1", "calls": [TRACKED]}


def test_an_event_of_which_all_failed_is_refused(mappings: str) -> None:
    result = run("translate", "--mappings", mappings, stdin=lines(NAMELESS, b"no JSON"))
    assert result.exit_code == 1
    refused, unreadable = read_lines(result)
    assert refused == {
        "messageId": "m-4",
        "error": {
            "type": "InvalidEvent",
            "message": "Events: eventName: missing",
            "problems": [{"path": "Events: eventName", "message": "missing", "code": "missing"}],
        },
    }
    assert unreadable["error"]["type"] == "InvalidJSON"


def test_settings_count_beside_the_subscriptions(tmp_path: Path, mappings: str) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"skip_anonymous": true}')
    event = {key: value for key, value in SEEN.items() if key != "userId"}
    chosen = ("--mappings", mappings, "--settings", str(settings))
    (line,) = read_lines(run("translate", *chosen, stdin=lines(event)))
    assert line["skipped"].startswith("anonymous")


def test_a_file_of_no_subscriptions_fires_none(tmp_path: Path) -> None:
    result = run("translate", "--mappings", write_json(tmp_path, BOM + b"[]"), stdin=lines(SEEN))
    assert result.exit_code == 0
    assert [set(line) for line in read_lines(result)] == [{"messageId", "skipped"}]


def test_unknown_keys_are_named_on_standard_error(tmp_path: Path) -> None:
    path = write_json(tmp_path, [EVENTS | {"colour": "red"}])
    result = run("translate", "--mappings", path, stdin=lines(SEEN))
    assert result.exit_code == 0
    assert result.stderr == f"{path}: unknown key 'colour' of a subscription is passed over\n"
    assert read_lines(result) == [{"messageId": "m-1", "calls": [TRACKED]}]


MANY_PROBLEMS = (
    "{path}: mappings[0].partnerAction: no such action; there are "
    "trackEvent, updateUser, updateCart, trackPurchase, updateSubscriptions, updateSubscription"
    "; mappings[1].enabled: must be true or false, not a number"
    "; mappings[1].subscribe: at character 8: "
    "expected a text in double quotes, a number, true, false or null"
)
#: A file of mappings that is wrong, and what is said of it.
WRONG = [
    (b"no JSON", "{path}: no JSON: Expecting value: line 1 column 1 (char 0)"),
    ({}, "{path}: must be a JSON list of subscriptions"),
    (b"null", "{path}: must be a JSON list of subscriptions"),
    (
        [EVENTS | {"partnerAction": "nope"}, PLANS | {"subscribe": "type = ", "enabled": 1}],
        MANY_PROBLEMS,
    ),
    (
        [EVENTS | {"mapping": {"dataFields": {"a": {"@liq\x1buid": 1}}}}],
        "{path}: mappings[0].mapping.dataFields.a.@liq\\x1buid: there is no such directive",
    ),
    ([EVENTS] * 51, "{path}: mappings: 51 subscriptions; a destination has at most 50"),
]
COMMANDS = [("translate",), ("explain",), ("send",), ("drain", "events.outbox"), ("serve",)]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_wrong_mappings_are_wrong_usage_with_every_problem(
    tmp_path: Path, content: Any, message: str
) -> None:
    path = write_json(tmp_path, content)
    result = run("translate", "--mappings", path, stdin=lines(SEEN))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {message.replace('{path}', path)}\n"


def test_mappings_may_stand_among_the_settings_and_those_of_the_option_win(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"mappings": [EVENTS | {"colour": "red"}]}))
    result = run("translate", "--settings", str(settings), stdin=lines(SEEN))
    assert read_lines(result) == [{"messageId": "m-1", "calls": [TRACKED]}]
    assert result.stderr == f"{settings}: unknown key 'colour' of a subscription is passed over\n"
    none = ("--mappings", write_json(tmp_path, []))
    (line,) = read_lines(run("translate", "--settings", str(settings), *none, stdin=lines(SEEN)))
    assert "skipped" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_mappings_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("events.outbox").touch()
    result = run(*command, "--mappings", "none.json", stdin=lines(SEEN))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: none.json: No such file or directory\n"


# send, drain, serve -------------------------------------------------------------------------------


def test_send_names_what_failed_of_each_event(iterable: LocalIterable, mappings: str) -> None:
    secret = PAID | {"messageId": "m-6", "event": "Secret"}
    options = ("--mappings", mappings, "--base-url", iterable.url)
    result = run("send", *options, stdin=lines(PAID, HALF, secret, PAGE))
    assert result.exit_code == 1
    fine, half, refused, skipped = read_outcomes(result)
    assert fine == {"index": 0, "messageId": "m-2", "outcome": "delivered"}
    assert half["failures"] == [
        {
            "subscription": "Plans",
            "outcome": "rejected",
            "type": "InvalidEvent",
            "message": f"mergeNestedObjects: {NOT_A_BOOLEAN}",
        }
    ]
    assert (half["outcome"], half["error"]["type"]) == ("rejected", "InvalidEvent")
    assert half["error"]["problems"] == [
        {"path": "mergeNestedObjects", "message": NOT_A_BOOLEAN, "code": "not-a-boolean"}
    ]
    assert (refused["outcome"], refused["error"]["type"]) == ("rejected", "EventDisallowed")
    assert [(each["subscription"], each["type"]) for each in refused["failures"]] == [
        ("Events", "EventDisallowed")
    ]
    assert skipped == {
        "index": 3,
        "messageId": "m-5",
        "outcome": "skipped",
        "skipped": "no enabled subscription fires for this event",
    }
    assert [each["id"] for each in iterable.project.events("u-1")] == ["m-2", "m-3"]


def test_a_dead_letter_says_what_failed_and_is_taken_again(
    tmp_path: Path, iterable: LocalIterable, mappings: str
) -> None:
    dead, again = tmp_path / "dead.jsonl", tmp_path / "again.jsonl"
    options = ("--mappings", mappings, "--base-url", iterable.url, "--dead-letters", str(dead))
    assert run("send", *options, stdin=lines(HALF)).exit_code == 1
    (letter,) = map(json.loads, dead.read_bytes().splitlines())
    assert [each["subscription"] for each in letter["deadLetter"]["failures"]] == ["Plans"]
    again.write_bytes(dead.read_bytes().replace(b'"yes"', b"true"))
    result = run("send", str(again), *options)
    assert (result.exit_code, read_outcomes(result)[0]["outcome"]) == (0, "delivered")
    assert [each["id"] for each in iterable.project.events("u-1")] == ["m-3"]


def test_drain_takes_mappings(tmp_path: Path, iterable: LocalIterable, mappings: str) -> None:
    file = str(tmp_path / "events.outbox")
    with Outbox(file) as outbox:
        outbox.add(HALF)
    result = run("drain", file, "--mappings", mappings, "--base-url", iterable.url)
    (line,) = read_outcomes(result)
    assert (result.exit_code, line["outcome"]) == (1, "rejected")
    assert [each["subscription"] for each in line["failures"]] == ["Plans"]
    assert len(iterable.project.events("u-1")) == 1


def test_serve_takes_mappings(iterable: LocalIterable, mappings: str) -> None:
    options = ("--mappings", mappings, "--base-url", iterable.url, "--without-authentication")
    with start_process("serve", "--port", "0", *options, env=dict(os.environ)) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().decode().strip()
            answer = requests.post(url, json=PAID, timeout=20)
        finally:
            server.terminate()
            server.communicate()
    assert (answer.status_code, answer.json()) == (200, {"delivered": 1})
    assert [request.path for request in iterable.project.requests] == [
        "/api/events/track",
        "/api/users/update",
    ]


# explain ------------------------------------------------------------------------------------------


def explain(*events: Any, options: tuple[str, ...] = (), status: int = 0) -> str:
    result = run("explain", *options, stdin=lines(*events))
    assert (result.exit_code, result.stderr) == (status, "")
    return result.stdout


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_the_classic_mapping_is_explained_by_the_places_of_fields() -> None:
    order = {
        "messageId": "m-7",
        "type": "track",
        "userId": 7,
        "event": "Order Completed",
        "properties": {"total": "9"},
    }
    assert explain(SEEN, order, b"", PAGE) == dedent(
        """
        line 1, track m-1
          POST /api/events/track
            body: {"userId":"u-1","eventName":"Seen","dataFields":{}}
            userId from userId: "u-1"
            eventName from event: "Seen"
            rules: docs/reference/identity.md, docs/reference/track.md
        line 2, track m-7
          POST /api/commerce/trackPurchase
            body: {"user":{"userId":"7"},"items":[],"total":9,"dataFields":{}}
            user.userId from userId: 7, converted to "7"
            total from properties.total: "9", converted to 9
            rules: docs/reference/identity.md, docs/reference/commerce.md#orders
            note: userId: a number, sent as a string; the value is 7
            note: properties.total: a string, sent as the number it says; the value is "9"
        line 4, page m-5
          skipped: no setting asks for this page: track_all_pages would send it
        """
    )


def test_subscriptions_are_explained_by_what_decided(mappings: str) -> None:
    assert explain(
        SEEN, PAID, HALF | {"userId": 7}, PAGE, options=("--mappings", mappings), status=1
    ) == dedent(
        """
        line 1, track m-1
          Events: fired, by type = "track"
            payload: {"userId":"u-1","eventName":"Seen"}
          Plans: did not fire, by properties.plan != null
          POST /api/events/track, of Events
            body: {"userId":"u-1","eventName":"Seen","dataFields":{}}
            userId from userId: "u-1"
            eventName from event: "Seen"
            rules: docs/reference/mappings.md#actions
        line 2, track m-2
          Events: fired, by type = "track"
            payload: {"userId":"u-1","eventName":"Seen"}
          Plans: fired, by type = "track" and properties.plan != null
            payload: {"userId":"u-1","dataFields":{"plan":"pro"},"mergeNestedObjects":true}
          POST /api/events/track, of Events
            body: {"userId":"u-1","eventName":"Seen","dataFields":{}}
            userId from userId: "u-1"
            eventName from event: "Seen"
            rules: docs/reference/mappings.md#actions
          POST /api/users/update, of Plans
            body: {"userId":"u-1","dataFields":{"plan":"pro"},"mergeNestedObjects":true}
            userId from userId: "u-1"
            dataFields.plan from properties.plan: "pro"
            mergeNestedObjects from properties.merge: true
            rules: docs/reference/mappings.md#actions
        line 3, track m-3
          Events: fired, by type = "track"
            payload: {"userId":7,"eventName":"Seen"}
            coerced: userId: a number, taken as a string; the value is 7
          Plans: fired, by type = "track" and properties.plan != null
            payload: {"userId":7,"dataFields":{"plan":"pro"},"mergeNestedObjects":"yes"}
            coerced: userId: a number, taken as a string; the value is 7
            problem: mergeNestedObjects: must be true or false, not this string; the value is "yes"
          POST /api/events/track, of Events
            body: {"userId":"7","eventName":"Seen","dataFields":{}}
            userId from userId: 7, converted to "7"
            eventName from event: "Seen"
            rules: docs/reference/mappings.md#actions
        line 4, page m-5
          Events: did not fire, by type = "track"
          Plans: did not fire, by type = "track"
          skipped: no enabled subscription fires for this event
        """
    )


def test_what_is_converted_or_comes_from_a_setting_is_told(tmp_path: Path) -> None:
    page = {"type": "page", "name": "Home", "userId": "u-1", "timestamp": 1_675_629_730_123}
    long = {"type": "identify", "userId": "u-1", "traits": {"bio": "x" * 100}}
    assert explain(page, long) == dedent(
        f"""
        line 1, page
          sent because of track_named_pages
          POST /api/events/track
            body: {{"userId":"u-1","eventName":"Loaded a Page","createdAt":1675629730,"dataFields":{{"name":"Home"}}}}
            userId from userId: "u-1"
            eventName from type: "page", the setting map_all_pages_to_single_event_name, converted to "Loaded a Page"
            createdAt from timestamp: 1675629730123, converted to 1675629730
            dataFields.name from name: "Home"
            rules: docs/reference/identity.md, docs/reference/pages.md, docs/reference/reading.md#timestamp
        line 2, identify
          POST /api/users/update
            body: {{"userId":"u-1","dataFields":{{"bio":"{"x" * 100}"}}}}
            userId from userId: "u-1"
            dataFields.bio from traits.bio: "{"x" * 58}…
            rules: docs/reference/identity.md, docs/reference/identify.md
        """  # noqa: E501 - as it is printed
    )
    settings = tmp_path / "settings.json"
    settings.write_text('{"track_all_pages": true, "map_all_pages_to_single_event_name": false}')
    told = explain({**page, "name": "Home"}, options=("--settings", str(settings)))
    assert "  sent because of track_all_pages, track_named_pages" in told
    assert (
        'eventName from type: "page", name: "Home", the setting map_all_pages_to_single_event_name,'
        in told
    )


def test_a_setting_alone_may_be_where_a_field_comes_from() -> None:
    origin = Origin(0, "eventName", (), ("some_setting",), value="Loaded a Page")
    words = 'eventName from the setting some_setting: "Loaded a Page"'
    assert describe_field(FieldExplanation(origin, "reference/pages.md")) == words


@pytest.mark.parametrize("variable", ["NO_COLOR", "COLOUR"])
def test_a_terminal_shows_colours_unless_it_is_told_not_to(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv(variable, "1")
    console.print_line("POST\x1b", "cyan")
    console.print_line("[b]", "")
    coloured = "\x1b[36mPOST\\x1b\x1b[0m" if variable == "COLOUR" else "POST\\x1b"
    assert capsys.readouterr().out == f"{coloured}\n[b]\n"


def test_a_constant_has_no_place(tmp_path: Path) -> None:
    always = EVENTS | {"subscribe": 'type = "page"', "mapping": {**WHO, "eventName": "Page"}}
    off = PLANS | {"enabled": False}
    told = explain(PAGE, options=("--mappings", write_json(tmp_path, [always, off])))
    assert told == dedent(
        """
        line 1, page m-5
          Events: fired, by type = "page"
            payload: {"eventName":"Page","userId":"u-1"}
          Plans: did not fire, by it is switched off
          POST /api/events/track, of Events
            body: {"userId":"u-1","eventName":"Page","dataFields":{}}
            userId from userId: "u-1"
            eventName from no single place in the event: "Page"
            rules: docs/reference/mappings.md#actions
        """
    )


def test_an_anonymous_event_is_explained(tmp_path: Path, mappings: str) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"skip_anonymous": true}')
    event = {key: value for key, value in SEEN.items() if key != "userId"}
    told = explain(event, options=("--mappings", mappings, "--settings", str(settings)))
    assert told == dedent(
        """
        line 1, track m-1
          Events: fired, by type = "track"
            payload: {"eventName":"Seen"}
            skipped: anonymous: neither email nor userId, and skip_anonymous is on
          Plans: did not fire, by properties.plan != null
          skipped: anonymous: neither email nor userId, and skip_anonymous is on
        """
    )


def test_what_is_refused_is_explained_and_work_goes_on(mappings: str) -> None:
    unreadable = {"messageId": 5, "type": 7, "userId": "u-1"}
    handed = (b"no JSON", b"[]", NAMELESS, unreadable, SEEN)
    assert explain(*handed, status=1) == dedent(
        """
        line 1: no JSON: Expecting value, at character 1
          refused
        line 2: JSON, but no object
          refused
        line 3, track m-4
          refused
            problem: event: missing
        line 4
          refused
            problem: type: must be a string, not a number; the value is 7
        line 5, track m-1
          POST /api/events/track
            body: {"userId":"u-1","eventName":"Seen","dataFields":{}}
            userId from userId: "u-1"
            eventName from event: "Seen"
            rules: docs/reference/identity.md, docs/reference/track.md
        """
    )
    assert explain(*handed[2:4], options=("--mappings", mappings), status=1) == dedent(
        """
        line 1, track m-4
          Events: fired, by type = "track"
            payload: {"userId":"u-1"}
            problem: eventName: missing
          Plans: did not fire, by properties.plan != null
          refused
            problem: Events: eventName: missing
        line 2
          refused
            problem: type: must be a string, not a number; the value is 7
        """
    )


def test_a_type_in_another_case_is_noted_once_and_explained_as_it_is_taken(mappings: str) -> None:
    assert explain(SEEN | {"type": "Track"}, options=("--mappings", mappings)) == dedent(
        """
        line 1, Track m-1
          Events: fired, by type = "track"
            payload: {"userId":"u-1","eventName":"Seen"}
          Plans: did not fire, by properties.plan != null
          POST /api/events/track, of Events
            body: {"userId":"u-1","eventName":"Seen","dataFields":{}}
            userId from userId: "u-1"
            eventName from event: "Seen"
            rules: docs/reference/mappings.md#actions
            note: type: taken as track, as Segment writes it; the value is "Track"
        """
    )


#: What moves a terminal's cursor, hides or turns text, begins a line, or is no text at all.
EVIL = "\x1b[2J\x07\x9b1A\r\nline 9, track m-9\u202e\ud800\x7f"


@pytest.mark.parametrize("key", ["messageId", "type", "event", "userId", "place", "value"])
@pytest.mark.parametrize("way", ["classic", "mapped"])
def test_nothing_of_an_event_reaches_the_terminal_as_it_is(
    tmp_path: Path, key: str, way: str
) -> None:
    event: dict[str, Any] = SEEN | {"properties": {"a": 1}}
    if key == "place":
        event["properties"] = {EVIL: 1, EVIL.replace("\ud800", ""): 1}
    elif key == "value":
        event["properties"] = {"a": EVIL}
    else:
        event[key] = EVIL
    mapping = {**WHO, "eventName": {"@path": "$.event"}, "dataFields": {"@path": "$.properties"}}
    path = write_json(tmp_path, [EVENTS | {"mapping": mapping}])
    result = run("explain", *(("--mappings", path) if way == "mapped" else ()), stdin=lines(event))
    assert result.exit_code in {0, 1}
    told = result.stdout_bytes.decode()
    assert "".join(told.split("\n")).isprintable()
    assert sum(each.startswith("line ") for each in told.split("\n")) == 1


def test_places_are_not_guessed_where_half_of_an_event_is_no_text(mappings: str) -> None:
    told = explain(
        PAID | {"event": "\ud800"}, options=("--mappings", mappings), status=1
    ).splitlines()
    assert told[-1].startswith("    ")
    assert [each for each in told if "POST" in each] == ["  POST /api/users/update, of Plans"]
    assert [each for each in told if "eventName from" in each] == []
