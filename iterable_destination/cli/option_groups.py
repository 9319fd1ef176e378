"""Options that several commands share, in groups: a command gets each group as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import attrs
import click

from iterable_destination.cli.options import (
    BASE_URL,
    DATA_CENTER,
    DEAD_LETTERS,
    MAPPINGS,
    OUTBOX,
    PORT,
    SETTINGS,
    WITHOUT_AUTHENTICATION,
    WORKERS,
    RateLimits,
    load_settings,
    make_rate_limits_option,
    open_destination,
)
from iterable_destination.delivery.destination import Destination
from iterable_destination.delivery.shards import Shard
from iterable_destination.io.dead_letters import DeadLetterStore
from iterable_destination.model.endpoints import DELIVERY_PATHS, DELIVERY_RATES
from iterable_destination.model.settings import Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_RATE_LIMITS: Final = make_rate_limits_option(DELIVERY_PATHS)


def group_options(name: str, into: type, *options: Decorator) -> Decorator:
    """Return a decorator that gives a command these options, as one value.

    The value is the command's argument ``name``, of the class ``into``, whose fields are named as
    the options are.
    """
    names = [field.name for field in attrs.fields(into)]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(**arguments: Any) -> Any:
            values = {each: arguments.pop(each) for each in names}
            return command(**arguments, **{name: into(**values)})

        decorated: Callable[..., Any] = run
        for option in reversed(options):  # the first one is the first in the help
            decorated = option(decorated)
        return decorated

    return decorate


@attrs.frozen
class DestinationOptions:
    """Where events go, and how: the options of every command that delivers to Iterable."""

    settings_file: str | None
    data_center: str | None
    base_url: str | None
    dead_letters: str | None
    mappings: str | None
    max_workers: int
    rate_limits: RateLimits

    @property
    def files(self) -> dict[str, str | None]:
        """The files that are named, by option."""
        return {
            "settings": self.settings_file,
            "mappings": self.mappings,
            "dead_letters": self.dead_letters,
            "rate_limits": self.rate_limits.file,
        }

    def load_settings(self) -> Settings:
        """Load the settings; end the program if they are wrong."""
        return load_settings(
            self.settings_file, self.mappings, data_center=self.data_center, base_url=self.base_url
        )

    def share(self, shard: Shard | None) -> DestinationOptions:
        """Return these options with a shard's part of the rates; None is all of them."""
        return attrs.evolve(self, rate_limits=self.rate_limits.share(shard, DELIVERY_RATES))

    def open(
        self, settings: Settings, dead_letters: DeadLetterStore | None = None
    ) -> AbstractContextManager[Destination]:
        """Open a destination with these settings; end the program if that is not possible.

        ``dead_letters`` None keeps them in the file that is named, if there is one.
        """
        return open_destination(
            settings,
            self.mappings or self.settings_file,
            dead_letters or self.dead_letters,
            max_workers=self.max_workers,
            rate_limits=self.rate_limits.by_path,
        )


def destination_options(dead_letters: Decorator = DEAD_LETTERS) -> Decorator:
    """Return the options of a destination, as the argument ``destination``."""
    return group_options(
        "destination",
        DestinationOptions,
        SETTINGS,
        DATA_CENTER,
        BASE_URL,
        dead_letters,
        MAPPINGS,
        WORKERS,
        _RATE_LIMITS,
    )


@attrs.frozen
class ServerOptions:
    """Where a server listens, and what it does with what comes."""

    host: str
    port: int
    outbox_file: str | None
    without_authentication: bool


def server_options(port: int) -> Decorator:
    """Return the options of a server, with its usual port, as the argument ``server``."""
    return group_options(
        "server",
        ServerOptions,
        click.option("--host", default="127.0.0.1", show_default=True),
        click.option(
            "--port", type=PORT, default=port, show_default=True, help="0 picks a free one."
        ),
        OUTBOX,
        WITHOUT_AUTHENTICATION,
    )
