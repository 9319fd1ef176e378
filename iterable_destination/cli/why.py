"""The command `why`: what became of one event, by what files and Iterable say."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from iterable_destination.cli import console
from iterable_destination.cli.findings import EventReader, describe_count, find_in_file
from iterable_destination.cli.help import make_epilog
from iterable_destination.cli.notice import WatchedClient
from iterable_destination.cli.options import (
    BASE_URL,
    DATA_CENTER,
    FILES,
    MAPPINGS,
    SETTINGS,
    SOME_FAILED,
    WRONG_USAGE,
    invite_to_paste,
    load_settings,
    make_translator,
    require_key,
    stop,
)
from iterable_destination.errors import (
    ApiError,
    ConfigurationError,
    OutboxError,
    UnreadableInput,
)
from iterable_destination.io.json_lines import STANDARD_INPUT, find_files
from iterable_destination.model.calls import Identity
from iterable_destination.model.settings import Settings

#: Keys under which Iterable may return an event's id: its description names none.
_IDS: Final = ("id", "_id", "messageId", "eventId")


@click.command(
    epilog=make_epilog(
        "0 the event is found, 1 it is not, 2 wrong usage or a file that cannot be read",
        "why m-1001 dead.jsonl events.outbox 'events-*.jsonl.gz'",
        "why m-1001 --ask-iterable --email jane@example.com",
    )
)
@click.argument("message_id", metavar="MESSAGE_ID")
@FILES
@SETTINGS
@MAPPINGS
@click.option("--ask-iterable", is_flag=True, help="Ask Iterable for the user's events, too.")
@click.option("--email", metavar="EMAIL", help="Whose events to ask for, if no FILE says it.")
@click.option("--user-id", metavar="ID", help="Likewise, by the userId.")
@DATA_CENTER
@BASE_URL
def why(  # noqa: PLR0913, PLR0917 - options
    message_id: str,
    files: tuple[str, ...],
    settings_file: str | None,
    mappings: str | None,
    ask_iterable: bool,  # noqa: FBT001 - an option
    email: str | None,
    user_id: str | None,
    data_center: str | None,
    base_url: str | None,
) -> None:
    """Say what became of the event with this messageId.

    FILE is any of these, and its content says which: dead letters, an outbox, lines that `send`
    wrote, and events. Each place that has the event gets one line. Folders and patterns are taken,
    and nothing is changed.
    """
    settings = load_settings(settings_file, mappings, data_center=data_center, base_url=base_url)
    reader = EventReader(make_translator(settings, mappings or settings_file), settings)
    who = Identity(email, user_id)
    if ask_iterable:
        require_key(settings)
    elif not who.is_anonymous:
        stop("--email and --user-id: are for --ask-iterable alone")
    search = _Search(message_id, reader)
    if files or not ask_iterable:
        inputs = search.find_inputs(files or (STANDARD_INPUT,))
        invite_to_paste(inputs)
        search.look_through(inputs)
    if ask_iterable:
        search.ask_iterable(settings, who)
    if search.has_found:
        sys.exit(0)
    sys.exit(WRONG_USAGE if search.has_failed else SOME_FAILED)


class _Search:
    """The search for one event, and what has come of it."""

    def __init__(self, message_id: str, reader: EventReader) -> None:
        self._message_id: Final = message_id
        self._reader: Final = reader
        self._event: Any = None
        self.has_found = False
        #: Whether a file could not be read.
        self.has_failed = False

    def find_inputs(self, names: Sequence[str]) -> list[str]:
        """Return the files that are named, and say which there are not."""
        found = list[str]()
        for name in names:
            try:
                found += find_files([name])
            except UnreadableInput as error:
                self._fail(str(error))
        return found

    def _fail(self, reason: str) -> None:
        click.echo(f"Error: {console.escape_unprintable(reason)}", err=True)
        self.has_failed = True

    def look_through(self, files: Sequence[str]) -> None:
        """Print what files say about the event."""
        for path in files:
            try:
                for finding in find_in_file(path, self._message_id, self._reader):
                    console.print_line(f"{finding.place}: {finding.words}")
                    self.has_found = True
                    self._event = self._event or finding.event
            except (UnreadableInput, OutboxError, OSError) as error:
                self._fail(
                    f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
                )
        if files and not self.has_found:
            console.print_line(describe_count(files))

    def ask_iterable(self, settings: Settings, who: Identity) -> None:
        """Print whether Iterable has the event."""
        if self._event is not None and not self._reader.is_kept(self._event):
            console.print_line("Iterable: keeps no such event, for it changes only a profile")
            return
        if who.is_anonymous:
            who = (self._event and self._reader.identify(self._event)) or who
        if who.is_anonymous and self.has_found:
            console.print_line("Iterable: not asked, for the event names no user")
            return
        if who.is_anonymous:
            stop("--ask-iterable: no file says whose event it is; give --email or --user-id")
        try:
            events = _read_events(settings, who)
        except ApiError as error:
            status = WRONG_USAGE if isinstance(error, ConfigurationError) else SOME_FAILED
            stop(f"{settings.url}: {type(error).__name__}: {error}", status=status)
        if any(self._message_id == event.get(key) for event in events for key in _IDS):
            console.print_line("Iterable: has it")
            self.has_found = True
            return
        count = f"{len(events):,}"
        words = f"Iterable: has it not among the user's last events, of which it returned {count}"
        console.print_line(words)


def _read_events(settings: Settings, who: Identity) -> list[dict[str, Any]]:
    """Return the last events by email, and those by userId, which may be another user's."""
    with WatchedClient(settings) as client:
        by_email = [] if who.email is None else client.read_events(email=who.email)
        return by_email + ([] if who.user_id is None else client.read_events(user_id=who.user_id))
