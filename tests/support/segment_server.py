"""A stand-in for Segment's tracking API."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

KEY = "the-write-key"
AUTHORIZATION = "Basic " + base64.b64encode(b"the-write-key:").decode()


@attrs.define
class Segment:
    """The requests that the stand-in received, and the statuses that it responds with."""

    url: str = ""
    requests: list[tuple[str, str, Any]] = attrs.field(factory=list)
    #: Statuses of the next responses; 200 when there are none.
    answers: list[int] = attrs.field(factory=list)

    def answer(self, path: str, authorization: str, body: Any) -> int:
        self.requests.append((path, authorization, body))
        if authorization != AUTHORIZATION:
            return 401
        return self.answers.pop(0) if self.answers else 200

    @property
    def events(self) -> list[Any]:
        """The accepted events, in order."""
        found: list[Any] = []
        for path, _, body in self.requests:
            found += body["batch"] if path == "/v1/batch" else [body]
        return found


@contextmanager
def running_segment() -> Iterator[Segment]:
    """Run the stand-in."""
    state = Segment()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = state.answer(self.path, self.headers.get("Authorization", ""), body)
            text = json.dumps({"success": status == 200}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
