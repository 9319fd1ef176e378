"""Answers: what Iterable's server said, as a value or as the error it means.

What may live here: the reading of one answer's status, code and text. No network, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from iterable_destination import errors
from iterable_destination.model.json_codec import decode

REDACTED: Final = "[api key]"
#: Iterable's ``msg`` has been seen to repeat the whole request; so much of it is enough.
_LONGEST_MESSAGE: Final = 500

_SUCCESS: Final = "Success"
_DISALLOWED: Final = "is disallowed from tracking"

#: What a status outside 200 to 299 and 500 to 599 means; any other is no answer of Iterable's.
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


@attrs.frozen
class ApiResponse:
    """A plain acceptance."""

    #: The HTTP status, 200 to 299.
    status: int
    #: The JSON object that came.
    body: Mapping[str, Any] = attrs.field(repr=False)
    #: Iterable's ``code``; None for bulk and read endpoints, whose answers have none.
    code: str | None = None
    #: Iterable's ``msg``; None if it gave none.
    message: str | None = None
    #: The header ``Iterable-Request-Id``; None if it gave none.
    request_id: str | None = None


Words = Mapping[type[errors.ApiError], str]


def parse_response(  # noqa: PLR0913 - what there is of an answer
    status: int,
    text: bytes,
    *,
    secret: str,
    request_id: str | None,
    retry_after: float | None,
    words: Words | None = None,
) -> ApiResponse:
    """Return what was accepted, or raise the :exc:`~errors.ApiError` that the answer means.

    ``secret`` is taken out of everything that is kept of it. ``words`` are said for an error of
    which the answer says nothing; None is those for Iterable.
    """
    body = _object(text, secret)
    request_id = redacted(request_id, secret)
    code, message = _text(body, "code"), _text(body, "msg")
    error = _meaning(status, code, message, readable=body is not None)
    if error is None:
        return ApiResponse(status, body or {}, code, message, request_id)
    params = (body or {}).get("params")
    raise error(
        message or f"status {status}: {_said(error, words or _WORDS)}",
        status=status,
        code=code,
        params=params if isinstance(params, dict) else None,
        request_id=request_id,
        retry_after=retry_after,
    )


def _said(error: type[errors.ApiError], words: Words) -> str:
    return words.get(error) or words[errors.ApiError]


def redacted(value: Any, secret: str) -> Any:
    """Return a JSON value with the secret taken out of every text and key of it."""
    if isinstance(value, str):
        return value.replace(secret, REDACTED)
    if isinstance(value, dict):
        return {redacted(key, secret): redacted(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted(item, secret) for item in value]
    return value


_WORDS: Final[Words] = {
    errors.ApiError: "no answer that Iterable gives",
    errors.AmbiguousAnswer: "accepted, it seems, but the answer is no JSON object",
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


def _meaning(
    status: int, code: str | None, message: str | None, *, readable: bool
) -> type[errors.ApiError] | None:
    if status == 429:  # noqa: PLR2004
        return errors.RateLimited
    if 500 <= status <= 599:  # noqa: PLR2004
        return errors.ServerError
    if code in _CODES and 200 <= status <= 499:  # noqa: PLR2004
        return _CODES[code]
    if not 200 <= status <= 299:  # noqa: PLR2004
        return _STATUSES.get(status, errors.WrongAddress)
    if not readable:
        return errors.AmbiguousAnswer
    if _DISALLOWED in (message or ""):
        return errors.EventDisallowed
    return None if code in (None, _SUCCESS) else errors.BadRequest


def _object(text: bytes, secret: str) -> dict[str, Any] | None:
    try:
        body = redacted(decode(text), secret)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _text(body: Mapping[str, Any] | None, key: str) -> str | None:
    text = (body or {}).get(key)
    if not isinstance(text, str) or not text:
        return None
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
