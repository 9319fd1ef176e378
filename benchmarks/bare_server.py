"""A server that accepts everything at once: the least that a client can be measured against.

It has just enough HTTP to respond as Iterable does when it accepts a request. It runs in a process
of its own, so that its work does not count as the client's.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from iterable_destination.model.json_codec import decode

SINGLE = b'{"msg":"","code":"Success","params":null}'


#: The key of the list of items in a bulk request, by the end of its path.
LISTS: Final = {b"bulkUpdate": "users", b"trackBulk": "events"}


def answer(path: bytes, body: bytes) -> bytes:
    """Return the body of an answer that accepts everything."""
    key = LISTS.get(path.rpartition(b"/")[2])
    if key is None:
        return SINGLE
    count = len(decode(body)[key])
    return b'{"successCount":%d,"failCount":0,"failedUpdates":{}}' % count


def serve(connection: socket.socket, latency: float) -> None:
    """Answer the requests of one connection, one after another."""
    with connection, connection.makefile("rb") as stream:
        while line := stream.readline():
            path = line.split(b" ")[1]
            length = 0
            while (header := stream.readline()) not in (b"\r\n", b""):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = answer(path, stream.read(length))
            time.sleep(latency)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )


def listen(pipe: multiprocessing.connection.Connection, latency: float) -> None:
    """Tell the port, and serve until the process is ended."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection, latency), daemon=True).start()


@contextmanager
def running(latency: float = 0.0) -> Iterator[str]:
    """Run the server, which waits so many seconds before each answer; give its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=listen, args=(theirs, latency), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()
