"""The commands for Iterable's webhooks: ``iterable-destination source``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import attrs
import click

from iterable_destination.cli.help import (
    DELIVERY_STATUS,
    SERVER_STATUS,
    TRANSLATION_STATUS,
    make_epilog,
)
from iterable_destination.cli.notice import WatchedSegmentClient
from iterable_destination.cli.option_groups import ServerOptions, group_options, server_options
from iterable_destination.cli.options import (
    CHECKPOINT,
    CLOSE_TIMEOUT,
    DEAD_LETTERS,
    FILES,
    ONLY_PROBLEMS,
    SHARD,
    WORKERS,
    RateLimits,
    complete_file,
    describe_secrets_error,
    find_inputs,
    load_json_object,
    make_rate_limits_option,
    open_dead_letters,
    refuse_same_files,
    send_lines,
    serve_until_interrupted,
    stop,
    write_results,
)
from iterable_destination.cli.outboxes import as_file, open_outbox
from iterable_destination.delivery.segment_destination import SEGMENT_PATHS, SegmentDestination
from iterable_destination.delivery.shards import Shard
from iterable_destination.errors import InvalidJSON, InvalidSettings, InvalidWebhook
from iterable_destination.model.lines import describe_error, describe_track
from iterable_destination.model.records import LineRecord
from iterable_destination.model.settings import DataCenter
from iterable_destination.source import Ignored, SourceOptions, to_segment

_NO_AUTHENTICATION: Final = (
    "set the variable ITERABLE_WEBHOOK_TOKEN, or let anybody send webhooks with"
    " --without-authentication"
)

_OPTIONS = click.option(
    "--options",
    "options_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="A JSON object of the source's options.",
)


@attrs.frozen
class SegmentOptions:
    """Where webhooks go, and how: the options of every command that delivers to Segment."""

    options_file: str | None
    region: DataCenter
    base_url: str | None
    dead_letters: str | None
    max_workers: int
    rate_limits: RateLimits

    @property
    def files(self) -> dict[str, str | None]:
        """The files that are named, by option."""
        return {
            "options": self.options_file,
            "dead_letters": self.dead_letters,
            "rate_limits": self.rate_limits.file,
        }

    def share(self, shard: Shard | None) -> SegmentOptions:
        """Return these options with a shard's part of the rates; None is all of them."""
        return attrs.evolve(self, rate_limits=self.rate_limits.share(shard, {}))

    @contextmanager
    def open(self) -> Iterator[SegmentDestination]:
        """Open a destination in Segment; end the program if that is not possible."""
        write_key = os.environ.get("SEGMENT_WRITE_KEY", "")
        source_options = load_options(self.options_file)
        with open_dead_letters(self.dead_letters, write_key or None) as letters:
            try:
                client = WatchedSegmentClient(write_key, region=self.region, base_url=self.base_url)
            except InvalidSettings as error:
                stop(str(error) if write_key else f"{error}; set the variable SEGMENT_WRITE_KEY")
            with SegmentDestination(
                client,
                options=source_options,
                dead_letters=letters,
                max_workers=self.max_workers,
                rate_limits=self.rate_limits.by_path,
            ) as to:
                yield to


_segment_options = group_options(
    "segment",
    SegmentOptions,
    _OPTIONS,
    click.option("--region", type=click.Choice(["US", "EU"]), default="US", show_default=True),
    click.option("--base-url", metavar="URL", help="Another server instead of Segment's."),
    DEAD_LETTERS,
    WORKERS,
    make_rate_limits_option(SEGMENT_PATHS),
)


@click.group()
def source() -> None:
    """Iterable's webhooks in, Segment events out."""


@source.command(epilog=make_epilog(TRANSLATION_STATUS, "source translate webhooks.jsonl"))
@FILES
@_OPTIONS
def translate(files: tuple[str, ...], options_file: str | None) -> None:
    """Show what Segment would be sent for each webhook.

    FILE has JSON webhooks, compressed or not: one a line, each over several lines, or in one array.
    Several files, folders and patterns are read one after another. Without FILE, or with -,
    standard input is read. For each webhook one line is written, in order: its track call, why it
    is ignored, or its problems.
    """
    options = load_options(options_file)
    write_results(files, lambda line: _translate_line(line, options))


@source.command(
    epilog=make_epilog(DELIVERY_STATUS, "source send webhooks.jsonl --checkpoint done --region EU")
)
@FILES
@_segment_options
@CHECKPOINT
@SHARD
@ONLY_PROBLEMS
def send(
    files: tuple[str, ...],
    segment: SegmentOptions,
    checkpoint: str | None,
    *,
    shard: Shard | None,
    only_problems: bool,
) -> None:
    """Deliver each webhook to Segment, many at a time.

    FILE has JSON webhooks, one a line, compressed or not, and may be one of dead letters; several,
    folders and patterns are read one after another. Without it, or with -, standard input is read.
    The write key is taken from the variable SEGMENT_WRITE_KEY. For each webhook one line is written
    as soon as it is settled; a summary goes to standard error.
    """
    inputs = find_inputs(files)
    refuse_same_files(inputs, **segment.files, checkpoint=checkpoint)
    with segment.share(shard).open() as to:
        status = send_lines(inputs, to, checkpoint, shard=shard, only_problems=only_problems)
    sys.exit(status)


@source.command(epilog=make_epilog(SERVER_STATUS, "source serve --outbox webhooks.outbox"))
@server_options(port=8081)
@_segment_options
def serve(server: ServerOptions, segment: SegmentOptions) -> None:
    """Receive Iterable's webhooks until interrupted, and print the address. For development.

    They are sent on to Segment with the write key in the variable SEGMENT_WRITE_KEY. Iterable
    must send the token in ITERABLE_WEBHOOK_TOKEN, of which there can be several, separated by
    spaces.
    """
    from iterable_destination.receivers.iterable import source_app  # noqa: PLC0415 - starts quicker

    refuse_same_files(**segment.files, outbox=as_file(server.outbox_file))
    with ExitStack() as stack:
        path = server.outbox_file
        outbox = None if path is None else stack.enter_context(open_outbox(path))
        to = stack.enter_context(segment.open())
        try:
            application = source_app(
                to,
                tokens=os.environ.get("ITERABLE_WEBHOOK_TOKEN", "").split() or None,
                without_authentication=server.without_authentication,
                outbox=outbox,
            )
        except InvalidSettings as error:
            variables = {"tokens": "ITERABLE_WEBHOOK_TOKEN"}
            stop(describe_secrets_error(error, variables, _NO_AUTHENTICATION))
        serve_until_interrupted(application, server.host, server.port)
        to.close(CLOSE_TIMEOUT)


def _translate_line(line: LineRecord, options: SourceOptions) -> dict[str, Any]:
    try:
        track = to_segment(line.event(), options)
    except InvalidJSON as error:
        return {"line": line.number, "error": describe_error(error)}
    except InvalidWebhook as error:
        return {"error": describe_error(error)}
    if isinstance(track, Ignored):
        return {"ignored": track.reason}
    return describe_track(track)


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
