"""The command line: a thin door over translating and delivering.

What may live here: arguments, lines in and lines out, exit statuses. Nothing that decides.

Exit status: 0 all went well or was skipped, 1 some events did not, 2 wrong usage, settings or key.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import attrs
import click

from iterable_destination import console
from iterable_destination.delivery import Destination
from iterable_destination.errors import (
    ConfigurationError,
    InvalidEvent,
    InvalidJSON,
    InvalidSettings,
    UnreadableInput,
)
from iterable_destination.json_codec import decode, encode
from iterable_destination.json_lines import Line, open_lines
from iterable_destination.outcomes import Outcome, Rejected
from iterable_destination.settings import Settings
from iterable_destination.translation import Translation, translate

_SOME_FAILED: Final = 1
_WRONG_USAGE: Final = 2

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


@command_line.command()
@_FILE
@_SETTINGS
@click.option(
    "--data-center",
    type=click.Choice(["US", "EU"]),
    help="Where the project is; US if nothing says otherwise.",
)
@click.option("--base-url", metavar="URL", help="Another server, such as a local Iterable.")
def send(
    file: str, settings_file: str | None, data_center: str | None, base_url: str | None
) -> None:
    """Deliver each event to Iterable.

    FILE is read as by `translate`. The key is taken from the variable ITERABLE_API_KEY, or else
    from the settings file. For each event one line is written as soon as it is settled; a summary
    goes to standard error.
    """
    chosen = {"data_center": data_center, "base_url": base_url}
    settings = _settings(settings_file, **{key: value for key, value in chosen.items() if value})
    counts: Counter[str] = Counter()
    misconfigured = False
    with _destination(settings) as to, _lines(file) as lines:
        for line in lines:
            outcome = _sent(line, to)
            counts[outcome.name] += 1
            misconfigured |= isinstance(outcome.error, ConfigurationError)
            sys.stdout.buffer.write(encode(outcome.summary()) + b"\n")
            sys.stdout.buffer.flush()
    console.counts("Events by outcome", counts, stderr=True)
    fine = set(counts) <= {"delivered", "skipped"}
    sys.exit(_WRONG_USAGE if misconfigured else 0 if fine else _SOME_FAILED)


def _sent(line: Line, destination: Destination) -> Outcome:
    index = line.number - 1
    try:
        event = line.event()
    except InvalidJSON as error:
        return Rejected(index=index, message=str(error), error=error)
    return destination.send(event, index=index)


@command_line.command()
def demo() -> None:
    """Send a small shop's week to a local Iterable, and show what comes of it."""
    from iterable_destination import demo as story  # noqa: PLC0415 - other commands start quicker

    story.run()


@command_line.command()
@click.option("--port", default=0, show_default=True, help="0 picks a free one.")
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
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()


def _settings(path: str | None, **chosen: Any) -> Settings:
    """Read the settings file, the environment and the arguments; the later ones win."""
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


def _destination(settings: Settings) -> Destination:
    try:
        return Destination(settings)
    except InvalidSettings as error:
        _stop(f"{error}; set the variable ITERABLE_API_KEY")


def _stop(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(_WRONG_USAGE)
