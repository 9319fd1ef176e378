"""Responses of the local Iterable, and the exception for a refusal.

Statuses and codes are those of Iterable's API description. The wording of ``msg`` is ours, except
where a test or a client reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

#: Causes of a failed item in the response to a bulk: the list it is in → the emails or userIds.
Failed = Mapping[str, tuple[str, ...]]

JSON_TYPE: Final = "application/json"
HTML_TYPE: Final = "text/html; charset=UTF-8"
NOT_FOUND_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Not Found</title></head>"
    b"<body><h1>Page not found</h1></body></html>\n"
)


@attrs.frozen
class Response:
    """A response as it is sent."""

    #: The HTTP status.
    status: int
    #: Headers by name, without ``Content-Length``, which the server adds.
    headers: Mapping[str, str]
    #: The bytes of the body.
    body: bytes

    def json(self) -> Any:
        """The decoded body. Raises ValueError if it is not JSON (the page of a 404)."""
        return json.loads(self.body)


class Refusal(Exception):
    """The request, or one item of a bulk, is refused; nothing of it is applied."""

    def __init__(self, response: Response, failed: Failed | None = None) -> None:
        super().__init__(response.status)
        #: The response to a single request.
        self.response = response
        #: How the response to a bulk names the item; None if one such item refuses the whole bulk.
        self.failed = failed


def json_response(content: Mapping[str, Any], status: int = 200) -> Response:
    """A response with a JSON body."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return Response(status, {"Content-Type": JSON_TYPE}, body)


def coded_response(
    status: int, code: str, msg: str, params: Mapping[str, Any] | None = None
) -> Response:
    """An ``IterableApiResponse``; ``params`` None is sent as null."""
    return json_response({"msg": msg, "code": code, "params": params}, status)


def success(msg: str = "", params: Mapping[str, Any] | None = None) -> Response:
    """Status 200 with the code ``Success``."""
    return coded_response(200, "Success", msg, params)


def not_found() -> Response:
    """Status 404 with the HTML page that Iterable sends for an unknown path."""
    return Response(404, {"Content-Type": HTML_TYPE}, NOT_FOUND_PAGE)


def refusal(
    code: str,
    msg: str,
    *,
    status: int = 400,
    params: Mapping[str, Any] | None = None,
    failed: Failed | None = None,
) -> Refusal:
    """A refusal to raise. ``failed`` is as in :class:`Refusal`."""
    return Refusal(coded_response(status, code, msg, params), failed)
