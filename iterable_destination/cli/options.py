"""Arguments: what several commands take, and how it is opened or refused.

What may live here: options, files and settings named on the command line. What is wrong with them
is said in a line, and ends the program with status 2.
"""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs
import click

from iterable_destination.cli import console
from iterable_destination.cli.report import Report, deliver
from iterable_destination.delivery.destination import Destination
from iterable_destination.errors import (
    CheckpointInUse,
    Invalid,
    InvalidCheckpoint,
    InvalidJSON,
    InvalidSettings,
    InvalidSubscription,
    OutboxError,
    UnreadableInput,
    UnwritableFile,
)
from iterable_destination.io.checkpoint import Checkpoint
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.json_lines import LineRecord, open_lines
from iterable_destination.io.outbox import Outbox
from iterable_destination.mapping.translate import Translator, translator_of
from iterable_destination.model.json_codec import decode, encode
from iterable_destination.model.settings import Settings

SOME_FAILED: Final = 1
WRONG_USAGE: Final = 2
#: Seconds that the end of a server waits for what is on disk to be delivered.
SOON: Final = 2.0

#: Seconds between two looks at whether a signal came, where the system tells of none.
_LOOK: Final = 1.0

FILE = click.argument("file", default="-", metavar="[FILE]")
SETTINGS = click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    help="A JSON object of settings, under Segment's names or ours.",
)


DATA_CENTER = click.option(
    "--data-center",
    type=click.Choice(["US", "EU"]),
    help="Where the project is; US if nothing says otherwise.",
)
BASE_URL = click.option(
    "--base-url", metavar="URL", help="Another server, such as a local Iterable."
)
DEAD_LETTERS = click.option(
    "--dead-letters",
    metavar="FILE",
    help="Add rejected and unknown events to FILE, which can be sent again.",
)


MAPPINGS = click.option(
    "--mappings",
    metavar="FILE",
    help="A JSON list of subscriptions, as Segment writes them, instead of the classic mapping.",
)
CHECKPOINT = click.option(
    "--checkpoint",
    metavar="FILE",
    help="Keep in FILE what is settled, and go on there when run again with the same input.",
)
#: A TCP port.
PORT: Final = click.IntRange(0, 65_535)
OUTBOX = click.option(
    "--outbox",
    "outbox_file",
    metavar="FILE",
    help="Answer as soon as events are in FILE, and deliver them from there.",
)
WITHOUT_AUTHENTICATION = click.option(
    "--without-authentication", is_flag=True, help="Take events from anybody who can reach it."
)


@contextmanager
def interruption() -> Iterator[Callable[[], None]]:
    """Give what waits for Ctrl-C, or for whoever ends this process in an orderly way."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())

    def wait() -> None:
        while not over.wait(_LOOK):
            pass

    yield wait


def settings_of(path: str | None, mappings: str | None = None, **arguments: Any) -> Settings:
    """Read the settings file, the environment and the arguments; the later ones win."""
    chosen = {name: value for name, value in arguments.items() if value}
    if mappings is not None:
        chosen["mappings"] = _json(mappings)
        if not isinstance(chosen["mappings"], list):
            stop(f"{mappings}: must be a JSON list of subscriptions")
    try:
        settings = Settings() if path is None else _settings_file(path)
        return attrs.evolve(Settings.from_environment(base=settings), **chosen)
    except InvalidSettings as error:
        stop(str(error))


def chosen_translator(settings: Settings, file: str | None) -> Translator:
    """Return what translates as settings say, whose mappings are from this file if any are."""
    try:
        with warnings_told(str(file)):
            return translator_of(settings)
    except InvalidSubscription as error:
        stop(f"{file}: {error}")


def json_object(path: str, of: str) -> dict[str, Any]:
    """Read a file that has a JSON object of something."""
    given = _json(path)
    if not isinstance(given, dict):
        stop(f"{path}: must be a JSON object of {of}")
    return given


def _json(path: str) -> Any:
    try:
        return decode(Path(path).read_bytes())
    except OSError as error:
        stop(f"{path}: {error.strerror}")
    except ValueError as error:
        stop(f"{path}: no JSON: {error}")


def _settings_file(path: str) -> Settings:
    given = json_object(path, "settings")
    try:
        with warnings_told(path):
            return Settings.from_mapping(given)
    except InvalidSettings as error:
        stop(f"{path}: {error}")


@contextmanager
def warnings_told(about: str) -> Iterator[None]:
    """Write the warnings of what is read, a line each, even if it ends in an error."""
    with warnings.catch_warnings(record=True) as unknown:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in unknown:
                click.echo(f"{about}: {warning.message}", err=True)


@contextmanager
def lines_of(path: str) -> Iterator[Iterable[LineRecord]]:
    """Open the input, show progress on a terminal, and stop clearly where it cannot be read."""
    try:
        with open_lines(path) as lines, console.progress(lines) as shown:
            yield shown
    except UnreadableInput as error:
        stop(str(error))


@contextmanager
def destination_of(
    settings: Settings, mappings: str | None, dead_letters: str | None
) -> Iterator[Destination]:
    """Make a destination, with a file of dead letters if one is named.

    The ``mappings`` of the settings are from this file if any are.
    """
    translator = chosen_translator(settings, mappings)
    with letters_of(dead_letters, settings.api_key) as letters:
        try:
            destination = Destination(settings, translator=translator, dead_letters=letters)
        except InvalidSettings as error:
            stop(f"{error}; set the variable ITERABLE_API_KEY")
        with destination:
            yield destination


@contextmanager
def letters_of(path: str | None, secret: str | None) -> Iterator[DeadLetters | None]:
    """Open a file of dead letters; None is none."""
    if path is None:
        yield None
        return
    try:
        letters = DeadLetters(path, secret=secret)
    except UnwritableFile as error:
        stop(str(error))
    with letters:
        yield letters


@contextmanager
def outbox_of(path: str) -> Iterator[Outbox]:
    """Open an outbox."""
    try:
        with Outbox(path) as outbox:
            yield outbox
    except OutboxError as error:
        stop(str(error))


@contextmanager
def checkpoint_of(path: str) -> Iterator[Checkpoint]:
    """Take a checkpoint."""
    try:
        with Checkpoint(path) as checkpoint:
            yield checkpoint
    except (CheckpointInUse, InvalidCheckpoint, UnwritableFile) as error:
        stop(str(error))


def send_lines(file: str, to: Destination, checkpoint: str | None) -> int:
    """Deliver the lines of a file, write what became of each, and return the exit status."""
    with ExitStack() as stack:
        kept = None if checkpoint is None else stack.enter_context(checkpoint_of(checkpoint))
        lines = stack.enter_context(lines_of(file))
        return deliver(lines, to, Report(kept, unknown_is_settled=to.keeps_dead_letters))


def write_each(file: str, result_of: Callable[[LineRecord], dict[str, Any]]) -> NoReturn:
    """Write a JSON line for each line of input, and end: with status 1 if some were refused."""
    refused = False
    with lines_of(file) as lines:
        for line in lines:
            result = result_of(line)
            refused |= "error" in result or "errors" in result
            sys.stdout.buffer.write(encode(result) + b"\n")
    sys.exit(SOME_FAILED if refused else 0)


def serve_until_interrupted(application: Any, host: str, port: int) -> None:
    """Serve an application for development, and print its address."""
    from iterable_destination.receivers.dev_server import serve  # noqa: PLC0415 - other commands start quicker

    with ExitStack() as stack:
        try:
            address = stack.enter_context(serve(application, host, port))
        except OSError as error:
            stop(f"{host}, port {port}: {error.strerror}")
        wait = stack.enter_context(interruption())
        click.echo(address)
        click.echo("A server for development. Stop it with Ctrl-C.", err=True)
        wait()


def stop(message: str) -> NoReturn:
    """End the program for wrong usage, settings or key."""
    click.echo(f"Error: {console.printable(message)}", err=True)
    sys.exit(WRONG_USAGE)


def error_of(error: Invalid | InvalidJSON) -> dict[str, Any]:
    """Return an error as it is printed."""
    problems = error.problems if isinstance(error, Invalid) else ()
    return {
        "type": type(error).__name__,
        "message": str(error),
        "problems": [attrs.asdict(problem) for problem in problems],
    }
