"""The outbox that a command names: a file, or the address of a database of PostgreSQL.

An address may have a password: it is not printed.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from iterable_destination.cli.options import stop
from iterable_destination.errors import OutboxError
from iterable_destination.io.outbox import Outbox, is_sqlite
from iterable_destination.io.outbox_protocol import AnyOutbox

if TYPE_CHECKING:
    from iterable_destination.io.postgres_outbox import PostgresOutbox

_TABLE: Final = "iterable_outbox"
#: How the addresses of databases begin.
_SCHEMES: Final = ("postgresql://", "postgres://")

TABLE: Final = click.option(
    "--table",
    metavar="NAME",
    default=_TABLE,
    show_default=True,
    help="The table, if the outbox is in PostgreSQL.",
)


def as_file(name: str | None) -> str | None:
    """Return the name of a file; None for None, and for the address of a database."""
    return None if name is None or name.startswith(_SCHEMES) else name


@contextmanager
def open_outbox(name: str, table: str = _TABLE, *, create: bool = True) -> Iterator[AnyOutbox]:
    """Open an outbox; end the program if it cannot be used.

    ``create`` makes a file or a table that is not there.
    """
    if not create:
        check_outbox_file(name)
    try:
        with _make_outbox(name, table, create=create) as outbox:
            yield outbox
    except OutboxError as error:
        stop(str(error))


def _make_outbox(name: str, table: str, *, create: bool) -> Outbox | PostgresOutbox:
    if as_file(name) is not None:
        return Outbox(name)
    from iterable_destination.io.postgres_outbox import PostgresOutbox  # noqa: PLC0415 - starts quicker

    try:
        return PostgresOutbox(name, table=table, create=create)
    except (ImportError, ValueError) as error:
        stop(str(error))


def check_outbox_file(name: str) -> None:
    """End the program unless there is a file of SQLite: none is made, and no pipe is waited for.

    An address is not looked at.
    """
    if as_file(name) is None:
        return
    try:
        mode = Path(name).stat().st_mode
    except FileNotFoundError:
        stop(f"{name}: there is no such file")
    except OSError as error:
        stop(f"{name}: {error.strerror}")
    if not stat.S_ISREG(mode):
        stop(f"{name}: no ordinary file")
    if not is_sqlite(name):
        stop(f"{name}: is no outbox")
