"""Serve a WSGI application on a port of this machine, for development.

It is the standard library's server, with a thread for each request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

__all__ = ["serve"]

_log: Final = logging.getLogger("iterable_destination.receivers")

#: Seconds that a connection may be idle.
_IDLE_TIMEOUT: Final = 10.0
#: Seconds between two checks whether to stop.
_POLL: Final = 0.05


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Log a broken connection, and write nothing to standard error."""
        _log.debug("a connection broke", exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = _IDLE_TIMEOUT

    def get_environ(self) -> dict[str, Any]:
        """Add the connection, so that reading a body can be stopped."""
        return {**super().get_environ(), "iterable_destination.socket": self.connection}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        _log.debug(format, *args)


@contextmanager
def serve(application: Any, host: str, port: int) -> Iterator[str]:
    """Serve an application during a ``with`` block, and yield its address.

    ``port`` 0 picks a free one. Raises :exc:`OSError` if the server cannot listen.
    """
    server = make_server(host, port, application, _Server, _Handler)
    thread = Thread(
        target=server.serve_forever, args=(_POLL,), name="iterable-serving", daemon=True
    )
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
