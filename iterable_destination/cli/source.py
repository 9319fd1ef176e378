"""The commands for Iterable's webhooks: ``iterable-destination source``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import attrs
import click

from iterable_destination.cli.options import (
    CHECKPOINT,
    CLOSE_TIMEOUT,
    DEAD_LETTERS,
    FILES,
    OUTBOX,
    PORT,
    WITHOUT_AUTHENTICATION,
    WORKERS,
    RateLimits,
    describe_error,
    describe_secrets_error,
    find_inputs,
    load_json_object,
    make_rate_limits_option,
    open_dead_letters,
    open_outbox,
    refuse_same_files,
    send_lines,
    serve_until_interrupted,
    stop,
    write_results,
)
from iterable_destination.delivery.segment_destination import SEGMENT_PATHS, SegmentDestination
from iterable_destination.errors import InvalidJSON, InvalidSettings, InvalidWebhook
from iterable_destination.io.segment_client import SegmentClient
from iterable_destination.model.records import LineRecord
from iterable_destination.model.settings import DataCenter
from iterable_destination.source import Ignored, SourceOptions, to_segment

_NO_AUTHENTICATION: Final = (
    "set the variable ITERABLE_WEBHOOK_TOKEN, or let anybody send webhooks with"
    " --without-authentication"
)

_OPTIONS = click.option(
    "--options", "options_file", metavar="FILE", help="A JSON object of the source's options."
)
_REGION = click.option("--region", type=click.Choice(["US", "EU"]), default="US", show_default=True)
_BASE_URL = click.option("--base-url", metavar="URL", help="Another server instead of Segment's.")
_RATE_LIMITS = make_rate_limits_option(SEGMENT_PATHS)


@click.group()
def source() -> None:
    """Iterable's webhooks in, Segment events out."""


@source.command()
@FILES
@_OPTIONS
def translate(files: tuple[str, ...], options_file: str | None) -> None:
    """Show what Segment would be sent for each webhook.

    FILE has one JSON webhook a line, compressed or not; several, folders and patterns are read one
    after another. Without it, or with -, standard input is read. For each line one line is written,
    in order: its track call, why it is ignored, or its problems.
    """
    options = load_options(options_file)
    write_results(files, lambda line: _translate_line(line, options))


@source.command()
@FILES
@_OPTIONS
@_REGION
@_BASE_URL
@DEAD_LETTERS
@CHECKPOINT
@WORKERS
@_RATE_LIMITS
def send(  # noqa: PLR0913, PLR0917 - options
    files: tuple[str, ...],
    options_file: str | None,
    region: DataCenter,
    base_url: str | None,
    dead_letters: str | None,
    checkpoint: str | None,
    max_workers: int,
    rate_limits: RateLimits,
) -> None:
    """Deliver each webhook to Segment, many at a time.

    FILE is read as by `source translate`, and may be one of dead letters. The write key is taken
    from the variable SEGMENT_WRITE_KEY. For each webhook one line is written as soon as it is
    settled; a summary goes to standard error.
    """
    inputs = find_inputs(files)
    refuse_same_files(
        inputs,
        options=options_file,
        dead_letters=dead_letters,
        checkpoint=checkpoint,
        rate_limits=rate_limits.file,
    )
    with open_segment_destination(
        region,
        base_url,
        options_file,
        dead_letters,
        max_workers=max_workers,
        rate_limits=rate_limits.by_path,
    ) as to:
        status = send_lines(inputs, to, checkpoint)
    sys.exit(status)


@source.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=8081, show_default=True, help="0 picks a free one.")
@_OPTIONS
@_REGION
@_BASE_URL
@DEAD_LETTERS
@OUTBOX
@WORKERS
@_RATE_LIMITS
@WITHOUT_AUTHENTICATION
def serve(  # noqa: PLR0913, PLR0917 - options
    host: str,
    port: int,
    options_file: str | None,
    region: DataCenter,
    base_url: str | None,
    dead_letters: str | None,
    outbox_file: str | None,
    max_workers: int,
    rate_limits: RateLimits,
    without_authentication: bool,  # noqa: FBT001 - an option
) -> None:
    """Receive Iterable's webhooks until interrupted, and print the address. For development.

    They are sent on to Segment with the write key in the variable SEGMENT_WRITE_KEY. Iterable
    must send the token in ITERABLE_WEBHOOK_TOKEN, of which there can be several, separated by
    spaces.
    """
    from iterable_destination.receivers.iterable import source_app  # noqa: PLC0415 - starts quicker

    refuse_same_files(
        options=options_file,
        dead_letters=dead_letters,
        outbox=outbox_file,
        rate_limits=rate_limits.file,
    )
    with ExitStack() as stack:
        outbox = None if outbox_file is None else stack.enter_context(open_outbox(outbox_file))
        to = stack.enter_context(
            open_segment_destination(
                region,
                base_url,
                options_file,
                dead_letters,
                max_workers=max_workers,
                rate_limits=rate_limits.by_path,
            )
        )
        try:
            application = source_app(
                to,
                tokens=os.environ.get("ITERABLE_WEBHOOK_TOKEN", "").split() or None,
                without_authentication=without_authentication,
                outbox=outbox,
            )
        except InvalidSettings as error:
            variables = {"tokens": "ITERABLE_WEBHOOK_TOKEN"}
            stop(describe_secrets_error(error, variables, _NO_AUTHENTICATION))
        serve_until_interrupted(application, host, port)
        to.close(CLOSE_TIMEOUT)


@contextmanager
def open_segment_destination(
    region: DataCenter,
    base_url: str | None,
    options_file: str | None,
    dead_letters: str | None,
    **options: Any,
) -> Iterator[SegmentDestination]:
    """Open a destination in Segment, with dead letters if a file is named.

    ``options`` are further ones of :class:`SegmentDestination`.
    """
    write_key = os.environ.get("SEGMENT_WRITE_KEY", "")
    source_options = load_options(options_file)
    with open_dead_letters(dead_letters, write_key or None) as letters:
        try:
            client = SegmentClient(write_key, region=region, base_url=base_url)
        except InvalidSettings as error:
            stop(str(error) if write_key else f"{error}; set the variable SEGMENT_WRITE_KEY")
        with SegmentDestination(
            client, options=source_options, dead_letters=letters, **options
        ) as to:
            yield to


def _translate_line(line: LineRecord, options: SourceOptions) -> dict[str, Any]:
    try:
        track = to_segment(line.event(), options)
    except InvalidJSON as error:
        return {"line": line.number, "error": describe_error(error)}
    except InvalidWebhook as error:
        return {"error": describe_error(error)}
    if isinstance(track, Ignored):
        return {"ignored": track.reason}
    result: dict[str, Any] = {"track": track.body()}
    if track.notes:
        result["notes"] = [attrs.asdict(note) for note in track.notes]
    return result


def load_options(path: str | None) -> SourceOptions:
    """Load the source's options; without a file, the defaults."""
    if path is None:
        return SourceOptions()
    options = load_json_object(path, "options")
    known = {field.name for field in attrs.fields(SourceOptions) if field.init}
    for name in options.keys() - known:
        stop(f"{path}: {name}: there is no such option")
    try:
        return SourceOptions(**options)
    except InvalidSettings as error:
        stop(f"{path}: {error}")
