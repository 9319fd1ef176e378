"""Answer the requests of the suite by the line, as this package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from iterable_destination.conformance.answering import answer
from iterable_destination.model.json_codec import decode, encode


def answer_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield an answer for each line that has a request; blank ones have none."""
    for line in lines:
        if line.strip():
            yield encode(_answer_line(line)) + b"\n"


def _answer_line(line: bytes) -> dict[str, Any]:
    given = None
    try:
        request = decode(line)
        given = request["id"]
        return {"id": given, "output": answer(request)}
    except Exception as error:  # noqa: BLE001 - the next request is answered whatever this one is
        return {"id": given, "failure": f"{type(error).__name__}: {error}"}
