"""What the local Iterable answers: the value, and the one exception that carries a refusal.

What may live here: :class:`Answer`, :class:`Refusal` and the ways to make them. No state.
Statuses and codes are those of Iterable's API description; the wording of ``msg`` is ours except
where a test or a client reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

#: Causes of a failed item in a bulk answer: the list it is named in → the emails or userIds.
Failed = Mapping[str, tuple[str, ...]]

JSON_TYPE: Final = "application/json"
HTML_TYPE: Final = "text/html; charset=UTF-8"
NOT_FOUND_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Not Found</title></head>"
    b"<body><h1>Page not found</h1></body></html>\n"
)


@attrs.frozen
class Response:
    """One answer, as it goes over the wire."""

    #: The HTTP status.
    status: int
    #: Headers by name. ``Content-Length`` is the server's business and is not among them.
    headers: Mapping[str, str]
    #: The bytes of the body.
    body: bytes

    def json(self) -> Any:
        """The body, decoded. Raises ValueError where it is no JSON (the page of a 404)."""
        return json.loads(self.body)


class Refusal(Exception):
    """The request, or one item of a bulk, is refused; nothing of it has been applied."""

    def __init__(self, answer: Response, failed: Failed | None = None) -> None:
        super().__init__(answer.status)
        #: What a single request is answered.
        self.answer = answer
        #: How a bulk answer names the item, or None where one such item refuses the whole bulk.
        self.failed = failed


def as_json(content: Mapping[str, Any], status: int = 200) -> Response:
    """An answer with a JSON body."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return Response(status, {"Content-Type": JSON_TYPE}, body)


def coded(status: int, code: str, msg: str, params: Mapping[str, Any] | None = None) -> Response:
    """An ``IterableApiResponse``; ``params`` None is sent as null."""
    return as_json({"msg": msg, "code": code, "params": params}, status)


def success(msg: str = "", params: Mapping[str, Any] | None = None) -> Response:
    """Status 200 with the code ``Success``."""
    return coded(200, "Success", msg, params)


def not_found() -> Response:
    """Status 404 as the HTML page that Iterable gives for a path it does not know."""
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
    return Refusal(coded(status, code, msg, params), failed)
