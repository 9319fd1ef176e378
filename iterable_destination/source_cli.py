"""The command line of the source: webhooks of Iterable's in, Segment's events out.

What may live here: arguments, lines in and lines out, exit statuses. Nothing that decides.
"""

from __future__ import annotations

import sys
from typing import Any

import attrs
import click

from iterable_destination.arguments import (
    FILE,
    SOME_FAILED,
    error_of,
    json_object,
    lines_of,
    stop,
)
from iterable_destination.errors import InvalidJSON, InvalidSettings, InvalidWebhook
from iterable_destination.json_codec import encode
from iterable_destination.json_lines import Line
from iterable_destination.source import Ignored, SourceOptions, to_segment

_OPTIONS = click.option(
    "--options", "options_file", metavar="FILE", help="A JSON object of the source's options."
)


@click.group()
def source() -> None:
    """Iterable's webhooks in, Segment events out."""


@source.command()
@FILE
@_OPTIONS
def translate(file: str, options_file: str | None) -> None:
    """Show what Segment would be sent for each webhook.

    FILE has one JSON webhook a line (.gz too); without it, or with -, standard input is read.
    For each line one line is written, in order: its track call, why it is ignored, or its
    problems.
    """
    options = options_of(options_file)
    refused = False
    with lines_of(file) as lines:
        for line in lines:
            result = _translated(line, options)
            refused |= "error" in result
            sys.stdout.buffer.write(encode(result) + b"\n")
    sys.exit(SOME_FAILED if refused else 0)


def _translated(line: Line, options: SourceOptions) -> dict[str, Any]:
    try:
        found = to_segment(line.event(), options)
    except InvalidJSON as error:
        return {"line": line.number, "error": error_of(error)}
    except InvalidWebhook as error:
        return {"error": error_of(error)}
    if isinstance(found, Ignored):
        return {"ignored": found.reason}
    result: dict[str, Any] = {"track": found.body()}
    if found.notes:
        result["notes"] = [attrs.asdict(note) for note in found.notes]
    return result


def options_of(path: str | None) -> SourceOptions:
    """Read the source's options; without a file they are the default ones."""
    if path is None:
        return SourceOptions()
    given = json_object(path, "options")
    known = {field.name for field in attrs.fields(SourceOptions) if field.init}
    for name in given.keys() - known:
        stop(f"{path}: {name}: there is no such option")
    try:
        return SourceOptions(**given)
    except InvalidSettings as error:
        stop(f"{path}: {error}")
