"""The command line: a thin door over translating and delivering.

What may live here: arguments, lines in and lines out, exit statuses. Nothing that decides.

Exit status: 0 all went well or was skipped, 1 some events did not, 2 wrong usage, settings or key.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import attrs
import click

from iterable_destination import console
from iterable_destination.checkpoint import Checkpoint
from iterable_destination.dead_letters import DeadLetters
from iterable_destination.delivery import Destination
from iterable_destination.errors import (
    CheckpointInUse,
    InvalidCheckpoint,
    InvalidEvent,
    InvalidJSON,
    InvalidSettings,
    OutboxError,
    UnreadableInput,
    UnwritableFile,
)
from iterable_destination.json_codec import decode, encode
from iterable_destination.json_lines import Line, open_lines
from iterable_destination.outbox import Outbox
from iterable_destination.report import Report, deliver
from iterable_destination.settings import Settings
from iterable_destination.translation import Translation, translate

_SOME_FAILED: Final = 1
_WRONG_USAGE: Final = 2

_ANYBODY: Final = (
    "set the variable SEGMENT_SHARED_SECRET, or SEGMENT_WRITE_KEY, so that not anybody can send"
    " events; or say --without-authentication"
)

_FILE = click.argument("file", default="-", metavar="[FILE]")
_SETTINGS = click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    help="A JSON object of settings, under Segment's names or ours.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iterable-destination")
def command_line() -> None:
    """Segment events in, Iterable requests out.

    Begin with `demo`: it needs no account and sends nothing out of this machine.
    """


@command_line.command(name="translate")
@_FILE
@_SETTINGS
def translate_command(file: str, settings_file: str | None) -> None:
    """Show what Iterable would be sent for each event.

    FILE has one JSON event a line (.gz too); without it, or with -, standard input is read. For
    each line one line is written, in order: its calls, why it is skipped, or its problems.
    """
    settings = _settings(settings_file)
    refused = False
    with _lines(file) as lines:
        for line in lines:
            result = _translated(line, settings)
            refused |= "error" in result
            sys.stdout.buffer.write(encode(result) + b"\n")
    sys.exit(_SOME_FAILED if refused else 0)


def _translated(line: Line, settings: Settings) -> dict[str, Any]:
    try:
        return _result(translate(line.event(), settings))
    except InvalidJSON as error:
        return {"line": line.number, "error": _error(error)}
    except InvalidEvent as error:
        return {"messageId": error.message_id, "error": _error(error)}


def _result(translation: Translation) -> dict[str, Any]:
    result: dict[str, Any] = {"messageId": translation.message_id}
    if translation.skipped is not None:
        return result | {"skipped": translation.skipped}
    result["calls"] = [
        {"method": call.endpoint.method, "path": call.endpoint.path, "body": call.body()}
        for call in translation.calls
    ]
    if translation.notes:
        result["notes"] = [attrs.asdict(note) for note in translation.notes]
    return result


def _error(error: InvalidEvent | InvalidJSON) -> dict[str, Any]:
    problems = error.problems if isinstance(error, InvalidEvent) else ()
    return {
        "type": type(error).__name__,
        "message": str(error),
        "problems": [attrs.asdict(problem) for problem in problems],
    }


_PORT = click.IntRange(0, 65_535)
_DATA_CENTER = click.option(
    "--data-center",
    type=click.Choice(["US", "EU"]),
    help="Where the project is; US if nothing says otherwise.",
)
_BASE_URL = click.option(
    "--base-url", metavar="URL", help="Another server, such as a local Iterable."
)
_DEAD_LETTERS = click.option(
    "--dead-letters",
    metavar="FILE",
    help="Add rejected and unknown events to FILE, which `send` takes again.",
)


@command_line.command()
@_FILE
@_SETTINGS
@_DATA_CENTER
@_BASE_URL
@_DEAD_LETTERS
@click.option(
    "--checkpoint",
    metavar="FILE",
    help="Keep in FILE what is settled, and go on there when run again with the same input.",
)
def send(  # noqa: PLR0913, PLR0917 - options
    file: str,
    settings_file: str | None,
    data_center: str | None,
    base_url: str | None,
    dead_letters: str | None,
    checkpoint: str | None,
) -> None:
    """Deliver each event to Iterable, many at a time.

    FILE is read as by `translate`. The key is taken from the variable ITERABLE_API_KEY, or else
    from the settings file. For each event one line is written as soon as it is settled, a user's
    in their order; a summary goes to standard error.
    """
    settings = _settings(settings_file, data_center=data_center, base_url=base_url)
    with ExitStack() as stack:
        to = stack.enter_context(_destination(settings, dead_letters))
        kept = None if checkpoint is None else stack.enter_context(_checkpoint(checkpoint))
        lines = stack.enter_context(_lines(file))
        report = Report(kept, unknown_is_settled=dead_letters is not None)
        status = deliver(lines, to, report)
    sys.exit(status)


@command_line.command()
@click.argument("file")
@_SETTINGS
@_DATA_CENTER
@_BASE_URL
@click.option(
    "--dead-letters", metavar="FILE", help="Add rejected events to FILE, which `send` takes again."
)
def drain(
    file: str,
    settings_file: str | None,
    data_center: str | None,
    base_url: str | None,
    dead_letters: str | None,
) -> None:
    """Deliver what is in an outbox.

    FILE is one that a program keeps its events in until they are delivered. What is delivered,
    skipped or rejected is removed, and written about as by `send`; what is retryable or unknown
    stays.
    """
    settings = _settings(settings_file, data_center=data_center, base_url=base_url)
    if not Path(file).is_file():
        _stop(f"{file}: there is no such file")
    report = Report(None)
    try:
        with _destination(settings, dead_letters) as to, Outbox(file) as outbox:
            for outcome in to.drain(outbox):
                report([outcome])
            report.summary(to.counters)
    except OutboxError as error:
        _stop(str(error))
    sys.exit(report.status)


@command_line.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=_PORT, default=8080, show_default=True, help="0 picks a free one.")
@_SETTINGS
@_DATA_CENTER
@_BASE_URL
@_DEAD_LETTERS
@click.option(
    "--outbox",
    "outbox_file",
    metavar="FILE",
    help="Answer as soon as events are in FILE, and deliver them from there.",
)
@click.option(
    "--without-authentication", is_flag=True, help="Take events from anybody who can reach it."
)
def serve(  # noqa: PLR0913, PLR0917 - options
    host: str,
    port: int,
    settings_file: str | None,
    data_center: str | None,
    base_url: str | None,
    dead_letters: str | None,
    outbox_file: str | None,
    without_authentication: bool,  # noqa: FBT001 - an option
) -> None:
    """Receive events over HTTP until interrupted, and print the address. For development.

    It takes what Segment's Webhooks destination sends, signed with the secret in the variable
    SEGMENT_SHARED_SECRET, and under /v1/ what Segment's clients send with the write key in
    SEGMENT_WRITE_KEY. Several of either are separated by spaces. In production any WSGI server
    runs the same application.
    """
    from iterable_destination import serving, webhook  # noqa: PLC0415 - other commands start quicker

    settings = _settings(settings_file, data_center=data_center, base_url=base_url)
    with ExitStack() as stack:
        outbox = None if outbox_file is None else stack.enter_context(_outbox(outbox_file))
        to = stack.enter_context(_destination(settings, dead_letters))
        try:
            application = webhook.webhook_app(
                settings,
                shared_secret=os.environ.get("SEGMENT_SHARED_SECRET", "").split(),
                write_keys=os.environ.get("SEGMENT_WRITE_KEY", "").split(),
                without_authentication=without_authentication,
                outbox=outbox,
                destination=to,
            )
            address = stack.enter_context(serving.serving(application, host, port))
        except InvalidSettings:
            _stop(_ANYBODY)
        except OSError as error:
            _stop(f"{host}, port {port}: {error.strerror}")
        click.echo(address)
        click.echo("A server for development. Stop it with Ctrl-C.", err=True)
        _until_interrupted()


@command_line.command()
def demo() -> None:
    """Send a small shop's week to a local Iterable, and show what comes of it."""
    from iterable_destination import demo as story  # noqa: PLC0415 - other commands start quicker

    story.run()


@command_line.command()
@click.option("--port", type=_PORT, default=0, show_default=True, help="0 picks a free one.")
@click.option(
    "--project-type",
    type=click.Choice(["email", "userid", "hybrid"]),
    default="hybrid",
    show_default=True,
    help="How the project knows its users.",
)
def emulate(port: int, project_type: Literal["email", "userid", "hybrid"]) -> None:
    """Run a local Iterable until interrupted, and print the address it listens on.

    It takes the key in ITERABLE_API_KEY, or any key if that is not set.
    """
    from iterable_destination.testing import LocalIterable, Project  # noqa: PLC0415 - as above

    key = os.environ.get("ITERABLE_API_KEY") or None
    project = Project(project_type=project_type, api_key=key)
    try:
        server = LocalIterable(project, port=port).start()
    except OSError as error:
        _stop(f"port {port}: {error.strerror}")
    click.echo(server.url)
    click.echo("Stop it with Ctrl-C.", err=True)
    _until_interrupted()
    server.stop()


def _until_interrupted() -> None:
    """Wait for Ctrl-C, or for whoever ends this process in an orderly way."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with suppress(KeyboardInterrupt):
        over.wait()


def _settings(path: str | None, **arguments: Any) -> Settings:
    """Read the settings file, the environment and the arguments; the later ones win."""
    chosen = {name: value for name, value in arguments.items() if value}
    try:
        settings = Settings() if path is None else _settings_file(path)
        return attrs.evolve(Settings.from_environment(base=settings), **chosen)
    except InvalidSettings as error:
        _stop(str(error))


def _settings_file(path: str) -> Settings:
    try:
        given = decode(Path(path).read_bytes())
    except OSError as error:
        _stop(f"{path}: {error.strerror}")
    except ValueError as error:
        _stop(f"{path}: no JSON: {error}")
    if not isinstance(given, dict):
        _stop(f"{path}: must be a JSON object of settings")
    with warnings.catch_warnings(record=True) as unknown:
        warnings.simplefilter("always")
        try:
            return Settings.from_mapping(given)
        except InvalidSettings as error:
            _stop(f"{path}: {error}")
        finally:
            for warning in unknown:
                click.echo(f"{path}: {warning.message}", err=True)


@contextmanager
def _lines(path: str) -> Iterator[Iterable[Line]]:
    """Open the input, show progress on a terminal, and stop clearly where it cannot be read."""
    try:
        with open_lines(path) as lines, console.progress(lines) as shown:
            yield shown
    except UnreadableInput as error:
        _stop(str(error))


@contextmanager
def _destination(settings: Settings, dead_letters: str | None) -> Iterator[Destination]:
    try:
        letters = None
        if dead_letters is not None:
            letters = DeadLetters(dead_letters, secret=settings.api_key)
        destination = Destination(settings, dead_letters=letters)
    except InvalidSettings as error:
        _stop(f"{error}; set the variable ITERABLE_API_KEY")
    except UnwritableFile as error:
        _stop(str(error))
    with destination, letters or nullcontext():
        yield destination


@contextmanager
def _outbox(path: str) -> Iterator[Outbox]:
    try:
        with Outbox(path) as outbox:
            yield outbox
    except OutboxError as error:
        _stop(str(error))


@contextmanager
def _checkpoint(path: str) -> Iterator[Checkpoint]:
    try:
        with Checkpoint(path) as checkpoint:
            yield checkpoint
    except (CheckpointInUse, InvalidCheckpoint, UnwritableFile) as error:
        _stop(str(error))


def _stop(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(_WRONG_USAGE)
