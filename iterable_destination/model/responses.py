"""Responses: what Iterable's server sent back, as a value or as the error that it means.

This module reads the status, code and text of one response. It has no network and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from iterable_destination import errors
from iterable_destination.model.json_codec import decode

REDACTED: Final = "[api key]"
#: Iterable's ``msg`` has been seen to repeat the whole request; it is cut to so many characters.
_LONGEST_MESSAGE: Final = 500

_SUCCESS: Final = "Success"
_DISALLOWED: Final = "is disallowed from tracking"
#: How ``msg`` begins at a 404 ``NotFound`` for an endpoint that Iterable must enable for a project
#: (practice): that of subscriptions. Others work, so it is no wrong address.
_NO_ENDPOINT: Final = "Endpoint not found for project"

#: The meaning of statuses outside 200 to 299 and 500 to 599; any other is no response of
#: Iterable's.
_STATUSES: Final[dict[int, type[errors.ApiError]]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    408: errors.ServerError,
    409: errors.IdentityConflict,
    413: errors.TooLarge,
    422: errors.BadRequest,
    425: errors.ServerError,
}
#: What only Iterable itself can say: the request is at fault.
_REFUSALS: Final = (errors.BadRequest, errors.IdentityConflict, errors.TooLarge)
#: Codes that say more than the status they come with.
_CODES: Final[dict[str, type[errors.ApiError]]] = {
    "BadApiKey": errors.Unauthorized,
    "BadAuthorizationHeader": errors.Unauthorized,
    "InvalidJwtPayload": errors.Unauthorized,
    "JwtUserIdentifiersMismatched": errors.Unauthorized,
    "Unauthorized": errors.Unauthorized,
    "Forbidden": errors.Forbidden,
    "BatchTooLarge": errors.TooLarge,
    "EmailAlreadyExists": errors.IdentityConflict,
    "ExternalKeyConflict": errors.IdentityConflict,
    "UserIdAlreadyExists": errors.IdentityConflict,
    "DatabaseError": errors.ServerError,
    "ForgottenUserError": errors.ForgottenUser,
    "GenericError": errors.ServerError,
    "RateLimitExceeded": errors.RateLimited,
}
#: The other documented codes.
_OTHER_CODES: Final = frozenset(
    {
        _SUCCESS,
        "BadJsonBody",
        "BadParams",
        "ForbiddenParamsError",
        "InvalidEmailAddressError",
        "InvalidUserIdError",
        "NotFound",
        "QueueEmailError",
        "RequestFieldsTypesMismatched",
        "UniqueFieldsLimitExceeded",
        "UnknownEmailError",
        "UnknownUserIdError",
    }
)


@attrs.frozen
class ApiResponse:
    """A response that accepts the request."""

    #: The HTTP status, 200 to 299.
    status: int
    #: The JSON object in the response.
    body: Mapping[str, Any] = attrs.field(repr=False)
    #: Iterable's ``code``; None for bulk and read endpoints, whose responses have none.
    code: str | None = None
    #: Iterable's ``msg``; None if it gave none.
    message: str | None = None
    #: The header ``Iterable-Request-Id``; None if it gave none.
    request_id: str | None = None


Words = Mapping[type[errors.ApiError], str]


def parse_response(  # noqa: PLR0913 - the parts of a response
    status: int,
    text: bytes,
    *,
    secret: str,
    request_id: str | None,
    retry_after: float | None,
    words: Words | None = None,
    has_codes: bool = True,
) -> ApiResponse:
    """Return a response that accepts, or raise the :exc:`~errors.ApiError` that it means.

    ``secret`` is removed from everything that is kept. ``words`` are the messages for errors of
    which the response says nothing; None is those for Iterable. ``has_codes`` is whether the server
    refuses requests in Iterable's form, a JSON object with ``code`` and ``msg``; if not, all but
    pages of HTML are taken for its own.
    """
    body = _decode_object(text, secret)
    request_id = redact(request_id, secret)
    code, message = _read_text(body, "code"), _read_text(body, "msg")
    error = _find_error(status, code, message, readable=body is not None)
    is_own = _has_iterables_form(body, code) if has_codes else not text.lstrip().startswith(b"<")
    if error in _REFUSALS and not is_own:
        # What stands between refuses all requests alike; or it accepted this one, and says no more.
        error = errors.WrongAddress if status in _STATUSES else errors.AmbiguousAnswer
    if error is None:
        return ApiResponse(status, body or {}, code, message, request_id)
    params = (body or {}).get("params")
    raise error(
        message or f"status {status}: {_describe(error, words or _WORDS)}",
        status=status,
        code=code,
        params=params if isinstance(params, dict) else None,
        request_id=request_id,
        retry_after=retry_after,
    )


def _describe(error: type[errors.ApiError], words: Words) -> str:
    return words.get(error) or words[errors.ApiError]


def redact(value: Any, secret: str) -> Any:
    """Return a JSON value with the secret removed from every text and key of it."""
    if isinstance(value, str):
        return value.replace(secret, REDACTED)
    if isinstance(value, dict):
        return {redact(key, secret): redact(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, secret) for item in value]
    return value


_WORDS: Final[Words] = {
    errors.ApiError: "no response that Iterable gives",
    errors.AmbiguousAnswer: "accepted, it seems, but the response is no JSON object",
    errors.BadRequest: "the request breaks a rule of Iterable's",
    errors.TooLarge: "the request is too large",
    errors.ForgottenUser: "the user was forgotten",
    errors.IdentityConflict: "the email or userId is someone else's",
    errors.Unauthorized: "the API key is not known in this data center",
    errors.Forbidden: "the API key may not be used for this",
    errors.WrongAddress: "this does not answer like Iterable's API; check the address",
    errors.RateLimited: "more requests than the project's limit",
    errors.ServerError: "Iterable failed",
}


def _find_error(
    status: int, code: str | None, message: str | None, *, readable: bool
) -> type[errors.ApiError] | None:
    if status == 429:  # noqa: PLR2004
        return errors.RateLimited
    if 500 <= status <= 599:  # noqa: PLR2004
        return errors.ServerError
    if code in _CODES and 200 <= status <= 499:  # noqa: PLR2004
        return _CODES[code]
    is_missing = status == 404 and code == "NotFound"  # noqa: PLR2004
    if is_missing and (message or "").startswith(_NO_ENDPOINT):
        return errors.BadRequest
    if not 200 <= status <= 299:  # noqa: PLR2004
        return _STATUSES.get(status, errors.WrongAddress)
    if not readable:
        return errors.AmbiguousAnswer
    if _DISALLOWED in (message or ""):
        return errors.EventDisallowed
    return None if code in (None, _SUCCESS) else errors.BadRequest


def _has_iterables_form(body: Mapping[str, Any] | None, code: str | None) -> bool:
    """Whether Iterable answers so, and not a proxy, a gateway or another server."""
    has_message = body is not None and isinstance(body.get("msg"), str)
    return code is not None and (has_message or code in _CODES or code in _OTHER_CODES)


def _decode_object(text: bytes, secret: str) -> dict[str, Any] | None:
    try:
        body = decode(text)
        # Without an escape, the secret can only be there as it is.
        if b"\\" in text or secret.encode() in text:
            body = redact(body, secret)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _read_text(body: Mapping[str, Any] | None, key: str) -> str | None:
    text = (body or {}).get(key)
    if not isinstance(text, str) or not text:
        return None
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
