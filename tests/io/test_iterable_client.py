"""The client of Iterable: requests, responses, and the secrecy of the key.

Most tests use `responses`; the others use sockets on loopback.
"""

from __future__ import annotations

import copy
import gzip
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import attrs
import pytest
import responses

from iterable_destination import Client, Destination, Outcome, RetryPolicy, Settings, errors
from iterable_destination.errors import Problem
from iterable_destination.model.calls import Identity, UpdateSubscription
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.translation import Translation
from tests.support import faulty_server as faulty
from tests.support.clients import (
    AMBIGUOUS,
    CALL,
    CALL_BODY,
    EVENT,
    HTML,
    KEY,
    NO_ACCEPTANCE,
    NO_API,
    TRACK,
    US,
    catch_error,
    catch_script_error,
    open_client,
    send,
    settings,
)
from tests.support.faulty_server import FaultyServer, Script

# What is sent ------------------------------------------------------------------------------------


def test_a_call_is_one_post_of_its_body_with_the_key_in_a_header() -> None:
    with FaultyServer(faulty.accepts) as server:
        answer = send(server.url)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/api/events/track")
    assert request.json() == CALL_BODY
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"iterable_destination/{version('iterable-destination')}",
        "accept-encoding": request.headers["accept-encoding"],
        "accept": "application/json",
        "connection": "keep-alive",
        "api-key": KEY,
        "content-type": "application/json",
        "content-length": str(len(request.body)),
    }
    assert answer == ApiResponse(200, {"msg": "", "code": "Success", "params": None}, "Success")


def test_a_body_is_compact_utf_8() -> None:
    with FaultyServer(faulty.accepts) as server:
        send(server.url)
    assert (
        server.requests[0].body
        == json.dumps(CALL_BODY, separators=(",", ":"), ensure_ascii=False).encode()
    )


@responses.activate
@pytest.mark.parametrize(
    ("chosen", "url"),
    [
        ({}, "https://api.iterable.com/api/events/track"),
        ({"data_center": "EU"}, "https://api.eu.iterable.com/api/events/track"),
        ({"base_url": "http://localhost:1/"}, "http://localhost:1/api/events/track"),
        ({"base_url": "https://a.example/b//"}, "https://a.example/b/api/events/track"),
    ],
)
def test_a_call_goes_to_the_server_of_the_settings(chosen: dict[str, Any], url: str) -> None:
    responses.post(url, json={"code": "Success"})
    with Client(Settings(api_key=KEY, **chosen)) as client:
        assert client.send(CALL).code == "Success"


def test_a_client_needs_a_key() -> None:
    with pytest.raises(errors.InvalidSettings) as caught:
        Client(Settings())
    said = "api_key: missing; pass it, or set ITERABLE_API_KEY and use Settings.from_environment()"
    assert str(caught.value) == said


@responses.activate
def test_making_a_client_sends_nothing() -> None:
    Client(settings()).close()
    assert len(responses.calls) == 0


# What an answer means ----------------------------------------------------------------------------


@responses.activate
def test_a_mocked_request_shows_its_own_headers_in_any_case() -> None:
    responses.post(TRACK, json={"code": "Success"})
    with Client(settings()) as client:
        client.request(CALL.endpoint, b"{}")
        client.request(CALL.endpoint, b'{"a":1}')
    first, second = (call.request for call in responses.calls)
    assert (first.body, second.body) == (b"{}", b'{"a":1}')
    assert (first.headers["content-length"], second.headers["Content-Length"]) == ("2", "7")
    assert first.headers.get("API-KEY") == KEY
    assert "api-key" in first.headers
    assert "Cookie" not in first.headers
    assert first.headers.get("Cookie", "none") == "none"


@responses.activate
def test_an_acceptance_carries_what_iterable_says() -> None:
    body = {"msg": "1 received", "code": "Success", "params": {"a": 1}}
    responses.post(TRACK, json=body, headers={"iterable-request-id": "r-1"})
    assert send() == ApiResponse(200, body, "Success", "1 received", "r-1")


@responses.activate
def test_a_refusal_carries_what_iterable_says() -> None:
    body = {"msg": "Bad eventName", "code": "BadParams", "params": {"eventName": ["x"]}}
    responses.post(TRACK, status=400, json=body, headers={"Iterable-Request-Id": "r-2"})
    error = catch_error()
    assert type(error) is errors.BadRequest
    assert str(error) == "Bad eventName"
    assert error.__dict__ == {
        "message": "Bad eventName",
        "status": 400,
        "code": "BadParams",
        "params": {"eventName": ["x"]},
        "request_id": "r-2",
        "retry_after": None,
    }


@responses.activate
@pytest.mark.parametrize("body", ["{}", '{"successCount":1,"failCount":0}', '{"code":null}'])
def test_an_acceptance_of_a_call_that_does_not_say_so_is_none(body: str) -> None:
    responses.post(TRACK, body=body, headers={"Iterable-Request-Id": "r-3"})
    error = catch_error()
    assert type(error) is errors.AmbiguousAnswer
    assert str(error) == "the response does not say whether the request was accepted"
    assert (error.status, error.request_id) == (200, "r-3")


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (faulty.answers(200, b"Success"), errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (faulty.answers(200, HTML), errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (faulty.answers(200, b""), errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (
            faulty.sends(b"HTTP/1.1 204 No Content\r\n\r\n"),
            errors.AmbiguousAnswer,
            f"status 204: {NO_ACCEPTANCE}",
        ),
        (
            faulty.answers(404, HTML, "Content-Type: text/html\r\n"),
            errors.WrongAddress,
            f"status 404: {NO_API}",
        ),
        (faulty.answers(304), errors.WrongAddress, f"status 304: {NO_API}"),
        (
            faulty.answers(429, b"Too Many Requests", "Content-Type: text/plain\r\n"),
            errors.RateLimited,
            "status 429: more requests than the project's limit",
        ),
        (faulty.answers(502, HTML), errors.ServerError, "status 502: Iterable failed"),
    ],
    ids=["text", "html", "empty", "204", "404", "304", "429", "502"],
)
def test_an_answer_that_is_no_json_is_no_acceptance(
    script: Script, kind: type[errors.ApiError], words: str
) -> None:
    error = catch_script_error(script)
    assert type(error) is kind
    assert str(error) == words


@pytest.mark.parametrize(
    "script",
    [
        faulty.sends(faulty.response(200, gzip.compress(faulty.SUCCESS), faulty.GZIP)),
        faulty.sends(b"HTTP/1.1 200 OK\r\n\r\n" + faulty.SUCCESS),
        faulty.sends(
            faulty.CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(faulty.SUCCESS), faulty.SUCCESS)
        ),
        faulty.sends(b"HTTP/1.1 100 Continue\r\n\r\n" + faulty.response(200)),
        faulty.sends(b"HTTP/1.0 200 OK\r\n\r\n" + faulty.SUCCESS),
        faulty.drips(faulty.response(200)[:-20], faulty.response(200)[-20:], pause=0.001),
        faulty.drips(
            b"",
            faulty.response(200, gzip.compress(faulty.SUCCESS), faulty.GZIP),
            pause=0.0005,
        ),
        faulty.drips(
            faulty.CHUNKED,
            b"".join(b"1\r\n%c\r\n" % byte for byte in faulty.SUCCESS) + b"0\r\n\r\n",
            pause=0.0002,
        ),
    ],
    ids=[
        "gzip",
        "up to the end",
        "chunked",
        "after 100",
        "HTTP 1.0",
        "in pieces",
        "gzip in pieces",
        "chunked in pieces",
    ],
)
def test_an_acceptance_may_come_in_any_form_that_http_has(script: Script) -> None:
    with FaultyServer(script) as server:
        assert send(server.url, read_timeout=2.0).code == "Success"


# When to come back -------------------------------------------------------------------------------

NOW = "Mon, 02 Jan 2023 00:00:00 GMT"


@responses.activate
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 120 "}, 120.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "9" * 400}, 86_400.0),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 GMT", "Date": NOW}, 90.0),
        ({"Retry-After": "Mon, 02 Jan 2023 02:00:00 +0200", "Date": NOW}, 0.0),
        ({"Retry-After": "Sun, 01 Jan 2023 00:00:00 GMT", "Date": NOW}, 0.0),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 GMT"}, None),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 GMT", "Date": "today"}, None),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 -0000", "Date": NOW}, None),
        ({"Retry-After": "Mon, 99 Jan 2023 00:00:00 GMT", "Date": NOW}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_in_seconds_or_a_date_of_the_servers_clock(
    headers: dict[str, str], seconds: float | None, status: int
) -> None:
    responses.post(TRACK, status=status, headers=headers)
    assert catch_error().retry_after == seconds


@responses.activate
@pytest.mark.parametrize(
    "date",
    ["Mon, 01 Jan 99999999999999 00:00:00 GMT", "Mon, 02 Jan 2023 00:00:00 +99999999999999"],
)
def test_retry_after_with_a_date_that_none_can_be_is_none(date: str) -> None:
    responses.post(TRACK, status=429, headers={"Retry-After": date, "Date": NOW})
    assert catch_error().retry_after is None


# check and update_email --------------------------------------------------------------------------


def test_check_asks_for_the_webhooks_and_sends_nothing() -> None:
    body = b'{"webhooks":[]}'
    with FaultyServer(faulty.answers(200, body)) as server, open_client(server.url) as client:
        assert client.check() == ApiResponse(200, {"webhooks": []})
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", "/api/webhooks", b"")
    assert request.headers["api-key"] == KEY
    assert "content-length" not in request.headers


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"msg": "Invalid API key", "code": "BadApiKey"}, errors.Unauthorized, None),
        (
            401,
            None,
            errors.Unauthorized,
            "status 401: the API key is not known in this data center",
        ),
        (403, {"msg": "No access", "code": "Forbidden"}, errors.Forbidden, None),
        (404, None, errors.WrongAddress, f"status 404: {NO_API}"),
        (200, None, errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (500, None, errors.ServerError, "status 500: Iterable failed"),
    ],
)
def test_check_says_what_is_wrong(
    status: int, body: dict[str, str] | None, kind: type[errors.ApiError], words: str | None
) -> None:
    responses.get(f"{US}/api/webhooks", status=status, body=json.dumps(body) if body else "no")
    with open_client() as client, pytest.raises(errors.ApiError) as caught:
        client.check()
    assert type(caught.value) is kind
    assert str(caught.value) == (words or (body or {})["msg"])


@responses.activate
@pytest.mark.parametrize(
    ("who", "body"),
    [
        ({"email": "a@b.co"}, {"currentEmail": "a@b.co"}),
        ({"user_id": "u-1"}, {"currentUserId": "u-1"}),
        (
            {"email": "a@b.co", "user_id": "u-1"},
            {"currentEmail": "a@b.co", "currentUserId": "u-1"},
        ),
    ],
)
def test_update_email_says_who_the_user_is_and_the_new_email(
    who: dict[str, str], body: dict[str, str]
) -> None:
    responses.post(f"{US}/api/users/updateEmail", json={"code": "Success", "msg": "ok"})
    with open_client() as client:
        answer = client.update_email("new@b.co", **who)
    assert (answer.code, answer.message) == ("Success", "ok")
    sent = responses.calls[0].request.body
    assert isinstance(sent, bytes)
    assert json.loads(sent) == body | {"newEmail": "new@b.co"}


@responses.activate
def test_a_change_of_a_subscription_has_the_group_in_its_path_and_the_user_in_its_body() -> None:
    path = f"{US}/api/subscriptions/emailList/12?action=unsubscribe"
    responses.put(path, json={"code": "Success", "msg": ""})
    who = Identity("ada+é/x@b.co", "u-1")
    with open_client() as client:
        client.send(UpdateSubscription(who, "emailList", 12, "unsubscribe"))
    request = responses.calls[0].request
    assert isinstance(request.body, bytes)
    assert (request.url, json.loads(request.body)) == (path, {"users": ["ada+é/x@b.co"]})


NO_EMAIL = "not a valid email address (expected name@host.domain)"


@responses.activate
@pytest.mark.parametrize(
    ("new", "who", "problems"),
    [
        ("new@b.co", {}, [Problem("currentUserId", "Must set either userId or email", "no-user")]),
        ("new", {"user_id": "u-1"}, [Problem("newEmail", NO_EMAIL, "invalid-email")]),
        ("", {"user_id": "u-1"}, [Problem("newEmail", NO_EMAIL, "invalid-email")]),
        (
            None,
            {"user_id": "u-1"},
            [Problem("newEmail", "must be a string, not null", "not-a-string")],
        ),
        (
            "new",
            {"email": "old", "user_id": "x" * 53},
            [
                Problem("currentEmail", NO_EMAIL, "invalid-email"),
                Problem(
                    "currentUserId",
                    "is 53 characters long; a userId has at most 52",
                    "user-id-too-long",
                ),
                Problem("newEmail", NO_EMAIL, "invalid-email"),
            ],
        ),
    ],
)
def test_update_email_sends_nothing_that_cannot_be_right(
    new: Any, who: dict[str, Any], problems: list[Problem]
) -> None:
    with open_client() as client, pytest.raises(errors.InvalidCall) as caught:
        client.update_email(new, **who)
    assert list(caught.value.problems) == problems
    assert str(caught.value) == "; ".join(f"{each.path}: {each.message}" for each in problems)
    assert len(responses.calls) == 0


@responses.activate
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "EmailAlreadyExists", errors.IdentityConflict),
        (409, "EmailAlreadyExists", errors.IdentityConflict),
        (400, "UnknownEmailError", errors.BadRequest),
        (409, "ForgottenUserError", errors.ForgottenUser),
    ],
)
def test_update_email_raises_what_iterable_refuses(
    status: int, code: str, kind: type[errors.ApiError]
) -> None:
    url = f"{US}/api/users/updateEmail"
    responses.post(url, status=status, json={"code": code, "msg": "no"})
    with open_client() as client, pytest.raises(errors.RequestRefused) as caught:
        client.update_email("new@b.co", email="old@b.co")
    assert type(caught.value) is kind
    assert (str(caught.value), caught.value.code) == ("no", code)


# The key -----------------------------------------------------------------------------------------


def assert_hidden(*texts: Any) -> None:
    for text in texts:
        assert KEY not in (text if isinstance(text, str) else repr(text))


def assert_hidden_in_error(error: BaseException) -> None:
    """Look at every place where people, logs and job queues look at an error."""
    assert_hidden(str(error), repr(error), error.args, vars(error))
    assert error.__cause__ is None
    assert error.__context__ is None
    assert_hidden("".join(traceback.format_exception(error, chain=True)))
    assert_hidden("".join(traceback.TracebackException.from_exception(error).format()))
    assert KEY.encode() not in pickle.dumps(error)


def test_the_key_is_in_no_text_of_what_holds_it() -> None:
    chosen = settings("http://127.0.0.1:1")
    with Client(chosen) as client, Destination(chosen) as destination:
        assert repr(client) == str(client) == "Client('http://127.0.0.1:1')"
        assert repr(destination) == str(destination) == "Destination('http://127.0.0.1:1')"
    assert str(chosen) == repr(chosen)
    assert_hidden(repr(chosen), f"{chosen}", [chosen], {"settings": chosen})
    assert "api_key" not in repr(chosen)


def test_pickled_settings_have_no_key() -> None:
    chosen = Settings(api_key=KEY, data_center="EU", track_all_pages=True)
    pickled = pickle.dumps(chosen)
    assert KEY.encode() not in pickled
    assert pickle.loads(pickled) == attrs.evolve(chosen, api_key=None)  # noqa: S301 - our own


def test_copied_settings_keep_the_key() -> None:
    chosen = settings()
    assert copy.copy(chosen).api_key == copy.deepcopy(chosen).api_key == KEY


def test_a_client_cannot_be_pickled() -> None:
    with open_client() as client, pytest.raises(TypeError) as caught:
        pickle.dumps(client)
    text = "a Client holds connections and the API key, and cannot be pickled"
    assert str(caught.value) == text


def test_a_destination_cannot_be_pickled() -> None:
    with Destination(settings()) as destination, pytest.raises(TypeError):
        pickle.dumps(destination)


ECHOES: dict[str, Script] = {
    "msg of a 400": faulty.echoes(400, "BadJsonBody"),
    "msg of a 401": faulty.echoes(401, "BadApiKey"),
    "msg of a 409": faulty.echoes(409, "ForgottenUserError"),
    "msg of a 413": faulty.echoes(413, "BatchTooLarge"),
    "msg of a 429": faulty.echoes(429, "RateLimitExceeded"),
    "msg of a 500": faulty.echoes(500, "GenericError"),
    "msg of a 200": faulty.echoes(200, "BadParams"),
    "params of a 400": faulty.echoes(400, "BadParams", in_params=True),
    "params of a 500": faulty.echoes(500, "GenericError", in_params=True),
    "text of a 200": faulty.echoes_as_text(200),
    "text of a 302": faulty.echoes_as_text(302),
    "text of a 400": faulty.echoes_as_text(400),
    "text of a 404": faulty.echoes_as_text(404),
    "text of a 500": faulty.echoes_as_text(500),
}
SILENT = {name: script for name, (script, _) in AMBIGUOUS.items() if name[:3] not in ("sta", "dri")}


@pytest.mark.parametrize("script", [*ECHOES.values(), *SILENT.values()], ids=[*ECHOES, *SILENT])
def test_the_key_is_in_no_error(script: Script) -> None:
    assert_hidden_in_error(catch_script_error(script))


def test_the_key_is_in_no_error_without_a_connection() -> None:
    with faulty.refusing() as url:
        assert_hidden_in_error(catch_error(url))


@pytest.mark.parametrize(
    "wrong",
    [f"{KEY}\n", f" {KEY}", f"{KEY} ", f"{KEY}é", f"{KEY}\x00", [KEY], {"key": KEY}, KEY.encode()],
)
def test_a_key_that_is_refused_is_not_shown(wrong: Any) -> None:
    ways: list[Callable[[], Settings]] = [
        lambda: Settings(api_key=wrong),
        lambda: Settings.from_mapping({"apiKey": wrong}),
        lambda: Settings.from_environment({"ITERABLE_API_KEY": wrong}),
    ]
    for make in ways:
        with pytest.raises(errors.InvalidSettings) as caught:
            make()
        shown = "".join(traceback.format_exception(caught.value, chain=True))
        assert_hidden(str(caught.value), repr(caught.value), shown)


@pytest.mark.parametrize("script", ECHOES.values(), ids=ECHOES)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(script: Script) -> None:
    error = catch_script_error(script)
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(restored) is type(error)
    assert (str(restored), restored.args, restored.__dict__) == (
        str(error),
        error.args,
        error.__dict__,
    )


def test_an_error_found_here_comes_out_of_a_pickle_as_it_went_in() -> None:
    error = errors.InvalidEvent(
        [Problem("userId", "missing", "missing"), Problem("type", "missing", "missing")], "m-1"
    )
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert str(restored) == "userId: missing; type: missing"
    assert (restored.problems, restored.message_id) == (error.problems, "m-1")


@pytest.mark.parametrize("script", [faulty.accepts, *ECHOES.values()], ids=["accepted", *ECHOES])
def test_the_key_is_in_no_log(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("iterable_destination", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, name)
    with FaultyServer(script) as server, open_client(server.url) as client:
        try:
            client.send(CALL)
        except errors.ApiError:
            logging.getLogger("iterable_destination").exception("it failed")
    names = {record.name for record in caplog.records}
    assert "iterable_destination.io" in names
    assert "urllib3.connectionpool" in names
    for record in caplog.records:
        assert_hidden(record.getMessage(), record.__dict__, record.exc_text or "")
    assert_hidden(caplog.text)


def test_the_log_tells_each_request_and_how_it_went(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "iterable_destination")
    clock = iter([0.0, 0.1, 0.2, 0.25, 1.0]).__next__
    scripts = (faulty.accepts, faulty.resets_after_reading)
    with FaultyServer(*scripts) as server, open_client(server.url, clock=clock) as client:
        client.send(CALL)
        with pytest.raises(errors.AmbiguousAnswer):
            client.send(CALL)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "POST /api/events/track: 200 in 0.250 s",
        "POST /api/events/track: AmbiguousAnswer",
    ]


def find_outcome(script: Script) -> Outcome:
    with FaultyServer(script) as server, open_client(server.url) as client:
        to = Destination(settings(server.url), client=client, retry=RetryPolicy(deadline=0.0))
        return to.send(EVENT)


@pytest.mark.parametrize("script", ECHOES.values(), ids=ECHOES)
def test_the_key_is_in_no_outcome(script: Script) -> None:
    outcome = find_outcome(script)
    assert outcome.attempts == 1
    assert_hidden(repr(outcome), json.dumps(outcome.summary()), outcome.message, outcome.calls)
    assert outcome.error is not None
    assert_hidden_in_error(outcome.error)
    assert KEY.encode() not in pickle.dumps(outcome)


def test_an_outcome_comes_out_of_a_pickle_as_it_went_in() -> None:
    outcome = find_outcome(faulty.accepts)
    assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301 - our own


def test_a_call_made_by_hand_comes_out_of_a_pickle_as_it_went_in() -> None:
    translation = Translation("m-1", (CALL,))
    assert pickle.loads(pickle.dumps(translation)) == translation  # noqa: S301 - our own


# Reading -----------------------------------------------------------------------------------------


@responses.activate
@pytest.mark.parametrize(
    ("who", "path"),
    [
        ({"email": "a+b/ø@example.com"}, "a%2Bb%2F%C3%B8%40example.com"),
        ({"user_id": "u/1?"}, "byUserId/u%2F1%3F"),
        ({"email": "a@b.no", "user_id": "u-1"}, "a%40b.no"),
    ],
)
def test_the_events_of_a_user_are_read(who: dict[str, str], path: str) -> None:
    events = [{"id": "m-1"}, 5, {"id": "m-2"}]
    responses.get(f"{US}/api/events/{path}?limit=200", json={"events": events})
    with open_client() as client:
        assert client.read_events(**who) == [{"id": "m-1"}, {"id": "m-2"}]


@responses.activate
def test_a_user_without_events_has_none() -> None:
    responses.get(f"{US}/api/events/a?limit=200", json={})
    with open_client() as client:
        assert client.read_events(email="a") == []
        with pytest.raises(errors.InvalidCall, match="userId: Must set either userId or email"):
            client.read_events()
