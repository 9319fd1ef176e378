"""The command that delivers the events of Kafka's topics."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from iterable_destination.cli import console
from iterable_destination.cli.help import make_epilog
from iterable_destination.cli.interruptions import watch_interrupts
from iterable_destination.cli.option_groups import DestinationOptions, destination_options
from iterable_destination.cli.options import (
    ONLY_PROBLEMS,
    SOME_FAILED,
    WRONG_USAGE,
    complete_file,
    load_json_object,
    refuse_same_files,
    require_delivery,
    stop,
)
from iterable_destination.cli.report import is_problem
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.errors import ConfigurationError, InvalidSettings, UnreadableInput
from iterable_destination.model.outcomes import Outcome, Rejected, Unknown

if TYPE_CHECKING:
    from iterable_destination.receivers.kafka import Position

#: Seconds in which librdkafka may say a thing once: without its brokers it does many times each.
_SELDOM: Final = 30.0
_INSTALL: Final = "consume needs another package: pip install 'confluent-kafka>=2.3'"


@click.command(
    epilog=make_epilog(
        "0 stopped, 1 likewise, but some events were rejected or unknown, 2 wrong usage, settings"
        " or key, or a topic cannot be read, 130 after a second Ctrl-C, 143 after a second SIGTERM",
        "consume events --kafka kafka.json --dead-letters-topic events.dead",
    )
)
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...")
@click.option(
    "--kafka",
    "kafka_file",
    required=True,
    metavar="FILE",
    shell_complete=complete_file,
    help="A JSON object of librdkafka's settings, at least bootstrap.servers and group.id.",
)
@click.option(
    "--begin-at",
    type=click.Choice(["earliest", "latest"]),
    default="earliest",
    show_default=True,
    help="Where a group begins that has committed nothing.",
)
@click.option(
    "--dead-letters-topic",
    metavar="TOPIC",
    help="Produce rejected and unknown events to TOPIC.",
)
@destination_options()
@ONLY_PROBLEMS
def consume(  # noqa: PLR0913 - options
    *,
    topics: tuple[str, ...],
    kafka_file: str,
    begin_at: Any,
    dead_letters_topic: str | None,
    destination: DestinationOptions,
    only_problems: bool,
) -> None:
    """Deliver the events of Kafka's topics until interrupted.

    A message's value is an event in JSON, or an array of events, and its key their user. An offset
    is committed when all before it is done with. Without dead letters, an event that is refused
    stops its partition. The first SIGTERM or Ctrl-C lets the batch at hand end, a second one does
    not. For each event one line is written each time it was tried; a summary goes to standard
    error.
    """
    try:
        from iterable_destination.io.kafka_dead_letters import KafkaDeadLetters  # noqa: PLC0415 - an extra
        from iterable_destination.receivers import kafka  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name != "confluent_kafka":
            raise
        stop(_INSTALL)
    if dead_letters_topic is not None and destination.dead_letters is not None:
        stop("--dead-letters and --dead-letters-topic: give only one of them")
    refuse_same_files(kafka=kafka_file, **destination.files)
    settings = destination.load_settings()
    require_delivery(settings)
    config = load_json_object(kafka_file, "librdkafka's settings")
    lines = _Lines(only_problems=only_problems)
    with ExitStack() as stack:
        try:
            letters = (
                None
                if dead_letters_topic is None
                else KafkaDeadLetters(dead_letters_topic, config, secret=settings.api_key)
            )
            to = stack.enter_context(destination.open(settings, letters))
            stack.callback(lambda: lines.print_summary(to.counters))
            kafka.consume(
                to,
                topics,
                {"logger": _make_logger(), **config},
                is_stopped=watch_interrupts(second_interrupts=True),
                begin_at=begin_at,
                on_outcome=lines.write,
            )
        except InvalidSettings as error:
            stop(f"{kafka_file}: {str(error).removeprefix('config: ')}")
        except UnreadableInput as error:
            stop(str(error))
    sys.exit(lines.status)


class _Lines:
    """Prints outcomes on standard output, and counts them."""

    def __init__(self, *, only_problems: bool) -> None:
        self._only_problems: Final = only_problems
        self._began: Final = time.monotonic()
        self._counts: Final[Counter[str]] = Counter()
        self._is_misconfigured = False

    def write(self, at: Position, outcome: Outcome) -> None:
        """Print the outcome of an event, with the place of its message."""
        self._counts[outcome.name] += 1
        self._is_misconfigured |= isinstance(outcome.error, ConfigurationError)
        if not self._only_problems or is_problem(outcome):
            summary = {**attrs.asdict(at), **outcome.summary()}
            del summary["index"]
            sys.stdout.buffer.write(console.encode_line(summary))
            sys.stdout.buffer.flush()

    def print_summary(self, counters: Counters) -> None:
        """Print the summary on standard error."""
        console.print_summary(self._counts, counters, time.monotonic() - self._began)

    @property
    def status(self) -> int:
        """The exit status."""
        if self._is_misconfigured:
            return WRONG_USAGE
        return SOME_FAILED if self._counts.keys() & {Rejected.name, Unknown.name} else 0


def _make_logger() -> logging.Logger:
    """Return a logger of its own for librdkafka, whose warnings go to standard error."""
    logger = logging.Logger("librdkafka")  # noqa: LOG001 - so that it is no other's, too
    logger.addFilter(_Seldom())
    return logger


class _Seldom(logging.Filter):
    """Lets each kind of what librdkafka says pass once in a while."""

    def __init__(self) -> None:
        super().__init__()
        #: When each kind may be said again, on the monotonic clock.
        self._said: Final[dict[str, float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes. A kind is its first word, such as FAIL."""
        kind = record.getMessage().partition(" ")[0]
        now = time.monotonic()
        is_due = now >= self._said.get(kind, now)
        if is_due:
            self._said[kind] = now + _SELDOM
        return is_due
