"""Ask an implementation in another process, which reads requests and writes answers by the line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import IO, Any, Final

import attrs

from iterable_destination.model.json_codec import decode, encode

#: Lines that are no answers, after which the command is ended.
_MAX_FAULTS: Final = 100
_KEYS: Final = ("output", "failure")
#: Bytes of a line; a longer one comes in pieces, each of them a line that is no answer.
_MAX_LINE: Final = 50_000_000


@attrs.define
class Conversation:
    """What a command answered."""

    #: The ids that are not answered yet.
    unanswered: set[str]
    #: By id: ``{"output": …}`` or ``{"failure": why}``.
    answers: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    #: What is wrong beside the answers: lines that are none, and how the command ended.
    faults: list[str] = attrs.field(factory=list)
    _lines: int = 0

    def take(self, line: bytes) -> None:
        """Take one line of the command's output."""
        self._lines += 1
        try:
            value = decode(line)
        except ValueError as error:
            self.faults.append(f"line {self._lines}: no JSON: {error}")
            return
        if not isinstance(value, dict) or not any(key in value for key in _KEYS):
            self.faults.append(f"line {self._lines}: no answer, an object with id and output")
        elif str(value.get("id")) not in self.unanswered:
            self.faults.append(f"line {self._lines}: no request that waits has this id")
        else:
            self.unanswered.remove(str(value["id"]))
            self.answers[str(value["id"])] = value

    def end(self, reason: str, *, failed: bool) -> None:
        """Note how the command ended; what is unanswered failed for this reason."""
        if failed:
            self.faults.append(f"the command {reason}")
        for each in self.unanswered:
            self.answers[each] = {"failure": f"no answer: the command {reason}"}


def ask(
    command: Sequence[str],
    requests: Iterable[Mapping[str, Any]],
    *,
    timeout: float,
    on_stderr: Callable[[str], None],
) -> Conversation:
    """Start a command, write all requests to it, and read its answers, in whatever order.

    ``timeout`` is how many seconds it may take until its next line, and until its end after its
    last one; then it is killed. ``on_stderr`` gets each line of its standard error, in another
    thread. Raises :exc:`OSError` if the command cannot be started.
    """
    asked = list(requests)
    conversation = Conversation({request["id"] for request in asked})
    process = subprocess.Popen(  # noqa: S603 - the command that is asked for
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    lines: SimpleQueue[bytes | None] = SimpleQueue()
    threads = [
        threading.Thread(target=_write, args=(process.stdin, asked), daemon=True),
        threading.Thread(target=_read, args=(process.stdout, lines), daemon=True),
        threading.Thread(target=_forward, args=(process.stderr, on_stderr), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        reason, failed = _converse(process, lines, conversation, timeout)
    finally:
        _kill(process)
        for thread in threads:
            thread.join(timeout)
    conversation.end(reason, failed=failed or bool(conversation.unanswered))
    return conversation


def _converse(
    process: subprocess.Popen[bytes],
    lines: SimpleQueue[bytes | None],
    conversation: Conversation,
    timeout: float,
) -> tuple[str, bool]:
    """Read lines until there are no more; return how the command ended, and if that is wrong."""
    try:
        while (line := lines.get(timeout=timeout)) is not None:
            conversation.take(line)
            if len(conversation.faults) > _MAX_FAULTS:
                return f"was stopped after {_MAX_FAULTS} lines that are no answers", True
        status = process.wait(timeout)
    except (Empty, subprocess.TimeoutExpired):
        return f"was silent for {timeout:g} s, and was stopped", True
    return f"ended with status {status}", status != 0


def _write(stdin: IO[bytes], requests: Iterable[Mapping[str, Any]]) -> None:
    with contextlib.suppress(OSError), stdin:  # it may have ended
        for request in requests:
            stdin.write(encode(request) + b"\n")


def _read(stdout: IO[bytes], lines: SimpleQueue[bytes | None]) -> None:
    with stdout:
        while line := stdout.readline(_MAX_LINE):
            if line.strip():
                lines.put(line)
    lines.put(None)


def _forward(stderr: IO[bytes], on_line: Callable[[str], None]) -> None:
    with stderr:
        while line := stderr.readline(_MAX_LINE):
            on_line(line.decode("utf-8", "backslashreplace").rstrip())


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command, and what it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
