"""Run the command line, with output in UTF-8 that may fail.

Output that cannot be written, such as on a full disk, ends the program with one line and status 2.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import NoReturn, TextIO

import click

from iterable_destination.cli import console
from iterable_destination.cli.help import PROGRAM
from iterable_destination.cli.main import command_line
from iterable_destination.cli.options import WRONG_USAGE


def run() -> NoReturn:
    """Run the command that the arguments name, and exit with its status."""
    if sys.stdout is None:
        _exit("standard output: is closed")
    for stream in (sys.stdout, sys.stderr):
        _use_utf_8(stream)
    try:
        try:
            command_line(prog_name=PROGRAM)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        sys.exit(1)
    except OSError as error:
        reason = error.strerror or error
        _exit(f"{'standard output' if error.filename is None else error.filename}: {reason}")
    sys.exit(0)


def _use_utf_8(stream: TextIO | None) -> None:
    """Write UTF-8 to a file or a pipe, whatever the locale says, and to a terminal what it shows.

    No character makes it fail: what cannot be written is escaped.
    """
    if isinstance(stream, io.TextIOWrapper):
        encoding = stream.encoding if stream.isatty() else "utf-8"
        stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _exit(message: str) -> NoReturn:
    _discard_output()
    with suppress(OSError):  # Standard error may be the same full disk.
        click.echo(f"Error: {console.escape_unprintable(message)}", err=True)
    sys.exit(WRONG_USAGE)


def _discard_output() -> None:
    """Let what is not written yet go nowhere, or Python would try again when it exits."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
