"""Options that several commands have, and the files and settings that they name.

An error in any of them prints one line, and ends the program with status 2.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn
from zlib import crc32

import attrs
import click
from click.shell_completion import CompletionItem

from iterable_destination.cli import console
from iterable_destination.cli.interruptions import catch_interrupts, interrupt_at_sigterm
from iterable_destination.cli.notice import WatchedClient
from iterable_destination.cli.report import Report, deliver
from iterable_destination.cli.same_files import find_same_files
from iterable_destination.delivery.base import MAX_WORKERS, BaseDestination
from iterable_destination.delivery.destination import Destination
from iterable_destination.delivery.engine.rate_limiter import RateLimiters
from iterable_destination.delivery.iterable_project import DELIVERY_IS_OFF
from iterable_destination.delivery.shards import MAX_SHARDS, Shard, assign_lines
from iterable_destination.errors import (
    CheckpointInUse,
    InvalidCheckpoint,
    InvalidSettings,
    InvalidSubscription,
    UnreadableInput,
    UnwritableFile,
)
from iterable_destination.io.checkpoint import Checkpoint
from iterable_destination.io.dead_letters import DeadLetters, DeadLetterStore
from iterable_destination.io.json_lines import STANDARD_INPUT, Lines, find_files, open_lines
from iterable_destination.mapping.translate import Translator, translator_for
from iterable_destination.model.json_codec import decode
from iterable_destination.model.records import LineRecord
from iterable_destination.model.settings import Settings

SOME_FAILED: Final = 1
WRONG_USAGE: Final = 2
#: Seconds that a server, when it stops, waits for delivery from its outbox.
CLOSE_TIMEOUT: Final = 2.0

#: What to do after an interruption, with a checkpoint and without.
_GO_ON: Final = "Interrupted. Run the same command again: it goes on where it stopped."
_BEGIN_AGAIN: Final = (
    "Interrupted. The same command sends everything again, also what was delivered: run it with"
    " --checkpoint FILE from the beginning, and it goes on where it stopped."
)
_READ_ONCE: Final = (
    "--shard: reads the input twice; standard input, and what else has no size, can be read once"
)
_CHANGED: Final = "the input changed while it was read"
_PASTE: Final = "Paste events, then press Ctrl-D."
_PASTE_ON_WINDOWS: Final = "Paste events, then press Ctrl-Z and Enter."


def complete_file(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file."""
    return [CompletionItem(incomplete, type="file")]


FILES = click.argument("files", nargs=-1, metavar="[FILE]...", shell_complete=complete_file)
SETTINGS = click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    shell_complete=complete_file,
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
    shell_complete=complete_file,
    help="Add rejected and unknown events to FILE, which can be sent again.",
)
MAPPINGS = click.option(
    "--mappings",
    metavar="FILE",
    shell_complete=complete_file,
    help="A JSON list of subscriptions, as Segment writes them, instead of the classic mapping.",
)
CHECKPOINT = click.option(
    "--checkpoint",
    metavar="FILE",
    shell_complete=complete_file,
    help="Keep in FILE what is settled, and go on there when run again with the same input.",
)
ONLY_PROBLEMS = click.option(
    "--only-problems",
    is_flag=True,
    help="Write no line for an event that is delivered or skipped without a failure.",
)
WORKERS = click.option(
    "--workers",
    "max_workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=MAX_WORKERS,
    show_default=True,
    help="Requests in flight at once, at most.",
)


@attrs.frozen
class RateLimits:
    """The rate limits of a command, and the file that they stand in."""

    #: Requests per second by path, None for no limit; None for the documented limits.
    by_path: dict[str, float | None] | None = None
    #: The name of the file; None if there is none.
    file: str | None = None

    def share(self, shard: Shard | None, documented: Mapping[str, float | None]) -> RateLimits:
        """Return a shard's part of these limits, and of documented ones; None is all of them."""
        if shard is None:
            return self
        limits = {**documented, **(self.by_path or {})}
        shares = {path: shard.share(limit) for path, limit in limits.items()}
        return attrs.evolve(self, by_path=shares)


class _RateLimits(click.ParamType):  # type: ignore[type-arg]
    """Requests per second by path: a JSON object, the name of a file that has one, or ``none``."""

    name = "limits"

    def __init__(self, paths: Collection[str]) -> None:
        self._paths: Final = sorted(paths)

    def convert(
        self, value: str | RateLimits, param: click.Parameter | None, ctx: click.Context | None
    ) -> RateLimits:
        """Return the limits; ends the program for a wrong value."""
        if isinstance(value, RateLimits):  # the default
            return value
        if value == "none":
            return RateLimits(dict.fromkeys(self._paths))
        limits: Any = None
        is_json = value.lstrip().startswith("{")
        try:
            limits = decode(value.encode() if is_json else Path(value).read_bytes())
            problem = self._find_problem(limits)
        except OSError as error:
            problem = f"{value}: {error.strerror}"
        except ValueError as error:
            problem = f"no JSON: {error}"
        if problem:
            self.fail(console.escape_unprintable(problem), param, ctx)
        return RateLimits(limits, None if is_json else value)

    def _find_problem(self, limits: Any) -> str | None:
        if not isinstance(limits, dict):
            return "must be a JSON object of requests per second by path"
        try:
            RateLimiters(limits, self._paths)
        except ValueError as error:
            return str(error)
        return None


def make_rate_limits_option(paths: Collection[str]) -> Callable[[Any], Any]:
    """Return the option that sets rate limits, for a command that sends to these paths."""
    return click.option(
        "--rate-limits",
        type=_RateLimits(paths),
        default=RateLimits(),
        metavar="JSON|FILE|none",
        help="A JSON object of requests per second by path, or a FILE of one, instead of the"
        " documented limits; `none` for no limit.",
    )


class _Shard(click.ParamType):  # type: ignore[type-arg]
    """One share of so many, as ``1/2``."""

    name = "shard"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shard:
        """Return the shard; ends the program for a wrong value."""
        found = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", value)
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count <= MAX_SHARDS:
            problem = f"must be I/N, such as 1/2, with I from 1 to N, and N at most {MAX_SHARDS}"
            self.fail(problem, param, ctx)
        return Shard(number, count)


SHARD = click.option(
    "--shard",
    type=_Shard(),
    metavar="I/N",
    help="Send share I of N alone, for N processes at once: each its own users, with its part of"
    " the rates.",
)

#: A TCP port.
PORT: Final = click.IntRange(0, 65_535)
OUTBOX = click.option(
    "--outbox",
    "outbox_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Answer as soon as events are in FILE, and deliver them from there.",
)
WITHOUT_AUTHENTICATION = click.option(
    "--without-authentication", is_flag=True, help="Take events from anybody who can reach it."
)


def load_settings(path: str | None, mappings: str | None = None, **arguments: Any) -> Settings:
    """Load settings from a file, the environment and the arguments; the later ones win."""
    chosen = {name: value for name, value in arguments.items() if value}
    if mappings is not None:
        chosen["mappings"] = _load_json(mappings)
        if not isinstance(chosen["mappings"], list):
            stop(f"{mappings}: must be a JSON list of subscriptions")
    try:
        settings = Settings() if path is None else _load_settings_file(path)
        with print_warnings("environment"):
            settings = Settings.from_environment(base=settings)
        return attrs.evolve(settings, **chosen)
    except InvalidSettings as error:
        stop(str(error))


def require_key(settings: Settings) -> None:
    """End the program if there is no key to send with."""
    if settings.api_key is None:
        stop("api_key: missing; set the variable ITERABLE_API_KEY")


def require_delivery(settings: Settings) -> None:
    """End the program if delivery is off, where an event that is skipped would be gone for good."""
    if not settings.enabled:
        stop(
            f"{DELIVERY_IS_OFF}; with a checkpoint, an outbox or Kafka events would be skipped for"
            " good"
        )


def make_translator(settings: Settings, file: str | None) -> Translator:
    """Make the translator of settings; messages name ``file`` as the place of their mappings."""
    try:
        with print_warnings(str(file)):
            return translator_for(settings)
    except InvalidSubscription as error:
        stop(f"{file}: {error}")


def load_json_object(path: str, of: str) -> dict[str, Any]:
    """Load a JSON object from a file; messages say what it is an object ``of``."""
    value = _load_json(path)
    if not isinstance(value, dict):
        stop(f"{path}: must be a JSON object of {of}")
    return value


def _load_json(path: str) -> Any:
    try:
        return decode(Path(path).read_bytes())
    except OSError as error:
        stop(f"{path}: {error.strerror}")
    except ValueError as error:
        stop(f"{path}: no JSON: {error}")


def _load_settings_file(path: str) -> Settings:
    settings = load_json_object(path, "settings")
    try:
        with print_warnings(path):
            return Settings.from_mapping(settings)
    except InvalidSettings as error:
        stop(f"{path}: {error}")


@contextmanager
def print_warnings(about: str) -> Iterator[None]:
    """Print the warnings of a block on standard error, a line each, even if the block raises."""
    with warnings.catch_warnings(record=True) as unknown:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in unknown:
                _warn(f"{about}: {warning.message}")


@contextmanager
def open_input(files: Sequence[str]) -> Iterator[Iterable[LineRecord]]:
    """Open the input with a progress bar, and end the program if it cannot be read.

    A value may stand over several lines.
    """
    invite_to_paste(files)
    with (
        open_named_input(files, joins=True) as lines,
        console.show_progress(lines) as shown,
    ):
        yield shown


def invite_to_paste(files: Sequence[str]) -> None:
    """Say how to end the input, if it is what people paste."""
    if list(files) == [STANDARD_INPUT] and sys.stdin is not None and sys.stdin.isatty():
        click.echo(_PASTE_ON_WINDOWS if sys.platform == "win32" else _PASTE, err=True)


@contextmanager
def open_named_input(files: Sequence[str], *, joins: bool = False) -> Iterator[Lines]:
    """Open the input, standard input if no file is named; end the program if it cannot be read.

    ``joins`` is as of :func:`open_lines`.
    """
    try:
        with open_lines(*(files or [STANDARD_INPUT]), warn=_warn, joins=joins) as lines:
            yield lines
    except UnreadableInput as error:
        stop(str(error))


def _warn(message: str) -> None:
    click.echo(console.escape_unprintable(message), err=True)


@contextmanager
def open_destination(
    settings: Settings,
    mappings: str | None,
    dead_letters: str | DeadLetterStore | None,
    **options: Any,
) -> Iterator[Destination]:
    """Open a destination, with dead letters if a file or another store of them is named.

    ``mappings`` is the file that messages name as the place of the settings' mappings. ``options``
    are further ones of :class:`Destination`.
    """
    translator = make_translator(settings, mappings)
    with ExitStack() as stack:
        letters = (
            stack.enter_context(open_dead_letters(dead_letters, settings.api_key))
            if isinstance(dead_letters, str | None)
            else dead_letters
        )
        if settings.enabled:
            require_key(settings)
        else:
            _warn(f"{DELIVERY_IS_OFF}; events are skipped")
        has_key = settings.api_key is not None
        client = stack.enter_context(WatchedClient(settings)) if has_key else None
        yield stack.enter_context(
            Destination(
                settings, client=client, translator=translator, dead_letters=letters, **options
            )
        )


@contextmanager
def open_dead_letters(path: str | None, secret: str | None) -> Iterator[DeadLetters | None]:
    """Open a file of dead letters; yield None for None."""
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
def open_checkpoint(path: str) -> Iterator[Checkpoint]:
    """Open a checkpoint."""
    try:
        with Checkpoint(path) as checkpoint:
            yield checkpoint
    except (CheckpointInUse, InvalidCheckpoint, UnwritableFile) as error:
        stop(str(error))


def find_inputs(files: Sequence[str]) -> list[str]:
    """Return the input's files, ``-`` if none is named; end the program if one is missing."""
    try:
        return find_files(files or [STANDARD_INPUT])
    except UnreadableInput as error:
        stop(str(error))


def refuse_same_files(
    files: Iterable[str] = (), /, *, drained: str | None = None, **options: str | None
) -> None:
    """End the program if a file that it would write to is also named for something else."""
    problem = find_same_files(files, drained=drained, **options)
    if problem is not None:
        stop(problem)


def send_lines(
    files: Sequence[str],
    to: BaseDestination,
    checkpoint: str | None,
    *,
    shard: Shard | None,
    only_problems: bool,
) -> int:
    """Deliver the lines of files, print their outcomes, and return the exit status.

    ``shard`` is the share of them that is sent; None is all.
    """
    with ExitStack() as stack:
        lines = stack.enter_context(open_named_input(files))
        opened = None if checkpoint is None else stack.enter_context(open_checkpoint(checkpoint))
        if opened is not None:
            opened.check_shard(None if shard is None else str(shard))
        stack.enter_context(interrupt_at_sigterm())
        owners = None if shard is None else _assign_lines(files, lines, to, shard)
        report = Report(
            opened,
            unknown_is_settled=to.keeps_dead_letters,
            input_name=lines.name if len(files) == 1 else f"{len(files)} files",
            input_identity=lines.identity if owners is None else _identify(lines, owners),
            shard=None if shard is None else str(shard),
            only_problems=only_problems,
        )
        if_interrupted = _BEGIN_AGAIN if opened is None else _GO_ON
        with sum_up(report, to, if_interrupted), console.show_progress(lines) as shown:
            own = shown if shard is None or owners is None else _take(shown, owners, shard)
            deliver(own, to, report)
    return report.status


def _assign_lines(
    files: Sequence[str], lines: Lines, to: BaseDestination, shard: Shard
) -> array[int]:
    """Return the shard of each line of ``lines``, which are not read yet, by reading them once."""
    if lines.size is None:
        stop(_READ_ONCE)
    with open_named_input(files) as again, console.show_progress(again) as shown:
        if again.whole_identity != lines.whole_identity:
            stop(f"{lines.name}: {_CHANGED}")
        return assign_lines(shown, to, shard.count)


def _identify(lines: Lines, owners: array[int]) -> bytes:
    """Return what has to be the same when a shard goes on: the input, and whose each line is."""
    return lines.whole_identity + b"%d" % crc32(owners)


def _take(lines: Iterable[LineRecord], owners: Iterable[int], shard: Shard) -> Iterator[LineRecord]:
    """Yield a shard's lines; raises :exc:`UnreadableInput` for one that was not there before."""
    owner_of_next = iter(owners)
    for line in lines:
        owner = next(owner_of_next, None)
        if owner is None:
            message = f"line {line.number}: {_CHANGED}"
            raise UnreadableInput(message)
        if owner == shard.number:
            yield line


@contextmanager
def sum_up(report: Report, to: BaseDestination, if_interrupted: str) -> Iterator[None]:
    """Print the summary of a block; after an interruption, what to do next as well."""
    try:
        yield
    except KeyboardInterrupt:
        report.print_summary(to.counters)
        click.echo(if_interrupted, err=True)
        raise
    report.print_summary(to.counters)


def write_results(
    files: Sequence[str], process_line: Callable[[LineRecord], dict[str, Any]]
) -> NoReturn:
    """Print a JSON line for each line of input, and exit: with status 1 if some were refused."""
    refused = False
    inputs = find_inputs(files)
    refuse_same_files(inputs)
    with open_input(inputs) as lines:
        for line in lines:
            result = process_line(line)
            refused |= "error" in result or "errors" in result
            sys.stdout.buffer.write(console.encode_line(result))
    sys.exit(SOME_FAILED if refused else 0)


def serve_until_interrupted(application: Any, host: str, port: int) -> None:
    """Serve an application for development, and print its address."""
    from iterable_destination.receivers.dev_server import serve  # noqa: PLC0415 - other commands start quicker

    with ExitStack() as stack:
        try:
            address = stack.enter_context(serve(application, host, port))
        except OSError as error:
            stop(f"{host}, port {port}: {error.strerror}")
        wait = stack.enter_context(catch_interrupts())
        click.echo(address)
        click.echo("A server for development. Stop it with Ctrl-C.", err=True)
        wait()


def describe_secrets_error(
    error: InvalidSettings, variables: Mapping[str, str], if_none: str
) -> str:
    """Return what is wrong with secrets from variables; ``if_none`` if there are none at all.

    ``variables`` are their names, by the name of the option that they are for.
    """
    name, _, reason = str(error).partition(": ")
    given = variables.get(name)
    has_some = given is not None and os.environ.get(given, "").split()
    return f"{given}: {reason}" if has_some else if_none


def stop(message: str, *, status: int = WRONG_USAGE) -> NoReturn:
    """Print an error, and exit: with status 2 for wrong usage, settings or key."""
    click.echo(f"Error: {console.escape_unprintable(message)}", err=True)
    sys.exit(status)
