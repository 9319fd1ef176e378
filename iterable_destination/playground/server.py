"""A server for the pages, on this machine only."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, Final

import uvicorn

#: Seconds that connections have to end when the server stops; a live page never ends by itself.
_END_TIMEOUT: Final = 1
#: Connections at once.
_MAX_CONNECTIONS: Final = 200


@contextmanager
def serve(application: Any, host: str, port: int) -> Iterator[str]:
    """Serve an application during a ``with`` block, and yield its address.

    ``port`` 0 picks a free one. Raises :exc:`OSError` if the server cannot listen.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                application,
                log_level="critical",
                timeout_graceful_shutdown=_END_TIMEOUT,
                limit_concurrency=_MAX_CONNECTIONS,
                server_header=False,
                lifespan="off",
            )
        )
        thread = Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="iterable-page", daemon=True
        )
        thread.start()
        shown = f"[{host}]" if ":" in host else host
        try:
            yield f"http://{shown}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
