"""What keeps the pages from anybody else's: headers, origins, and the bounds of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from iterable_destination.model.json_codec import decode, encode
from iterable_destination.playground.attempt import WrongAttempt

#: The largest body of a request, in bytes.
MAX_BODY: Final = 1_000_000
#: Nothing but what this server sends may run or be loaded; the editor writes styles of its own.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

#: Answers a JSON object with one.
Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


class SecurityHeaders:
    """Middleware that adds the headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app: Final = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _RefusedError(Exception):
    """A request that is not taken; the response says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response: Final = JSONResponse({"error": message}, status)


def json_post(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that takes JSON from its own pages alone, and answers in a thread."""

    async def respond(request: Request) -> Response:
        try:
            asked = await _read_json(request)
            answered = await run_in_threadpool(answer, asked)
        except _RefusedError as refused:
            return refused.response
        except WrongAttempt as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(encode(answered), media_type="application/json")

    return respond


async def _read_json(request: Request) -> dict[str, Any]:
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}":
        raise _RefusedError(403, "only the pages of this server may ask")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != (
        "application/json"
    ):
        raise _RefusedError(415, "the content type must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise _RefusedError(413, f"the body must have at most {MAX_BODY:,} bytes")
    try:
        asked = decode(bytes(body))
    except ValueError:
        raise _RefusedError(400, "invalid JSON body") from None
    if not isinstance(asked, dict):
        raise _RefusedError(400, "the body must be a JSON object")
    return asked
