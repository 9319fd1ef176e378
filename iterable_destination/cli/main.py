"""The commands for Segment's events.

Exit status: 0 if every event is delivered or skipped, 1 if some are not, 2 for wrong usage,
settings or key.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import click

from iterable_destination import __version__
from iterable_destination.cli import console
from iterable_destination.cli.conformance import conformance
from iterable_destination.cli.consume import consume
from iterable_destination.cli.explain import explain_line
from iterable_destination.cli.help import (
    DELIVERY_STATUS,
    SERVER_STATUS,
    TRANSLATION_STATUS,
    make_epilog,
)
from iterable_destination.cli.interruptions import (
    InterruptibleGroup,
    interrupt_at_sigterm,
)
from iterable_destination.cli.local import emulate, playground
from iterable_destination.cli.notice import WatchedClient
from iterable_destination.cli.option_groups import (
    DestinationOptions,
    ServerOptions,
    destination_options,
    server_options,
)
from iterable_destination.cli.options import (
    BASE_URL,
    CHECKPOINT,
    CLOSE_TIMEOUT,
    DATA_CENTER,
    FILES,
    MAPPINGS,
    ONLY_PROBLEMS,
    SETTINGS,
    SHARD,
    SOME_FAILED,
    WRONG_USAGE,
    complete_file,
    describe_secrets_error,
    find_inputs,
    load_settings,
    make_translator,
    open_input,
    refuse_same_files,
    require_delivery,
    require_key,
    send_lines,
    serve_until_interrupted,
    stop,
    sum_up,
    write_results,
)
from iterable_destination.cli.outboxes import TABLE, as_file, check_outbox_file, open_outbox
from iterable_destination.cli.report import Report
from iterable_destination.cli.source import source
from iterable_destination.cli.why import why
from iterable_destination.delivery.shards import Shard
from iterable_destination.errors import (
    ApiError,
    ConfigurationError,
    InvalidEvent,
    InvalidJSON,
    InvalidSettings,
)
from iterable_destination.io.outbox_protocol import TIMES
from iterable_destination.mapping.translate import Translator
from iterable_destination.model.json_values import as_object
from iterable_destination.model.lines import describe_error, describe_translation
from iterable_destination.model.records import LineRecord, OutboxRecord
from iterable_destination.model.settings import Settings

if TYPE_CHECKING:
    pass

_NO_AUTHENTICATION: Final = (
    "set the variable SEGMENT_SHARED_SECRET or SEGMENT_WRITE_KEY, or let anybody send events with"
    " --without-authentication"
)

#: The variables that secrets come from, by the name of the option.
_SECRETS: Final = {"shared_secret": "SEGMENT_SHARED_SECRET", "write_keys": "SEGMENT_WRITE_KEY"}

#: What to do after a drain that was interrupted.
_DRAIN_AGAIN: Final = (
    "Interrupted. Run the same command again: what is not delivered is in the outbox still."
)


@click.group(
    cls=InterruptibleGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=make_epilog(
        "see the help of each command",
        "demo",
        "translate events.jsonl",
        "send events.jsonl --checkpoint done",
    ),
)
@click.version_option(__version__)
def command_line() -> None:
    """Segment events in, Iterable requests out.

    Begin with `demo`: it needs no account and sends nothing out of this machine.
    """


@command_line.command(
    name="translate",
    epilog=make_epilog(
        TRANSLATION_STATUS,
        "translate events.jsonl",
        "translate events.jsonl.gz --mappings subscriptions.json",
    ),
)
@FILES
@SETTINGS
@MAPPINGS
def translate_command(
    files: tuple[str, ...], settings_file: str | None, mappings: str | None
) -> None:
    """Show what Iterable would be sent for each event.

    FILE has JSON events, one a line, pasted over several lines or as an array, compressed or not;
    several, folders and patterns are read one after another. Without it, or with -, standard input
    is read. For each event one line is written, in order: its calls, why it is skipped, or its
    problems.
    """
    settings = load_settings(settings_file, mappings)
    translator = make_translator(settings, mappings or settings_file)
    write_results(files, lambda line: _translate_line(line, translator, settings))


def _translate_line(line: LineRecord, translator: Translator, settings: Settings) -> dict[str, Any]:
    try:
        return describe_translation(translator(line.event(), settings))
    except InvalidJSON as error:
        return {"line": line.number, "error": describe_error(error)}
    except InvalidEvent as error:
        return {"messageId": error.message_id, "error": describe_error(error)}


@command_line.command(
    name="explain",
    epilog=make_epilog(
        TRANSLATION_STATUS,
        "explain events.jsonl",
        "explain events.jsonl --mappings subscriptions.json",
    ),
)
@FILES
@SETTINGS
@MAPPINGS
def explain_command(
    files: tuple[str, ...], settings_file: str | None, mappings: str | None
) -> None:
    """Say for each event why it becomes what it becomes, for people to read.

    FILE is read as by `translate`. With mappings, which subscriptions fire and by which part of
    their trigger. For each request its body, and which field came from where in the event, with
    the value there, or from which setting.
    """
    settings = load_settings(settings_file, mappings)
    translator = make_translator(settings, mappings or settings_file)
    refused = False
    inputs = find_inputs(files)
    refuse_same_files(inputs)
    with open_input(inputs) as lines:
        for line in lines:
            explanation = explain_line(line, translator, settings)
            refused |= explanation.is_refused
            for each in explanation.lines:
                console.print_line(each.words, each.style)
    sys.exit(SOME_FAILED if refused else 0)


@command_line.command(
    epilog=make_epilog(
        DELIVERY_STATUS,
        "send events.jsonl --checkpoint done --dead-letters dead.jsonl",
        "send 's3://bucket/2026-02-*/*.gz' --only-problems",
    )
)
@FILES
@destination_options()
@CHECKPOINT
@SHARD
@ONLY_PROBLEMS
def send(
    files: tuple[str, ...],
    destination: DestinationOptions,
    checkpoint: str | None,
    *,
    shard: Shard | None,
    only_problems: bool,
) -> None:
    """Deliver each event to Iterable, many at a time.

    FILE has JSON events, one a line, compressed or not; several, folders and patterns are read one
    after another, also in a store, as s3://bucket/folder. Without it, or with -, standard input is
    read. The key is taken from the variable
    ITERABLE_API_KEY, or else from the settings file. For each event one line is written as soon as
    it is settled, a user's in their order; a summary goes to standard error.
    """
    inputs = find_inputs(files)
    refuse_same_files(inputs, **destination.files, checkpoint=checkpoint)
    settings = destination.load_settings()
    if checkpoint is not None:
        require_delivery(settings)
    with destination.share(shard).open(settings) as to:
        status = send_lines(inputs, to, checkpoint, shard=shard, only_problems=only_problems)
    sys.exit(status)


@command_line.command(
    epilog=make_epilog(DELIVERY_STATUS, "drain events.outbox --dead-letters dead.jsonl")
)
@click.argument("file", shell_complete=complete_file)
@destination_options(
    click.option(
        "--dead-letters",
        metavar="FILE",
        shell_complete=complete_file,
        help="Add rejected events to FILE, which `send` takes again.",
    )
)
@ONLY_PROBLEMS
@TABLE
def drain(file: str, destination: DestinationOptions, table: str, *, only_problems: bool) -> None:
    """Deliver what is in an outbox.

    FILE is one that a program keeps its events in until they are delivered, or the address of a
    database, postgresql://…. What is delivered, skipped or rejected is removed, and written about
    as by `send`; what is retryable or unknown stays.
    """
    refuse_same_files(drained=as_file(file), **destination.files)
    settings = destination.load_settings()
    require_delivery(settings)
    check_outbox_file(file)
    report = Report(None, only_problems=only_problems)
    with (
        destination.open(settings) as to,
        open_outbox(file, table, create=False) as outbox,
        interrupt_at_sigterm(),
        sum_up(report, to, _DRAIN_AGAIN),
    ):
        for outcome in to.drain(outbox):
            report([outcome])
    sys.exit(report.status)


@command_line.command(
    name="outbox",
    epilog=make_epilog("0 it can be read, 2 it cannot", "outbox events.outbox"),
)
@click.argument("file", shell_complete=complete_file)
@TABLE
def outbox_command(file: str, table: str) -> None:
    """Say how many events wait in an outbox, and since when.

    FILE is one that a program keeps its events in until they are delivered, or the address of a
    database, postgresql://…. Nothing is sent. The time is that of the event that waits longest, as
    it stands in the event.
    """
    with open_outbox(file, table, create=False) as outbox:
        oldest = outbox.read(limit=1)
        found = {
            "events": len(outbox),
            "oldest": _describe_waiting(oldest[0]) if oldest else None,
        }
    sys.stdout.buffer.write(console.encode_line(found))


def _describe_waiting(record: OutboxRecord) -> dict[str, Any]:
    event = as_object(record.event()) or {}
    times = (event.get(key) for key in TIMES)
    return {
        "index": record.number,
        "messageId": _as_text(event.get("messageId")),
        "time": next(filter(None, map(_as_text, times)), None),
    }


def _as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


@command_line.command(
    epilog=make_epilog(
        "0 they work, 1 that is not known now, 2 they do not, or wrong usage or settings",
        "check --data-center EU",
    )
)
@SETTINGS
@DATA_CENTER
@BASE_URL
def check(settings_file: str | None, data_center: str | None, base_url: str | None) -> None:
    """Ask Iterable whether the key, the data center and the address work.

    The key is taken as by `send`. Nothing is changed. If nothing answers, it is not known whether
    they work.
    """
    settings = load_settings(settings_file, data_center=data_center, base_url=base_url)
    require_key(settings)
    try:
        with WatchedClient(settings) as client:
            client.check()
    except ApiError as error:
        status = WRONG_USAGE if isinstance(error, ConfigurationError) else SOME_FAILED
        stop(f"{settings.url}: {type(error).__name__}: {error}", status=status)
    click.echo(f"The key works, at {settings.url}")


@command_line.command(
    epilog=make_epilog(SERVER_STATUS, "serve --outbox events.outbox --dead-letters dead.jsonl")
)
@server_options(port=8080)
@destination_options()
def serve(server: ServerOptions, destination: DestinationOptions) -> None:
    """Receive events over HTTP until interrupted, and print the address. For development.

    It takes what Segment's Webhooks destination sends, signed with the secret in the variable
    SEGMENT_SHARED_SECRET, and under /v1/ what Segment's clients send with the write key in
    SEGMENT_WRITE_KEY. Several of either are separated by spaces. In production any WSGI server
    runs the same application.
    """
    from iterable_destination.receivers.segment import webhook_app  # noqa: PLC0415 - starts quicker

    refuse_same_files(**destination.files, outbox=as_file(server.outbox_file))
    settings = destination.load_settings()
    with ExitStack() as stack:
        path = server.outbox_file
        outbox = None if path is None else stack.enter_context(open_outbox(path))
        to = stack.enter_context(destination.open(settings))
        try:
            application = webhook_app(
                settings,
                shared_secret=os.environ.get("SEGMENT_SHARED_SECRET", "").split() or None,
                write_keys=os.environ.get("SEGMENT_WRITE_KEY", "").split() or None,
                without_authentication=server.without_authentication,
                outbox=outbox,
                destination=to,
            )
        except InvalidSettings as error:
            stop(describe_secrets_error(error, _SECRETS, _NO_AUTHENTICATION))
        serve_until_interrupted(application, server.host, server.port)
        to.close(CLOSE_TIMEOUT)


command_line.add_command(source)
command_line.add_command(why)
command_line.add_command(emulate)
command_line.add_command(playground)
command_line.add_command(consume)
command_line.add_command(conformance)


@command_line.command(
    epilog=make_epilog("0 always", "demo", "demo --all | less"),
)
@click.option(
    "--all",
    "shows_all",
    is_flag=True,
    help="Show every event, every note, a whole order, and two customers as they are at the end.",
)
def demo(*, shows_all: bool) -> None:
    """Send a small shop's week to a local Iterable, and show what comes of it."""
    from iterable_destination.cli import demo as story  # noqa: PLC0415 - other commands start quicker

    story.run(shows_all=shows_all)
