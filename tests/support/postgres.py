"""A PostgreSQL of its own for each process that tests: started when the first test asks for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

#: The superuser's password, which the address at the port asks for, and the socket does not.
PASSWORD = "Seldom-Seen"
_INSTALLED = Path("/usr/lib/postgresql")


@attrs.frozen
class Cluster:
    """A server that listens at a socket and at a port of this machine."""

    socket: str
    port: int

    @property
    def dsn(self) -> str:
        """The server at its socket, without a password."""
        return f"host={self.socket} port={self.port} user=postgres dbname=postgres"

    def url(self, password: str = PASSWORD) -> str:
        """The server at its port, as an address with a password."""
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/postgres"

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn, **options)

    def run(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement in a session of its own, and return its rows."""
        with self.connect(autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def terminate(self, application: str = "iterable_destination") -> int:
        """End the sessions of a program, and wait for that; return how many there were."""
        found = self.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = %s",
            application,
        )
        return len(found)


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, of the newest version; None if there are none."""
    folders = [path for path in _INSTALLED.glob("*/bin") if (path / "initdb").exists()]
    if folders:
        return max(folders, key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def running_postgres() -> Iterator[Cluster]:
    """Run a server until the ``with`` ends.

    Where it is not installed the test is skipped; in CI it fails.
    """
    programs = find_programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        port = _find_port()
        (folder / "password").write_text(PASSWORD)
        user = "postgres" if sys.platform != "win32" and os.getuid() == 0 else None
        if user is not None:  # the server refuses to run as root
            shutil.chown(folder, user)
            shutil.chown(folder / "password", user)
        data = str(folder / "data")
        options = ["-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"]
        options += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        subprocess.run(
            [str(programs / "initdb"), "-D", data, *options, f"--pwfile={folder}/password"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd=folder,
        )
        listening = ["-k", name, "-h", "127.0.0.1", "-p", str(port)]
        quick = ["-c", "fsync=off", "-c", "max_prepared_transactions=5", "-c", "log_statement=none"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [str(programs / "postgres"), "-D", data, *listening, *quick],
                stdout=log,
                stderr=log,
                user=user,
                cwd=folder,
            )
            try:
                cluster = Cluster(name, port)
                _wait_for(cluster, server, folder / "log")
                yield cluster
            finally:
                server.send_signal(2)  # end the sessions, and stop
                server.wait(30)


def _find_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            cluster.connect().close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        else:
            return
