"""A response accepts a request only if it plainly says so; any other means an error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import errors
from iterable_destination.model import responses
from iterable_destination.model.responses import ApiResponse

KEY = "the-key-of-no-project-0123456789"


def read(
    status: int,
    body: bytes,
    *,
    secret: str = KEY,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> ApiResponse:
    return responses.parse_response(
        status, body, secret=secret, request_id=request_id, retry_after=retry_after
    )


def read_error(status: int, body: bytes) -> errors.ApiError:
    """Return the error that a response means."""
    with pytest.raises(errors.ApiError) as caught:
        read(status, body)
    return caught.value


def encode_body(**body: Any) -> bytes:
    return json.dumps(body).encode()


#: What a status means when it comes in Iterable's form, with the words for it.
MEANINGS: dict[int, tuple[type[errors.ApiError], str]] = {
    400: (errors.BadRequest, "the request breaks a rule of Iterable's"),
    401: (errors.Unauthorized, "the API key is not known in this data center"),
    403: (errors.Forbidden, "the API key may not be used for this"),
    409: (errors.IdentityConflict, "the email or userId is someone else's"),
    413: (errors.TooLarge, "the request is too large"),
    429: (errors.RateLimited, "more requests than the project's limit"),
    # No status of Iterable's. A proxy gives the first and the last: the same again may get through.
    408: (errors.ServerError, "Iterable failed"),
    422: (errors.BadRequest, "the request breaks a rule of Iterable's"),
    425: (errors.ServerError, "Iterable failed"),
}
AMBIGUOUS = (errors.AmbiguousAnswer, "accepted, it seems, but the response is no JSON object")
SERVER = (errors.ServerError, "Iterable failed")
ADDRESS = (errors.WrongAddress, "this does not answer like Iterable's API; check the address")


def find_meaning(status: int, *, is_own: bool = True) -> tuple[type[errors.ApiError], str]:
    if not is_own and status in (400, 409, 413, 422):
        return ADDRESS
    if 200 <= status <= 299:
        return AMBIGUOUS
    if 500 <= status <= 599:
        return SERVER
    return MEANINGS.get(status, ADDRESS)


NO_OBJECTS = {
    "empty": b"",
    "text": b"Too Many Requests",
    "html": b"<!DOCTYPE html><html><body>Not Found</body></html>",
    "list": b'[{"code":"Success"}]',
    "string": b'"Success"',
    "null": b"null",
    "cut": b'{"code":"Success","msg":"","par',
    "two objects": b'{"code":"Success"}{"code":"Success"}',
    "no UTF-8": b'{"code":"Success","msg":"\xff"}',
    "too deep": b'{"code":"Success","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("name", ["empty", "text", "html", "list"])
def test_a_status_without_a_json_object_means_what_the_status_says(name: str) -> None:
    for status in range(200, 600):
        error = read_error(status, NO_OBJECTS[name])
        kind, words = find_meaning(status, is_own=False)
        assert (status, type(error)) == (status, kind)
        assert str(error) == f"status {status}: {words}"
        assert (error.status, error.code, error.params) == (status, None, None)


@pytest.mark.parametrize("name", NO_OBJECTS)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_what_is_no_json_object_is_never_read_as_one(status: int, name: str) -> None:
    error = read_error(status, NO_OBJECTS[name])
    kind, words = find_meaning(status, is_own=False)
    assert type(error) is kind
    assert str(error) == f"status {status}: {words}"


OTHERS_JSON: dict[str, dict[str, Any]] = {
    "a message": {"message": "Forbidden"},
    "an error": {"error": {"code": 400, "message": "Bad Request"}},
    "a number as code": {"code": 400, "msg": "Bad Request"},
    "a code of another's": {"code": "ValidationException", "message": "no"},
    "a msg alone": {"msg": "no"},
    "a code and no msg": {"code": "SomethingNew", "msg": None},
    "nothing": {},
}


@pytest.mark.parametrize("name", OTHERS_JSON)
def test_a_refusal_in_json_that_is_not_iterables_form_is_somebody_elses(name: str) -> None:
    for status in range(300, 600):
        error = read_error(status, encode_body(**OTHERS_JSON[name]))
        assert (status, type(error)) == (status, find_meaning(status, is_own=False)[0])


@pytest.mark.parametrize("code", ["BadParams", "Success", "SomethingNew"])
def test_a_refusal_with_code_and_msg_is_iterables(code: str) -> None:
    for status in range(300, 600):
        error = read_error(status, encode_body(code=code, msg=""))
        assert (status, type(error)) == (status, find_meaning(status)[0])


#: The table of docs/reference/messages.md: statuses, and the errors in Iterable's form and not.
DOCUMENTED = re.findall(
    r"^\| ([0-9][0-9, –]+)\| `(\w+)`[^|]* \| `(\w+)`[^|]* \|$",
    Path("docs/reference/messages.md").read_text("utf-8"),
    re.MULTILINE,
)


def test_the_table_of_statuses_is_the_documented_one() -> None:
    documented: dict[int, tuple[str, str]] = {}
    for statuses, own, others in DOCUMENTED:
        for part in statuses.split(","):
            first, _, last = part.strip().partition("–")
            for status in range(int(first), int(last or first) + 1):
                documented.setdefault(status, (own, others))
    assert documented == {
        status: tuple(find_meaning(status, is_own=is_own)[0].__name__ for is_own in (True, False))
        for status in range(300, 600)
    }


def test_a_status_that_is_no_acceptance_stays_none_if_the_body_says_success() -> None:
    for status in range(300, 600):
        error = read_error(status, encode_body(msg="all well", code="Success", params={"a": 1}))
        assert (status, type(error)) == (status, find_meaning(status)[0])
        assert str(error) == "all well"
        assert (error.status, error.code, error.params) == (status, "Success", {"a": 1})


def test_an_acceptance_is_a_2xx_json_object_that_says_success() -> None:
    body = {"msg": "1 received", "code": "Success", "params": None}
    for status in range(200, 300):
        answer = read(status, encode_body(**body), request_id="r-1", retry_after=3.0)
        assert answer == ApiResponse(status, body, "Success", "1 received", "r-1")


def test_a_2xx_with_another_code_is_no_acceptance() -> None:
    for status in range(200, 300):
        error = read_error(status, encode_body(msg="no", code="BadParams"))
        assert type(error) is errors.BadRequest
        assert (error.status, error.code, str(error)) == (status, "BadParams", "no")


@pytest.mark.parametrize("code", [None, "", 0, 1, True, ["Success"], {"Success": 1}])
def test_a_code_that_is_no_text_is_no_code(code: Any) -> None:
    """Bulk and read endpoints have none; the client asks for one where there has to be one."""
    assert read(200, encode_body(code=code)).code is None


@pytest.mark.parametrize("code", ["success", "SUCCESS", " Success", "Success ", "OK", "Succes"])
def test_nothing_but_success_to_the_letter_is_success(code: str) -> None:
    assert type(read_error(200, encode_body(code=code, msg=""))) is errors.BadRequest
    assert type(read_error(200, encode_body(code=code))) is errors.AmbiguousAnswer  # not Iterable's


#: Every documented code but ``Success``; what it means with a status of 200 or 400, and of 409.
CODES: dict[str, tuple[type[errors.ApiError], type[errors.ApiError]]] = {
    "BadApiKey": (errors.Unauthorized, errors.Unauthorized),
    "BadAuthorizationHeader": (errors.Unauthorized, errors.Unauthorized),
    "BadJsonBody": (errors.BadRequest, errors.IdentityConflict),
    "BadParams": (errors.BadRequest, errors.IdentityConflict),
    "BatchTooLarge": (errors.TooLarge, errors.TooLarge),
    "DatabaseError": (errors.ServerError, errors.ServerError),
    "EmailAlreadyExists": (errors.IdentityConflict, errors.IdentityConflict),
    "ExternalKeyConflict": (errors.IdentityConflict, errors.IdentityConflict),
    "Forbidden": (errors.Forbidden, errors.Forbidden),
    "ForbiddenParamsError": (errors.BadRequest, errors.IdentityConflict),
    "ForgottenUserError": (errors.ForgottenUser, errors.ForgottenUser),
    "GenericError": (errors.ServerError, errors.ServerError),
    "InvalidEmailAddressError": (errors.BadRequest, errors.IdentityConflict),
    "InvalidJwtPayload": (errors.Unauthorized, errors.Unauthorized),
    "InvalidUserIdError": (errors.BadRequest, errors.IdentityConflict),
    "JwtUserIdentifiersMismatched": (errors.Unauthorized, errors.Unauthorized),
    "NotFound": (errors.BadRequest, errors.IdentityConflict),
    "QueueEmailError": (errors.BadRequest, errors.IdentityConflict),
    "RateLimitExceeded": (errors.RateLimited, errors.RateLimited),
    "RequestFieldsTypesMismatched": (errors.BadRequest, errors.IdentityConflict),
    "Unauthorized": (errors.Unauthorized, errors.Unauthorized),
    "UniqueFieldsLimitExceeded": (errors.BadRequest, errors.IdentityConflict),
    "UnknownEmailError": (errors.BadRequest, errors.IdentityConflict),
    "UnknownUserIdError": (errors.BadRequest, errors.IdentityConflict),
    "UserIdAlreadyExists": (errors.IdentityConflict, errors.IdentityConflict),
}
LIMITED_OR_FAILED = [
    (429, errors.RateLimited),
    (500, errors.ServerError),
    (503, errors.ServerError),
]


def test_the_table_has_every_documented_code() -> None:
    assert len(CODES) == 25


@pytest.mark.parametrize("code", CODES)
def test_a_code_decides_where_it_says_more_than_the_status(code: str) -> None:
    for status in (200, 202, 400):
        error = read_error(status, encode_body(msg="Because.", code=code, params={"field": "x"}))
        assert type(error) is CODES[code][0]
        assert (str(error), error.status, error.code) == ("Because.", status, code)
        assert error.params == {"field": "x"}


@pytest.mark.parametrize("code", CODES)
def test_a_conflict_is_one_whatever_the_code_unless_it_says_more(code: str) -> None:
    assert type(read_error(409, encode_body(code=code))) is CODES[code][1]


@pytest.mark.parametrize("code", [*CODES, "Success"])
def test_a_limit_or_a_failure_stays_one_whatever_the_code(code: str) -> None:
    for status, kind in LIMITED_OR_FAILED:
        assert type(read_error(status, encode_body(code=code))) is kind


@pytest.mark.parametrize("status", [401, 403, 404, 413, 302])
@pytest.mark.parametrize("code", ["NotFound", "BadParams", "SomethingNew"])
def test_a_code_that_says_nothing_more_leaves_the_status_its_meaning(
    status: int, code: str
) -> None:
    body = encode_body(code=code, msg="")
    assert type(read_error(status, body)) is find_meaning(status)[0]


def test_an_endpoint_that_a_project_does_not_have_stops_no_other_request() -> None:
    text = "Endpoint not found for project: 7"
    error = read_error(404, encode_body(msg=text, code="NotFound"))
    assert type(error) is errors.BadRequest
    assert (str(error), error.status, error.code) == (text, 404, "NotFound")
    assert type(read_error(404, encode_body(msg=text))) is errors.WrongAddress


def test_an_event_that_the_project_does_not_take_is_refused_though_the_status_is_200() -> None:
    text = "The event 'Order Completed' is disallowed from tracking."
    error = read_error(200, encode_body(msg=text, code="Success"))
    assert type(error) is errors.EventDisallowed
    assert (str(error), error.status, error.code) == (text, 200, "Success")


@pytest.mark.parametrize("kind", [kind for kind, _ in [*MEANINGS.values(), AMBIGUOUS, ADDRESS]])
def test_every_error_of_an_answer_is_an_api_error(kind: type[errors.ApiError]) -> None:
    assert issubclass(kind, errors.ApiError)


@pytest.mark.parametrize(
    ("parent", "children"),
    [
        (
            errors.RequestRefused,
            {
                errors.BadRequest,
                errors.TooLarge,
                errors.IdentityConflict,
                errors.ForgottenUser,
                errors.EventDisallowed,
            },
        ),
        (
            errors.ConfigurationError,
            {errors.Unauthorized, errors.Forbidden, errors.WrongAddress},
        ),
        (errors.NetworkError, {errors.NotConnected, errors.AmbiguousAnswer}),
        (errors.RateLimited, set[type]()),
        (errors.ServerError, set[type]()),
    ],
)
def test_the_error_tree_is_the_documented_one(parent: type, children: set[type]) -> None:
    assert set(parent.__subclasses__()) == children


def test_what_the_headers_say_is_on_the_error() -> None:
    with pytest.raises(errors.RateLimited) as caught:
        read(429, b"", request_id="r-1", retry_after=7.0)
    assert (caught.value.request_id, caught.value.retry_after) == ("r-1", 7.0)


@pytest.mark.parametrize("params", [None, "text", ["a"], 1])
def test_params_that_are_no_object_are_left_out(params: Any) -> None:
    assert read_error(400, encode_body(code="BadParams", params=params)).params is None


@pytest.mark.parametrize("msg", [None, "", 5, ["a"], {"a": 1}])
def test_a_message_that_is_no_text_gives_way_to_our_own_words(msg: Any) -> None:
    error = read_error(400, encode_body(code="BadParams", msg=msg))
    assert str(error) == "status 400: the request breaks a rule of Iterable's"
    assert read(200, encode_body(code="Success", msg=msg)).message is None


@pytest.mark.parametrize(("length", "kept"), [(500, "x" * 500), (501, "x" * 500 + "…")])
def test_a_long_message_and_a_long_code_are_cut(length: int, kept: str) -> None:
    error = read_error(400, encode_body(msg="x" * length, code="x" * length))
    assert (str(error), error.message, error.code) == (kept, kept, kept)


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("ForgottenUserError", 409, "the user was forgotten"),
        ("BadApiKey", 400, "the API key is not known in this data center"),
        ("BatchTooLarge", 400, "the request is too large"),
    ],
)
def test_a_code_without_a_message_has_words_of_ours(code: str, status: int, words: str) -> None:
    assert str(read_error(status, encode_body(code=code))) == f"status {status}: {words}"


ECHO = f"POST /api/users/update HTTP/1.1\r\nApi-Key: {KEY}\r\n\r\n{{}}"


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 409, 413, 429, 500])
def test_the_key_is_taken_out_of_all_that_is_kept_of_an_answer(status: int) -> None:
    params = {"a": [{"b": [ECHO, 1, None]}, KEY], KEY: {KEY: KEY, "n": 1.5}}
    error = read_error(status, encode_body(msg=ECHO, code=f"Bad{KEY}", params=params))
    redacted_echo = ECHO.replace(KEY, "[api key]")
    assert (error.message, error.code) == (redacted_echo, "Bad[api key]")
    assert error.params == {
        "a": [{"b": [redacted_echo, 1, None]}, "[api key]"],
        "[api key]": {"[api key]": "[api key]", "n": 1.5},
    }
    assert KEY not in repr(error.__dict__) + repr(error.args) + repr(error)


def test_the_key_is_taken_out_of_an_acceptance_too() -> None:
    answer = read(200, encode_body(msg=ECHO, code="Success", params={KEY: [KEY]}, other=KEY))
    assert KEY not in repr(answer) + repr(answer.body)
    assert answer.message == ECHO.replace(KEY, "[api key]")


def test_the_key_is_taken_out_before_a_message_is_cut() -> None:
    error = read_error(400, encode_body(msg="x" * 490 + KEY))
    assert str(error) == "x" * 490 + "[api key]"


def test_a_key_written_with_json_escapes_is_taken_out() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
    error = read_error(400, f'{{"msg":"a {escaped} b","code":"BadParams"}}'.encode())
    assert str(error) == "a [api key] b"


def test_the_key_is_taken_out_of_the_name_of_the_request() -> None:
    accepted = read(200, encode_body(code="Success"), request_id=f"request-{KEY}")
    assert accepted.request_id == "request-[api key]"
    with pytest.raises(errors.WrongAddress) as caught:
        read(400, b"", request_id=f"request-{KEY}")
    assert caught.value.request_id == "request-[api key]"


@pytest.mark.parametrize("depth", [600, 1_000])
def test_an_answer_nested_deeply_is_an_api_error_like_any_other(depth: int) -> None:
    body = b'{"code":"BadParams","params":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    assert type(read_error(400, body)) is errors.BadRequest


def test_an_answer_is_utf_8_and_may_begin_with_a_byte_order_mark() -> None:
    text = '{"code":"Success","msg":"é"}'
    assert read(200, b"\xef\xbb\xbf" + text.encode()).message == "é"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"):
        error = read_error(200, text.encode(encoding))
        assert type(error) is errors.AmbiguousAnswer
        assert str(error) == f"status 200: {AMBIGUOUS[1]}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([KEY, f"a {KEY}.", "b"]),
    lambda value: st.lists(value) | st.dictionaries(st.sampled_from([KEY, "c", f"{KEY}d"]), value),
)


@given(value=JSON)
def test_no_json_value_keeps_the_key(value: Any) -> None:
    redacted = responses.redact(value, KEY)
    assert KEY not in json.dumps(redacted)
    if KEY not in json.dumps(value):
        assert redacted == value


@given(status=st.integers(200, 599), body=st.binary() | JSON.map(json.dumps).map(str.encode))
def test_any_answer_at_all_is_an_answer_or_an_api_error(status: int, body: bytes) -> None:
    try:
        answer = read(status, body)
    except errors.ApiError as error:
        assert error.status == status  # noqa: PT017 - either way is right
    else:
        assert 200 <= status <= 299
        assert isinstance(json.loads(body), dict)
        assert answer.code in (None, "Success")
